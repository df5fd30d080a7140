//! `cargo ci setup`: what the suite needs and a fresh machine lacks.
//!
//! Adds the Rust target and components, and provides an emulator of the wanted version. A second
//! run finds everything in place, uses no network and takes well under a second. The system's own
//! emulator and its package sources are never changed beyond installing the distribution's package.

pub mod cache;
pub mod download;
pub mod emulator;
pub mod labgrid;
pub mod packages;
pub mod rust;
pub mod sources;
pub mod system;

use anyhow::{Result, bail};

/// Sets the machine up.
///
/// # Errors
/// If the operating system is not Linux, a right is missing, or a command fails; the message says
/// what to run.
pub fn run() -> Result<()> {
    if !cfg!(target_os = "linux") {
        bail!(
            "the emulator is steered by means of Linux; found {}, expected linux",
            std::env::consts::OS
        );
    }
    rust::provide()?;
    emulator::provide()
}
