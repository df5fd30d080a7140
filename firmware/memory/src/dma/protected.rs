//! Memory that is protected block by block: which blocks hold some bytes, and which byte of a
//! transfer an access was.
//!
//! Pure arithmetic, so that it is tested on the host; the controllers' registers are the port's
//! (`port/src/dma/protection.rs`).

use core::ops::Range;
use crashrig_layout::Memory;

/// Memory in blocks of one size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blocks {
    /// First address.
    pub start: u32,
    /// How many there are.
    pub count: u32,
    /// Bytes of each, a power of two.
    pub block_bytes: u32,
}

impl Blocks {
    /// Those that hold some of the bytes from an address on, which may lie elsewhere in part or
    /// altogether.
    #[must_use]
    pub fn of(&self, start: u32, size_bytes: u32) -> Range<u32> {
        let bytes = u64::from(self.count) * u64::from(self.block_bytes);
        let offset = |address: u64| address.saturating_sub(u64::from(self.start)).min(bytes);
        let first = u64::from(start);
        let (from, to) = (offset(first), offset(first + u64::from(size_bytes)));
        let block_bytes = u64::from(self.block_bytes.max(1));
        if from == to {
            return 0..0;
        }
        // Both are at most the number of blocks.
        (from / block_bytes) as u32..to.div_ceil(block_bytes) as u32
    }

    /// The first address of a block.
    #[must_use]
    pub const fn start_of(&self, block: u32) -> u32 {
        self.start.wrapping_add(block.wrapping_mul(self.block_bytes))
    }
}

/// The address by which a transfer of the bytes from `start` on knows the byte at `address`, which
/// is that of the memory itself: `start` may be an alias. Nothing if it is none of them.
#[must_use]
pub fn seen_from(memory: &Memory, address: u32, start: u32, size_bytes: u32) -> Option<u32> {
    let offset = address.wrapping_sub(memory.behind_alias(start));
    (offset < size_bytes).then(|| start.wrapping_add(offset))
}
