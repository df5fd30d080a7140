//! The crash region's bytes: slots, ledger, and which record is new.

use crate::report::SlotReport;
use crashrig_wire::record::{RECORD_LENGTH, Reading, Record, read};
use crashrig_wire::region::{Geometry, SMALLEST_REGION, Slot};
use crashrig_wire::section::{SECTIONS_OFFSET, TIER_2_LENGTH};
use crashrig_wire::{Detector, Ledger, ledger};

/// The bytes of a slot's record, if the region is large enough to have one.
#[must_use]
pub fn slot_bytes(region: &[u8], slot: Slot) -> Option<&[u8; RECORD_LENGTH]> {
    if region.len() < SMALLEST_REGION {
        return None;
    }
    let offset = Geometry::new(region.len()).offset_of(slot);
    region.get(offset..)?.first_chunk()
}

/// The bytes of a slot behind its record, where its sections are.
#[must_use]
pub fn section_bytes(region: &[u8], slot: Slot) -> &[u8] {
    if region.len() < SMALLEST_REGION {
        return &[];
    }
    let geometry = Geometry::new(region.len());
    let start = geometry.offset_of(slot) + SECTIONS_OFFSET;
    let end = geometry.offset_of(slot) + geometry.slot_size.min(TIER_2_LENGTH);
    region.get(start..end).unwrap_or_default()
}

/// What both slots hold.
#[must_use]
pub fn slots(region: &[u8]) -> [SlotReport; 2] {
    Slot::ALL.map(|slot| {
        let reading = slot_bytes(region, slot).map_or(Reading::Blank, |bytes| read(bytes));
        SlotReport {
            slot,
            record: reading.record().copied(),
            reading: reading.name(),
            reason: match reading {
                Reading::Corrupt(corruption) => Some(corruption.to_string()),
                _ => None,
            },
        }
    })
}

/// The newest sound ledger.
#[must_use]
pub fn ledger(region: &[u8]) -> Option<Ledger> {
    let copy = |index| {
        region
            .get(Geometry::offset_of_ledger(index)..)
            .unwrap_or_default()
            .get(..ledger::LEDGER_LENGTH)
    };
    Ledger::newest([copy(0).unwrap_or_default(), copy(1).unwrap_or_default()])
        .map(|(_, ledger)| ledger)
}

/// A record that a boot left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewRecord {
    /// Where it is.
    pub slot: Slot,
    /// The record.
    pub record: Record,
    /// Whether only phase one holds.
    pub partial: bool,
}

/// The record that is there at the boundary and was not there before, but for one of the boot
/// before.
#[must_use]
pub fn new_record(before: &[u8], after: &[u8]) -> Option<NewRecord> {
    new_records(before, after).find(|new| new.record.detector != Detector::Watchdog)
}

/// The record of the boot before, which a watchdog has ended: the next boot wrote it.
#[must_use]
pub fn late_record(before: &[u8], after: &[u8]) -> Option<NewRecord> {
    new_records(before, after).find(|new| new.record.detector == Detector::Watchdog)
}

fn new_records(before: &[u8], after: &[u8]) -> impl Iterator<Item = NewRecord> {
    Slot::ALL.into_iter().filter_map(move |slot| {
        let bytes = slot_bytes(after, slot)?;
        if slot_bytes(before, slot) == Some(bytes) {
            return None;
        }
        match read(bytes) {
            Reading::Valid(record) => Some(NewRecord { slot, record, partial: false }),
            Reading::Partial(record) => Some(NewRecord { slot, record, partial: true }),
            Reading::Blank | Reading::Torn | Reading::Corrupt(_) => None,
        }
    })
}
