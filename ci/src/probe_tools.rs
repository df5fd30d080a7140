//! `cargo ci probe-tools`: the `probe-rs` command as its crate is published, and gdb-multiarch, on
//! a virtual board.
//!
//! It shows that tools of others work at the bench as they are. The command costs minutes of
//! compile time, so it stands in the tool cache, and no other job waits for it.

use crate::jobs::cargo;
use crate::setup::{self, cache, system};
use crate::step::Step;
use anyhow::Result;
use std::path::PathBuf;

/// The version that the driver of virtual probes is written for.
const VERSION: &str = "0.32.0";
/// Where the tests find the command.
const VARIABLE: &str = "CRASHRIG_PROBE_RS";
const GDB: &str = "gdb-multiarch";

/// Installs what is missing, and runs the tests.
///
/// # Errors
/// Something cannot be installed, or a test fails.
pub fn run() -> Result<()> {
    setup::run()?;
    install_gdb()?;
    let program = install_probe_rs()?;
    let test = cargo(["test", "--package", "crashrig-harness", "--test", "probe_tools"]);
    // With the features that `cargo rig` has, so that nothing is built twice.
    test.args(["--features", "hardware,probe-tools"]).env(VARIABLE, program).run()
}

/// The command in the tool cache. Its build folder is removed with the temporary one it lies in.
fn install_probe_rs() -> Result<PathBuf> {
    let root = cache::folder()?.join(format!("probe-rs-{VERSION}"));
    let program = root.join("bin").join("probe-rs");
    if program.is_file() {
        return Ok(program);
    }
    let build = tempfile::Builder::new().prefix("crashrig-probe-rs-").tempdir()?;
    // Not optimised: that takes three times as long, and nobody waits for it here.
    cargo(["install", "probe-rs-tools", "--version", VERSION, "--locked", "--debug"])
        .args(["--features", "remote", "--root"])
        .arg(&root)
        .env("CARGO_TARGET_DIR", build.path())
        .run()?;
    Ok(program)
}

fn install_gdb() -> Result<()> {
    if Step::new("which").arg(GDB).answer().is_ok() {
        return Ok(());
    }
    system::install_from_debian(&[GDB])
}
