//! The one place of this crate where an address becomes memory.
//!
//! Everything here is a volatile access to memory that no Rust object owns: the crash region, and
//! the stacks and text that a trail is read from.
#![expect(unsafe_code, reason = "addresses from the linker script become accesses here")]

use crate::map::MemoryMap;
use crate::retain::Store;
use crate::stack::{StackRange, Words};
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

/// The words of one stack.
#[derive(Debug)]
pub struct StackWords(StackRange);

impl StackWords {
    /// The stack as it lies in RAM.
    ///
    /// # Safety
    /// The stack is RAM that can be read, and no Rust object lies where it is written.
    #[must_use]
    pub const unsafe fn new(stack: StackRange) -> Self {
        Self(stack)
    }

    fn is_inside(&self, address: u32) -> bool {
        let StackRange { start, end, .. } = self.0;
        address.is_multiple_of(4) && start <= address && address < end
    }
}

impl Words for StackWords {
    /// What lies outside of the stack reads as zero.
    fn read(&self, address: u32) -> u32 {
        let pointer = core::ptr::with_exposed_provenance::<u32>(address as usize);
        if self.is_inside(address) {
            // SAFETY: aligned, and inside of RAM that `new` was promised to be readable.
            unsafe { pointer.read_volatile() }
        } else {
            0
        }
    }

    /// What lies outside of the stack is not written.
    fn write(&mut self, address: u32, word: u32) {
        if self.is_inside(address) {
            let pointer = core::ptr::with_exposed_provenance_mut::<u32>(address as usize);
            // SAFETY: aligned, and inside of RAM that `new` was promised to be nobody else's.
            unsafe { pointer.write_volatile(word) }
        }
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
