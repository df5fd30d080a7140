//! Random scripts of a heap, carried out three times: by the device, by the same heap built for the
//! host, and held against a naive model that shares no code with it.
//!
//! Host and device must give equal answers, addresses included; both must be what every heap may
//! answer. A script that fails is made as small as it can be and written as a scenario. The random
//! numbers come from the seed of the run.

mod host;
mod scripts;

use crashrig_harness::execute::load_image;
use crashrig_harness::rig::{Rig, seed};
use crashrig_harness::script::device::Device;
use crashrig_harness::script::{Region, Script, Step, to_toml};
use crashrig_harness::target::Target;
use crashrig_layout::Need;
use crashrig_scenarios::front::Front;
use crashrig_wire::script::{Request, Response, ScriptLevel};
use host::Host;
use libtest_mimic::{Failed, Trial};
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use std::cell::{Cell, RefCell};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

/// With the value `full`: as many operations as `cargo ci heap-model` runs.
const VARIABLE: &str = "CRASHRIG_HEAP_MODEL";
/// Where the host has the block that regions lie in, if no device says it.
const HOST_ARENA: u32 = 0x2000_8000;
/// Scripts between two looks at how many operations there were.
const CASES: u32 = 8;
/// Most scripts that are tried to make one that fails smaller.
const SHRINKS: u32 = 4000;

/// How many operations a trial, which is one level on one set of regions, runs at least.
#[derive(Debug, Clone, Copy)]
struct Amount {
    device: u64,
    host: u64,
}

const QUICK: Amount = Amount { device: 300, host: 5_000 };
/// 10 million for each set of regions, on the host; the levels share them.
const FULL: Amount = Amount { device: 10_000, host: 10_000_000_u64.div_ceil(LEVELS) };
const LEVELS: u64 = ScriptLevel::ALL.len() as u64;

fn main() -> ExitCode {
    crashrig_qemu::keeper::run_if_asked();
    match trials() {
        Ok((front, trials)) => libtest_mimic::run(&front.arguments, trials).exit_code(),
        Err(problem) => {
            eprintln!("error: {problem}");
            ExitCode::from(crashrig_harness::exit::INFRASTRUCTURE)
        }
    }
}

fn trials() -> Result<(Front, Vec<Trial>), String> {
    let front = Front::read(std::env::args_os().skip(1), |name| std::env::var(name).ok())?;
    let is_full = std::env::var(VARIABLE).is_ok_and(|value| value == "full");
    let amount = if is_full { FULL } else { QUICK };
    let seed = seed().map_err(|error| format!("failed to {error}"))?;
    let targets = Rig::here().targets().map_err(|error| format!("failed to {error}"))?;
    let mut trials = vec![Trial::test("host::a_heap_that_is_wrong_is_found", move || {
        a_heap_that_is_wrong_is_found(seed).map_err(Failed::from)
    })];
    for (name, regions) in scripts::region_sets() {
        for level in ScriptLevel::ALL {
            let setting = Setting { seed, level: *level, regions: regions.clone() };
            let (test, own) = (format!("host::{name}::{level}"), setting.clone());
            trials.push(Trial::test(test.clone(), move || {
                on_host(&test, &own, amount.host).map_err(Failed::from)
            }));
            let targets = targets.iter().filter(|target| !target.board().is_variant);
            // Behind a probe it is the same device, and much slower.
            let targets = targets.filter(|target| target.has(Need::InstructionCount).is_ok());
            for target in targets.filter(|target| target.board().bootloader.is_none()) {
                let (target, own) = (Arc::clone(target), setting.clone());
                let test = format!("{}::{}::{name}::{level}", target.name(), target.board().name);
                trials.push(Trial::test(test.clone(), move || {
                    on_device(&test, &target, &own, amount.device).map_err(Failed::from)
                }));
            }
        }
    }
    trials.retain(|trial| front.selects(trial.name()));
    Ok((front, trials))
}

/// What a trial tries.
#[derive(Debug, Clone)]
struct Setting {
    seed: u64,
    level: ScriptLevel,
    regions: Vec<Region>,
}

impl Setting {
    /// Random scripts, until so many operations have come to the heap. `play` answers a script, or
    /// says what went wrong. Answers the smallest script that failed, and how.
    fn run(
        &self,
        test: &str,
        operations: u64,
        play: impl Fn(&Script) -> Result<Vec<Option<Response>>, String>,
    ) -> Result<(), (Script, String)> {
        let config = Config {
            cases: CASES,
            max_shrink_iters: SHRINKS,
            failure_persistence: None,
            ..Config::default()
        };
        let strategy = scripts::scripts(self.level, self.regions.clone());
        let (done, began) = (Cell::new(0), Instant::now());
        let mut told = 1;
        for round in 0_u64.. {
            if done.get() >= operations {
                break;
            }
            // A runner counts its cases for as long as it lives, so each round has its own.
            let mut numbers = self.seed.to_le_bytes().to_vec();
            numbers.extend(round.to_le_bytes());
            numbers.resize(32, 0);
            let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &numbers);
            let mut runner = TestRunner::new_with_rng(config.clone(), rng);
            let result = runner.run(&strategy, |script| {
                let answers = play(&script).map_err(TestCaseError::fail)?;
                done.set(done.get() + operations_of(&script, &answers));
                match script.judge(&answers).first() {
                    None => Ok(()),
                    Some(wrong) => {
                        let (expected, found) = (&wrong.expected, &wrong.found);
                        Err(TestCaseError::fail(format!("expected {expected}, found {found}")))
                    }
                }
            });
            match result {
                Ok(()) => {}
                Err(TestError::Fail(reason, script)) => return Err((script, reason.to_string())),
                Err(TestError::Abort(reason)) => {
                    let script = Script {
                        boot: 1,
                        level: self.level,
                        regions: Vec::new(),
                        steps: Vec::new(),
                    };
                    return Err((script, reason.to_string()));
                }
            }
            if done.get() * 10 >= operations * told {
                let rate = done.get() as f64 / began.elapsed().as_secs_f64();
                eprintln!("{test}: {} operations, {rate:.0} a second", done.get());
                told = done.get() * 10 / operations + 1;
            }
        }
        Ok(())
    }

    /// The same; a script that failed is written as a scenario.
    fn run_and_write(
        &self,
        test: &str,
        operations: u64,
        play: impl Fn(&Script) -> Result<Vec<Option<Response>>, String>,
    ) -> Result<(), String> {
        self.run(test, operations, play).map_err(|(script, reason)| {
            let text = to_toml(&script, test, &reason);
            let written = folder().and_then(|folder| {
                let path = folder.join(format!("{}.toml", test.replace("::", "-")));
                std::fs::write(&path, &text).map_err(|error| error.to_string())?;
                Ok(path.display().to_string())
            });
            let place = written.unwrap_or_else(|error| format!("not written: {error}"));
            format!("{reason} (seed {:#x})\n{place}\n\n{text}", self.seed)
        })
    }
}

/// Where scripts that failed, and raw streams of devices, are kept.
fn folder() -> Result<PathBuf, String> {
    static FOLDER: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let make = || Rig::here().test_run_folder().map_err(|error| format!("failed to {error}"));
    FOLDER.get_or_init(make).clone()
}

/// How often the heap itself was called for a step: not to make it, not to damage it, and not where
/// a slot kept the request from it.
fn operations_of(script: &Script, answers: &[Option<Response>]) -> u64 {
    let steps = script.steps.iter().zip(answers.iter().skip(1 + script.regions.len()));
    let is_call = |(step, answer): &(&Step, &Option<Response>)| {
        let is_overrun = matches!(step.request, Request::Overrun { .. });
        !is_overrun && answer.is_some_and(|answer| answer.outcome.is_of_the_heap())
    };
    steps.filter(is_call).count() as u64
}

/// Nothing but what was asked of it may make a heap look outside of its regions.
fn play_on_host(host: &RefCell<Host>, script: &Script) -> Result<Vec<Option<Response>>, String> {
    let mut host = host.borrow_mut();
    let answers = script.requests().map(|request| Some(host.answer(&request))).collect();
    let is_spoiled = |step: &Step| matches!(step.request, Request::Overrun { size: 1.., .. });
    match host.take_strays() {
        0 => Ok(answers),
        _ if script.steps.iter().any(is_spoiled) => Ok(answers),
        strays => Err(format!("{strays} accesses outside of memory")),
    }
}

fn on_host(test: &str, setting: &Setting, operations: u64) -> Result<(), String> {
    let host = RefCell::new(Host::new(HOST_ARENA));
    setting.run_and_write(test, operations, |script| play_on_host(&host, script))
}

fn on_device(
    test: &str,
    target: &Arc<dyn Target>,
    setting: &Setting,
    operations: u64,
) -> Result<(), String> {
    let text = |error: &dyn std::fmt::Display| format!("failed to {error}");
    let path = Rig::here().image(&target.board().name, &[]).map_err(|error| text(&error))?;
    let image = load_image(&path).map_err(|error| text(&error))?;
    let folder = folder()?.join(test.replace("::", "."));
    let device = RefCell::new(None);
    let starts = Cell::new(0);
    setting.run_and_write(test, operations, |script| {
        let mut device = device.borrow_mut();
        let requests: Vec<_> = script.requests().collect();
        let answers = match &mut *device {
            Some(device) => Device::ask(device, &requests),
            none => {
                starts.set(starts.get() + 1);
                let folder = folder.join(format!("start-{}", starts.get()));
                Device::start(target.as_ref(), &image, setting.seed, &folder)
                    .and_then(|started| none.insert(started).ask(&requests))
            }
        };
        let answers = answers.map_err(|error| text(&error))?;
        if answers.len() < requests.len() {
            // The next script finds another device.
            *device = None;
            let last = requests.get(answers.len());
            return Err(format!("no answer after {} requests, {last:?}", answers.len()));
        }
        let start = answers.first().copied().flatten().map_or(0, |answer| answer.first());
        let host = RefCell::new(Host::new(start));
        let expected = play_on_host(&host, script)?;
        difference(&requests, &answers, &expected).map_or(Ok(answers), Err)
    })
}

/// The first request that device and host answered otherwise; there are as many answers of both.
fn difference(
    requests: &[Request],
    device: &[Option<Response>],
    host: &[Option<Response>],
) -> Option<String> {
    let at = device.iter().zip(host).position(|(device, host)| device != host)?;
    let (request, device, host) = (requests.get(at)?, device.get(at)?, host.get(at)?);
    Some(format!("request {at}, {request:?}: the device answered {device:?}, the host {host:?}"))
}

/// A heap that hands out a block twice, once in a while, is found; what is left of the script is
/// small, and a scenario that is accepted.
fn a_heap_that_is_wrong_is_found(seed: u64) -> Result<(), String> {
    let regions = scripts::region_sets().into_iter().next().map(|(_, regions)| regions);
    let setting = Setting { seed, level: ScriptLevel::Light, regions: regions.unwrap_or_default() };
    let result = setting.run("a heap that is wrong", QUICK.host, |script| {
        let host = RefCell::new(Host::new(HOST_ARENA));
        let mut answers = play_on_host(&host, script)?;
        let mut large: Option<Response> = None;
        for (request, answer) in script.requests().zip(&mut answers) {
            if matches!(request, Request::Allocate { size: 300.., .. }) {
                *answer = answer.map(|it| *large.get_or_insert(it));
            }
        }
        Ok(answers)
    });
    let Err((script, reason)) = result else { return Err("nothing was found".to_owned()) };
    let requests: Vec<_> = script.requests().collect();
    let answers = play_on_host(&RefCell::new(Host::new(HOST_ARENA)), &script)?;
    let mut other = answers.clone();
    if let Some(Some(last)) = other.last_mut() {
        last.values[0] += 8;
    }
    let is_told = difference(&requests, &answers, &other).is_some();
    if !is_told || difference(&requests, &answers, &answers).is_some() {
        return Err("answers were not compared".to_owned());
    }
    let text = to_toml(&script, "a heap that is wrong", &reason);
    let again = crashrig_harness::scenario::check::parse("heap/found.toml".as_ref(), text.clone());
    let again = again.map_err(|error| error.to_string())?;
    if again.scripts != [script.clone()] {
        return Err(format!("another script came back:\n{text}"));
    }
    if script.steps.len() > 4 { Err(format!("not small:\n{text}")) } else { Ok(()) }
}
