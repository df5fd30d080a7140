//! The snapshot engine, against the floor of the same method and a fresh QEMU for each injection.

use super::super::engine::Engine;
use super::super::engine::snapshot::SnapshotEngine;
use super::super::engine::snapshot::bench::in_fresh_process;
use super::super::workload::Workload;
use super::{
    Bench, COMPUTE, CRASH, Injection, Judge, Rates, Tail, each, judged, median, tail_of, timed,
};
use crate::target::BenchError;
use serde::Serialize;
use std::path::Path;
use std::sync::Arc;

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

const TAILS: [Tail; 4] = [
    Tail {
        what: "bit flipped, short tail: behind the last phase of a record",
        scenario: || CRASH.to_owned(),
        place: ("crashrig_sealed", 3),
        injection: Injection::Word,
    },
    Tail {
        what: "bit flipped, long tail: a computation",
        scenario: || COMPUTE.to_owned(),
        place: ("crashrig_ready", 1),
        injection: Injection::Word,
    },
    Tail {
        what: "bit flipped, crash path: from the fault entry on",
        scenario: || CRASH.to_owned(),
        place: ("crashrig_fault_entry", 1),
        injection: Injection::Word,
    },
    Tail {
        what: "reset before each instruction of the crash writer, next boot included",
        scenario: || CRASH.replace("\n[[crash]]", &format!("{RECOVERY}\n[[crash]]")),
        place: ("crashrig_fault_entry", 1),
        injection: Injection::Reset,
    },
];

/// What was measured of one tail. The floor is `loadvm` and the tail, or a reset and the boot that
/// follows.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// The engine and its floor.
    #[serde(flatten)]
    pub rates: Rates,
    /// Injections in a second with a QEMU for each, judged.
    pub fresh_per_second: f64,
}

impl Row {
    /// How many times the rate of fresh processes it is.
    #[must_use]
    pub fn times_fresh(&self) -> f64 {
        self.rates.engine_per_second / self.fresh_per_second
    }
}

/// Measures the snapshot engine on one processor of the host.
///
/// # Errors
/// The bench failed.
pub fn snapshot(bench: Bench<'_>) -> Result<Vec<Row>, BenchError> {
    each(bench, "tail", &TAILS, |tail, workload, folder| measure(bench, tail, workload, folder))
}

fn measure(
    bench: Bench<'_>,
    tail: &Tail,
    workload: Workload,
    folder: &Path,
) -> Result<Row, BenchError> {
    let fault = tail.fault(bench, &workload)?;
    let is_reset = matches!(tail.injection, Injection::Reset);
    let workload = Arc::new(workload);
    let mut engine = SnapshotEngine::new(Arc::clone(&workload), folder, 0);
    let judge = Judge::new(&workload, engine.run(None)?)?;
    let classifier = judge.classifier();
    let first = engine.run(Some(&fault(0)))?;
    let instructions = tail_of(&first);
    let (mut warm, mut floor, mut fresh) = (Vec::new(), Vec::new(), Vec::new());
    let (mut judging, mut judging_other) = (Vec::new(), Vec::new());
    let mut numbers = 0..;
    for _ in 0..bench.batches.max(1) {
        warm.push(timed(BATCH, || {
            let mut faults = numbers.by_ref().take(BATCH as usize).map(&fault);
            faults.try_for_each(|fault| judged(&classifier, &fault, &engine.run(Some(&fault))?))
        })?);
        judging.push(judge.timed(&fault(0), &first, BATCH, false));
        judging_other.push(judge.timed(&fault(0), &first, BATCH, true));
        floor.push(timed(BATCH, || {
            (0..BATCH).try_for_each(|_| match is_reset {
                true => engine.reset_and_run(),
                false => engine.restore_and_run(),
            })
        })?);
        fresh.push(timed(FRESH_BATCH, || {
            let (fault, fresh) = (fault(0), folder.join("fresh"));
            (0..FRESH_BATCH).try_for_each(|_| {
                judged(&classifier, &fault, &in_fresh_process(&engine, &fault, &fresh)?)
            })
        })?);
    }
    let warm = median(warm);
    Ok(Row {
        rates: Rates {
            what: tail.what,
            instructions,
            engine_per_second: 1.0 / warm,
            floor_per_second: 1.0 / median(floor),
            judging: median(judging) / warm,
            judging_other: median(judging_other) / warm,
        },
        fresh_per_second: 1.0 / median(fresh),
    })
}
