//! A range of target addresses that cannot overflow: ends are computed in 64 bits.

use std::fmt;

/// A range of addresses. Invariant, once checked: not empty and inside of 4 GiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressRange {
    /// First address.
    pub start: u32,
    /// Size in bytes.
    pub size_bytes: u32,
}

impl AddressRange {
    /// First address behind the range; 4 GiB for a range that ends at the last address.
    #[must_use]
    pub const fn end(&self) -> u64 {
        self.start as u64 + self.size_bytes as u64
    }

    /// Whether the two have an address in common.
    #[must_use]
    pub const fn overlaps(&self, other: &Self) -> bool {
        (self.start as u64) < other.end() && (other.start as u64) < self.end()
    }

    /// Whether all of `other` lies in this range.
    #[must_use]
    pub const fn encloses(&self, other: &Self) -> bool {
        self.start <= other.start && other.end() <= self.end()
    }
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let last = self.end().saturating_sub(1);
        write!(f, "0x{:04X}_{:04X}", self.start >> 16, self.start & 0xFFFF)?;
        write!(f, " to 0x{:04X}_{:04X}", last >> 16, last & 0xFFFF)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_that_touch_do_not_overlap() {
        let range = |start, size_bytes| AddressRange { start, size_bytes };
        let check = |a: AddressRange, b: AddressRange, overlaps, encloses| {
            assert_eq!((a.overlaps(&b), a.encloses(&b)), (overlaps, encloses), "{a}, {b}");
        };
        check(range(0, 8), range(8, 8), false, false);
        check(range(0, 9), range(8, 8), true, false);
        check(range(0, 16), range(8, 8), true, true);
        check(range(u32::MAX, 1), range(u32::MAX, 1), true, true);
        assert_eq!(range(0x2001_C000, 0x4000).to_string(), "0x2001_C000 to 0x2001_FFFF");
    }
}
