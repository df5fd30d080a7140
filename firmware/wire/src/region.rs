//! Where things lie in the crash region: two copies of the ledger, then slot FIRST, then slot LAST.
//!
//! ```text
//! 0x000  ledger, copy A   64 bytes
//! 0x040  ledger, copy B   64 bytes
//! 0x080  reserved        128 bytes
//! 0x100  slot FIRST      where the first record of a new region goes
//!        slot LAST       where the next one goes
//! ```
//! The slots share what is left in equal parts. A committed slot is never rewritten in place: read
//! marks live in the ledger. The oldest record that nobody has read keeps its slot, and later
//! crashes share the other one; when all are read, the older record makes room.

use crate::field::RECORD_LENGTH;
use crate::ledger::LEDGER_LENGTH;

/// Smallest crash region in bytes: chips with tier 1 only.
pub const SMALLEST_REGION: usize = 1024;
/// Offset of slot FIRST.
pub const FIRST_OFFSET: usize = 0x100;

const _: () = assert!(2 * LEDGER_LENGTH <= FIRST_OFFSET, "both copies fit in front of the slots");
const _: () = assert!(Geometry::new(SMALLEST_REGION).slot_size >= RECORD_LENGTH);

/// Which of the two slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Slot {
    /// The one that is used first.
    First,
    /// The other one.
    Last,
}

impl Slot {
    /// Both slots, in their order in memory.
    pub const ALL: [Self; 2] = [Self::First, Self::Last];

    /// The name in scenario files and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Last => "last",
        }
    }
}

/// The offsets that follow from the size of a crash region.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry {
    /// Size of each slot in bytes; a multiple of eight.
    pub slot_size: usize,
}

impl Geometry {
    /// The geometry of a region of a size in bytes, at least [`SMALLEST_REGION`].
    #[must_use]
    pub const fn new(region_size: usize) -> Self {
        assert!(region_size >= SMALLEST_REGION);
        Self { slot_size: (region_size - FIRST_OFFSET) / 2 / 8 * 8 }
    }

    /// Bytes from the start of the region to a slot.
    #[must_use]
    pub const fn offset_of(&self, slot: Slot) -> usize {
        match slot {
            Slot::First => FIRST_OFFSET,
            Slot::Last => FIRST_OFFSET + self.slot_size,
        }
    }

    /// Bytes from the start of the region to a copy of the ledger: copy 0 or copy 1.
    #[must_use]
    pub const fn offset_of_ledger(copy: usize) -> usize {
        (copy % 2) * LEDGER_LENGTH
    }
}
