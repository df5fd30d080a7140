//! How a transfer ends other than it should, and what comes of it: a record, or an error value.
//!
//! Interrupts and the clock tick notice; this decides. A stream is off before anybody is told.

use super::{matrix, registers, table};
use crate::errors::{self, Place};
use crate::{clock, interrupts};
use core::sync::atomic::{AtomicBool, Ordering};
use crashrig_memory::capture::Reported;
use crashrig_memory::dma::{Refusal, StreamId, check};
use crashrig_memory::misuse::of_transfer;
use crashrig_wire::status::Misuse;
use crashrig_wire::{Detector, DmaRule, TransferState};

/// What becomes of a transfer that is refused or fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// The boot ends with a record.
    Fatal,
    /// A warning is kept, and the owner finds an error value.
    Value,
}

/// What an interrupt has told of a stream.
#[derive(Debug, Clone, Copy)]
pub(super) enum Event {
    /// The transfer failed; the address that was refused, if the chip says so.
    Failed(TransferState, Option<u32>),
    /// A round has come to its end.
    Ended,
}

static REFUSALS_ARE_VALUES: AtomicBool = AtomicBool::new(false);
static ERRORS_ARE_VALUES: AtomicBool = AtomicBool::new(false);

/// Says what becomes of transfers that are refused, and of those that fail. Both are fatal until
/// this is called.
pub fn set_on_failure(refused: OnFailure, failed: OnFailure) {
    REFUSALS_ARE_VALUES.store(refused == OnFailure::Value, Ordering::Relaxed);
    ERRORS_ARE_VALUES.store(failed == OnFailure::Value, Ordering::Relaxed);
}

/// A transfer was refused. The value of record and warning is the rule.
#[track_caller]
pub(super) fn refused(refusal: &Refusal) {
    let Refusal { rule, address, .. } = *refusal;
    let value = u32::from(rule.code());
    if REFUSALS_ARE_VALUES.load(Ordering::Relaxed) {
        let place = Place::Here(core::panic::Location::caller());
        return errors::misuse((Misuse::DmaRefused, value), place);
    }
    let (status, detector) = (Misuse::DmaRefused.status(), Detector::DmaCapability);
    errors::end_with(Reported { status, value, detector, address: Some(address) })
}

/// A transfer has failed, and its stream is off. The value of record and warning is the code of the
/// stream.
fn failed(id: StreamId, misuse: Misuse, address: u32) {
    let value = u32::from(id.code());
    if ERRORS_ARE_VALUES.load(Ordering::Relaxed) {
        let place = Place::Here(core::panic::Location::caller());
        return errors::misuse((misuse, value), place);
    }
    let (status, detector) = (misuse.status(), Detector::DmaTransferError);
    errors::end_with(Reported { status, value, detector, address: Some(address) })
}

/// Stops a stream and says what became of its transfer. Nothing if it had ended before. `seen` is
/// the address that was refused, if the chip has said it.
pub(super) fn end(id: StreamId, state: TransferState, seen: Option<u32>) {
    let items_left = registers::items_left(id);
    let _ = registers::disable(id);
    // To switch a stream off sets the flag of its end, too.
    registers::clear_flags(id);
    let plan = table::change_running(id, |entry| {
        (entry.state, entry.items_left) = (state, items_left);
        entry.plan
    });
    let (Some(plan), Some(misuse)) = (plan, of_transfer(state)) else { return };
    // No controller says which address it was. The bus matrix does, if it is that.
    let address = match check(&plan, id.controller, &matrix()) {
        Err(Refusal { rule, address, .. })
            if state == TransferState::TransferError && is_of_reach(rule) =>
        {
            address
        }
        _ => table::progress(&plan, items_left),
    };
    failed(id, misuse, seen.unwrap_or(address));
}

/// Whether a rule says that an address cannot be accessed, so that the bus says it too.
const fn is_of_reach(rule: DmaRule) -> bool {
    matches!(
        rule,
        DmaRule::OutOfReach
            | DmaRule::Unmapped
            | DmaRule::ReadOnly
            | DmaRule::Alias
            | DmaRule::CopyController
    )
}

/// The handler of every stream's interrupt.
pub(super) extern "C" fn handler() {
    let line = interrupts::active().wrapping_sub(interrupts::CORE_EXCEPTIONS);
    let Some((id, event)) = registers::take_event(line) else { return };
    if let Event::Failed(state, seen) = event {
        if !cfg!(feature = "without-dma-error") {
            end(id, state, seen);
        }
        return;
    }
    table::change_running(id, |entry| {
        if !table::is_endless(&entry.plan) {
            (entry.state, entry.items_left) = (TransferState::Done, 0);
        }
    });
}

/// The driver's watchdog: ends what should have ended long ago.
pub(super) fn tick() {
    let now = clock::uptime_ms();
    for (id, entry) in table::running() {
        let is_late =
            entry.limit_ms.is_some_and(|limit| now.wrapping_sub(entry.started_ms) >= limit);
        if is_late && !cfg!(feature = "without-dma-limit") {
            end(id, TransferState::TimedOut, None);
        }
    }
}

/// Stops everything, so that no bus master writes while a record is being written. States stay, and
/// what was left is noted.
pub(super) fn stop_all() {
    for (id, _) in table::running() {
        let items_left = registers::items_left(id);
        let _ = registers::disable(id);
        table::change_running(id, |entry| entry.items_left = items_left);
    }
}
