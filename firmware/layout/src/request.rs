//! What the heap is really asked for: ESP-IDF's rules for requests, before any region is tried.
//!
//! From `heap_caps_aligned_alloc_base` and `heap_caps_malloc_default`. They say nothing of memory,
//! so the heap itself stays one rule: a region has the capabilities, or has not.

use crate::{Capabilities, Region};

/// A request that a region may serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// How many bytes.
    pub size_bytes: u32,
    /// What the address must be a multiple of, in bytes; as the caller has it, or more.
    pub align_bytes: u32,
    /// What the memory must be good for.
    pub capabilities: Capabilities,
}

impl Request {
    /// The request that stands for one of a caller. Nothing if none can be served: executable
    /// memory is reached by words only and never by DMA, and a size may be too large to be rounded.
    ///
    /// Executable memory is asked for with `32bit`; what is asked for with `32bit` has a size that
    /// is a multiple of four; DMA gets external RAM only if that is named, and then address and
    /// size as the chip file says.
    #[must_use]
    pub fn new(
        size_bytes: u32,
        align_bytes: u32,
        capabilities: Capabilities,
        regions: &[Region],
    ) -> Option<Self> {
        let mut wanted = capabilities;
        let mut granule_bytes = 1;
        let mut align_bytes = align_bytes;
        if wanted.contains(Capabilities::EXEC) {
            let impossible = Capabilities::BYTE.union(Capabilities::DMA);
            if wanted.intersection(impossible) != Capabilities::NONE {
                return None;
            }
            wanted = wanted.union(Capabilities::WORD);
        }
        if wanted.contains(Capabilities::WORD) {
            granule_bytes = 4;
        }
        if wanted.contains(Capabilities::DMA) {
            if !wanted.contains(Capabilities::SPIRAM) {
                wanted = wanted.union(Capabilities::INTERNAL);
            }
            let suited = regions.iter().filter(|region| region.capabilities.contains(wanted));
            let line_bytes = suited.map(|region| region.dma_alignment_bytes).max().unwrap_or(1);
            if line_bytes > 1 {
                granule_bytes = granule_bytes.max(line_bytes);
                align_bytes = align_bytes.max(line_bytes);
            }
        }
        let size_bytes = size_bytes.checked_next_multiple_of(granule_bytes)?;
        Some(Self { size_bytes, align_bytes, capabilities: wanted })
    }
}

/// Where plain allocations come from (`heap_caps_malloc_extmem_enable`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DefaultPolicy {
    /// The largest size in bytes that is first looked for on the chip; larger ones go to external
    /// RAM first. Without a limit, external RAM is never used.
    pub internal_up_to_bytes: Option<u32>,
}

impl DefaultPolicy {
    /// What a plain allocation asks for: first this, then, if there is a second, that.
    #[must_use]
    pub const fn attempts(self, size_bytes: u32) -> (Capabilities, Option<Capabilities>) {
        let plain = Capabilities::DEFAULT;
        let (first, second) = match self.internal_up_to_bytes {
            None => (Capabilities::INTERNAL, None),
            Some(limit) if size_bytes <= limit => (Capabilities::INTERNAL, Some(plain)),
            Some(_) => (Capabilities::SPIRAM, Some(plain)),
        };
        (plain.union(first), second)
    }
}
