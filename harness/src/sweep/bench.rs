//! How many injections a second the engines carry out, verdicts included, as ratios in one run:
//! against the floor of the same method, and against a fresh QEMU for each injection.
//!
//! Rates of a machine say little, and neighbours on it change them while they are measured. So
//! the ways to inject take turns, in short batches, and each ratio is one of medians.

use super::engine::snapshot::SnapshotEngine;
use super::engine::snapshot::bench::in_fresh_process;
use super::engine::{Engine, Trace};
use super::fault::{Effect, Fault, Link, Scope};
use super::workload::Workload;
use crate::decode::records::slots;
use crate::image::Image;
use crate::scenario::Scenario;
use crate::scenario::check::parse;
use crate::target::BenchError;
use crate::target::emulator::EmulatorTarget;
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

/// A tail that is measured.
struct Tail {
    what: &'static str,
    scenario: &'static str,
    /// Where the injection comes: the function, and which time.
    place: (&'static str, u64),
}

const TAILS: [Tail; 2] = [
    Tail {
        what: "short tail: behind the last phase of a record",
        scenario: CRASH,
        place: ("crashrig_sealed", 3),
    },
    Tail {
        what: "crash path: from the fault entry on",
        scenario: CRASH,
        place: ("crashrig_fault_entry", 1),
    },
];

/// What was measured of one tail.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The tail.
    pub what: &'static str,
    /// Instructions from the injection to the end of the run.
    pub instructions: u64,
    /// Injections in a second, each judged.
    pub engine_per_second: f64,
    /// Runs in a second of the same loop without injection, reading and judging.
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
        let scenario: Scenario = parse(&path, tail.scenario.to_owned()).map_err(BenchError::of)?;
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
    // The last word of the lowest RAM: the ISR stack's, or unused.
    let (start, size) = workload.ram.last().copied().unwrap_or_default();
    let effect = Effect::Word { address: start + size - 4, flip: 1, set: 0, clear: 0 };
    let trigger = vec![Link::Address { address, count }];
    let fault = Fault { boot: 1, trigger, effect, scope: Scope::Once, seed };
    let mut engine = SnapshotEngine::new(Arc::new(workload), folder, 0);
    let first = engine.run(Some(&fault))?;
    let instructions = first.boots.iter().map(|boot| boot.instructions).sum::<u64>()
        - first.fired_after.unwrap_or(0);
    let (mut warm, mut floor, mut fresh) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..batches.max(1) {
        warm.push(timed(BATCH, || judged(&engine.run(Some(&fault))?))?);
        floor.push(timed(BATCH, || engine.restore_and_run())?);
        fresh.push(timed(FRESH_BATCH, || {
            judged(&in_fresh_process(&engine, &fault, &folder.join("fresh"))?)
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

/// Reads what a run has left, as judging does; a run that left no record is none of these.
fn judged(trace: &Trace) -> Result<(), BenchError> {
    let region = trace.boots.last().map(|boot| &boot.region[..]).unwrap_or_default();
    let found = slots(region).iter().any(|slot| slot.record.is_some());
    if found { Ok(()) } else { Err(BenchError("judge an injection: no record".to_owned())) }
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
