//! The engine inside of QEMU, against its floor: the same place restored and the same tail run,
//! from inside, with nothing injected, compared, read or judged, many in one message.

use super::super::engine::Engine;
use super::super::engine::plugin::PluginEngine;
use super::super::fault::{Effect, Fault, Link, Scope};
use super::super::workload::Workload;
use super::{COMPUTE, CRASH, Judge, Place, address, judged, median, tail_of, workload};
use crate::image::Image;
use crate::target::BenchError;
use crate::target::emulator::EmulatorTarget;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Runs of one batch.
const BATCH: u32 = 100;

/// A tail that is measured: the text of its scenario, the function at which the injection comes and
/// which time, and the injection.
struct Tail {
    what: &'static str,
    scenario: &'static str,
    place: Place,
    is_masked: bool,
}

const TAILS: [Tail; 4] = [
    Tail {
        what: "short tail, masked",
        scenario: CRASH,
        place: ("crashrig_sealed", 3),
        is_masked: true,
    },
    Tail {
        what: "short tail, a word stays flipped",
        scenario: CRASH,
        place: ("crashrig_sealed", 3),
        is_masked: false,
    },
    Tail {
        what: "long tail, masked",
        scenario: COMPUTE,
        place: ("crashrig_ready", 1),
        is_masked: true,
    },
    Tail {
        what: "crash path, from the fault entry on",
        scenario: CRASH,
        place: ("crashrig_fault_entry", 1),
        is_masked: false,
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
    /// Runs in a second of the floor.
    pub floor_per_second: f64,
    /// The part of an injection's time that decoding and judging take.
    pub judging: f64,
    /// The same for a run that has left another crash region than the golden one.
    pub judging_other: f64,
    /// Injections in a second of two engines on two processors.
    pub two_per_second: f64,
}

/// Measures the engine, each way so many batches.
///
/// # Errors
/// The bench failed.
pub fn inside(
    target: &EmulatorTarget,
    image: &Image,
    plugin: &Path,
    seed: u64,
    folder: &Path,
    batches: usize,
) -> Result<Vec<Row>, BenchError> {
    let mut rows = Vec::new();
    for (number, tail) in TAILS.iter().enumerate() {
        let folder = folder.join(format!("inside-{number}"));
        let workload = Arc::new(workload(target, image, tail.scenario.to_owned(), seed, &folder)?);
        let fault = fault(tail, image, &workload, seed)?;
        let start = |processor: usize| {
            let folder = folder.join(processor.to_string());
            let mut engine = PluginEngine::new(Arc::clone(&workload), plugin, &folder, processor);
            engine.start()?;
            Ok(engine)
        };
        let (one, other) = (start(0)?, start(1)?);
        rows.push(measure(tail, &workload, &fault, [one, other], batches)?);
    }
    Ok(rows)
}

fn fault(tail: &Tail, image: &Image, workload: &Workload, seed: u64) -> Result<Fault, BenchError> {
    let (address, count) = (address(image, tail.place)?, tail.place.1);
    // The last word of the highest RAM is unused. A function that is called may use r12 as it likes
    // (AAPCS32 §6.1.1), so that nothing of it is left.
    let (start, size) = workload.ram.last().copied().unwrap_or_default();
    let effect = if tail.is_masked {
        Effect::Register { name: "r12".to_owned(), flip: 1, value: None }
    } else {
        Effect::Word { address: start + size - 4, flip: 1, set: 0, clear: 0 }
    };
    let trigger = vec![Link::Address { address, count }];
    Ok(Fault { boot: 1, trigger, effect, scope: Scope::Once, seed, second: None })
}

fn measure(
    tail: &Tail,
    workload: &Workload,
    fault: &Fault,
    [mut engine, mut other]: [PluginEngine; 2],
    batches: usize,
) -> Result<Row, BenchError> {
    let judge = Judge::new(workload, engine.run(None)?)?;
    let first = engine.run(Some(fault))?;
    other.run(Some(fault))?;
    let instructions = tail_of(&first);
    let (mut alone, mut floor, mut two) = (vec![], vec![], vec![]);
    let (mut judging, mut judging_other) = (vec![], vec![]);
    let faults = vec![fault.clone(); BATCH as usize];
    let inject = |engine: &mut PluginEngine| {
        let (traces, classifier) = (engine.run_all(&faults)?, judge.classifier());
        traces.iter().try_for_each(|trace| judged(&classifier, fault, trace))
    };
    for _ in 0..batches.max(1) {
        alone.push(timed(|| inject(&mut engine))?);
        floor.push(timed(|| engine.restore_and_run(BATCH))?);
        judging.push(judge.timed(fault, &first, BATCH, false));
        judging_other.push(judge.timed(fault, &first, BATCH, true));
        two.push(timed(|| {
            std::thread::scope(|scope| {
                let beside = scope.spawn(|| inject(&mut other));
                inject(&mut engine)?;
                beside.join().map_err(|_| BenchError("measure two engines".to_owned()))?
            })
        })?);
    }
    let (alone, floor, two) = (median(alone), median(floor), median(two));
    Ok(Row {
        what: tail.what,
        instructions,
        engine_per_second: 1.0 / alone,
        floor_per_second: 1.0 / floor,
        judging: median(judging) / alone,
        judging_other: median(judging_other) / alone,
        two_per_second: 2.0 / two,
    })
}

/// The time of one run, from a batch of them.
fn timed(mut batch: impl FnMut() -> Result<(), BenchError>) -> Result<Duration, BenchError> {
    let started = Instant::now();
    batch()?;
    Ok(started.elapsed() / BATCH)
}
