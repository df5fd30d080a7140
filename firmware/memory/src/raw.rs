//! The one place of this crate where an address becomes memory.
//!
//! Everything here is a volatile access to memory that no Rust object owns: the crash region,
//! and the stacks and text that a trail is read from. The words of a heap are reached by whoever
//! knows its regions: the port.
#![expect(unsafe_code, reason = "addresses from the linker script become accesses here")]

use crate::map::MemoryMap;
use crate::retain::Store;
use crate::words::Words;
use core::ops::Range;
use crashrig_wire::trail::Memory;

/// The crash region as it lies in RAM.
#[derive(Debug)]
pub struct RetainedRam {
    start: usize,
    size: usize,
}

impl RetainedRam {
    /// The region from an address on.
    ///
    /// # Safety
    /// `start` is a multiple of four; `start..start + size` is RAM that no Rust object lies in and
    /// nothing else writes while this value lives.
    #[must_use]
    pub const unsafe fn new(start: usize, size: usize) -> Self {
        Self { start, size }
    }

    fn pointer(&self, offset: usize) -> Option<*mut u32> {
        let inside = offset.is_multiple_of(4) && offset.checked_add(4)? <= self.size;
        inside.then(|| core::ptr::with_exposed_provenance_mut(self.start + offset))
    }
}

impl Store for RetainedRam {
    fn size(&self) -> usize {
        self.size
    }

    fn read(&self, offset: usize, out: &mut [u8]) {
        for (index, chunk) in out.chunks_mut(4).enumerate() {
            let word = self.pointer(offset + 4 * index).map_or(0, |pointer| {
                // SAFETY: `pointer` is inside of the region that `new` was promised, and aligned.
                unsafe { pointer.read_volatile() }
            });
            for (target, byte) in chunk.iter_mut().zip(word.to_le_bytes()) {
                *target = byte;
            }
        }
    }

    fn write_word(&mut self, offset: usize, word: u32) {
        if let Some(pointer) = self.pointer(offset) {
            // SAFETY: `pointer` is inside of the region that `new` was promised, and aligned.
            unsafe { pointer.write_volatile(word) }
        }
    }
}

/// Stacks and text as they lie in memory, read only where the map says that they can be read.
#[derive(Debug)]
pub struct LiveMemory<'a> {
    map: &'a MemoryMap<'a>,
    text: Range<u32>,
}

impl<'a> LiveMemory<'a> {
    /// A view of the running device.
    ///
    /// # Safety
    /// Every RAM region of `map` and all of `text` exist, are clocked and can be read by the core,
    /// guards aside.
    #[must_use]
    pub const unsafe fn new(map: &'a MemoryMap<'a>, text: Range<u32>) -> Self {
        Self { map, text }
    }
}

impl Memory for LiveMemory<'_> {
    fn stack_word(&self, address: u32) -> Option<u32> {
        let readable = address.is_multiple_of(4) && self.map.is_readable_ram(address, 4);
        let pointer = core::ptr::with_exposed_provenance::<u32>(address as usize);
        readable.then(|| {
            // SAFETY: aligned, and inside of RAM that `new` was promised to be readable.
            unsafe { pointer.read_volatile() }
        })
    }

    fn code_halfword(&self, address: u32) -> Option<u16> {
        let inside = address.is_multiple_of(2)
            && self.text.contains(&address)
            && address.checked_add(2)? <= self.text.end;
        let pointer = core::ptr::with_exposed_provenance::<u16>(address as usize);
        inside.then(|| {
            // SAFETY: aligned, and inside of the text that `new` was promised to be readable.
            unsafe { pointer.read_volatile() }
        })
    }
}

/// The words of a part of RAM that something of this crate works on, such as a stack.
#[derive(Debug, Clone)]
pub struct RamWords(Range<u32>);

impl RamWords {
    /// The words of a range. Addresses outside read as 0, and what is written there is lost.
    ///
    /// # Safety
    /// The range is RAM that exists and is clocked, that no Rust object lies in where it is
    /// written, and that nobody else uses so that a write could surprise them.
    #[must_use]
    pub const unsafe fn new(range: Range<u32>) -> Self {
        Self(range)
    }

    fn pointer(&self, address: u32) -> Option<*mut u32> {
        let last = address.checked_add(3)?;
        let inside =
            address.is_multiple_of(4) && self.0.contains(&address) && self.0.contains(&last);
        inside.then(|| core::ptr::with_exposed_provenance_mut(address as usize))
    }
}

impl Words for RamWords {
    fn read(&self, address: u32) -> u32 {
        self.pointer(address).map_or(0, |pointer| {
            // SAFETY: aligned, and inside of RAM that `new` was promised.
            unsafe { pointer.read_volatile() }
        })
    }

    fn write(&mut self, address: u32, word: u32) {
        if let Some(pointer) = self.pointer(address) {
            // SAFETY: aligned, and inside of RAM that `new` was promised.
            unsafe { pointer.write_volatile(word) }
        }
    }
}
