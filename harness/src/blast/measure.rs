//! Two runs of the first boot of a scenario, with the overflow and without, stopped where it is
//! injected and where its detector begins.

use super::count::{Places, count};
use super::{Blast, FirstWrite, Injection, Source};
use crate::image::Image;
use crate::scenario::{BootPlan, Scenario, measured_function};
use crate::steps::Steps;
use crate::target::{BenchError, Target};
use crashrig_wire::{Fault, Mailbox};
use std::collections::BTreeSet;
use std::path::Path;

/// Where the fault path begins.
pub(super) const FAULT_ENTRY: &str = "crashrig_fault_entry";
/// Where the check of canaries and stack pointers begins.
pub(super) const CHECK: &str = "crashrig_check_stacks";
/// The handlers that lead to the check; the core has pushed a frame before each.
const HANDLERS: [&str; 2] = ["crashrig_systick_entry", "crashrig_pendsv_entry"];
/// How far below its stack the first store of an overflow is looked for: more than a guard and what
/// the ways of the image go beyond it.
const REACH_BYTES: u32 = 256;

/// Measures one overflow. The raw streams of both runs stay in a folder.
///
/// # Errors
/// The bench failed, or the device did not come to where it is measured.
pub fn measure(
    target: &dyn Target,
    image: &Image,
    scenario: &Scenario,
    injection: &Injection,
    seed: u64,
    folder: &Path,
) -> Result<Blast, BenchError> {
    let plan = scenario
        .boots
        .first()
        .ok_or_else(|| BenchError(format!("measure {}: no boot", scenario.name)))?;
    let run = |is_harmless| -> Result<Sample, BenchError> {
        let folder = folder.join(if is_harmless { "without" } else { "with" });
        let command = command(injection, plan, is_harmless);
        sample(Steps::begin(target, image, command, &[], seed, &folder)?, injection, is_harmless)
    };
    let with = run(false)?;
    let mut changed = with.changed_outside();
    if !injection.is_refused() {
        for address in run(true)?.changed_outside() {
            changed.remove(&address);
        }
    }
    let (first_write, since) = with.first_write.unwrap_or((FirstWrite::Refused, with.detected_at));
    let logged = match first_write {
        FirstWrite::Store => {
            let below = (with.victim.start.saturating_sub(REACH_BYTES), with.victim.start);
            let places = Places { injection: with.injection, check: with.check, below };
            let command = (command(injection, plan, false), seed);
            count(target, image, command, &folder.join("logged"), places, &with.victim)?
        }
        FirstWrite::Refused | FirstWrite::Core => None,
    };
    Ok(Blast {
        bytes: u32::try_from(changed.len()).unwrap_or(u32::MAX),
        first_write,
        instructions: logged.unwrap_or(with.detected_at.saturating_sub(since)),
        source: if logged.is_some() { Source::Log } else { Source::Stops },
    })
}

fn command(injection: &Injection, plan: &BootPlan, is_harmless: bool) -> Mailbox {
    let Injection { stack, way, .. } = *injection;
    Mailbox {
        run_id: 0,
        ticket: 0,
        fault: Fault::StackOverflow,
        flags: Mailbox::SEMIHOSTING,
        seed: 0,
        parameters: [u32::from(stack.code()), u32::from(way.code()), u32::from(is_harmless), 0],
        without: plan.without.iter().fold(0, |bits, detector| bits | detector.bit()),
    }
}

/// Memory ranges with their first addresses.
type Memory = Vec<(u32, Vec<u8>)>;

/// One run.
struct Sample {
    /// Where the function lies that injects, and where the detector begins.
    injection: u32,
    check: u32,
    victim: std::ops::Range<u32>,
    before: Memory,
    after: Memory,
    /// What wrote first, and how many instructions had been executed by then.
    first_write: Option<(FirstWrite, u64)>,
    detected_at: u64,
}

impl Sample {
    /// Addresses outside of the victim's stack whose byte changed.
    fn changed_outside(&self) -> BTreeSet<u32> {
        let mut changed = BTreeSet::new();
        for ((start, before), (_, after)) in self.before.iter().zip(&self.after) {
            let pairs = (*start..).zip(before.iter().zip(after));
            let differing = pairs.filter(|(_, (before, after))| before != after);
            changed.extend(differing.map(|(address, _)| address));
        }
        changed.retain(|address| !self.victim.contains(address));
        changed
    }
}

fn sample(
    mut steps: Steps<'_>,
    injection: &Injection,
    is_harmless: bool,
) -> Result<Sample, BenchError> {
    let function = measured_function(Fault::StackOverflow).unwrap_or_default();
    let function = steps.address(function)?;
    steps.session().set_breakpoint(function)?;
    steps.run_to(&[function])?;
    let victim = steps.register("r0")?..steps.register("r1")?;
    let before = memory(&mut steps)?;
    steps.session().clear_breakpoints()?;

    let (detector, handlers) = if injection.is_refused() {
        (steps.address(FAULT_ENTRY)?, Vec::new())
    } else {
        let [tick, switch] = HANDLERS;
        (steps.address(CHECK)?, vec![steps.address(tick)?, steps.address(switch)?])
    };
    let breakpoints: Vec<_> = handlers.iter().copied().chain([detector]).collect();
    for address in &breakpoints {
        steps.session().set_breakpoint(*address)?;
    }
    let below = victim.start.saturating_sub(REACH_BYTES);
    if !is_harmless {
        steps.session().watch_stores(below, REACH_BYTES)?;
    }
    let stops: Vec<_> = breakpoints.iter().copied().chain([below]).collect();
    let mut first_write = None;
    loop {
        let at = steps.run_to(&stops)?;
        let now = steps.instructions()?;
        if at == detector {
            let after = memory(&mut steps)?;
            let (injection, check) = (function, detector);
            let detected_at = now;
            return Ok(Sample {
                injection,
                check,
                victim,
                before,
                after,
                first_write,
                detected_at,
            });
        }
        if first_write.is_none() && !is_harmless {
            let what = if at == below { FirstWrite::Store } else { FirstWrite::Core };
            first_write = Some((what, now));
        }
        if at == below {
            // One is enough.
            steps.session().clear_breakpoints()?;
            for address in &breakpoints {
                steps.session().set_breakpoint(*address)?;
            }
        }
    }
}

fn memory(steps: &mut Steps<'_>) -> Result<Memory, BenchError> {
    let mut memory = Vec::new();
    for (start, size) in steps.session().ram().to_vec() {
        let mut bytes = vec![0; size as usize];
        steps.session().read(start, &mut bytes)?;
        memory.push((start, bytes));
    }
    Ok(memory)
}
