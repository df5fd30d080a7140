//! What a boot left, read at the level of the wire: slots, ledger, end marker. Total: any bytes
//! give an answer.

use crate::decode::records::{ledger, section_bytes, slot_bytes};
use crate::sweep::engine::BootTrace;
use crate::sweep::hash::Fnv;
use crate::target::Boundary;
use crashrig_wire::record::{Reading, Record, read};
use crashrig_wire::region::Slot;
use crashrig_wire::section::{SectionReading, sections};
use crashrig_wire::{EndMarker, Ledger};

/// One boot, read.
#[derive(Debug, Clone)]
pub(super) struct View<'a> {
    pub boundary: &'a Boundary,
    /// FIRST, then LAST.
    pub slots: [Reading; 2],
    pub ledger: Option<Ledger>,
    pub marker: Option<EndMarker>,
    pub region: &'a [u8],
    /// A hash over the region.
    pub region_hash: u64,
    pub ram_hash: Option<u64>,
}

impl<'a> View<'a> {
    /// A boot, by that of the golden run if both have left the same crash region: most have, and
    /// reading it takes most of a judgement's time.
    pub(super) fn beside(boot: &'a BootTrace, golden: Option<&View<'_>>) -> Self {
        match golden.filter(|golden| golden.region == boot.region) {
            Some(View { slots, ledger, region_hash, .. }) => Self {
                boundary: &boot.boundary,
                slots: *slots,
                ledger: *ledger,
                marker: EndMarker::read(&boot.marker),
                region: &boot.region,
                region_hash: *region_hash,
                ram_hash: boot.ram_hash,
            },
            None => Self::of(boot),
        }
    }

    pub(super) fn of(boot: &'a BootTrace) -> Self {
        let mut hash = Fnv::default();
        hash.add(&boot.region);
        let slot = |slot| slot_bytes(&boot.region, slot).map_or(Reading::Blank, |it| read(it));
        Self {
            boundary: &boot.boundary,
            slots: Slot::ALL.map(slot),
            ledger: ledger(&boot.region),
            marker: EndMarker::read(&boot.marker),
            region: &boot.region,
            region_hash: hash.value(),
            ram_hash: boot.ram_hash,
        }
    }

    /// The records that can be read, whole or in part.
    pub(super) fn records(&self) -> impl Iterator<Item = &Record> {
        self.slots.iter().filter_map(Reading::record)
    }

    /// The sound sections behind the record of a slot: code and payload.
    pub(super) fn sections(&self, slot: Slot) -> Vec<(u8, &'a [u8])> {
        let [first, last] = &self.slots;
        let reading = if slot == Slot::First { first } else { last };
        let Reading::Valid(record) = reading else { return Vec::new() };
        let all = sections(section_bytes(self.region, slot), record.sequence);
        let sound = all.filter_map(|section| match section {
            SectionReading::Sound { code, payload, .. } => Some((code, payload)),
            SectionReading::Damaged { .. } => None,
        });
        sound.collect()
    }
}

/// Whether two records are of the same crash of the same boot, by what numbers them.
pub(super) fn same_crash(a: &Record, b: &Record) -> bool {
    (a.run_id, a.boot, a.sequence) == (b.run_id, b.boot, b.sequence)
}

/// Whether a reading says what a whole record says, as far as it goes.
pub(super) fn says(reading: &Reading, whole: &Record) -> bool {
    let core = |record: &Record| Record { trail: [0; _], trail_length: 0, ..*record };
    match reading {
        Reading::Valid(record) => record == whole,
        Reading::Partial(record) => core(record) == core(whole),
        Reading::Blank | Reading::Torn | Reading::Corrupt(_) => false,
    }
}

/// Whether two records report the same: what happened, who noticed, whom it is charged to, and
/// where. Registers, uptime and the stack may differ.
pub(super) fn same_report(a: &Record, b: &Record) -> bool {
    let report = |it: &Record| {
        (it.kind, it.detector, it.thread, it.status, it.fault_address, it.registers.pc)
    };
    report(a) == report(b)
}

/// A record in words.
pub(super) fn in_words(record: &Record) -> String {
    format!("{} by {} of {}", record.kind, record.detector, record.thread.context().name())
}
