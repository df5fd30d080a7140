//! Tier 3: copies of the newest records in memory that outlives the loss of all other.
//!
//! Three slots, each sealed by itself, so that neither damage nor a loss of power in the middle of
//! a write takes more than one. A slot holds what a slot of the crash region does, record and
//! sections as they are; then a magic, the sequence of the record, and the CRC-32 of all before.

use crate::bytes::get_u32;
use crate::crc::crc32;
use crate::section::TIER_2_LENGTH;

/// How many records are kept.
pub const HISTORY_SLOTS: usize = 3;
/// `RIGH`, read as little-endian bytes.
pub const MAGIC: u32 = u32::from_le_bytes(*b"RIGH");
/// Bytes from the start of a slot to its magic; what comes before is the copy.
pub const MAGIC_AT: usize = TIER_2_LENGTH;
/// Bytes from the start of a slot to the sequence of its record.
pub const SEQUENCE_AT: usize = MAGIC_AT + 4;
/// Bytes from the start of a slot to its CRC, the last word.
pub const CRC_AT: usize = SEQUENCE_AT + 4;
/// Size of a slot in bytes.
pub const HISTORY_SLOT_BYTES: usize = CRC_AT + 4;
/// Size of the whole in bytes.
pub const HISTORY_BYTES: usize = HISTORY_SLOTS * HISTORY_SLOT_BYTES;

/// What a slot with a sound seal holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept<'a> {
    /// Sequence of the record.
    pub sequence: u32,
    /// The record, and what stands behind it.
    pub bytes: &'a [u8; TIER_2_LENGTH],
}

/// Reads a slot; nothing unless its seal holds.
#[must_use]
pub fn read(slot: &[u8]) -> Option<Kept<'_>> {
    let slot = slot.first_chunk::<HISTORY_SLOT_BYTES>()?;
    let sound =
        get_u32(slot, MAGIC_AT) == MAGIC && crc32(slot.get(..CRC_AT)?) == get_u32(slot, CRC_AT);
    let kept = Kept { sequence: get_u32(slot, SEQUENCE_AT), bytes: slot.first_chunk()? };
    sound.then_some(kept)
}

/// All slots, in the order of memory.
pub fn slots(bytes: &[u8]) -> impl Iterator<Item = Option<Kept<'_>>> {
    bytes.chunks_exact(HISTORY_SLOT_BYTES).take(HISTORY_SLOTS).map(read)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;

    #[test]
    fn a_slot_is_read_until_any_bit_of_it_is_another() {
        let mut slot = vec![0x5A; HISTORY_SLOT_BYTES];
        slot[MAGIC_AT..SEQUENCE_AT].copy_from_slice(b"RIGH");
        slot[SEQUENCE_AT..CRC_AT].copy_from_slice(&7_u32.to_le_bytes());
        let crc = crc32(&slot[..CRC_AT]);
        slot[CRC_AT..].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(read(&slot).map(|kept| kept.sequence), Some(7));
        for bit in 0..8 * HISTORY_SLOT_BYTES {
            slot[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(read(&slot), None, "bit {bit}");
            slot[bit / 8] ^= 1 << (bit % 8);
        }
        assert_eq!(read(&slot[1..]), None, "too short");
        for blank in [0, 0xA5, 0xFF] {
            assert_eq!(read(&[blank; HISTORY_SLOT_BYTES]), None, "never written: {blank:#x}");
        }
    }
}
