//! One stack: its bounds, its guard region, its canary, its paint.
//!
//! The lowest words of a stack are the canary; everything above is painted before the stack is
//! used, so that the highest mark ever reached can be read. The values are those of RTX5
//! (`osRtxStackMagicWord`, `osRtxStackFillPattern`), so that users of Mbed OS know them in a dump.

use crate::words::Words;
use crashrig_wire::Thread;

/// What stands in every word of the canary.
pub const CANARY: u32 = 0xE25A_2EA5;
/// Words of the canary: one more than the largest alignment gap between two pushes.
pub const CANARY_WORDS: u32 = 4;
/// What an unused word of a stack holds.
pub const PAINT: u32 = 0xCCCC_CCCC;
/// Smallest stack in bytes: canary, and two exception frames with floating-point state.
pub const SMALLEST_STACK_BYTES: u32 = 256;

/// Bytes of the canary.
pub const CANARY_BYTES: u32 = 4 * CANARY_WORDS;

/// Where a stack lies, and whose it is. Invariant: `guard_start <= start <= end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StackRange {
    /// Whose it is.
    pub thread: Thread,
    /// First address of the guard region, which ends where the stack begins.
    pub guard_start: u32,
    /// First address of the stack: its lower limit.
    pub start: u32,
    /// First address behind the stack.
    pub end: u32,
}

impl StackRange {
    /// No stack.
    pub const NONE: Self = Self { thread: Thread::Unknown, guard_start: 0, start: 0, end: 0 };

    /// Whether a stack pointer is where it may be: above the canary, at most at the end.
    #[must_use]
    pub const fn holds_pointer(&self, pointer: u32) -> bool {
        self.start + CANARY_BYTES <= pointer && pointer <= self.end
    }

    /// Size in bytes, canary included.
    #[must_use]
    pub const fn size_bytes(&self) -> u32 {
        self.end - self.start
    }

    /// Writes canary and paint up to an address, which is the stack pointer of who paints it.
    pub fn paint(&self, up_to: u32, memory: &mut impl Words) {
        for address in (self.start..up_to.min(self.end)).step_by(4) {
            let word = if address < self.start + CANARY_BYTES { CANARY } else { PAINT };
            memory.write(address, word);
        }
    }

    /// The lowest address of the canary that was overwritten, with what stands there.
    #[must_use]
    pub fn broken_canary(&self, memory: &impl Words) -> Option<(u32, u32)> {
        (self.start..self.start + CANARY_BYTES)
            .step_by(4)
            .map(|address| (address, memory.read(address)))
            .find(|(_, word)| *word != CANARY)
    }

    /// How many bytes of the stack were ever used, as far as the paint shows.
    #[must_use]
    pub fn high_water_bytes(&self, memory: &impl Words) -> u32 {
        let first_used = (self.start + CANARY_BYTES..self.end)
            .step_by(4)
            .find(|address| memory.read(*address) != PAINT);
        self.end - first_used.unwrap_or(self.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    struct Ram(Vec<u32>);
    impl Words for Ram {
        fn read(&self, address: u32) -> u32 {
            self.0[(address / 4) as usize]
        }
        fn write(&mut self, address: u32, word: u32) {
            self.0[(address / 4) as usize] = word;
        }
    }

    const STACK: StackRange =
        StackRange { thread: Thread::Main, guard_start: 0x80, start: 0x100, end: 0x200 };

    #[test]
    fn paint_canary_and_high_water_mark() {
        let mut ram = Ram(std::vec![0; 0x100]);
        STACK.paint(0x200, &mut ram);
        assert_eq!((ram.read(0xFC), ram.read(0x100), ram.read(0x10C)), (0, CANARY, CANARY));
        assert_eq!((ram.read(0x110), ram.read(0x1FC)), (PAINT, PAINT));
        assert_eq!((STACK.broken_canary(&ram), STACK.high_water_bytes(&ram)), (None, 0));
        ram.write(0x1F0, 1);
        assert_eq!(STACK.high_water_bytes(&ram), 16);
        ram.write(0x110, 1);
        assert_eq!(STACK.high_water_bytes(&ram), 0xF0);
        for address in (0x100..0x110).step_by(4) {
            ram.write(address, 7);
            assert_eq!(STACK.broken_canary(&ram), Some((address, 7)));
            ram.write(address, CANARY);
        }
    }

    #[test]
    fn the_pointer_must_stay_above_the_canary() {
        assert!(STACK.holds_pointer(0x110) && STACK.holds_pointer(0x200));
        assert!(
            !STACK.holds_pointer(0x10C) && !STACK.holds_pointer(0x204) && !STACK.holds_pointer(0)
        );
    }
}
