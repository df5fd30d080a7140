//! The engine inside of QEMU, against its floor: the same place restored and the same tail run,
//! from inside, with nothing injected, compared, read or judged, many in one message.

use super::super::engine::Engine;
use super::super::engine::plugin::PluginEngine;
use super::super::fault::Fault;
use super::super::workload::Workload;
use super::{
    Bench, COMPUTE, CRASH, Injection, Judge, Rates, Tail, each, judged, median, tail_of, timed,
};
use crate::target::BenchError;
use serde::Serialize;
use std::path::Path;
use std::sync::Arc;

/// Runs of one batch.
const BATCH: u32 = 100;

const TAILS: [Tail; 4] = [
    Tail {
        what: "short tail, masked",
        scenario: || CRASH.to_owned(),
        place: ("crashrig_sealed", 3),
        injection: Injection::Masked,
    },
    Tail {
        what: "short tail, a word stays flipped",
        scenario: || CRASH.to_owned(),
        place: ("crashrig_sealed", 3),
        injection: Injection::Word,
    },
    Tail {
        what: "long tail, masked",
        scenario: || COMPUTE.to_owned(),
        place: ("crashrig_ready", 1),
        injection: Injection::Masked,
    },
    Tail {
        what: "crash path, from the fault entry on",
        scenario: || CRASH.to_owned(),
        place: ("crashrig_fault_entry", 1),
        injection: Injection::Word,
    },
];

/// What was measured of one tail. The floor is a bare restore and the tail.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// The engine and its floor.
    #[serde(flatten)]
    pub rates: Rates,
    /// Injections in a second of two engines on two processors.
    pub two_per_second: f64,
    /// The same of the floor: what this machine gives a second processor at all.
    pub floor_two_per_second: f64,
}

/// Measures the engine.
///
/// # Errors
/// The bench failed.
pub fn inside(bench: Bench<'_>, plugin: &Path) -> Result<Vec<Row>, BenchError> {
    each(bench, "inside", &TAILS, |tail, workload, folder| {
        let fault = tail.fault(bench, &workload)?(0);
        let workload = Arc::new(workload);
        let start = |processor: usize| {
            let folder = folder.join(processor.to_string());
            let mut engine = PluginEngine::new(Arc::clone(&workload), plugin, &folder, processor);
            engine.start()?;
            Ok(engine)
        };
        measure(tail.what, &workload, &fault, [start(0)?, start(1)?], bench.batches)
    })
}

fn measure(
    what: &'static str,
    workload: &Workload,
    fault: &Fault,
    [mut engine, mut other]: [PluginEngine; 2],
    batches: usize,
) -> Result<Row, BenchError> {
    let judge = Judge::new(workload, engine.run(None)?)?;
    let first = engine.run(Some(fault))?;
    other.run(Some(fault))?;
    let instructions = tail_of(&first);
    let (mut alone, mut floor) = (vec![], vec![]);
    let (mut two, mut floor_two) = (vec![], vec![]);
    let (mut judging, mut judging_other) = (vec![], vec![]);
    let faults = vec![fault.clone(); BATCH as usize];
    let inject = |engine: &mut PluginEngine| {
        let (traces, classifier) = (engine.run_all(&faults)?, judge.classifier());
        traces.iter().try_for_each(|trace| judged(&classifier, fault, trace))
    };
    let restore = |engine: &mut PluginEngine| engine.restore_and_run(BATCH);
    for _ in 0..batches.max(1) {
        alone.push(timed(BATCH, || inject(&mut engine))?);
        floor.push(timed(BATCH, || restore(&mut engine))?);
        judging.push(judge.timed(fault, &first, BATCH, false));
        judging_other.push(judge.timed(fault, &first, BATCH, true));
        two.push(timed(BATCH, || on_both(inject, &mut engine, &mut other))?);
        floor_two.push(timed(BATCH, || on_both(restore, &mut engine, &mut other))?);
    }
    let [alone, floor, two, floor_two] = [alone, floor, two, floor_two].map(median);
    Ok(Row {
        rates: Rates {
            what,
            instructions,
            engine_per_second: 1.0 / alone,
            floor_per_second: 1.0 / floor,
            judging: median(judging) / alone,
            judging_other: median(judging_other) / alone,
        },
        two_per_second: 2.0 / two,
        floor_two_per_second: 2.0 / floor_two,
    })
}

/// Does the same with two engines at once.
fn on_both(
    work: impl Fn(&mut PluginEngine) -> Result<(), BenchError> + Sync,
    engine: &mut PluginEngine,
    other: &mut PluginEngine,
) -> Result<(), BenchError> {
    std::thread::scope(|scope| {
        let beside = scope.spawn(|| work(other));
        work(engine)?;
        beside.join().map_err(|_| BenchError("measure two engines".to_owned()))?
    })
}
