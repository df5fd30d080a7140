//! What the sections of a record say that needs no registers: the areas around an address, and the
//! stack around its pointer.

use crate::map::{AreaRange, MemoryMap};
use core::ops::Range;
use crashrig_wire::section::{Neighbour, WINDOW_ABOVE_BYTES, WINDOW_BELOW_BYTES};
use crashrig_wire::thread::{Area, Owner};
use crashrig_wire::trail::Memory;

/// The area below an address, its own, and the one above; each is nobody's if there is none. Only
/// areas of the image are neighbours: a region of the chip is what they lie in.
#[must_use]
pub fn neighbours(address: u32, map: &MemoryMap<'_>) -> [Neighbour; 3] {
    let areas = || map.areas().filter(|area| area.start < area.end && is_of_image(area));
    let own = map.areas().find(|area| area.contains(address));
    // Next to what a region of the chip has to itself lies what is nearest to the address.
    let (start, end) = match own.filter(is_of_image) {
        Some(area) => (area.start, area.end),
        None => (address, address),
    };
    let below = areas().filter(|area| area.end <= start).max_by_key(|area| area.end);
    let above = areas().filter(|area| area.start >= end).min_by_key(|area| area.start);
    [below, own, above].map(|area| {
        let nobody = AreaRange { owner: Owner::NONE, start: 0, end: 0 };
        let AreaRange { owner, start, end } = area.unwrap_or(nobody);
        Neighbour { owner: Some(owner), start, end }
    })
}

const fn is_of_image(area: &AreaRange) -> bool {
    matches!(area.owner.area, Area::Guard | Area::Stack | Area::CrashRegion | Area::Vectors)
}

/// Addresses of the words around a stack pointer that can be read: from some below it to some
/// above, without a gap. Nothing if the pointer itself points to no RAM.
#[must_use]
pub fn window(pointer: u32, memory: &impl Memory) -> Range<u32> {
    let pointer = pointer & !3;
    let readable = |address: &u32| memory.stack_word(*address).is_some();
    let below = (1..=WINDOW_BELOW_BYTES / 4).map(|words| pointer.wrapping_sub(4 * words));
    let start = below.take_while(readable).last().unwrap_or(pointer);
    let above = (0..WINDOW_ABOVE_BYTES / 4).map(|words| pointer.wrapping_add(4 * words));
    let end = above.take_while(readable).last().map_or(start, |last| last.wrapping_add(4));
    start..end
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::map::tests::MAP;
    use crashrig_wire::Thread;

    fn check(address: u32, expected: [(Area, Thread); 3]) {
        let found = neighbours(address, &MAP).map(|neighbour| neighbour.owner);
        let expected = expected.map(|(area, thread)| Some(Owner { area, thread }));
        assert_eq!(found, expected, "{address:#010x}");
    }

    #[test]
    fn victim_and_neighbours_are_named() {
        let nobody = (Area::None, Thread::Unknown);
        // The guard under the stack of user thread 4, above that of user thread 3.
        check(
            0x2000_8C40,
            [
                (Area::Stack, Thread::User(3)),
                (Area::Guard, Thread::User(4)),
                (Area::Stack, Thread::User(4)),
            ],
        );
        // Static data between a stack and the next guard.
        check(
            0x2000_4000,
            [
                (Area::Stack, Thread::Main),
                (Area::Ram, Thread::Unknown),
                (Area::Guard, Thread::User(3)),
            ],
        );
        check(0xD000_0000, [(Area::Stack, Thread::Isr), nobody, nobody]);
        check(0, [nobody, nobody, (Area::Vectors, Thread::Unknown)]);
    }

    /// RAM from 0x1000 to 0x1100.
    struct Small;
    impl Memory for Small {
        fn stack_word(&self, address: u32) -> Option<u32> {
            (0x1000..0x1100).contains(&address).then_some(address)
        }
        fn code_halfword(&self, _: u32) -> Option<u16> {
            None
        }
    }

    #[test]
    fn the_window_ends_where_memory_does() {
        for (pointer, expected) in [
            (0x1040, 0x1020..0x1100),
            (0x1043, 0x1020..0x1100),
            (0x1008, 0x1000..0x1100),
            (0x10FC, 0x10DC..0x1100),
            (0x1100, 0x10E0..0x10E0),
            (0x3000, 0x3000..0x3000),
            (0, 0..0),
            (u32::MAX, 0xFFFF_FFFC..0xFFFF_FFFC),
        ] {
            assert_eq!(window(pointer, &Small), expected, "{pointer:#x}");
        }
    }
}
