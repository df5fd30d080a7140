//! `cargo ci lint`: format, clippy and documentation, each warning an error.
//!
//! The crates of the chip are linted for the chip: a host build of them leaves out what has
//! registers or assembly in it, and lets the standard library in where it must not be.

use crate::jobs::{HARDWARE, cargo};
use crate::step::Step;
use crate::workspace;
use anyhow::{Result, bail};
use crashrig_layout::parse::rust_targets;

/// The packages that run on the chip.
const CHIP_PACKAGES: &[&str] = &[
    "crashrig-bench",
    "crashrig-bootloader",
    "crashrig-image",
    "crashrig-layout",
    "crashrig-memory",
    "crashrig-port",
    "crashrig-rtt",
    "crashrig-script",
    "crashrig-wire",
];
/// The package that runs on one family of chips only, and the family.
const HAL: (&str, &str) = ("crashrig-hal", "stm32f405-407");

/// Runs every check and reports all that fail, not the first.
///
/// # Errors
/// If a check fails; the message names each.
pub fn run() -> Result<()> {
    let problems: Vec<_> = steps()?
        .iter()
        .filter_map(|step| step.run().err())
        .map(|problem| problem.to_string())
        .collect();
    if !problems.is_empty() {
        bail!("{}", problems.join("\nerror: "));
    }
    Ok(())
}

fn steps() -> Result<Vec<Step>> {
    let mut steps = vec![
        cargo(["fmt", "--all", "--check"]),
        cargo(["clippy", "--all-targets", "--", "-D", "warnings"]),
        cargo(["clippy", "--all-targets", "--features", HARDWARE, "--", "-D", "warnings"]),
    ];
    for (target, board) in rust_targets(&workspace::boards()?) {
        let hal = (board.chip.family == HAL.1).then_some(&HAL.0);
        let packages = CHIP_PACKAGES.iter().chain(hal).flat_map(|package| ["--package", *package]);
        let step = cargo(["clippy", "--target", target, "--profile", "firmware"])
            .args(packages)
            .args(["--", "-D", "warnings"]);
        steps.push(step.env("CRASHRIG_BOARD", &board.name));
    }
    let doc = cargo(["doc", "--no-deps", "--document-private-items", "--features", HARDWARE]);
    steps.push(doc.env("RUSTDOCFLAGS", "-D warnings"));
    Ok(steps)
}
