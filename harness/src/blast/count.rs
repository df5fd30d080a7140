//! How many instructions after its first store an overflow was noticed, counted without a stop: by
//! the observer's log of stores, in which each store has the number of its instruction.
//!
//! A stop lets the emulator's clock jump, so that a latency measured with stops is one of the
//! method. Here the device runs through, and where it was is read from what it stored: a function
//! that begins with a push stores at its own address. What the core itself stacks is in no log.

use crate::image::Image;
use crate::steps::Steps;
use crate::target::{BenchError, Store, Target};
use crashrig_layout::Need;
use crashrig_wire::Mailbox;
use std::ops::Range;
use std::path::Path;

/// The need that brings the observer.
const OBSERVED: Need = Need::StoreLog;
/// Where a check goes that has found something: everything to be counted has happened.
const FOUND_ENTRY: &str = "crashrig_found_entry";
/// How far below the ISR stack handlers may push when its pointer has left it.
const HANDLERS_BYTES: u32 = 1024;

/// What is looked for in a log.
#[derive(Debug, Clone, Copy)]
pub(super) struct Places {
    /// The function that injects.
    pub injection: u32,
    /// The check that finds.
    pub check: u32,
    /// Addresses below the victim's stack, the first one and the one behind the last.
    pub below: (u32, u32),
}

/// Runs the overflow once more, to where its check has found it. Nothing where nobody observes, or
/// where the log does not say.
///
/// # Errors
/// The bench failed, or the device did not come to where it is measured.
pub(super) fn count(
    target: &dyn Target,
    image: &Image,
    (command, seed): (Mailbox, u64),
    folder: &Path,
    places: Places,
    victim: &Range<u32>,
) -> Result<Option<u64>, BenchError> {
    if target.has(OBSERVED).is_err() {
        return Ok(None);
    }
    let mut steps = Steps::begin(target, image, command, &[OBSERVED], seed, folder)?;
    let (start, _) = places.below;
    let isr = image.areas().iter().find(|area| area.name == "isr-stack");
    let isr = isr.map(|area| (area.start.saturating_sub(HANDLERS_BYTES), area.end));
    for (start, end) in [Some((start, victim.end)), isr].into_iter().flatten() {
        steps.session().log_stores(start, end.saturating_sub(start))?;
    }
    let found = steps.address(FOUND_ENTRY)?;
    steps.session().set_breakpoint(found)?;
    steps.run_to(&[found])?;
    Ok(latency(&steps.session().stores()?, places))
}

/// Instructions from the first store below the stack, after the injection, to the last check. Each
/// must be in the log.
fn latency(stores: &[Store], places: Places) -> Option<u64> {
    let injected = stores.iter().position(|store| store.pc == places.injection)?;
    let (start, end) = places.below;
    let after = stores.get(injected..)?;
    let first = after.iter().find(|store| (start..end).contains(&store.address))?;
    let checked = after.iter().rfind(|store| store.pc == places.check)?;
    checked.instruction.checked_sub(first.instruction)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACES: Places = Places { injection: 0x100, check: 0x200, below: (0x1000, 0x1100) };

    fn check(stores: &[(u64, u32, u32)], expected: Option<u64>) {
        let stores: Vec<_> = stores
            .iter()
            .map(|(instruction, pc, address)| Store {
                instruction: *instruction,
                pc: *pc,
                address: *address,
            })
            .collect();
        assert_eq!(latency(&stores, PLACES), expected, "{stores:?}");
    }

    #[test]
    fn the_first_store_below_and_the_check_that_found_it_count() {
        let all =
            [(5, 0x300, 0x1010), (10, 0x100, 0x1800), (12, 0x300, 0x10FC), (13, 0x300, 0x10F8)];
        let checks = [(40, 0x200, 0x1900), (90, 0x200, 0x1900), (90, 0x200, 0x1904)];
        check(&[&all[..], &checks].concat(), Some(78));
        check(&[&all[1..], &checks[..1]].concat(), Some(28));
        check(&all, None);
        check(&[&all[2..], &checks].concat(), None);
        check(&[&all[..2], &checks].concat(), None);
        check(&[], None);
    }
}
