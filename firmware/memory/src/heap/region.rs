//! One region of the heap: its memory, what it can be used for, and what it has to tell.

use super::Alignment;
use super::block::{Extent, GRANULE_BYTES, HEADER_BYTES, Header, SMALLEST_BLOCK_BYTES};
use super::error::{AddressError, Corruption, RegionError};
use super::integrity;
use super::tlsf::Tlsf;
use super::tlsf_lists::LARGEST_BLOCK_BYTES;
use super::totals::Totals;
use crate::words::Words;
use crashrig_layout::Capabilities;

/// How many priorities a region gives its capabilities.
pub const PRIORITIES: usize = 3;

/// One region.
#[derive(Debug)]
pub(super) struct Region {
    /// Its blocks.
    pub tlsf: Tlsf,
    caps: [Capabilities; PRIORITIES],
    total_bytes: u32,
    minimum_free_bytes: u32,
    failed_allocations: u32,
}

impl Region {
    /// No region.
    pub const EMPTY: Self = Self {
        tlsf: Tlsf::EMPTY,
        caps: [Capabilities::NONE; PRIORITIES],
        total_bytes: 0,
        minimum_free_bytes: 0,
        failed_allocations: 0,
    };

    /// Formats a region. Bytes before the first and behind the last multiple of eight are not used.
    ///
    /// # Errors
    /// The size does not do, or the memory does not keep what is written.
    pub fn format(
        &mut self,
        words: &mut impl Words,
        start: u32,
        size_bytes: u32,
        caps: [Capabilities; PRIORITIES],
    ) -> Result<(), RegionError> {
        let extent = extent(start, size_bytes).ok_or(RegionError::Size {
            size_bytes,
            smallest_bytes: SMALLEST_BLOCK_BYTES + HEADER_BYTES,
            largest_bytes: LARGEST_BLOCK_BYTES + HEADER_BYTES,
        })?;
        self.tlsf.format(words, extent);
        integrity::check(&self.tlsf, words).map_err(RegionError::NotMemory)?;
        self.caps = caps;
        self.total_bytes = self.tlsf.free_bytes;
        self.minimum_free_bytes = self.total_bytes;
        self.failed_allocations = 0;
        Ok(())
    }

    /// Whether an address lies in a block of the region.
    pub const fn contains(&self, address: u32) -> bool {
        self.tlsf.extent.first <= address && address < self.tlsf.extent.end
    }

    /// Whether another region would share memory with this one, end mark included.
    pub const fn overlaps(&self, start: u32, size_bytes: u32) -> bool {
        let Extent { first, end } = self.tlsf.extent;
        let last = start.saturating_add(size_bytes.saturating_sub(1));
        first <= last && start <= end + (HEADER_BYTES - 1)
    }

    /// All capabilities of the region.
    pub fn capabilities(&self) -> Capabilities {
        self.caps.iter().fold(Capabilities::NONE, |all, caps| all.union(*caps))
    }

    /// The priority at which the region is tried for a request: the first that has any of the
    /// wanted capabilities, provided that all priorities together have all of them.
    pub fn priority_for(&self, wanted: Capabilities) -> Option<usize> {
        if !self.capabilities().contains(wanted) {
            return None;
        }
        self.caps.iter().position(|caps| caps.bits() & wanted.bits() != 0)
    }

    /// Hands out a block, or counts that it could not.
    ///
    /// # Errors
    /// A word that is wrong; nothing has changed.
    pub fn allocate(
        &mut self,
        words: &mut impl Words,
        size_bytes: u32,
        alignment: Alignment,
    ) -> Result<Option<Header>, Corruption> {
        let block = self.tlsf.allocate(words, size_bytes, alignment)?;
        if block.is_none() {
            self.failed_allocations = self.failed_allocations.saturating_add(1);
        }
        self.minimum_free_bytes = self.minimum_free_bytes.min(self.tlsf.free_bytes);
        Ok(block)
    }

    /// Takes a block back.
    ///
    /// # Errors
    /// The address is not one that was handed out, or a word is wrong; nothing has changed.
    pub fn free(&mut self, words: &mut impl Words, address: u32) -> Result<Header, AddressError> {
        self.tlsf.free(words, address)
    }

    /// What the region has to tell.
    ///
    /// # Errors
    /// A word that is wrong.
    pub fn totals(&self, words: &impl Words) -> Result<Totals, Corruption> {
        Ok(Totals {
            total_bytes: self.total_bytes,
            free_bytes: self.tlsf.free_bytes,
            minimum_free_bytes: self.minimum_free_bytes,
            largest_free_block: self.tlsf.largest_free_block(words)?,
            allocated_blocks: self.tlsf.allocated_blocks,
            free_blocks: self.tlsf.free_blocks,
            failed_allocations: self.failed_allocations,
        })
    }
}

/// The part of a region that blocks can lie in, if there is room for one and lists for the largest.
fn extent(start: u32, size_bytes: u32) -> Option<Extent> {
    // A region may end at 4 GiB, so it is told by its last byte.
    let last = start.checked_add(size_bytes.checked_sub(1)?)?;
    let first = start.checked_next_multiple_of(GRANULE_BYTES)?;
    let whole = last.checked_sub(first)?.checked_add(1)? & !(GRANULE_BYTES - 1);
    let blocks = whole.checked_sub(HEADER_BYTES)?;
    let has_lists = (SMALLEST_BLOCK_BYTES..=LARGEST_BLOCK_BYTES).contains(&blocks);
    has_lists.then(|| Extent { first, end: first + blocks })
}
