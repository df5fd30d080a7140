//! The two seals of a record: which bytes each CRC-32 covers.

use super::RECORD_LENGTH;
use crate::crc::crc32_of_pieces;
use crate::field;

/// The CRC that seals phase one, over the bytes of a record: all before the trail but state and
/// CRC.
#[must_use]
pub fn core_crc(bytes: &[u8; RECORD_LENGTH]) -> u32 {
    let head = bytes.get(..field::STATE.offset).unwrap_or_default();
    let body = bytes.get(field::TRUST.offset..field::CORE_END).unwrap_or_default();
    // The length of the trail belongs to phase two.
    let (before, after) = body.split_at_checked(2).unwrap_or_default();
    crc32_of_pieces(&[head, before, after.get(2..).unwrap_or_default()])
}

/// The CRC that seals the whole record: all bytes but the state word and the CRC itself.
#[must_use]
pub fn whole_crc(bytes: &[u8; RECORD_LENGTH]) -> u32 {
    let head = bytes.get(..field::STATE.offset).unwrap_or_default();
    let rest = bytes.get(field::CORE_CRC.offset..field::CRC.offset).unwrap_or_default();
    crc32_of_pieces(&[head, rest])
}
