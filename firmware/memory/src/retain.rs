//! The crash region: the ledger twice, slot FIRST and slot LAST, and the policy between them.
//!
//! Policy: the oldest record that nobody has read stays where it is, however often the device
//! crashes again; later crashes go to the other slot, each replacing the one before. Reading is a
//! mark in the ledger, so an unread record is never written at all. A record that was read stays as
//! history until its room is needed: of two such, the older one makes room.
//!
//! A record is committed in three phases, core, trail and sections (tier 2), each of which leaves
//! what came before it whole.
//!
//! Every write is a word. A reset between any two words leaves either the old state or one whose
//! damage its own CRC shows: `tests/retain.rs` cuts the power at every word.

mod boots;

pub use crate::store::{SlotSink, Store};

use crate::ledgers::{self, words};
use crate::reboot::{self, BootMode, Policy, Start};
use crashrig_wire::ledger::Phase;
use crashrig_wire::marker::Found;
use crashrig_wire::record::{self, RECORD_LENGTH, Reading, Record, State};
use crashrig_wire::region::{Geometry, Slot};
use crashrig_wire::section::{SECTIONS_OFFSET, SectionWriter, TIER_2_LENGTH};
use crashrig_wire::{BuildId, Ledger, field};

/// What a boot learns from the crash region.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BootFindings {
    /// Number of this boot since the ledger was new; the first is 1.
    pub boot: u32,
    /// Whether an intact ledger was found; without one this is a first boot as far as anyone can
    /// tell.
    pub ledger_kept: bool,
    /// What slot FIRST holds.
    pub first: Found,
    /// What slot LAST holds.
    pub last: Found,
}

/// What a boot is told before anything else of it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BootReport {
    /// How it is to run.
    pub mode: BootMode,
    /// The oldest record of this build that nobody has read. It is not marked by this: whoever
    /// hands it on takes it with [`CrashRegion::take_report`] first.
    pub record: Option<Record>,
    /// What was found.
    pub findings: BootFindings,
}

/// What the policy asks of a record. The fault path decides on a small stack, so records themselves
/// are not carried around.
#[derive(Debug, Clone, Copy)]
struct Held {
    slot: Slot,
    sequence: u32,
    build_id: BuildId,
}

/// The crash region over a store.
#[derive(Debug)]
pub struct CrashRegion<S> {
    store: S,
    /// What holds the ledger once more.
    mirror: Option<S>,
    geometry: Geometry,
    ledger: Ledger,
    /// The copy of the ledger to be written first; the other one holds `ledger`.
    first_copy: usize,
    ledger_kept: bool,
}

impl<S: Store> CrashRegion<S> {
    /// Opens the region and finds its newest ledger. Writes nothing.
    pub fn open(store: S) -> Self {
        Self::open_mirrored(store, None)
    }

    /// As [`Self::open`], with the ledger once more in memory that outlives the region (tier 0),
    /// from its start on.
    pub fn open_mirrored(store: S, mirror: Option<S>) -> Self {
        let geometry = Geometry::new(store.size());
        let (newest, first_copy) = ledgers::newest(&store, mirror.as_ref());
        // A bootloader writes one in front of the first boot.
        let ledger_kept = newest.is_some_and(|ledger| ledger.boots > 0);
        let ledger = newest.unwrap_or_default();
        let mut region = Self { store, mirror, geometry, ledger, first_copy, ledger_kept };
        // A ledger older than the records, or a new one, must not give out a sequence twice.
        for slot in Slot::ALL {
            if let Some(held) = region.held_in(slot) {
                region.ledger.crashes = region.ledger.crashes.max(held.sequence);
            }
        }
        region
    }

    /// The newest ledger.
    pub const fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// What a slot holds.
    pub fn read(&self, slot: Slot) -> Reading {
        let mut bytes = [0; RECORD_LENGTH];
        self.store.read(self.geometry.offset_of(slot), &mut bytes);
        #[cfg(feature = "without-record-crc")]
        reseal(&mut bytes);
        record::read(&bytes)
    }

    /// Counts a boot and says what is there, without following how the boot ends. To be called once
    /// a boot.
    pub fn boot(&mut self, build_id: &BuildId) -> BootFindings {
        let findings = self.findings(build_id);
        self.ledger.boots = findings.boot;
        self.ledger.phase = Phase::Unfollowed;
        self.write_ledger();
        findings
    }

    /// Begins a boot that is followed: counts it, decides how it is to run, and says what there is
    /// to report. To be called once a boot, instead of [`Self::boot`]. It is one write of the
    /// ledger.
    pub fn begin(&mut self, build_id: &BuildId, policy: &Policy, start: Start) -> BootReport {
        let findings = self.findings(build_id);
        self.ledger.boots = findings.boot;
        let mode = policy.begin(&mut self.ledger, start);
        self.write_ledger();
        let record = self.oldest_of(build_id).and_then(|oldest| self.record_in(oldest.slot));
        BootReport { mode, record, findings }
    }

    fn findings(&self, build_id: &BuildId) -> BootFindings {
        BootFindings {
            boot: self.ledger.boots.saturating_add(1),
            ledger_kept: self.ledger_kept,
            first: self.find(Slot::First, build_id),
            last: self.find(Slot::Last, build_id),
        }
    }

    fn find(&self, slot: Slot, build_id: &BuildId) -> Found {
        match self.held_in(slot) {
            None => Found::Nothing,
            Some(held) if held.build_id != *build_id => Found::Foreign,
            Some(held) if self.is_read(&held) => Found::Read,
            Some(_) => Found::Unread,
        }
    }

    const fn is_read(&self, held: &Held) -> bool {
        held.sequence <= self.ledger.read_mark
    }

    /// The oldest record of this build that nobody has read, once: it is marked before it is
    /// returned, so that a device which crashes over its report does not report for ever. What is
    /// older, of another build, counts as read from then on.
    pub fn take_report(&mut self, build_id: &BuildId) -> Option<Record> {
        let oldest = self.oldest_of(build_id)?;
        self.ledger.read_mark = oldest.sequence;
        self.write_ledger();
        self.record_in(oldest.slot)
    }

    fn oldest_of(&self, build_id: &BuildId) -> Option<Held> {
        self.oldest_unread(|held| held.build_id == *build_id)
    }

    fn record_in(&self, slot: Slot) -> Option<Record> {
        self.read(slot).record().copied()
    }

    fn oldest_unread(&self, wanted: impl Fn(&Held) -> bool) -> Option<Held> {
        let [newer, older] = self.held();
        let unread = |held: &Held| !self.is_read(held) && wanted(held);
        older.filter(unread).or(newer.filter(unread))
    }

    /// Every readable record, read or not and of any build, the newest first.
    pub fn history(&self) -> impl Iterator<Item = (Slot, Record)> {
        let record = |held: Held| Some((held.slot, self.record_in(held.slot)?));
        self.held().into_iter().flatten().filter_map(record)
    }

    /// What both slots hold, the newer record first.
    fn held(&self) -> [Option<Held>; 2] {
        let [first, last] = Slot::ALL.map(|slot| self.held_in(slot));
        let sequence = |held: Option<Held>| held.map(|held| held.sequence);
        if sequence(last) > sequence(first) { [last, first] } else { [first, last] }
    }

    /// What a slot holds. A frame of its own, so that the record and its bytes are off the stack
    /// again when this returns.
    #[inline(never)]
    fn held_in(&self, slot: Slot) -> Option<Held> {
        let reading = self.read(slot);
        let Record { sequence, build_id, .. } = *reading.record()?;
        Some(Held { slot, sequence, build_id })
    }

    /// Slots and sequences of the readable records, the newest first.
    pub fn sequences(&self) -> impl Iterator<Item = (Slot, u32)> {
        self.held().into_iter().flatten().map(|held| (held.slot, held.sequence))
    }

    /// A word of a slot by its offset in bytes; 0 behind the end of the slot.
    pub fn slot_word(&self, slot: Slot, offset: usize) -> u32 {
        let mut bytes = [0; 4];
        if offset < self.geometry.slot_size {
            self.store.read(self.geometry.offset_of(slot) + offset, &mut bytes);
        }
        u32::from_le_bytes(bytes)
    }

    /// Whether there may be a record that the boot before did not have: it left one, or nobody can
    /// tell any more, such as behind a bootloader.
    pub const fn may_have_news(&self) -> bool {
        !self.ledger_kept || matches!(self.ledger.phase, Phase::Crashed | Phase::HandedOver)
    }

    /// Records from elsewhere have sequences up to this one: none of them is given out again.
    pub fn skip_sequences(&mut self, newest: u32) {
        if newest > self.ledger.crashes {
            self.ledger.crashes = newest;
            self.write_ledger();
        }
    }

    /// Somebody has looked: marks every record there is as read, forgets crashes in a row, and ends
    /// safe mode with this boot.
    pub fn acknowledge(&mut self) {
        self.ledger.read_mark = self.ledger.crashes;
        reboot::acknowledged(&mut self.ledger);
        self.write_ledger();
    }

    /// Counts a fault that came while a record was being written.
    pub fn note_nested(&mut self, vector: u32, cfsr: u32) {
        self.ledger.nested_count = self.ledger.nested_count.saturating_add(1);
        self.ledger.nested_vector = vector;
        self.ledger.nested_cfsr = cfsr;
        self.write_ledger();
    }

    /// The sequence of the next record.
    pub const fn next_sequence(&self) -> u32 {
        self.ledger.crashes.saturating_add(1)
    }

    /// The slot a new record goes to: never that of the oldest record that nobody has read. If all
    /// were read, the newest stays as history.
    pub fn slot_for_new(&self) -> Slot {
        let [newest, _] = self.held();
        match self.oldest_unread(|_| true).or(newest) {
            Some(Held { slot: Slot::First, .. }) => Slot::Last,
            Some(Held { slot: Slot::Last, .. }) | None => Slot::First,
        }
    }

    /// Phase one: writes everything but the trail and seals it. Returns the slot, for phase two.
    pub fn commit_core(&mut self, record: &Record) -> Slot {
        let slot = self.slot_for_new();
        let bytes = record.to_bytes(State::Core);
        self.write_state(slot, State::Writing);
        // What an older record had behind it is over.
        let _ = self.sections(slot, record.sequence);
        self.write_words(slot, &bytes, 0..field::STATE.offset);
        self.write_words(slot, &bytes, field::CORE_CRC.offset..RECORD_LENGTH);
        self.write_state(slot, State::Core);
        self.ledger.crashes = self.ledger.crashes.max(record.sequence);
        // A boot that crashed before it was counted counts all the same.
        self.ledger.boots = self.ledger.boots.max(record.boot);
        reboot::crashed(&mut self.ledger, record.status);
        self.write_ledger();
        slot
    }

    /// Phase two: writes the trail of the same record and seals the whole.
    pub fn commit_trail(&mut self, slot: Slot, record: &Record) {
        let bytes = record.to_bytes(State::Complete);
        // The length of the trail shares a word with the trust bits, which stay as they are.
        let length_word = field::TRUST.offset..field::TRUST.offset + 4;
        self.write_words(slot, &bytes, length_word);
        self.write_words(slot, &bytes, field::TRAIL.offset..RECORD_LENGTH);
        self.write_state(slot, State::Complete);
    }

    /// Phase three: a writer for the sections of a record of both phases. Where a slot has no room
    /// behind its record, it writes nothing.
    pub fn sections(&mut self, slot: Slot, sequence: u32) -> SectionWriter<SlotSink<'_, S>> {
        let length = self.geometry.slot_size.min(TIER_2_LENGTH);
        let sink = SlotSink::new(&mut self.store, self.geometry.offset_of(slot));
        SectionWriter::new(sink, sequence, SECTIONS_OFFSET, length)
    }

    fn write_state(&mut self, slot: Slot, state: State) {
        let offset = self.geometry.offset_of(slot) + field::STATE.offset;
        self.store.write_word(offset, state as u32);
    }

    fn write_words(
        &mut self,
        slot: Slot,
        bytes: &[u8; RECORD_LENGTH],
        range: core::ops::Range<usize>,
    ) {
        let base = self.geometry.offset_of(slot) + range.start;
        for (index, word) in words(bytes.get(range).unwrap_or_default()).enumerate() {
            self.store.write_word(base + 4 * index, word);
        }
    }

    fn write_ledger(&mut self) {
        self.ledger.sequence = self.ledger.sequence.wrapping_add(1);
        ledgers::write(&self.ledger, self.first_copy, &mut self.store, self.mirror.as_mut());
        self.ledger_kept = true;
    }
}

/// The mutant that does not check the CRC: whatever stands in a slot is made to look sealed.
#[cfg(feature = "without-record-crc")]
fn reseal(bytes: &mut [u8; RECORD_LENGTH]) {
    let crc = record::whole_crc(bytes).to_le_bytes();
    if let Some(target) = bytes.get_mut(field::CRC.offset..) {
        target.copy_from_slice(&crc);
    }
}
