//! What an overflow of a certain size writes outside of its stack before its detector runs its
//! first instruction: each byte of it, by the observer's log of stores, whatever stood there.
//!
//! Stores that the guard refuses are in no log, for they are none.

use super::Injection;
use super::measure::{CHECK, FAULT_ENTRY};
use crate::image::Image;
use crate::scenario::{Scenario, measured_function};
use crate::steps::Steps;
use crate::sweep::commands::commands;
use crate::target::{BenchError, Target};
use crashrig_layout::Need;
use crashrig_wire::{Fault, Mailbox};
use std::collections::BTreeSet;
use std::path::Path;

/// Sizes in bytes that are measured.
pub const SIZES: [u32; 11] = [4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096];
/// The frame is written word by word.
const WORD_BYTES: usize = 4;
/// The need that brings the observer.
const OBSERVED: Need = Need::StoreLog;

/// Measures one frame that goes so many bytes beyond the limit of its stack, all of it written. How
/// many bytes beyond it have been written when the detector begins.
///
/// # Errors
/// The bench failed, nobody observes here, or the device did not come to the detector.
pub fn written(
    target: &dyn Target,
    image: &Image,
    scenario: &Scenario,
    injection: &Injection,
    size_bytes: u32,
    (seed, folder): (u64, &Path),
) -> Result<u32, BenchError> {
    let name = format!("{}-stack", injection.stack.name());
    let stack = image.areas().iter().find(|area| area.name == name);
    let stack = stack.ok_or_else(|| BenchError(format!("find area {name}")))?;
    let depth_bytes = stack.end - stack.start + size_bytes;
    let plan = scenario.boots.first().zip(commands(scenario, seed).first().copied());
    let (plan, command) =
        plan.ok_or_else(|| BenchError(format!("measure {}: no boot", scenario.name)))?;
    let parameters = plan.parameters(depth_bytes);
    let command = Mailbox { parameters, flags: Mailbox::SEMIHOSTING, ..command };
    let mut steps = Steps::begin(target, image, command, &[OBSERVED], seed, folder)?;
    let injected = steps.address(measured_function(Fault::StackOverflow).unwrap_or_default())?;
    let detector = if injection.is_refused() { FAULT_ENTRY } else { CHECK };
    let detector = steps.address(detector)?;
    let start = stack.start.saturating_sub(size_bytes);
    steps.session().log_stores(start, stack.end - start)?;
    steps.session().set_breakpoint(detector)?;
    steps.run_to(&[detector])?;
    // The clock has looked at stacks before, so the last run to the detector is not the first.
    let mut stores = steps.session().stores()?;
    while !stores.iter().any(|store| store.pc == injected) {
        steps.run_to(&[detector])?;
        stores.extend(steps.session().stores()?);
    }
    let first = stores.iter().position(|store| store.pc == injected).unwrap_or(stores.len());
    let words: BTreeSet<u32> = stores
        .iter()
        .skip(first)
        .map(|store| store.address)
        .filter(|address| (start..stack.start).contains(address))
        .collect();
    Ok(u32::try_from(WORD_BYTES * words.len()).unwrap_or(u32::MAX))
}
