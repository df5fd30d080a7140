//! Memory on a battery: the mirror of the ledger (tier 0) and the history of records (tier 3).
//!
//! The chip file says where both are and which bits open them. They are opened once, early in a
//! boot, and stay open; where the bits do not stay set, as in an emulator without that memory,
//! neither is used. The fault path writes the mirror only; the history is written by the next boot.

use crate::platform::platform;
use crate::{clock, fault};
use core::ops::Range;
use core::sync::atomic::{AtomicBool, Ordering};
use crashrig_layout::Backup;
use crashrig_memory::history::History;
use crashrig_memory::raw::RetainedRam;
use crashrig_wire::history::HISTORY_BYTES;
use crashrig_wire::ledger::LEDGER_LENGTH;

#[unsafe(link_section = ".upper.backup")]
static IS_OPEN: AtomicBool = AtomicBool::new(false);

/// Opens it, if the chip has any. To be called once a boot, before the crash region is opened.
pub(crate) fn open() {
    if let Some(Backup { region, .. }) = &platform().backup {
        IS_OPEN.store(clock::enable_region(region), Ordering::Relaxed);
    }
}

fn opened() -> Option<&'static Backup> {
    platform().backup.as_ref().filter(|_| IS_OPEN.load(Ordering::Relaxed))
}

/// Where the ledger stands once more.
pub(crate) fn mirror() -> Option<RetainedRam> {
    let &Backup { registers, registers_bytes, .. } = opened()?;
    let fits = registers_bytes as usize >= LEDGER_LENGTH;
    // SAFETY: the chip file gives backup registers, which are open and nothing else uses.
    fits.then(|| unsafe { RetainedRam::new(registers as usize, registers_bytes as usize) })
}

/// Copies to the history what the crash region has that is newer.
pub(crate) fn keep() {
    let Some(&Backup { history, history_bytes, .. }) = opened() else { return };
    if history_bytes as usize >= HISTORY_BYTES {
        // SAFETY: the chip file gives RAM, which is open, and which the heap keeps off ([`taken`]).
        let store = unsafe { RetainedRam::new(history as usize, HISTORY_BYTES) };
        History::open(store).take(&mut fault::open_region());
    }
}

/// What the heap must keep off; empty without a history.
pub(crate) fn taken() -> Range<u32> {
    let backup = platform().backup.as_ref();
    backup.map_or(0..0, |backup| backup.history..backup.history + backup.history_bytes)
}
