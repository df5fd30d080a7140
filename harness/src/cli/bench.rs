//! `crashrig bench`: what the memory model costs in instructions of the device, and boot to verdict
//! of one scenario against the bare emulator, both measured in turns.

use super::CommandError;
use super::run::Selection;
use super::say::say;
use crate::cost::{Cost, measure};
use crate::execute::load_image;
use crate::exit;
use crate::rig::{Rig, RigError, seed};
use crate::target::{BenchError, Target};
use crashrig_layout::Need;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Arguments of `bench`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Part of the name of the scenario.
    #[arg(default_value = "boot::clean")]
    scenario: String,
    /// How often each is measured.
    #[arg(long, default_value_t = 30)]
    rounds: usize,
    /// Leave out what the memory model costs in instructions of the device.
    #[arg(long)]
    no_cost: bool,
    /// Write what it costs into this file as JSON.
    #[arg(long, conflicts_with = "no_cost")]
    json: Option<PathBuf>,
}

pub(super) fn bench(arguments: &Arguments) -> Result<u8, CommandError> {
    let rig = Rig::here();
    let filters = std::slice::from_ref(&arguments.scenario);
    let tests = Selection { filters, exact: false, target: None }.of(&rig)?;
    let Some(test) = tests.iter().find(|test| test.ignored.is_none()) else {
        return Err(CommandError::NothingSelected(arguments.scenario.clone()));
    };
    if !arguments.no_cost {
        cost(&rig, arguments.json.as_deref())?;
    }
    let image = rig.image(&test.target.board().name, &[])?;
    let board = test.target.board();
    let Some(machine) = board.emulator().map(|emulator| emulator.machine.clone()) else {
        return Err(RigError::from(BenchError(format!("bench {}: no emulator", board.name))).into());
    };
    let run_folder = rig.run_folder()?;
    let seed = seed()?;
    let (mut bare, mut whole) = (Vec::new(), Vec::new());
    for _ in 0..arguments.rounds.max(1) {
        let started = Instant::now();
        bare_run(&machine, &image).map_err(RigError::from)?;
        bare.push(started.elapsed());
        let started = Instant::now();
        let outcome = rig.execute(test, &[], &run_folder, seed)?;
        whole.push(started.elapsed());
        if !outcome.verdict.is_pass() {
            say!("{}", outcome.failure());
            return Ok(exit::FAIL);
        }
    }
    let (bare, whole) = (median(bare), median(whole));
    let ratio = whole.as_secs_f64() / bare.as_secs_f64();
    say!("bare QEMU, start to exit       {:7.1} ms (median of {})", millis(bare), arguments.rounds);
    say!("{}, boot to verdict {:7.1} ms", test.name, millis(whole));
    say!("ratio {ratio:.2} (the aim is at most 3)");
    Ok(exit::PASS)
}

/// What the memory model costs in instructions, on each board that is not a variant of another.
fn cost(rig: &Rig, file: Option<&Path>) -> Result<(), CommandError> {
    let (seed, run_folder) = (seed()?, rig.run_folder()?);
    let mut rows = Vec::new();
    let counts = |target: &dyn Target| target.has(Need::InstructionCount).is_ok();
    let targets = rig.targets()?;
    let targets = targets.iter().filter(|target| !target.board().is_variant);
    for target in targets.filter(|target| counts(target.as_ref())) {
        let board = &target.board().name;
        let image = load_image(&rig.image(board, &[])?)?;
        let folder = run_folder.join(format!("cost.{board}"));
        let costs = measure(target.as_ref(), &image, seed, &folder).map_err(RigError::from)?;
        let how = "counted with stops at both ends, no clock tick between";
        say!("{board}, instructions of the device, {how}");
        for Cost { what, instructions } in costs {
            say!("  {what:44} {instructions:8}");
            rows.push(json!({ "board": board, "what": what, "instructions": instructions }));
        }
    }
    if let Some(path) = file {
        let text = format!("{:#}\n", json!({ "schema": 1, "source": "stops", "costs": rows }));
        std::fs::write(path, text)
            .map_err(|source| CommandError::Output { path: path.to_owned(), source })?;
    }
    Ok(())
}

/// The same image, nothing around it: without a mailbox it boots cleanly and asks for a reset,
/// which here is the emulator's exit.
fn bare_run(machine: &str, image: &Path) -> Result<(), BenchError> {
    let program = crashrig_qemu::discover::find().map_err(BenchError::of)?;
    let mut command = std::process::Command::new(&program.path);
    if let Some(share) = &program.share {
        command.arg("-L").arg(share);
    }
    if let Some(modules) = &program.modules {
        command.env(crashrig_qemu::command::MODULE_VARIABLE, modules);
    }
    command
        .args(["-M", machine, "-nodefaults", "-display", "none", "-serial", "null", "-no-reboot"])
        .args(["-semihosting-config", "enable=on,target=native", "-kernel"])
        .arg(image)
        .stdin(std::process::Stdio::null());
    let status = command.output().map_err(BenchError::of)?.status;
    if status.success() { Ok(()) } else { Err(BenchError(format!("run bare QEMU: {status}"))) }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
