//! The crash region: two ledgers in turn, slot FIRST and slot LAST, and the policy between them.
//!
//! Policy: a record that nobody has read is in FIRST and stays there, however often the device
//! crashes again; later crashes go to LAST, each replacing the one before. Reading is a mark in the
//! ledger, so an unread FIRST is never written at all. After a mark FIRST may be used again.
//!
//! Every write is a word. A reset between any two words leaves either the old state or one whose
//! damage its own CRC shows: `tests/retain.rs` cuts the power at every word.

use crashrig_wire::ledger::LEDGER_LENGTH;
use crashrig_wire::marker::Found;
use crashrig_wire::record::{self, RECORD_LENGTH, Reading, Record, State};
use crashrig_wire::region::{Geometry, Slot};
use crashrig_wire::{BuildId, Ledger, field};

/// Memory that keeps its contents over a reset, addressed by bytes from its start.
pub trait Store {
    /// Size in bytes; at least [`crashrig_wire::region::SMALLEST_REGION`].
    fn size(&self) -> usize;
    /// Copies bytes out, from an offset that is a multiple of four; bytes past the end read as
    /// zero.
    fn read(&self, offset: usize, out: &mut [u8]);
    /// Writes one word at an offset that is a multiple of four; past the end nothing happens.
    fn write_word(&mut self, offset: usize, word: u32);
}

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

/// The crash region over a store.
#[derive(Debug)]
pub struct CrashRegion<S> {
    store: S,
    geometry: Geometry,
    ledger: Ledger,
    /// The copy of the ledger to be written next; the other one holds `ledger`.
    next_copy: usize,
    ledger_kept: bool,
}

impl<S: Store> CrashRegion<S> {
    /// Opens the region and finds its newest ledger. Writes nothing.
    pub fn open(store: S) -> Self {
        let geometry = Geometry::new(store.size());
        let mut copies = [[0; LEDGER_LENGTH]; 2];
        for (index, copy) in copies.iter_mut().enumerate() {
            store.read(Geometry::offset_of_ledger(index), copy);
        }
        let [a, b] = &copies;
        let newest = Ledger::newest([a.as_slice(), b.as_slice()]);
        let ledger_kept = newest.is_some();
        let (copy, ledger) = newest.unwrap_or((1, Ledger::default()));
        let mut region = Self { store, geometry, ledger, next_copy: 1 - copy, ledger_kept };
        // A ledger older than the records, or a new one, must not give out a sequence twice.
        for slot in Slot::ALL {
            if let Some(record) = region.read(slot).record() {
                region.ledger.crashes = region.ledger.crashes.max(record.sequence);
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

    /// Counts a boot and says what is there. To be called once a boot.
    pub fn boot(&mut self, build_id: &BuildId) -> BootFindings {
        let findings = BootFindings {
            boot: self.ledger.boots.saturating_add(1),
            ledger_kept: self.ledger_kept,
            first: self.find(Slot::First, build_id),
            last: self.find(Slot::Last, build_id),
        };
        self.ledger.boots = findings.boot;
        self.write_ledger();
        findings
    }

    fn find(&self, slot: Slot, build_id: &BuildId) -> Found {
        match self.read(slot).record() {
            None => Found::Nothing,
            Some(record) if record.build_id != *build_id => Found::Foreign,
            Some(record) if self.is_read(record) => Found::Read,
            Some(_) => Found::Unread,
        }
    }

    const fn is_read(&self, record: &Record) -> bool {
        record.sequence <= self.ledger.read_mark
    }

    /// Marks every record there is as read.
    pub fn acknowledge(&mut self) {
        self.ledger.read_mark = self.ledger.crashes;
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

    /// The slot a new record goes to: FIRST unless it holds a record that nobody has read.
    pub fn slot_for_new(&self) -> Slot {
        match self.read(Slot::First).record() {
            Some(record) if !self.is_read(record) => Slot::Last,
            _ => Slot::First,
        }
    }

    /// Phase one: writes everything but the trail and seals it. Returns the slot, for phase two.
    pub fn commit_core(&mut self, record: &Record) -> Slot {
        let slot = self.slot_for_new();
        let bytes = record.to_bytes(State::Core);
        self.write_state(slot, State::Writing);
        self.write_words(slot, &bytes, 0..field::STATE.offset);
        self.write_words(slot, &bytes, field::CORE_CRC.offset..RECORD_LENGTH);
        self.write_state(slot, State::Core);
        self.ledger.crashes = self.ledger.crashes.max(record.sequence);
        // A boot that crashed before it was counted counts all the same.
        self.ledger.boots = self.ledger.boots.max(record.boot);
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
        let base = Geometry::offset_of_ledger(self.next_copy);
        for (index, word) in words(&self.ledger.to_bytes()).enumerate() {
            self.store.write_word(base + 4 * index, word);
        }
        self.next_copy = 1 - self.next_copy;
        self.ledger_kept = true;
    }
}

fn words(bytes: &[u8]) -> impl Iterator<Item = u32> {
    bytes.as_chunks::<4>().0.iter().map(|chunk| u32::from_le_bytes(*chunk))
}

/// The mutant that does not check the CRC: whatever stands in a slot is made to look sealed.
#[cfg(feature = "without-record-crc")]
fn reseal(bytes: &mut [u8; RECORD_LENGTH]) {
    let crc = record::whole_crc(bytes).to_le_bytes();
    if let Some(target) = bytes.get_mut(field::CRC.offset..) {
        target.copy_from_slice(&crc);
    }
}
