//! How many injections a second the engines carry out, verdicts included, as ratios in one run.
//!
//! Rates of a machine say little, and neighbours on it change them while they are measured. So
//! the ways to inject take turns, in short batches, and each ratio is one of medians.

pub mod inside;
pub mod snapshot;

use super::classify::{Classifier, Judgement};
use super::engine::Trace;
use super::fault::{Effect, Fault, Link, RamPolicy, Scope};
use super::outcome::Outcome;
use super::workload::Workload;
use crate::image::Image;
use crate::scenario::check::parse;
use crate::scenario::sweep::Sweep;
use crate::target::BenchError;
use crate::target::emulator::EmulatorTarget;
use serde::Serialize;
use std::hint::black_box;
use std::ops::Range;
use std::path::Path;
use std::time::{Duration, Instant};

/// What is measured with, and how long.
#[derive(Clone, Copy)]
pub struct Bench<'a> {
    /// The board, for wild cores.
    pub target: &'a EmulatorTarget,
    /// Its image.
    pub image: &'a Image,
    /// Of everything random.
    pub seed: u64,
    /// What emulators write goes here.
    pub folder: &'a Path,
    /// Batches of each way to inject; at least one is measured.
    pub batches: usize,
}

/// What both engines are measured by, of one tail.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Rates {
    /// The tail.
    pub what: &'static str,
    /// Instructions from the injection to the end of the run; boots that follow included.
    pub instructions: u64,
    /// Injections in a second, each judged.
    pub engine_per_second: f64,
    /// Runs in a second of the same loop without injection, reading and judging.
    pub floor_per_second: f64,
    /// The part of an injection's time that decoding and judging take.
    pub judging: f64,
    /// The same for a run that has left another crash region than the golden one.
    pub judging_other: f64,
}

impl Rates {
    /// What of the floor's rate the engine reaches.
    #[must_use]
    pub fn of_floor(&self) -> f64 {
        self.engine_per_second / self.floor_per_second
    }
}

/// A tail that is measured: what runs, and what is injected where.
struct Tail {
    what: &'static str,
    scenario: fn() -> String,
    /// Where the injection comes: the function, and which time.
    place: (&'static str, u64),
    injection: Injection,
}

/// What is injected.
#[derive(Clone, Copy)]
enum Injection {
    /// A bit of r12 is flipped. A function that is called may use that as it likes (AAPCS32
    /// §6.1.1), so that nothing of it is left.
    Masked,
    /// A bit of the last word of RAM, which nobody reads, is flipped and stays so.
    Word,
    /// The device is reset, one instruction later in each run.
    Reset,
}

impl Tail {
    /// The fault of the run of a number.
    fn fault(
        &self,
        bench: Bench<'_>,
        workload: &Workload,
    ) -> Result<impl Fn(u64) -> Fault + use<>, BenchError> {
        let (function, count) = self.place;
        let symbol = bench.image.symbol(function);
        let symbol = symbol.ok_or_else(|| BenchError(format!("find symbol {function}")))?;
        let place = Link::Address { address: symbol.address, count };
        let (start, size_bytes) = workload.ram.last().copied().unwrap_or_default();
        let (injection, seed) = (self.injection, bench.seed);
        Ok(move |number| {
            let mut trigger = vec![place.clone()];
            let effect = match injection {
                Injection::Masked => {
                    Effect::Register { name: "r12".to_owned(), flip: 1, value: None }
                }
                Injection::Word => {
                    Effect::Word { address: start + size_bytes - 4, flip: 1, set: 0, clear: 0 }
                }
                Injection::Reset => {
                    trigger.push(Link::Instructions { count: number });
                    Effect::Reset { ram: RamPolicy::Kept }
                }
            };
            Fault { boot: 1, trigger, effect, scope: Scope::Once, seed, second: None }
        })
    }
}

/// Measures each of some tails, in a folder of its own.
fn each<Row>(
    bench: Bench<'_>,
    name: &str,
    tails: &[Tail],
    measure: impl Fn(&Tail, Workload, &Path) -> Result<Row, BenchError>,
) -> Result<Vec<Row>, BenchError> {
    let mut rows = Vec::new();
    for (number, tail) in tails.iter().enumerate() {
        let folder = bench.folder.join(format!("{name}-{number}"));
        std::fs::create_dir_all(&folder).map_err(BenchError::of)?;
        let scenario = parse(&folder.join("figures.toml"), (tail.scenario)());
        let scenario = scenario.map_err(BenchError::of)?;
        let workload = Workload::new(bench.target, bench.image, &scenario, bench.seed, &folder)?;
        rows.push(measure(tail, workload, &folder)?);
    }
    Ok(rows)
}

/// One boot that crashes: the record is written, and nothing follows.
const CRASH: &str = r#"timeline = [
  "1. the main thread loads from nowhere: the record is written, reset",
]
title = "a boot that crashes, for figures"

[[boot]] # 1
start = "cold"
fault = "bus-read"
end = "crash"

[[crash]]
boot = 1
kind = "bus-fault"
detector = "bus-error"
thread = "main"
address = { region = "unmapped" }
"#;

/// A boot that computes, some 0.9 million instructions.
const COMPUTE: &str = r#"timeline = [
  "1. the main thread computes; clean end",
]
title = "a boot that computes, for figures"

[[boot]] # 1
start = "cold"
fault = "compute"
end = "clean"
observed = ["computed"]
"#;

/// What injections are judged as: no report is expected, none is forbidden.
const SWEEP: &str = r#"timeline = [
  "1. clean end",
  "2. some fault",
]
title = "a sweep to judge by, for figures"

[[boot]] # 1
start = "cold"
end = "clean"

[sweep] # 2
subject = "other"
boot = 1
trigger = [{ at = "boot" }]
points = "instructions"
effect = { do = "skip" }
scopes = ["once"]
"#;

/// Instructions from the injection to the end of a run.
fn tail_of(trace: &Trace) -> u64 {
    trace.boots.iter().map(|boot| boot.instructions).sum::<u64>() - trace.fired_after.unwrap_or(0)
}

/// Judges runs of a workload as a sweep does.
struct Judge {
    sweep: Sweep,
    crash_region: Range<u32>,
    golden: Trace,
}

impl Judge {
    fn new(workload: &Workload, golden: Trace) -> Result<Self, BenchError> {
        let scenario =
            parse(Path::new("figures.toml"), SWEEP.to_owned()).map_err(BenchError::of)?;
        let lacks = || BenchError("judge an injection: no sweep to judge by".to_owned());
        let sweep = scenario.sweep.ok_or_else(lacks)?;
        let Workload { crash_start, crash_size, .. } = *workload;
        Ok(Self { sweep, crash_region: crash_start..crash_start + crash_size, golden })
    }

    fn classifier(&self) -> Classifier<'_> {
        Classifier::new(&self.sweep, self.crash_region.clone(), &self.golden)
    }

    /// The time of judging one run so often; `is_other` gives it another crash region than the
    /// golden run's, which then has to be read.
    fn timed(&self, fault: &Fault, trace: &Trace, times: u32, is_other: bool) -> Duration {
        let mut trace = trace.clone();
        for byte in trace.boots.iter_mut().filter_map(|boot| boot.region.last_mut()) {
            *byte ^= u8::from(is_other);
        }
        let started = Instant::now();
        let classifier = self.classifier();
        for _ in 0..times {
            black_box(classifier.judge(fault, &trace));
        }
        started.elapsed() / times
    }
}

/// Judges one run. One that was not injected is none of these.
fn judged(by: &Classifier<'_>, fault: &Fault, trace: &Trace) -> Result<(), BenchError> {
    let Judgement { outcome, detail, .. } = black_box(by.judge(fault, trace));
    match outcome {
        Outcome::NotActivated | Outcome::HarnessError => {
            Err(BenchError(format!("judge an injection: {}: {detail}", outcome.name())))
        }
        _ => Ok(()),
    }
}

/// The time of one run, from a batch of so many.
fn timed(
    runs: u32,
    mut batch: impl FnMut() -> Result<(), BenchError>,
) -> Result<Duration, BenchError> {
    let started = Instant::now();
    batch()?;
    Ok(started.elapsed() / runs)
}

/// In seconds.
fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default().as_secs_f64()
}
