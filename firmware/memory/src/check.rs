//! The check of a stack at a clock tick and at each switch of threads: canary, then range.

use crate::classify::{BASIC_FRAME_BYTES, Entry, Meaning};
use crate::map::MemoryMap;
use crate::stack::StackRange;
use crate::words::Words;
use crashrig_wire::{Detector, Kind};

/// Which checks of a stack are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checks {
    /// That the canary is whole.
    pub canary: bool,
    /// That the stack pointer lies in its stack.
    pub range: bool,
}

/// What is wrong with the stack of whoever was interrupted, or nothing.
///
/// The canary is looked at first: it shows where an overflow went, also after the stack pointer has
/// come back. A pointer outside of its stack with a whole canary is a frame that jumped it.
#[must_use]
pub fn check_stack(
    entry: &Entry,
    map: &MemoryMap<'_>,
    memory: &impl Words,
    checks: Checks,
) -> Option<Meaning> {
    let thread = entry.interrupted();
    let stack = map.stack_of(thread)?;
    let pointer = entry.stack_pointer();
    let broken = if checks.canary { broken_canary(stack, map, memory) } else { None };
    // The frame of this very exception has been pushed; the stack pointer may end at the limit.
    let out = checks.range && !stack.holds_pointer(pointer);
    broken.or_else(|| out.then(|| overflow(Detector::SpRange, stack, pointer, map))).map(
        |meaning| {
            let readable = map.is_readable_ram(pointer, BASIC_FRAME_BYTES);
            let frame = (readable && pointer.is_multiple_of(4)).then_some(pointer);
            Meaning { thread, frame, ..meaning }
        },
    )
}

/// The meaning of a stack whose canary was overwritten.
pub fn broken_canary(
    stack: &StackRange,
    map: &MemoryMap<'_>,
    memory: &impl Words,
) -> Option<Meaning> {
    let (address, _) = stack.broken_canary(memory)?;
    Some(overflow(Detector::StackCanary, stack, address, map))
}

fn overflow(detector: Detector, stack: &StackRange, address: u32, map: &MemoryMap<'_>) -> Meaning {
    Meaning {
        kind: Kind::StackOverflow,
        detector,
        thread: stack.thread,
        fault_address: address,
        owner: map.owner_of(address),
        trust: 0,
        value: stack.start,
        frame: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::map::tests::{IDLE, MAP};
    use crate::stack::CANARY;
    use crashrig_wire::Thread;

    /// RAM full of canaries, but for one address.
    struct Broken(u32);
    impl Words for Broken {
        fn read(&self, address: u32) -> u32 {
            if address == self.0 { 0 } else { CANARY }
        }
        fn write(&mut self, _: u32, _: u32) {}
    }

    fn check(running: Thread, psp: u32, broken: u32, checks: Checks) -> Option<(Detector, u32)> {
        let (exc_return, msp) = (0xFFFF_FFFD, 0x2001_FFE0);
        let entry = Entry { vector: 15, exc_return, msp, psp, running, ..IDLE };
        let meaning = check_stack(&entry, &MAP, &Broken(broken), checks)?;
        assert_eq!((meaning.thread, meaning.kind), (running, Kind::StackOverflow));
        Some((meaning.detector, meaning.fault_address))
    }

    #[test]
    fn the_checks_of_a_stack_name_the_thread_and_what_they_saw() {
        let both = Checks { canary: true, range: true };
        let range = Checks { canary: false, range: true };
        let canary = Checks { canary: true, range: false };
        for (running, start, end) in
            [(Thread::Main, 0x2000_2400, 0x2000_3400), (Thread::User(3), 0x2000_8400, 0x2000_8C00)]
        {
            assert_eq!(check(running, start + 16, 0, both), None);
            assert_eq!(check(running, end, 0, both), None);
            for outside in [start + 12, start - 0x500, end + 4, 0] {
                let found = Some((Detector::SpRange, outside));
                assert_eq!(check(running, outside, 0, both), found);
                assert_eq!(check(running, outside, 0, canary), None);
            }
            let word = start + 8;
            let found = Some((Detector::StackCanary, word));
            assert_eq!(check(running, start + 64, word, both), found);
            assert_eq!(check(running, start - 64, word, both), found, "the canary tells more");
            assert_eq!(check(running, start + 64, word, range), None);
        }
    }
}
