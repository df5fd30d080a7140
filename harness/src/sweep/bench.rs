//! How many injections a second the engines carry out, verdicts included, as ratios in one run:
//! against the floor of the same method, and against a fresh QEMU for each injection.
//!
//! Rates of a machine say little, and neighbours on it change them while they are measured. So
//! the ways to inject take turns, in short batches, and each ratio is one of medians.

use super::engine::snapshot::SnapshotEngine;
use super::engine::snapshot::bench::in_fresh_process;
use super::engine::{Engine, Trace};
use super::fault::{Effect, Fault, Link, RamPolicy, Scope};
use super::workload::Workload;
use crate::decode::records::slots;
use crate::image::Image;
use crate::scenario::Scenario;
use crate::scenario::check::parse;
use crate::target::BenchError;
use crate::target::emulator::EmulatorTarget;
use crashrig_wire::EndMarker;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Runs of one batch of the warm ways.
const BATCH: u32 = 50;
/// Runs of one batch with fresh processes.
const FRESH_BATCH: u32 = 3;

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

/// What follows such a boot.
const RECOVERY: &str = r#"
[[boot]] # 2
start = "warm"
end = "clean"
first = "unread"
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

/// What is measured.
struct Tail {
    what: &'static str,
    scenario: fn() -> String,
    /// Where the injection comes: the function, and which time.
    place: (&'static str, u64),
    /// A bit is flipped that nobody reads; or the device is reset, one instruction later in each
    /// run.
    is_reset: bool,
}

const TAILS: [Tail; 4] = [
    Tail {
        what: "bit flipped, short tail: behind the last phase of a record",
        scenario: || CRASH.to_owned(),
        place: ("crashrig_sealed", 3),
        is_reset: false,
    },
    Tail {
        what: "bit flipped, long tail: a computation",
        scenario: || COMPUTE.to_owned(),
        place: ("crashrig_ready", 1),
        is_reset: false,
    },
    Tail {
        what: "bit flipped, crash path: from the fault entry on",
        scenario: || CRASH.to_owned(),
        place: ("crashrig_fault_entry", 1),
        is_reset: false,
    },
    Tail {
        what: "reset before each instruction of the crash writer, next boot included",
        scenario: || CRASH.replace("\n[[crash]]", &format!("{RECOVERY}\n[[crash]]")),
        place: ("crashrig_fault_entry", 1),
        is_reset: true,
    },
];

/// What was measured of one tail.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The tail.
    pub what: &'static str,
    /// Instructions from the injection to the end of the run; boots that follow included.
    pub instructions: u64,
    /// Injections in a second, each judged.
    pub engine_per_second: f64,
    /// Runs in a second of the same loop without injection, reading and judging: `loadvm` and the
    /// tail, or a reset and the boot that follows.
    pub floor_per_second: f64,
    /// Injections in a second with a QEMU for each, judged.
    pub fresh_per_second: f64,
}

impl Row {
    /// What of the floor's rate the engine reaches.
    #[must_use]
    pub fn of_floor(&self) -> f64 {
        self.engine_per_second / self.floor_per_second
    }

    /// How many times the rate of fresh processes it is.
    #[must_use]
    pub fn times_fresh(&self) -> f64 {
        self.engine_per_second / self.fresh_per_second
    }
}

/// Measures the snapshot engine on one processor of the host, each way so many batches.
///
/// # Errors
/// The bench failed.
pub fn snapshot(
    target: &EmulatorTarget,
    image: &Image,
    seed: u64,
    folder: &Path,
    batches: usize,
) -> Result<Vec<Row>, BenchError> {
    let mut rows = Vec::new();
    for (number, tail) in TAILS.iter().enumerate() {
        let folder = folder.join(format!("tail-{number}"));
        std::fs::create_dir_all(&folder).map_err(BenchError::of)?;
        let path = folder.join("figures.toml");
        let scenario: Scenario = parse(&path, (tail.scenario)()).map_err(BenchError::of)?;
        let workload = Workload::new(target, image, &scenario, seed, &folder)?;
        rows.push(measure(tail, workload, image, seed, &folder, batches)?);
    }
    Ok(rows)
}

fn measure(
    tail: &Tail,
    workload: Workload,
    image: &Image,
    seed: u64,
    folder: &Path,
    batches: usize,
) -> Result<Row, BenchError> {
    let (place, count) = tail.place;
    let address = image.symbol(place).map(|symbol| symbol.address);
    let address = address.ok_or_else(|| BenchError(format!("find symbol {place}")))?;
    let (start, size) = workload.ram.last().copied().unwrap_or_default();
    let fault = |number| {
        let place = Link::Address { address, count };
        let (trigger, effect) = if tail.is_reset {
            let trigger = vec![place, Link::Instructions { count: number }];
            (trigger, Effect::Reset { ram: RamPolicy::Kept })
        } else {
            // The last word of RAM, which is the end of a stack.
            (vec![place], Effect::Word { address: start + size - 4, flip: 1, set: 0, clear: 0 })
        };
        Fault { boot: 1, trigger, effect, scope: Scope::Once, seed }
    };
    let mut engine = SnapshotEngine::new(Arc::new(workload), folder, 0);
    let first = engine.run(Some(&fault(0)))?;
    let instructions = first.boots.iter().map(|boot| boot.instructions).sum::<u64>()
        - first.fired_after.unwrap_or(0);
    let (mut warm, mut floor, mut fresh) = (Vec::new(), Vec::new(), Vec::new());
    let mut numbers = 0..;
    for _ in 0..batches.max(1) {
        warm.push(timed(BATCH, || {
            judged(&engine.run(Some(&fault(numbers.next().unwrap_or(0))))?)
        })?);
        floor.push(timed(BATCH, || match tail.is_reset {
            true => engine.reset_and_run(),
            false => engine.restore_and_run(),
        })?);
        fresh.push(timed(FRESH_BATCH, || {
            judged(&in_fresh_process(&engine, &fault(0), &folder.join("fresh"))?)
        })?);
    }
    Ok(Row {
        what: tail.what,
        instructions,
        engine_per_second: rate(warm),
        floor_per_second: rate(floor),
        fresh_per_second: rate(fresh),
    })
}

/// Reads what a run has left, as judging does; a run that left nothing is none of these.
fn judged(trace: &Trace) -> Result<(), BenchError> {
    let Some(last) = trace.boots.last() else {
        return Err(BenchError("judge an injection: no boot".to_owned()));
    };
    let has_record = slots(&last.region).iter().any(|slot| slot.record.is_some());
    if has_record || EndMarker::read(&last.marker).is_some() {
        return Ok(());
    }
    Err(BenchError("judge an injection: neither record nor end marker".to_owned()))
}

/// The time of one run, from a batch of them.
fn timed(
    runs: u32,
    mut run: impl FnMut() -> Result<(), BenchError>,
) -> Result<Duration, BenchError> {
    let started = Instant::now();
    for _ in 0..runs {
        run()?;
    }
    Ok(started.elapsed() / runs)
}

fn rate(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    let median = times.get(times.len() / 2).copied().unwrap_or_default();
    1.0 / median.as_secs_f64()
}
