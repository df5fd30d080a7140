//! The one test binary: scenario files × targets → trials.
//!
//! Listing is instant and silent. A trial prints nothing to standard output; what it has to say is
//! in its failure, or on standard error with `--no-capture`. Under nextest each trial is a process
//! of its own and an ignored one must be listed as such, since a runtime skip would count as a pass
//! there.

use crashrig_harness::output::text;
use crashrig_harness::rig::{Rig, RigError, seed};
use crashrig_harness::suite::Test;
use crashrig_scenarios::front::Front;
use libtest_mimic::{Completion, Failed, Trial};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What all trials share.
struct Shared {
    rig: Rig,
    seed: u64,
    run_folder: std::sync::OnceLock<Result<PathBuf, String>>,
    failed: AtomicBool,
    fail_fast: bool,
    no_capture: bool,
}

fn main() -> ExitCode {
    crashrig_qemu::keeper::run_if_asked();
    let read = Front::read(std::env::args_os().skip(1), |name| std::env::var(name).ok());
    let front = match read {
        Ok(front) => front,
        Err(problem) => return fail(&problem),
    };
    let rig = Rig::here();
    let (tests, broken) = match rig.tests_wanted(|name| front.wants(name)) {
        Ok(tests) => tests,
        Err(error) => return fail(&format!("failed to {error}")),
    };
    for error in broken {
        eprintln!("warning: not selected, and not usable: failed to {error}");
    }
    let seed = match seed() {
        Ok(seed) => seed,
        Err(error) => return fail(&format!("failed to {error}")),
    };
    let shared = Arc::new(Shared {
        rig,
        seed,
        run_folder: std::sync::OnceLock::new(),
        failed: AtomicBool::new(false),
        fail_fast: front.fail_fast,
        no_capture: front.no_capture,
    });
    let mut tests: Vec<_> = tests.into_iter().filter(|test| front.selects(&test.name)).collect();
    if let Some(seed) = front.shuffle {
        eprintln!("shuffle seed {seed}");
        let mut noise = crashrig_harness::noise::Noise::new(seed);
        tests.sort_by_cached_key(|_| noise.next_word());
    }
    let under_nextest = std::env::var_os("NEXTEST").is_some();
    let mut boards = BTreeSet::new();
    let mut trials = Vec::new();
    for test in tests {
        let board = test.target.board().name.clone();
        let runs = test.ignored.is_none();
        let trial = trial(test, &shared, under_nextest);
        if runs && !front.arguments.is_filtered_out(&trial) {
            boards.insert(board);
        }
        trials.push(trial);
    }
    // Every image is there before the first trial: what keeps one from being built is said once.
    if !front.arguments.list {
        for board in boards {
            if let Err(error) = shared.rig.image(&board, &[]) {
                return fail(&format!("failed to {error}"));
            }
        }
    }
    libtest_mimic::run(&front.arguments, trials).exit_code()
}

fn fail(problem: &str) -> ExitCode {
    eprintln!("error: {problem}");
    ExitCode::from(crashrig_harness::exit::INFRASTRUCTURE)
}

fn trial(test: Test, shared: &Arc<Shared>, under_nextest: bool) -> Trial {
    let shared = Arc::clone(shared);
    let listed_as_ignored = under_nextest && test.ignored.is_some();
    Trial::ignorable_test(test.name.clone(), move || run(&test, &shared))
        .with_ignored_flag(listed_as_ignored)
}

fn run(test: &Test, shared: &Shared) -> Result<Completion, Failed> {
    if let Some(reason) = &test.ignored {
        return Ok(Completion::ignored_with(reason));
    }
    if shared.fail_fast && shared.failed.load(Ordering::Relaxed) {
        return Ok(Completion::ignored_with("not started: --fail-fast"));
    }
    let result = execute(test, shared);
    if result.is_err() {
        shared.failed.store(true, Ordering::Relaxed);
    }
    result.map(|()| Completion::Completed)
}

fn execute(test: &Test, shared: &Shared) -> Result<(), Failed> {
    let folder = shared
        .run_folder
        .get_or_init(|| shared.rig.test_run_folder().map_err(|error: RigError| error.to_string()))
        .as_ref()
        .map_err(|error| format!("failed to {error}"))?;
    let outcome = shared
        .rig
        .execute(test, &[], folder, shared.seed)
        .map_err(|error| format!("failed to {error}"))?;
    if shared.no_capture {
        let report = text::boots(&outcome.report, text::Detail::Brief);
        eprintln!("{} ({})\n{report}", test.name, outcome.summary());
    }
    if outcome.verdict.is_pass() { Ok(()) } else { Err(outcome.failure().into()) }
}
