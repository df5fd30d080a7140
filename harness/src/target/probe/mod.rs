//! Boards behind a debug probe, real or virtual. What needs probe-rs is there with the feature
//! `hardware`.

#[cfg(feature = "hardware")]
pub mod driver;
pub mod driver_chip;
