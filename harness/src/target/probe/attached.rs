//! The probes that hang on this machine, as probe-rs finds them.

use crate::boards::template::AttachedProbe;

/// Every probe, whether or not this user may use it.
///
/// # Errors
/// A phrase: this program was built without what would find them.
#[cfg(feature = "hardware")]
pub fn attached() -> Result<Vec<AttachedProbe>, String> {
    use probe_rs::probe::list::{Accessibility, Lister};

    let found = Lister::new().list_all_with_access().into_iter().map(|item| {
        let interface = item.info.interface.map_or(String::new(), |number| format!("-{number}"));
        let serial = item.info.serial_number.map_or(String::new(), |serial| format!(":{serial}"));
        AttachedProbe {
            name: item.info.identifier,
            selector: format!(
                "{:04x}:{:04x}{interface}{serial}",
                item.info.vendor_id, item.info.product_id
            ),
            is_accessible: matches!(item.accessibility, Accessibility::Accessible),
        }
    });
    Ok(found.collect())
}

/// Every probe, whether or not this user may use it.
///
/// # Errors
/// A phrase: this program was built without what would find them.
#[cfg(not(feature = "hardware"))]
pub fn attached() -> Result<Vec<AttachedProbe>, String> {
    Err(super::NOT_BUILT_IN.to_owned())
}
