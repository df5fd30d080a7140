//! labgrid from the Python package index, in an environment of its own below the build folder.
//!
//! Only `cargo ci lab` needs it, so plain set-up does not install it. Version 26.0.1 has the
//! coordinator that speaks gRPC; what it depends on is whatever its package asks for.

use super::system;
use crate::step::Step;
use crate::workspace;
use anyhow::{Context as _, Result};
use std::path::PathBuf;
use std::time::Duration;

/// The version that is taken.
const VERSION: &str = "26.0.1";
/// Where environments are, relative to the root.
const FOLDER: &str = "target/crashrig/labgrid";
/// Stands in an environment whose installation came to its end.
const STAMP: &str = "installed";
/// How long the packages may take to come.
const DOWNLOAD_DEADLINE: Duration = Duration::from_secs(15 * 60);

/// Installs labgrid if it is not there; the folder of its programs.
///
/// # Errors
/// Python cannot make environments and this is no Debian, or the packages cannot be installed.
pub fn provide() -> Result<PathBuf> {
    let folder = workspace::root().join(FOLDER).join(VERSION);
    let programs = folder.join("bin");
    if folder.join(STAMP).is_file() {
        return Ok(programs);
    }
    provide_python()?;
    if folder.exists() {
        std::fs::remove_dir_all(&folder).context("cannot remove half an installation")?;
    }
    Step::new("python3").args(["-m", "venv"]).arg(&folder).run()?;
    let pip = Step::new(programs.join("pip")).args(["install", "--disable-pip-version-check"]);
    pip.arg(format!("labgrid=={VERSION}")).run_within(DOWNLOAD_DEADLINE)?;
    std::fs::write(folder.join(STAMP), VERSION).context("cannot say that labgrid is installed")?;
    Ok(programs)
}

/// Python with what makes environments, which Debian has in a package of its own.
fn provide_python() -> Result<()> {
    if Step::new("python3").args(["-c", "import ensurepip, venv"]).answer().is_ok() {
        return Ok(());
    }
    system::install_from_debian(&["python3-venv"])
}
