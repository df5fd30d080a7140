//! The history of records (tier 3): at a boot, what the crash region has that is newer than all of
//! it is copied there, in place of what is damaged, or else of the oldest.
//!
//! Never part of a crash path: a record is whole in the crash region before it is copied, and stays
//! there. A loss of power on the way costs the slot that is written, and only that one.

use crate::retain::{CrashRegion, Store};
use crashrig_wire::crc::Crc32;
use crashrig_wire::history::{
    CRC_AT, HISTORY_SLOT_BYTES, HISTORY_SLOTS, MAGIC, MAGIC_AT, SEQUENCE_AT,
};

/// The history over a store of [`crashrig_wire::history::HISTORY_BYTES`].
#[derive(Debug)]
pub struct History<S> {
    store: S,
}

impl<S: Store> History<S> {
    /// Opens it. Writes nothing.
    pub const fn open(store: S) -> Self {
        Self { store }
    }

    /// The sequences in the slots; nothing where a seal does not hold.
    pub fn sequences(&self) -> [Option<u32>; HISTORY_SLOTS] {
        core::array::from_fn(|slot| self.sequence_in(slot))
    }

    /// Copies the records of a region that are newer than all there are, the oldest first, and has
    /// the region give out none of their sequences again. Where the region says that there is
    /// nothing new, nothing is read.
    pub fn take<R: Store>(&mut self, region: &mut CrashRegion<R>) {
        if !region.may_have_news() {
            return;
        }
        let mut kept = self.sequences();
        let newest = kept.into_iter().flatten().max().unwrap_or(0);
        let mut found = [None; 2];
        for (place, record) in found.iter_mut().zip(region.sequences()) {
            *place = Some(record);
        }
        let fresh = found.into_iter().rev().flatten().filter(|(_, sequence)| *sequence > newest);
        for (slot, sequence) in fresh {
            // What is damaged comes before the oldest.
            let lowest = kept.iter_mut().enumerate().min_by_key(|(_, it)| **it);
            if let Some((index, place)) = lowest {
                *place = Some(sequence);
                self.write(index, sequence, |offset| region.slot_word(slot, offset));
            }
        }
        region.skip_sequences(newest);
    }

    fn sequence_in(&self, slot: usize) -> Option<u32> {
        let base = slot * HISTORY_SLOT_BYTES;
        if self.word(base + MAGIC_AT) != MAGIC {
            return None;
        }
        let mut crc = Crc32::default();
        for offset in (0..CRC_AT).step_by(4) {
            crc.word(self.word(base + offset));
        }
        let sound = crc.value() == self.word(base + CRC_AT);
        let is_believed = sound || cfg!(feature = "without-history-crc");
        is_believed.then(|| self.word(base + SEQUENCE_AT))
    }

    fn word(&self, offset: usize) -> u32 {
        let mut bytes = [0; 4];
        self.store.read(offset, &mut bytes);
        u32::from_le_bytes(bytes)
    }

    fn write(&mut self, slot: usize, sequence: u32, copied: impl Fn(usize) -> u32) {
        let base = slot * HISTORY_SLOT_BYTES;
        let mut crc = Crc32::default();
        for offset in (0..CRC_AT).step_by(4) {
            let word = match offset {
                MAGIC_AT => MAGIC,
                SEQUENCE_AT => sequence,
                _ => copied(offset),
            };
            crc.word(word);
            self.store.write_word(base + offset, word);
        }
        self.store.write_word(base + CRC_AT, crc.value());
    }
}
