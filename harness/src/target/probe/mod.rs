//! Boards behind a debug probe, real or virtual. What needs probe-rs is there with the feature
//! `hardware`; what says so where it is missing is here.

mod attached;
#[cfg(feature = "hardware")]
pub mod driver;
pub mod driver_chip;
pub mod permission;

pub use self::attached::attached;

/// Whether this program can reach boards.
pub const IS_BUILT_IN: bool = cfg!(feature = "hardware");
/// What to do where it cannot.
pub const NOT_BUILT_IN: &str =
    "this program was built without the feature `hardware`; `cargo rig` builds with it";
