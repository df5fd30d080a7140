//! How many injections a second the engines carry out, verdicts included, as ratios in one run.
//!
//! Rates of a machine say little, and neighbours on it change them while they are measured. So
//! the ways to inject take turns, in short batches, and each ratio is one of medians.

pub mod inside;
pub mod snapshot;

use super::classify::{Classifier, Judgement};
use super::engine::Trace;
use super::fault::Fault;
use super::outcome::Outcome;
use super::workload::Workload;
use crate::image::Image;
use crate::scenario::check::parse;
use crate::scenario::sweep::Sweep;
use crate::target::BenchError;
use crate::target::emulator::EmulatorTarget;
use std::hint::black_box;
use std::ops::Range;
use std::path::Path;
use std::time::{Duration, Instant};

/// Where an injection comes: the function, and which time.
type Place = (&'static str, u64);

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

/// The workload of a scenario's text, with a folder of its own.
fn workload(
    target: &EmulatorTarget,
    image: &Image,
    text: String,
    seed: u64,
    folder: &Path,
) -> Result<Workload, BenchError> {
    std::fs::create_dir_all(folder).map_err(BenchError::of)?;
    let scenario = parse(&folder.join("figures.toml"), text).map_err(BenchError::of)?;
    Workload::new(target, image, &scenario, seed, folder)
}

fn address(image: &Image, (function, _): Place) -> Result<u32, BenchError> {
    let address = image.symbol(function).map(|symbol| symbol.address);
    address.ok_or_else(|| BenchError(format!("find symbol {function}")))
}

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

/// In seconds.
fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default().as_secs_f64()
}
