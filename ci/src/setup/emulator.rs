//! Provides an emulator: the one named, the one unpacked, the distribution's, in this order.
//!
//! On Debian 12 the distribution's emulator is version 7.2. It stays, because it brings every
//! shared library that the unpacked one needs and because the suite runs on it as well.

use super::cache::{self, OLDEST_WANTED};
use super::download;
use super::system::Distribution;
use crate::step::Step;
use anyhow::{Context as _, Result, anyhow, bail};
use crashrig_qemu::discover::{OVERRIDE_VARIABLE, PROGRAM_NAME};
use crashrig_qemu::{Program, discover, tools};
use std::path::Path;
use std::time::Duration;

/// How long the distribution's package manager may take for one command.
const INSTALL_DEADLINE: Duration = Duration::from_secs(20 * 60);

/// Sees to it that an emulator of the wanted version is on this machine.
///
/// # Errors
/// If the named emulator does not work, a right is missing, or a command fails.
pub fn provide() -> Result<()> {
    if let Some(program) = std::env::var_os(OVERRIDE_VARIABLE).filter(|name| !name.is_empty()) {
        let program = discover::at(Path::new(&program)).map_err(|problem| {
            anyhow!("{OVERRIDE_VARIABLE} names no usable emulator: failed to {problem}")
        })?;
        report(&program);
        return Ok(());
    }
    let distribution = Distribution::of_this_machine()?;
    if distribution.needs_backports() {
        return provide_unpacked(&distribution);
    }
    let new_enough = || of_search_path().ok().filter(|program| program.version >= OLDEST_WANTED);
    if new_enough().is_none() {
        install(&distribution)?;
    }
    let program = new_enough().with_context(|| {
        format!(
            "the distribution has no QEMU {OLDEST_WANTED} or newer; expected {OVERRIDE_VARIABLE} \
             to name one"
        )
    })?;
    report(&program);
    Ok(())
}

/// The emulator on the search path.
///
/// # Errors
/// If there is none or it does not work.
pub fn of_search_path() -> Result<Program> {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::split_paths(&folders)
        .map(|folder| folder.join(PROGRAM_NAME))
        .find(|path| path.is_file())
        .with_context(|| format!("no {PROGRAM_NAME} on the search path"))?;
    discover::at(&path).map_err(|problem| anyhow!("failed to {problem}"))
}

fn report(program: &Program) {
    eprintln!("emulator: QEMU {} at {}", program.version, program.path.display());
}

fn provide_unpacked(distribution: &Distribution) -> Result<()> {
    let cache_folder = cache::folder()?;
    if let Ok(program) = discover::at(&tools::qemu_program(&cache_folder)) {
        report(&program);
        return Ok(());
    }
    if !installed_by_dpkg() {
        install(distribution)?;
    }
    download::provide(&distribution.codename, &cache_folder)
}

/// Whether the distribution's package is there, and with it the shared libraries.
fn installed_by_dpkg() -> bool {
    let query = Step::new("dpkg-query").args(["-W", "-f=${db:Status-Status}", PROGRAM_NAME]);
    query.answer().is_ok_and(|answer| answer.trim() == "installed")
}

fn install(distribution: &Distribution) -> Result<()> {
    let Some(commands) = distribution.install_commands() else {
        bail!(
            "the distribution {} is not known; install {PROGRAM_NAME} {OLDEST_WANTED} or newer, \
             or name one by {OVERRIDE_VARIABLE}",
            distribution.id
        );
    };
    if !rustix::process::geteuid().is_root() {
        let lines: Vec<_> = commands.iter().map(|words| words.join(" ")).collect();
        bail!(
            "{PROGRAM_NAME} is missing and only root can install it; run\n    sudo {}\n\
             and then again: cargo ci setup",
            lines.join("\n    sudo ")
        );
    }
    for words in commands {
        let Some((program, arguments)) = words.split_first() else { continue };
        let step = Step::new(program).args(arguments).env("LC_ALL", "C");
        step.env("DEBIAN_FRONTEND", "noninteractive").run_within(INSTALL_DEADLINE)?;
    }
    Ok(())
}
