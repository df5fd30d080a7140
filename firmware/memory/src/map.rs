//! Whose memory an address is: stacks, guards and the image's areas, then the regions of the chip.

use crate::stack::StackRange;
use crashrig_wire::Thread;
use crashrig_wire::thread::{Area, Owner};

/// One area of the running image. Invariant: `start <= end`; `end` is the first address behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AreaRange {
    /// What lies there and whose it is.
    pub owner: Owner,
    /// First address.
    pub start: u32,
    /// First address behind.
    pub end: u32,
}

impl AreaRange {
    /// Whether an address lies in the area.
    #[must_use]
    pub const fn contains(&self, address: u32) -> bool {
        self.start <= address && address < self.end
    }
}

/// Everything that can own an address. Where two areas overlap, the one listed first owns.
#[derive(Debug, Clone, Copy)]
pub struct MemoryMap<'a> {
    /// Stacks with their guards, which own what both cover.
    pub stacks: &'a [StackRange],
    /// Crash region, vectors: other areas of this image.
    pub image: &'a [AreaRange],
    /// RAM, flash and the rest: regions of the chip.
    pub chip: &'a [AreaRange],
}

impl MemoryMap<'_> {
    /// Every area, in the order of their right to an address.
    pub fn areas(&self) -> impl Iterator<Item = AreaRange> {
        let area = |area, stack: &StackRange, start, end| AreaRange {
            owner: Owner { area, thread: stack.thread },
            start,
            end,
        };
        let guard = move |stack| area(Area::Guard, stack, stack.guard_start, stack.start);
        let stack = move |stack| area(Area::Stack, stack, stack.start, stack.end);
        let others = self.image.iter().chain(self.chip).copied();
        self.stacks.iter().map(guard).chain(self.stacks.iter().map(stack)).chain(others)
    }

    fn guards(&self) -> impl Iterator<Item = &StackRange> {
        self.stacks.iter().filter(|stack| stack.guard_start < stack.start)
    }

    /// The owner of an address.
    #[must_use]
    pub fn owner_of(&self, address: u32) -> Owner {
        self.areas()
            .find(|area| area.contains(address))
            .map_or(Owner { area: Area::Unmapped, thread: Thread::Unknown }, |area| area.owner)
    }

    /// Whose stack a thread uses: code that runs before the threads borrows the ISR stack.
    #[must_use]
    pub const fn stack_owner(&self, thread: Thread) -> Thread {
        if matches!(thread, Thread::Boot) { Thread::Isr } else { thread }
    }

    /// The first address of a range that lies in a guard.
    #[must_use]
    pub fn guard_touched(&self, start: u32, size: u32) -> Option<u32> {
        let end = start.saturating_add(size);
        self.guards()
            .filter(|stack| stack.guard_start < end && start < stack.start)
            .map(|stack| stack.guard_start.max(start))
            .min()
    }

    /// The stack of a thread.
    #[must_use]
    pub fn stack_of(&self, thread: Thread) -> Option<&StackRange> {
        let owner = self.stack_owner(thread);
        self.stacks.iter().find(|stack| stack.thread == owner)
    }

    /// Whether `size` bytes from an address lie in RAM that can be read: inside of one RAM region,
    /// and not in a guard.
    #[must_use]
    pub fn is_readable_ram(&self, address: u32, size: u32) -> bool {
        let Some(last) = size.checked_sub(1).and_then(|span| address.checked_add(span)) else {
            return false;
        };
        let in_ram = self.chip.iter().any(|region| {
            region.owner.area == Area::Ram && region.contains(address) && region.contains(last)
        });
        let in_guard =
            self.guards().any(|stack| stack.guard_start <= last && address < stack.start);
        in_ram && !in_guard
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    const fn area(area: Area, thread: Thread, start: u32, end: u32) -> AreaRange {
        AreaRange { owner: Owner { area, thread }, start, end }
    }

    const fn stack(thread: Thread, start: u32, end: u32) -> StackRange {
        StackRange { thread, guard_start: start - 0x80, start, end }
    }

    /// An entry that says nothing but that the main thread runs.
    pub(crate) const IDLE: crate::classify::Entry = crate::classify::Entry {
        vector: 0,
        exc_return: 0,
        msp: 0,
        psp: 0,
        running: Thread::Main,
        float_frame: 0,
    };
    pub(crate) const STACKS: &[StackRange] = &[
        stack(Thread::Main, 0x2000_2400, 0x2000_3400),
        StackRange::NONE,
        stack(Thread::User(3), 0x2000_8400, 0x2000_8C00),
        stack(Thread::User(4), 0x2000_8C80, 0x2000_9000),
        stack(Thread::Isr, 0x2001_F800, 0x2002_0000),
    ];
    pub(crate) const IMAGE: &[AreaRange] = &[
        area(Area::CrashRegion, Thread::Unknown, 0x2000_0188, 0x2000_1188),
        area(Area::Vectors, Thread::Unknown, 0x2000_0000, 0x2000_0188),
    ];
    pub(crate) const CHIP: &[AreaRange] = &[
        area(Area::Ram, Thread::Unknown, 0x2000_0000, 0x2002_0000),
        area(Area::Ram, Thread::Unknown, 0x1000_0000, 0x1001_0000),
        area(Area::Flash, Thread::Unknown, 0x0800_0000, 0x0810_0000),
        area(Area::Other, Thread::Unknown, 0x4000_0000, 0x6000_0000),
    ];
    pub(crate) const MAP: MemoryMap<'static> =
        MemoryMap { stacks: STACKS, image: IMAGE, chip: CHIP };

    fn check(address: u32, area: Area, thread: Thread) {
        assert_eq!(MAP.owner_of(address), Owner { area, thread }, "{address:#010x}");
    }

    #[test]
    fn the_nearest_description_owns_an_address() {
        check(0x2000_2380, Area::Guard, Thread::Main);
        check(0x2000_2400, Area::Stack, Thread::Main);
        check(0x2000_33FF, Area::Stack, Thread::Main);
        check(0x2000_3400, Area::Ram, Thread::Unknown);
        check(0x2001_FFFF, Area::Stack, Thread::Isr);
        check(0x2000_8BFF, Area::Stack, Thread::User(3));
        check(0x2000_8C00, Area::Guard, Thread::User(4));
        check(0x2000_0000, Area::Vectors, Thread::Unknown);
        check(0x2000_1187, Area::CrashRegion, Thread::Unknown);
        check(0x0800_0000, Area::Flash, Thread::Unknown);
        check(0x5FFF_FFFF, Area::Other, Thread::Unknown);
        check(0xD000_0000, Area::Unmapped, Thread::Unknown);
        check(0x2002_0000, Area::Unmapped, Thread::Unknown);
    }

    #[test]
    fn a_range_is_readable_only_inside_of_one_ram_region_and_off_the_guards() {
        assert!(MAP.is_readable_ram(0x2000_2400, 32));
        assert!(MAP.is_readable_ram(0x2001_FFE0, 32));
        assert!(!MAP.is_readable_ram(0x2001_FFE4, 32), "sticks out at the top");
        assert!(!MAP.is_readable_ram(0x2000_2360, 0x24), "touches the guard from below");
        assert!(!MAP.is_readable_ram(0x2000_23FC, 32), "starts in the guard");
        assert!(!MAP.is_readable_ram(0x0800_0000, 4), "not RAM");
        assert!(!MAP.is_readable_ram(0xFFFF_FFF0, 32), "wraps");
        assert!(!MAP.is_readable_ram(0x2000_2400, 0), "nothing to read");
    }
}
