//! Sweeps as tests: sweep files × targets × shards → trials, so that a fleet of machines can share
//! them by the partitions of nextest. `CRASHRIG_SHARDS` says how many shards each sweep has.
//!
//! Not part of plain `cargo test`, since a sweep takes as long as it takes. Each trial has one
//! worker, goes on where it was, and is judged by its own points; what is in the folders of results
//! is merged afterwards.

use crashrig_harness::rig::{Rig, seed};
use crashrig_harness::suite::Test;
use crashrig_harness::sweep::SWEEPS_FOLDER;
use crashrig_harness::sweep::campaign::{Campaign, EngineChoice};
use crashrig_harness::sweep::schedule::Orders;
use crashrig_harness::sweep::schedule::processors::processors;
use crashrig_harness::sweep::session::{Conclusion, conduct};
use crashrig_harness::sweep::shard::Shard;
use crashrig_harness::sweep::shard::environment::COUNT_VARIABLE;
use crashrig_layout::Need;
use libtest_mimic::{Arguments, Failed, Trial};
use std::process::ExitCode;

fn main() -> ExitCode {
    crashrig_qemu::keeper::run_if_asked();
    let arguments = Arguments::from_args();
    match trials() {
        Ok(trials) => libtest_mimic::run(&arguments, trials).exit_code(),
        Err(problem) => {
            eprintln!("error: {problem}");
            ExitCode::from(crashrig_harness::exit::INFRASTRUCTURE)
        }
    }
}

fn trials() -> Result<Vec<Trial>, String> {
    let shards = match std::env::var(COUNT_VARIABLE) {
        Err(_) => 1,
        Ok(text) => text.parse().map_err(|_| {
            format!("{COUNT_VARIABLE}: found \"{text}\", expected a number from 1 on")
        })?,
    };
    let tests = Rig::here().tests().map_err(|error| format!("failed to {error}"))?;
    let mut trials = Vec::new();
    // Engines count instructions.
    let is_meant = |test: &Test| {
        test.scenario.sweep.is_some() && test.target.has(Need::InstructionCount).is_ok()
    };
    for test in tests.into_iter().filter(is_meant) {
        for shard in (1..=shards).filter_map(|number| Shard::new(number, shards)) {
            let name = format!("{}::shard_{}", test.name, shard.stem().replace('-', "_"));
            let test = test.clone();
            // Under nextest a skip while it runs would count as a pass.
            let is_ignored = test.ignored.is_some();
            let trial = Trial::test(name, move || sweep(&test, shard));
            trials.push(trial.with_ignored_flag(is_ignored));
        }
    }
    Ok(trials)
}

fn sweep(test: &Test, shard: Shard) -> Result<(), Failed> {
    let said = |error: &dyn std::fmt::Display| Failed::from(format!("failed to {error}"));
    let (rig, seed) = (Rig::here(), seed().map_err(|error| said(&error))?);
    let (file, board) = (&test.scenario.path, &test.target.board().name);
    let campaign = Campaign::open(&rig, file, Some(board), EngineChoice::Auto, seed);
    let campaign = campaign.map_err(|error| said(&error))?;
    let processors = processors(Some(1), shard);
    let orders = Orders { shard, processors: &processors, is_stop_asked: &|| false };
    let folder = rig.target_folder.join(SWEEPS_FOLDER);
    let concluded = conduct(&rig, &campaign, &folder, &orders, &mut |_| {});
    match concluded.map_err(|error| said(&error))? {
        Conclusion::NotGolden(failure) => Err(failure.into()),
        Conclusion::Injected { report, .. } => match report.exit_code() {
            crashrig_harness::exit::PASS => Ok(()),
            _ => Err(report.to_string().into()),
        },
    }
}
