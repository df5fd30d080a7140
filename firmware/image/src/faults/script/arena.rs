//! The block that regions of a script lie in, as words: nothing outside of it is read or written,
//! whatever a damaged heap makes of an address.

use core::sync::atomic::{AtomicU32, Ordering};
use crashrig_memory::words::Words;
use crashrig_wire::script::ARENA_BYTES;

static START: AtomicU32 = AtomicU32::new(0);

/// The words of the block. Others read as 0, and what is written there is lost.
#[derive(Debug)]
pub struct ArenaWords;

impl ArenaWords {
    /// Says where the block is; it has [`ARENA_BYTES`].
    pub fn place(start: u32) {
        START.store(start, Ordering::Relaxed);
    }

    /// Where it begins.
    pub fn start() -> u32 {
        START.load(Ordering::Relaxed)
    }

    fn pointer(address: u32) -> Option<*mut u32> {
        let is_inside = address.wrapping_sub(Self::start()) < ARENA_BYTES;
        let is_word = is_inside && address.is_multiple_of(4);
        is_word.then(|| core::ptr::with_exposed_provenance_mut(address as usize))
    }
}

impl Words for ArenaWords {
    fn read(&self, address: u32) -> u32 {
        Self::pointer(address).map_or(0, |pointer| {
            // SAFETY: an aligned word of a block that is the script's alone.
            unsafe { pointer.read_volatile() }
        })
    }

    fn write(&mut self, address: u32, word: u32) {
        if let Some(pointer) = Self::pointer(address) {
            // SAFETY: as above.
            unsafe { pointer.write_volatile(word) }
        }
    }
}
