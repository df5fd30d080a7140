//! `cargo ci lint`: format, clippy and documentation, each warning an error.
//!
//! The crates of the chip are linted for the chip: a host build of them leaves out what has
//! registers or assembly in it, and lets the standard library in where it must not be.

use crate::jobs::{CHIP_TARGET, cargo};
use crate::step::Step;
use anyhow::{Result, bail};

/// The packages that run on the chip.
const CHIP_PACKAGES: &[&str] =
    &["crashrig-image", "crashrig-layout", "crashrig-memory", "crashrig-port", "crashrig-wire"];

/// Runs every check and reports all that fail, not the first.
///
/// # Errors
/// If a check fails; the message names each.
pub fn run() -> Result<()> {
    let problems: Vec<_> = steps()
        .iter()
        .filter_map(|step| step.run().err())
        .map(|problem| problem.to_string())
        .collect();
    if !problems.is_empty() {
        bail!("{}", problems.join("\nerror: "));
    }
    Ok(())
}

fn steps() -> Vec<Step> {
    let chip = CHIP_PACKAGES.iter().flat_map(|package| ["--package", *package]);
    vec![
        cargo(["fmt", "--all", "--check"]),
        cargo(["clippy", "--all-targets", "--", "-D", "warnings"]),
        cargo(["clippy", "--target", CHIP_TARGET, "--profile", "firmware"])
            .args(chip)
            .args(["--", "-D", "warnings"]),
        cargo(["doc", "--no-deps", "--document-private-items"]).env("RUSTDOCFLAGS", "-D warnings"),
    ]
}
