//! The snapshot engine, against the floor of the same method and a fresh QEMU for each injection.

use super::super::engine::Engine;
use super::super::engine::snapshot::SnapshotEngine;
use super::super::engine::snapshot::bench::in_fresh_process;
use super::super::fault::{Effect, Fault, Link, RamPolicy, Scope};
use super::super::workload::Workload;
use super::{COMPUTE, CRASH, Judge, Place, address, judged, median, tail_of, workload};
use crate::image::Image;
use crate::target::BenchError;
use crate::target::emulator::EmulatorTarget;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Runs of one batch of the warm ways.
const BATCH: u32 = 50;
/// Runs of one batch with fresh processes.
const FRESH_BATCH: u32 = 3;

/// What follows such a boot.
const RECOVERY: &str = r#"
[[boot]] # 2
start = "warm"
end = "clean"
first = "unread"
"#;

/// What is measured.
struct Tail {
    what: &'static str,
    scenario: fn() -> String,
    /// Where the injection comes: the function, and which time.
    place: Place,
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
    /// The part of an injection's time that decoding and judging take.
    pub judging: f64,
    /// The same for a run that has left another crash region than the golden one.
    pub judging_other: f64,
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
        let workload = workload(target, image, (tail.scenario)(), seed, &folder)?;
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
    let (address, count) = (address(image, tail.place)?, tail.place.1);
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
        Fault { boot: 1, trigger, effect, scope: Scope::Once, seed, second: None }
    };
    let workload = Arc::new(workload);
    let mut engine = SnapshotEngine::new(Arc::clone(&workload), folder, 0);
    let judge = Judge::new(&workload, engine.run(None)?)?;
    let classifier = judge.classifier();
    let first = engine.run(Some(&fault(0)))?;
    let instructions = tail_of(&first);
    let (mut warm, mut floor, mut fresh) = (Vec::new(), Vec::new(), Vec::new());
    let (mut judging, mut judging_other) = (Vec::new(), Vec::new());
    let mut numbers = 0..;
    for _ in 0..batches.max(1) {
        warm.push(timed(BATCH, || {
            let fault = fault(numbers.next().unwrap_or(0));
            judged(&classifier, &fault, &engine.run(Some(&fault))?)
        })?);
        judging.push(judge.timed(&fault(0), &first, BATCH, false));
        judging_other.push(judge.timed(&fault(0), &first, BATCH, true));
        floor.push(timed(BATCH, || match tail.is_reset {
            true => engine.reset_and_run(),
            false => engine.restore_and_run(),
        })?);
        fresh.push(timed(FRESH_BATCH, || {
            let trace = in_fresh_process(&engine, &fault(0), &folder.join("fresh"))?;
            judged(&classifier, &fault(0), &trace)
        })?);
    }
    let warm = median(warm);
    Ok(Row {
        what: tail.what,
        instructions,
        engine_per_second: 1.0 / warm,
        floor_per_second: 1.0 / median(floor),
        fresh_per_second: 1.0 / median(fresh),
        judging: median(judging) / warm,
        judging_other: median(judging_other) / warm,
    })
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
