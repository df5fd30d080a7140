//! The comparators of a core: FPB for breakpoints in code, DWT for accesses to data.
//!
//! As a Cortex-M4 has them: six code comparators in an FPB of version 1, four in a DWT. Registers:
//! ARM DDI 0403E §C1.8 and §C1.11, from memory, not checked against its text. Pure.

use crate::gdb::Access;

const BREAKPOINT_COUNT: usize = 6;
const WATCH_COUNT: usize = 4;

/// Addresses of the FPB.
const FP_CTRL: u32 = 0xE000_2000;
const FP_COMPARATORS: u32 = 0xE000_2008;
/// The registers of the FPB.
pub(crate) const BREAKPOINT_UNIT: std::ops::Range<u32> = 0xE000_2000..0xE000_3000;

/// Addresses of the DWT.
const DWT_CTRL: u32 = 0xE000_1000;
const DWT_COMPARATORS: u32 = 0xE000_1020;
const DWT_END: u32 = DWT_COMPARATORS + 0x10 * WATCH_COUNT as u32;
/// The registers of the DWT.
pub(crate) const WATCH_UNIT: std::ops::Range<u32> = 0xE000_1000..0xE000_2000;

/// Functions of a DWT comparator.
const MATCH_CODE: u32 = 4;
const MATCH_READ: u32 = 5;
const MATCH_WRITE: u32 = 6;
const MATCH_ANY: u32 = 7;
const MATCHED: u32 = 1 << 24;

/// The breakpoint unit.
#[derive(Debug, Clone, Default)]
pub(crate) struct BreakpointUnit {
    is_enabled: bool,
    comparators: [u32; BREAKPOINT_COUNT],
}

impl BreakpointUnit {
    pub(crate) fn read(&self, register: u32) -> u32 {
        if register == FP_CTRL {
            return (BREAKPOINT_COUNT as u32) << 4 | u32::from(self.is_enabled);
        }
        index(register, FP_COMPARATORS, 4)
            .and_then(|number| self.comparators.get(number))
            .copied()
            .unwrap_or_default()
    }

    pub(crate) fn write(&mut self, register: u32, value: u32) {
        // The control register needs its key, bit 1.
        if register == FP_CTRL && value & 2 != 0 {
            self.is_enabled = value & 1 != 0;
        }
        let number = index(register, FP_COMPARATORS, 4);
        if let Some(place) = number.and_then(|number| self.comparators.get_mut(number)) {
            *place = value & 0xDFFF_FFFD;
        }
    }

    /// Addresses of instructions that are breakpoints.
    pub(crate) fn addresses(&self) -> Vec<u32> {
        if !self.is_enabled {
            return Vec::new();
        }
        let enabled = self.comparators.iter().filter(|comparator| *comparator & 1 != 0);
        enabled
            .flat_map(|comparator| {
                let word = comparator & 0x1FFF_FFFC;
                let halves: &[u32] = match comparator >> 30 {
                    1 => &[0],
                    2 => &[2],
                    3 => &[0, 2],
                    // A patch of the code, which is not there.
                    _ => &[],
                };
                halves.iter().map(move |half| word + half)
            })
            .collect()
    }
}

/// The data watch unit.
#[derive(Debug, Clone, Default)]
pub(crate) struct WatchUnit {
    comparators: [Comparator; WATCH_COUNT],
}

#[derive(Debug, Clone, Copy, Default)]
struct Comparator {
    address: u32,
    /// Low bits of the address that are ignored.
    mask_bits: u32,
    function: u32,
    has_matched: bool,
}

/// A range that is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Watch {
    pub(crate) number: usize,
    pub(crate) address: u32,
    pub(crate) size_bytes: u32,
    pub(crate) access: Access,
}

impl WatchUnit {
    pub(crate) fn read(&mut self, register: u32) -> u32 {
        if register == DWT_CTRL {
            return (WATCH_COUNT as u32) << 28;
        }
        let Some(comparator) = self.comparator(register) else { return 0 };
        match register & 0xC {
            0x0 => comparator.address,
            0x4 => comparator.mask_bits,
            0x8 => {
                let matched = std::mem::take(&mut comparator.has_matched);
                comparator.function | if matched { MATCHED } else { 0 }
            }
            _ => 0,
        }
    }

    pub(crate) fn write(&mut self, register: u32, value: u32) {
        let Some(comparator) = self.comparator(register) else { return };
        match register & 0xC {
            0x0 => comparator.address = value,
            0x4 => comparator.mask_bits = value & 0x1F,
            0x8 => comparator.function = value & 0xF,
            _ => {}
        }
    }

    /// The ranges of data that are watched.
    pub(crate) fn watches(&self) -> Vec<Watch> {
        let watch = |(number, comparator): (usize, &Comparator)| {
            let access = match comparator.function {
                MATCH_READ => Access::Read,
                MATCH_WRITE => Access::Write,
                MATCH_ANY => Access::Any,
                _ => return None,
            };
            let size_bytes = 1_u32.checked_shl(comparator.mask_bits)?;
            let address = comparator.address & !(size_bytes - 1);
            Some(Watch { number, address, size_bytes, access })
        };
        self.comparators.iter().enumerate().filter_map(watch).collect()
    }

    /// Addresses of instructions that halt the core.
    pub(crate) fn addresses(&self) -> Vec<u32> {
        let matching = self.comparators.iter().filter(|it| it.function == MATCH_CODE);
        matching.map(|comparator| comparator.address & !1).collect()
    }

    /// Notes that a comparator has matched.
    pub(crate) fn note(&mut self, number: usize) {
        if let Some(comparator) = self.comparators.get_mut(number) {
            comparator.has_matched = true;
        }
    }

    fn comparator(&mut self, register: u32) -> Option<&mut Comparator> {
        if register >= DWT_END {
            return None;
        }
        self.comparators.get_mut(index(register, DWT_COMPARATORS, 0x10)?)
    }
}

/// The number of a register in a row of them.
fn index(register: u32, first: u32, step: u32) -> Option<usize> {
    Some((register.checked_sub(first)? / step) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_breakpoint_unit_says_where_it_stops() {
        let mut unit = BreakpointUnit::default();
        assert_eq!(unit.read(FP_CTRL), 0x60);
        unit.write(FP_COMPARATORS, 0x4800_0101);
        unit.write(FP_COMPARATORS + 4, 0x8800_0201);
        unit.write(FP_COMPARATORS + 8, 0xC800_0301);
        unit.write(FP_COMPARATORS + 12, 0xC800_0400);
        unit.write(FP_COMPARATORS + 24, 0xC800_0501);
        assert!(unit.addresses().is_empty());
        unit.write(FP_CTRL, 1);
        assert!(unit.addresses().is_empty());
        unit.write(FP_CTRL, 3);
        assert_eq!(unit.read(FP_CTRL), 0x61);
        assert_eq!(unit.read(FP_COMPARATORS + 4), 0x8800_0201);
        let expected = [0x0800_0100, 0x0800_0202, 0x0800_0300, 0x0800_0302];
        assert_eq!(unit.addresses(), expected);
    }

    #[test]
    fn the_watch_unit_says_what_it_watches() {
        let mut unit = WatchUnit::default();
        assert_eq!(unit.read(DWT_CTRL), 0x4000_0000);
        for (number, function) in [(0, 6), (1, 5), (2, 4), (3, 0)] {
            let base = DWT_COMPARATORS + 0x10 * number;
            unit.write(base, 0x2000_0102);
            unit.write(base + 4, 2);
            unit.write(base + 8, function);
        }
        let watch = |number, access| Watch { number, address: 0x2000_0100, size_bytes: 4, access };
        assert_eq!(unit.watches(), [watch(0, Access::Write), watch(1, Access::Read)]);
        assert_eq!(unit.addresses(), [0x2000_0102]);
        unit.note(1);
        assert_eq!(unit.read(DWT_COMPARATORS + 0x18), MATCHED | 5);
        assert_eq!(unit.read(DWT_COMPARATORS + 0x18), 5);
        assert_eq!(unit.read(DWT_END), 0);
    }
}
