//! Boards behind a debug probe, real or virtual. What needs probe-rs is there with the feature
//! `hardware`; what says so where it is missing is here.
//!
//! From outside to inside: `choice` (which board of the bench), `target` (what it has and
//! lacks), `place` (lock and power), `connect` (attach, flash, reset), `ladder` (what is tried with
//! a board in trouble), `power` (a power-on that is one), `session` (one powered-up device), `look`
//! (while it runs), `serve` (what it asks its debugger for). Only `driver` names probe-rs's raw
//! debug traits.

mod attached;
pub mod choice;
pub mod permission;
pub mod registers;

#[cfg(feature = "hardware")]
mod backup;
#[cfg(feature = "hardware")]
mod catch;
#[cfg(feature = "hardware")]
mod clock;
#[cfg(feature = "hardware")]
mod connect;
#[cfg(feature = "hardware")]
pub mod driver;
pub mod driver_chip;
#[cfg(feature = "hardware")]
mod driver_plug;
pub mod ladder;
#[cfg(feature = "hardware")]
mod look;
#[cfg(feature = "hardware")]
mod place;
#[cfg(feature = "hardware")]
mod power;
#[cfg(feature = "hardware")]
mod rtt;
#[cfg(feature = "hardware")]
mod serve;
#[cfg(feature = "hardware")]
mod session;
#[cfg(feature = "hardware")]
pub mod target;
#[cfg(feature = "hardware")]
mod virtual_bench;
#[cfg(feature = "hardware")]
mod watch;

pub use self::attached::attached;

/// Whether this program can reach boards.
pub const IS_BUILT_IN: bool = cfg!(feature = "hardware");
/// What to do where it cannot.
pub const NOT_BUILT_IN: &str =
    "this program was built without the feature `hardware`; `cargo rig` builds with it";
