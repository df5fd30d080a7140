//! What the memory model costs in instructions of the device: exact, and the same in each run.
//!
//! The image's benchmark does each thing between two marks; a crash is followed from the fault
//! entry to the seal of each phase of its record.

use crate::image::Image;
use crate::steps::Steps;
use crate::target::{BenchError, Target, Wait};
use crashrig_wire::{Fault, Mailbox, Mark};
use std::path::Path;

/// One figure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cost {
    /// What was done.
    pub what: &'static str,
    /// Instructions it took.
    pub instructions: u64,
}

/// What is done between two marks.
const BETWEEN: &[(Mark, Mark, &str)] = &[
    (Mark::YieldedAgain, Mark::Switched, "context switch by yield"),
    (Mark::SwitchedWithFloat, Mark::YieldedWithFloat, "context switch, both with floating point"),
    (Mark::BeforeSpawn, Mark::Spawned, "spawn, stack of 1,024 bytes from the heap"),
    (Mark::BeforeAllocation, Mark::Allocated, "allocate 64 bytes"),
    (Mark::Allocated, Mark::Released, "release 64 bytes"),
];

/// The flag that stands while the heap is held and interrupts are masked for that.
const HELD: &str = "crashrig_port::heap::store::BUSY";

/// What is done before a mark, for the longest time that the heap is held meanwhile.
const HOLDS: &[(Mark, &str)] = &[
    (Mark::AllocatedZeroed, "heap held at once: allocate 4,096 bytes, zeroed"),
    (Mark::Resized, "heap held at once: resize 4,096 bytes, which move"),
];

/// What ends with each phase of a record.
const PHASES: [&str; 3] = [
    "capture: fault entry to core sealed",
    "capture: fault entry to tier 1 sealed",
    "capture: fault entry to tier 2 sealed",
];

/// Measures everything on one board.
///
/// # Errors
/// The bench failed, or the device did not come to where it is measured.
pub fn measure(
    target: &dyn Target,
    image: &Image,
    seed: u64,
    folder: &Path,
) -> Result<Vec<Cost>, BenchError> {
    let marks =
        Steps::begin(target, image, command(Fault::Benchmark), &[], seed, &folder.join("marks"))?;
    let crash =
        Steps::begin(target, image, command(Fault::BusRead), &[], seed, &folder.join("crash"))?;
    let holds =
        Steps::begin(target, image, command(Fault::Benchmark), &[], seed, &folder.join("holds"))?;
    let mut costs = between_marks(marks)?;
    costs.extend(while_held(holds)?);
    costs.extend(phases(crash)?);
    Ok(costs)
}

fn command(fault: Fault) -> Mailbox {
    let flags = Mailbox::SEMIHOSTING;
    Mailbox { run_id: 0, ticket: 0, fault, flags, seed: 0, parameters: [0; 4], without: 0 }
}

fn between_marks(mut steps: Steps<'_>) -> Result<Vec<Cost>, BenchError> {
    let place = steps.address("crashrig_mark")?;
    steps.session().set_breakpoint(place)?;
    let mut marks = Vec::new();
    // The same marks may come more than once; the first of each counts.
    while let Wait::Breakpoint { .. } = steps.run()? {
        let code = u8::try_from(steps.register("r0")?).unwrap_or(0);
        marks.push((Mark::from_code(code), steps.instructions()?));
    }
    let at = |mark: Mark| {
        let found = marks.iter().find(|(found, _)| *found == Some(mark)).map(|(_, at)| *at);
        found.ok_or_else(|| BenchError(format!("measure costs: the device never came to {mark}")))
    };
    let of_a_mark = at(Mark::Nothing)?.saturating_sub(at(Mark::Begin)?);
    BETWEEN
        .iter()
        .map(|(from, to, what)| {
            let instructions = at(*to)?.saturating_sub(at(*from)?).saturating_sub(of_a_mark);
            Ok(Cost { what, instructions })
        })
        .collect()
}

/// The device is stopped at each store to the flag, which is one when the heap is taken and one
/// when it is let go.
fn while_held(mut steps: Steps<'_>) -> Result<Vec<Cost>, BenchError> {
    let (place, flag) = (steps.address("crashrig_mark")?, steps.address(HELD)?);
    steps.session().set_breakpoint(place)?;
    let (mut costs, mut stores) = (Vec::new(), Vec::new());
    while let Wait::Breakpoint { address } = steps.run()? {
        if address == flag {
            stores.push(steps.instructions()?);
            continue;
        }
        let mark = u8::try_from(steps.register("r0")?).ok().and_then(Mark::from_code);
        if mark == Some(Mark::Released) {
            steps.session().watch_stores(flag, 1)?;
        }
        let held =
            stores.chunks_exact(2).filter_map(|pair| pair.last()?.checked_sub(*pair.first()?));
        if let Some((_, what)) = HOLDS.iter().find(|(before, _)| Some(*before) == mark) {
            costs.push(Cost { what, instructions: held.max().unwrap_or(0) });
        }
        stores.clear();
    }
    if costs.len() == HOLDS.len() && costs.iter().all(|cost| cost.instructions > 0) {
        return Ok(costs);
    }
    Err(BenchError("measure costs: the device never held the heap as expected".to_owned()))
}

fn phases(mut steps: Steps<'_>) -> Result<Vec<Cost>, BenchError> {
    let entry = steps.address("crashrig_fault_entry")?;
    let sealed = steps.address("crashrig_sealed")?;
    steps.session().set_breakpoint(entry)?;
    steps.session().set_breakpoint(sealed)?;
    steps.run_to(&[entry])?;
    let start = steps.instructions()?;
    let mut costs = Vec::new();
    for what in PHASES {
        steps.run_to(&[sealed])?;
        let instructions = steps.instructions()?.saturating_sub(start);
        costs.push(Cost { what, instructions });
    }
    Ok(costs)
}
