//! A row of the section that tells of DMA transfers, and whose bytes it touched.
//!
//! What a transfer touched is a question of addresses only, so it is answered here for both sides.

use crate::{DmaRule, TransferState};

/// One DMA transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransferRow {
    /// First address that is read.
    pub source: u32,
    /// First address that is written.
    pub destination: u32,
    /// Bytes of the whole transfer; of one round in circular mode.
    pub bytes: u32,
    /// Which addresses advance: bit 0, that of the source; bit 1, that of the destination.
    /// The other side stays where it is.
    pub advances: u8,
    /// Controller in bits 4 to 7, from 1; stream in bits 0 to 3.
    pub stream: u8,
    /// What became of it; nothing if the code is none of this version's.
    pub state: Option<TransferState>,
    /// Code of the thread that began it.
    pub owner: u8,
    /// Items that were left when it ended or was looked at, in units of the peripheral side.
    pub items_left: u16,
    /// The rule that it broke, if it was refused.
    pub rule: Option<DmaRule>,
}

impl TransferRow {
    /// Words of a row.
    pub const WORDS: usize = 5;
    /// Where in the bytes of a row the items left are.
    pub const ITEMS_LEFT_BYTES: core::ops::Range<usize> = 16..18;
    /// The source address advances.
    pub const SOURCE_ADVANCES: u8 = 1 << 0;
    /// The destination address advances.
    pub const DESTINATION_ADVANCES: u8 = 1 << 1;

    /// Number of the controller, from 1.
    #[must_use]
    pub const fn controller(&self) -> u8 {
        self.stream >> 4
    }

    /// Number of the stream in its controller.
    #[must_use]
    pub const fn stream_number(&self) -> u8 {
        self.stream & 0xF
    }

    /// Whether it reads or writes some of the bytes from an address on.
    #[must_use]
    pub const fn touches(&self, address: u32, size_bytes: u32) -> bool {
        self.reads(address, size_bytes) || self.writes(address, size_bytes)
    }

    /// Whether it reads some of the bytes from an address on.
    #[must_use]
    pub const fn reads(&self, address: u32, size_bytes: u32) -> bool {
        self.overlaps(self.source, Self::SOURCE_ADVANCES, address, size_bytes)
    }

    /// Whether it writes some of the bytes from an address on.
    #[must_use]
    pub const fn writes(&self, address: u32, size_bytes: u32) -> bool {
        self.overlaps(self.destination, Self::DESTINATION_ADVANCES, address, size_bytes)
    }

    const fn overlaps(&self, start: u32, advances: u8, address: u32, size_bytes: u32) -> bool {
        // A side that stays is a register of at most one word.
        let own = if self.advances & advances != 0 { self.bytes } else { 4 };
        address.wrapping_sub(start) < own || start.wrapping_sub(address) < size_bytes
    }

    /// The row as words.
    #[must_use]
    pub const fn to_words(self) -> [u32; Self::WORDS] {
        let state = match self.state {
            Some(state) => state.code(),
            None => 0,
        };
        let rule = match self.rule {
            Some(rule) => rule.code(),
            None => 0,
        };
        let codes = u32::from_le_bytes([self.stream, state, self.owner, self.advances]);
        let left = self.items_left as u32 | (rule as u32) << 16;
        [self.source, self.destination, self.bytes, codes, left]
    }

    /// The row of some words.
    #[must_use]
    pub const fn from_words(words: [u32; Self::WORDS]) -> Self {
        let [source, destination, bytes, codes, left] = words;
        let [stream, state, owner, advances] = codes.to_le_bytes();
        let [low, high, rule, _] = left.to_le_bytes();
        Self {
            source,
            destination,
            bytes,
            advances,
            stream,
            state: TransferState::from_code(state),
            owner,
            items_left: u16::from_le_bytes([low, high]),
            rule: DmaRule::from_code(rule),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROW: TransferRow = TransferRow {
        source: 0x2000_0100,
        destination: 0x4001_1004,
        bytes: 0x40,
        advances: TransferRow::SOURCE_ADVANCES,
        stream: 0x27,
        state: Some(TransferState::Running),
        owner: 1,
        items_left: 17,
        rule: Some(DmaRule::OutOfReach),
    };

    #[test]
    fn a_row_comes_back() {
        assert_eq!(TransferRow::from_words(ROW.to_words()), ROW);
        assert_eq!((ROW.controller(), ROW.stream_number()), (2, 7));
    }

    #[test]
    fn what_it_touches_ends_with_its_last_byte() {
        let reads = |address, size_bytes| ROW.reads(address, size_bytes);
        assert!(reads(0x2000_0100, 1) && reads(0x2000_013F, 1) && reads(0x2000_00FF, 2));
        assert!(!reads(0x2000_00FF, 1) && !reads(0x2000_0140, 64) && !ROW.writes(0x2000_0100, 4));
        // A register stays one word, however many bytes go there.
        assert!(ROW.writes(0x4001_1004, 4) && !ROW.writes(0x4001_1008, 4));
        assert!(ROW.touches(0x4001_1007, 1) && ROW.touches(0x2000_0120, 1));
    }
}
