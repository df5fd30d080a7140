//! What a request for DMA asks for besides: memory on the chip, or the lines of a cache.
//!
//! ESP-IDF's rule (`heap_caps_aligned_alloc_base`, `esp_ptr_dma_ext_capable`): external RAM serves
//! DMA only if it is named, and then address and size are as the cache in between needs them. How
//! large its lines are is a fact of the chip file. All other rules are the heap's own.

use crate::{Capabilities, Region};

/// What memory for a request must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DmaNeeds {
    /// What it must be good for.
    pub capabilities: Capabilities,
    /// What its address and size must be multiples of, in bytes; 1 if there is no need.
    pub align_bytes: u32,
}

impl DmaNeeds {
    /// The needs of a request for memory with some capabilities, in the regions of a chip.
    #[must_use]
    pub fn of(capabilities: Capabilities, regions: &[Region]) -> Self {
        if !capabilities.contains(Capabilities::DMA) {
            return Self { capabilities, align_bytes: 1 };
        }
        let is_external = capabilities.contains(Capabilities::SPIRAM);
        let place = if is_external { Capabilities::SPIRAM } else { Capabilities::INTERNAL };
        let capabilities = capabilities.union(place);
        let suited = regions.iter().filter(|region| region.capabilities.contains(capabilities));
        let align_bytes = suited.map(|region| region.dma_alignment_bytes).max().unwrap_or(1);
        Self { capabilities, align_bytes }
    }

    /// Whether a block may begin so many bytes before an address that is aligned as needed: only by
    /// whole lines, or its first line is another block's as well.
    #[must_use]
    pub const fn allows_offset(&self, offset_bytes: u32) -> bool {
        offset_bytes.is_multiple_of(self.align_bytes)
    }
}
