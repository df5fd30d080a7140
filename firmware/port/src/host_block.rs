//! Memory shared with a host: bytes in a no-init section that either side may change at any time.

use core::cell::UnsafeCell;
use core::mem::MaybeUninit;

/// `N` words that a host reads and writes behind the compiler's back, and that no start-up code
/// clears.
#[repr(C, align(8))]
#[derive(Debug)]
pub struct HostBlock<const N: usize>(UnsafeCell<MaybeUninit<[u32; N]>>);

// SAFETY: every access goes through a volatile read or write of one word; a host that writes at the
// same time gives a mixture of words, which the CRC of what lies here shows.
unsafe impl<const N: usize> Sync for HostBlock<N> {}

impl<const N: usize> HostBlock<N> {
    /// A block whose contents are whatever the memory holds.
    #[must_use]
    pub const fn new() -> Self {
        Self(UnsafeCell::new(MaybeUninit::uninit()))
    }

    fn word(&self, index: usize) -> Option<*mut u32> {
        let first = self.0.get().cast::<u32>();
        (index < N).then(|| first.wrapping_add(index))
    }

    /// Copies bytes out from the start of the block; what lies behind its end reads as zero.
    pub fn read(&self, out: &mut [u8]) {
        for (index, chunk) in out.chunks_mut(4).enumerate() {
            let word = self.word(index).map_or(0, |pointer| {
                // SAFETY: inside of the block. The bytes may be what power-on left: the section is
                // NOLOAD, so to the compiler they come from outside through a volatile read.
                unsafe { pointer.read_volatile() }
            });
            for (target, byte) in chunk.iter_mut().zip(word.to_le_bytes()) {
                *target = byte;
            }
        }
    }

    /// Writes bytes to the start of the block, word by word; what does not fit is dropped.
    pub fn write(&self, bytes: &[u8]) {
        for (index, chunk) in bytes.as_chunks::<4>().0.iter().enumerate() {
            if let Some(pointer) = self.word(index) {
                // SAFETY: inside of the block.
                unsafe { pointer.write_volatile(u32::from_le_bytes(*chunk)) };
            }
        }
    }
}

impl<const N: usize> Default for HostBlock<N> {
    fn default() -> Self {
        Self::new()
    }
}
