//! Where a run finds things in the memory of the device: by the symbols of the image.

use crate::image::Image;
use crate::scenario::{Scenario, measured_function};
use crate::script::talk::Desk;
use crate::target::BenchError;
use crashrig_wire::command::MAILBOX_SYMBOL;
use crashrig_wire::marker::MARKER_SYMBOL;
use crashrig_wire::region::SMALLEST_REGION;

/// A larger crash region than this is a mistake of the image.
const LARGEST_REGION: usize = 1 << 20;

/// Addresses of an image that a run needs.
#[derive(Debug, Clone, Copy, Default)]
pub struct Places {
    /// The mailbox.
    pub mailbox: u32,
    /// The end marker.
    pub marker: u32,
    /// The crash region.
    pub crash_start: u32,
    /// Its size in bytes.
    pub crash_size: u32,
    /// Where a script is put and answered, if the scenario has one.
    pub desk: Option<Desk>,
    /// Where memory is compared before the fault: the function that carries it out.
    pub injection: Option<u32>,
}

impl Places {
    /// Finds them.
    ///
    /// # Errors
    /// The image lacks one, or has a crash region of an impossible size.
    pub fn of(image: &Image, scenario: &Scenario) -> Result<Self, BenchError> {
        let symbol = |name: &str| {
            image.symbol(name).map(|symbol| symbol.address).ok_or_else(|| {
                BenchError(format!("find symbol {name} in {}", image.origin().display()))
            })
        };
        let crash_size = symbol("__crashrig_crash_size_bytes")?;
        if !(SMALLEST_REGION..=LARGEST_REGION).contains(&(crash_size as usize)) {
            return Err(BenchError(format!(
                "use {}: __crashrig_crash_size_bytes is {crash_size}, expected {SMALLEST_REGION} \
                 to {LARGEST_REGION}",
                image.origin().display()
            )));
        }
        let injection = scenario.boots.iter().find_map(|boot| measured_function(boot.fault));
        Ok(Self {
            mailbox: symbol(MAILBOX_SYMBOL)?,
            marker: symbol(MARKER_SYMBOL)?,
            crash_start: symbol("__crashrig_crash_start")?,
            crash_size,
            desk: scenario.scripts.first().map(|_| Desk::of(image)).transpose()?,
            injection: injection.map(symbol).transpose()?,
        })
    }
}
