//! Where in a block an address must be a round one.

use super::block::GRANULE_BYTES;

/// Asks for an address such that `address + offset_bytes` is a multiple of `align_bytes`.
///
/// The offset is what lets a stack have its guard at its low end: with `align_bytes` 1024 and the
/// size of the guard as `offset_bytes`, the guard ends on a boundary of 1 KiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alignment {
    /// A power of two.
    pub align_bytes: u32,
    /// A multiple of eight, or of `align_bytes` where that is less: blocks start at multiples of
    /// eight.
    pub offset_bytes: u32,
}

impl Alignment {
    /// The alignment that every block has: eight.
    pub const NATURAL: Self = Self { align_bytes: GRANULE_BYTES, offset_bytes: 0 };

    /// Whether an address can have it.
    pub(super) const fn is_possible(self) -> bool {
        let granule =
            if self.align_bytes < GRANULE_BYTES { self.align_bytes } else { GRANULE_BYTES };
        self.align_bytes.is_power_of_two() && self.offset_bytes.is_multiple_of(granule)
    }

    /// How many bytes must be left free in front of an address: none, or room for a free block of
    /// at least `smallest_bytes`.
    pub(super) const fn gap(self, address: u32, smallest_bytes: u32) -> u32 {
        let beyond = address.wrapping_add(self.offset_bytes) & (self.align_bytes - 1);
        match (self.align_bytes - beyond) & (self.align_bytes - 1) {
            // Only an alignment of 16 and more leads here.
            gap if 0 < gap && gap < smallest_bytes => {
                gap + (smallest_bytes - gap).next_multiple_of(self.align_bytes)
            }
            gap => gap,
        }
    }

    /// The largest gap that any address can need: just too small for a block, and then enough.
    pub(super) const fn worst_gap(self, smallest_bytes: u32) -> u32 {
        if self.align_bytes <= GRANULE_BYTES {
            0
        } else {
            self.align_bytes + (smallest_bytes - GRANULE_BYTES)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_leads_to_a_round_address_and_has_room_for_a_block() {
        for align_bytes in (0..13).step_by(if cfg!(miri) { 4 } else { 1 }).map(|bit| 1 << bit) {
            for offset_bytes in [0, 8, 16, 128, 1000] {
                let alignment = Alignment { align_bytes, offset_bytes };
                assert!(alignment.is_possible());
                for (address, smallest_bytes) in (0x1FFF_FFC0..0x2000_0040)
                    .step_by(8)
                    .flat_map(|address| [16, 24, 32].map(|bytes| (address, bytes)))
                {
                    let gap = alignment.gap(address, smallest_bytes);
                    assert!((address + gap + offset_bytes).is_multiple_of(align_bytes));
                    assert!(gap == 0 || gap >= smallest_bytes);
                    assert!(gap.is_multiple_of(8) && gap <= alignment.worst_gap(smallest_bytes));
                }
            }
        }
    }

    #[test]
    fn what_no_block_can_have_is_told() {
        let check = |align_bytes, offset_bytes, expected| {
            assert_eq!(Alignment { align_bytes, offset_bytes }.is_possible(), expected);
        };
        check(0, 0, false);
        check(24, 0, false);
        check(16, 4, false);
        check(4, 4, true);
        check(4, 2, false);
        check(1, 3, true);
        check(1 << 31, 8, true);
    }
}
