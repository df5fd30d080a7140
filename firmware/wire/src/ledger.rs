//! The ledger of the crash region: how often this device booted and crashed, and what was read.
//!
//! Two copies are written in turn, each with its own CRC and a rising sequence, so that a reset in
//! the middle of a write costs at most the newest change. The reader takes the valid copy with the
//! higher sequence; without one the ledger is new, and the region holds nothing to be believed but
//! what its records prove by their own CRC.

use crate::bytes::{get_u16, get_u32, put_u16, put_u32};
use crate::crc::crc32;

/// First word of a ledger: the bytes `RIGL`.
pub const MAGIC: u32 = u32::from_le_bytes(*b"RIGL");
/// The version this crate writes.
pub const VERSION: u16 = 1;
/// Length of one copy in bytes.
pub const LEDGER_LENGTH: usize = 64;

const VERSION_AT: usize = 4;
const LENGTH_AT: usize = 6;
const SEQUENCE_AT: usize = 8;
const BOOTS_AT: usize = 12;
const CRASHES_AT: usize = 16;
const READ_MARK_AT: usize = 20;
const NESTED_COUNT_AT: usize = 24;
const NESTED_VECTOR_AT: usize = 28;
const NESTED_CFSR_AT: usize = 32;
const CRC_AT: usize = LEDGER_LENGTH - 4;
const _: () = assert!(NESTED_CFSR_AT + 4 <= CRC_AT);

/// One state of the ledger. Counters saturate; `sequence` wraps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ledger {
    /// Rises by one with each write; the higher copy is the newer.
    pub sequence: u32,
    /// Boots since the ledger was new; the first is 1.
    pub boots: u32,
    /// Crashes since the ledger was new.
    pub crashes: u32,
    /// Records with a sequence up to this one have been read.
    pub read_mark: u32,
    /// Faults that came while a record was being written.
    pub nested_count: u32,
    /// Exception number of the newest of them.
    pub nested_vector: u32,
    /// CFSR of the newest of them.
    pub nested_cfsr: u32,
}

impl Ledger {
    /// The bytes of one copy.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; LEDGER_LENGTH] {
        let mut bytes = [0; LEDGER_LENGTH];
        put_u32(&mut bytes, 0, MAGIC);
        put_u16(&mut bytes, VERSION_AT, VERSION);
        put_u16(&mut bytes, LENGTH_AT, LEDGER_LENGTH as u16);
        for (offset, value) in [
            (SEQUENCE_AT, self.sequence),
            (BOOTS_AT, self.boots),
            (CRASHES_AT, self.crashes),
            (READ_MARK_AT, self.read_mark),
            (NESTED_COUNT_AT, self.nested_count),
            (NESTED_VECTOR_AT, self.nested_vector),
            (NESTED_CFSR_AT, self.nested_cfsr),
        ] {
            put_u32(&mut bytes, offset, value);
        }
        let crc = crc32(bytes.get(..CRC_AT).unwrap_or_default());
        put_u32(&mut bytes, CRC_AT, crc);
        bytes
    }

    /// Reads one copy; nothing unless magic, version, length and CRC hold.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.first_chunk::<LEDGER_LENGTH>()?;
        let sound = get_u32(bytes, 0) == MAGIC
            && get_u16(bytes, VERSION_AT) == VERSION
            && usize::from(get_u16(bytes, LENGTH_AT)) == LEDGER_LENGTH
            && crc32(bytes.get(..CRC_AT)?) == get_u32(bytes, CRC_AT);
        sound.then(|| Self {
            sequence: get_u32(bytes, SEQUENCE_AT),
            boots: get_u32(bytes, BOOTS_AT),
            crashes: get_u32(bytes, CRASHES_AT),
            read_mark: get_u32(bytes, READ_MARK_AT),
            nested_count: get_u32(bytes, NESTED_COUNT_AT),
            nested_vector: get_u32(bytes, NESTED_VECTOR_AT),
            nested_cfsr: get_u32(bytes, NESTED_CFSR_AT),
        })
    }

    /// Which copy holds the newest state, and that state.
    #[must_use]
    pub fn newest(copies: [&[u8]; 2]) -> Option<(usize, Self)> {
        match copies.map(Self::read) {
            [Some(a), Some(b)] if b.sequence > a.sequence => Some((1, b)),
            [Some(a), _] => Some((0, a)),
            [None, Some(b)] => Some((1, b)),
            [None, None] => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newer_sound_copy_wins() {
        let old = Ledger { sequence: 4, boots: 2, ..Ledger::default() };
        let new = Ledger { sequence: 5, boots: 3, ..Ledger::default() };
        assert_eq!(Ledger::newest([&old.to_bytes(), &new.to_bytes()]), Some((1, new)));
        assert_eq!(Ledger::newest([&new.to_bytes(), &old.to_bytes()]), Some((0, new)));
        let mut torn = new.to_bytes();
        torn[BOOTS_AT] ^= 1;
        assert_eq!(Ledger::newest([&old.to_bytes(), &torn]), Some((0, old)));
        assert_eq!(Ledger::newest([&torn, &torn]), None);
    }

    #[test]
    fn every_single_flipped_bit_is_noticed() {
        let bytes = Ledger { sequence: 1, boots: 1, ..Ledger::default() }.to_bytes();
        for bit in 0..8 * LEDGER_LENGTH {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Ledger::read(&flipped), None, "bit {bit}");
        }
    }
}
