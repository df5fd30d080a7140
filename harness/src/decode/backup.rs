//! What memory on a battery held: the mirror of the ledger, and the history of records.

use super::assemble::crash_of_record;
use crate::evidence::BootEvidence;
use crate::image::Image;
use crate::report::{BackupReport, CrashReport};
use crashrig_wire::history::{Kept, slots};
use crashrig_wire::record::{RECORD_LENGTH, read};
use crashrig_wire::region::Slot;
use crashrig_wire::{Ledger, Reading};

/// Memory of a boot that kept some.
pub(super) fn report(boot: &BootEvidence, image: &Image) -> Option<BackupReport> {
    let (registers, history) = (boot.backup_registers.bytes(), boot.history.bytes());
    let is_there = !(registers.is_empty() && history.is_empty());
    is_there
        .then(|| BackupReport { ledger: Ledger::read(registers), history: records(history, image) })
}

/// The slots of a history, in the order of memory; nothing where a seal does not hold.
#[must_use]
pub fn records(history: &[u8], image: &Image) -> Vec<Option<CrashReport>> {
    slots(history).map(|kept| crash(kept?, image)).collect()
}

fn crash(kept: Kept<'_>, image: &Image) -> Option<CrashReport> {
    let (record, behind) = kept.bytes.split_first_chunk::<RECORD_LENGTH>()?;
    let reading = read(record);
    let partial = matches!(reading, Reading::Partial(_));
    // A history has no slots FIRST and LAST; where the record once was, nobody knows.
    Some(crash_of_record(Slot::First, reading.record()?, partial, behind, image))
}
