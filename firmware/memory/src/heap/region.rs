//! One region of the heap: its memory, what it can be used for, and what it has to tell.

use super::block::{Extent, GRANULE_BYTES, HEADER_BYTES, Header};
use super::error::{Corruption, RegionError};
use super::integrity;
use super::level::Level;
use super::tlsf::Tlsf;
use super::tlsf_lists::LARGEST_BLOCK_BYTES;
use super::totals::Totals;
use super::{Alignment, dress};
use crate::words::Words;
use crashrig_layout::Capabilities;

/// How many priorities a region gives its capabilities.
pub const PRIORITIES: usize = 3;

/// One region.
#[derive(Debug)]
pub(super) struct Region<L> {
    /// Its blocks.
    pub tlsf: Tlsf<L>,
    caps: [Capabilities; PRIORITIES],
    /// Invariant: the union of `caps`.
    all_caps: Capabilities,
    minimum_free_bytes: u32,
    /// The minimum from before a window that is watched now.
    minimum_before: Option<u32>,
    failed_allocations: u32,
}

impl<L: Level> Region<L> {
    /// No region.
    pub const EMPTY: Self = Self {
        tlsf: Tlsf::EMPTY,
        caps: [Capabilities::NONE; PRIORITIES],
        all_caps: Capabilities::NONE,
        minimum_free_bytes: 0,
        minimum_before: None,
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
        let extent = extent(start, size_bytes, L::SMALLEST_BYTES).ok_or(RegionError::Size {
            size_bytes,
            smallest_bytes: L::SMALLEST_BYTES + HEADER_BYTES,
            largest_bytes: LARGEST_BLOCK_BYTES + HEADER_BYTES,
        })?;
        self.tlsf.format(words, extent);
        integrity::check(&self.tlsf, words).map_err(RegionError::NotMemory)?;
        self.caps = caps;
        self.all_caps = caps.iter().fold(Capabilities::NONE, |all, caps| all.union(*caps));
        self.minimum_free_bytes = self.tlsf.free_bytes();
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

    /// Whether a range lies in what one block handed out: as many bytes as were asked for, where a
    /// canary stands behind them.
    pub fn lends(&self, words: &impl Words, start: u32, size_bytes: u32) -> bool {
        let Ok(block) = self.tlsf.containing(words, start) else { return false };
        if block.is_free {
            return false;
        }
        let payload = dress::payload::<L>(&block);
        let Ok(held_bytes) = dress::asked_bytes::<L>(words, &block) else { return false };
        payload <= start
            && start.checked_add(size_bytes).is_some_and(|end| end <= payload + held_bytes)
    }

    /// Whether the region begins in what a block of another handed out.
    pub fn lies_in(&self, block: &Header) -> bool {
        let first = self.tlsf.extent.first;
        dress::payload::<L>(block) <= first && first < block.next()
    }

    /// Whether it is a region at all.
    pub const fn is_formatted(&self) -> bool {
        self.tlsf.extent.end != 0
    }

    /// All capabilities of the region.
    pub const fn capabilities(&self) -> Capabilities {
        self.all_caps
    }

    /// Whether the region is tried for a request at a priority: it has any of the wanted
    /// capabilities at this one and none at those before, and all of them together.
    #[inline]
    pub fn is_tried_at(&self, priority: usize, wanted: Capabilities) -> bool {
        let mut caps = self.caps.iter().map(|caps| caps.bits() & wanted.bits() != 0);
        self.all_caps.contains(wanted) && caps.position(|has_any| has_any) == Some(priority)
    }

    /// Hands out a block. In line where it is called: what most requests need is short.
    ///
    /// # Errors
    /// A word that is wrong; nothing has changed.
    #[inline(always)]
    pub fn allocate(
        &mut self,
        words: &mut impl Words,
        size_bytes: u32,
    ) -> Result<Option<Header>, Corruption> {
        let block = self.tlsf.allocate(words, size_bytes)?;
        self.note_free_bytes();
        Ok(block)
    }

    /// Hands out a block with an alignment.
    ///
    /// # Errors
    /// A word that is wrong; nothing has changed.
    pub fn allocate_aligned(
        &mut self,
        words: &mut impl Words,
        size_bytes: u32,
        alignment: Alignment,
    ) -> Result<Option<Header>, Corruption> {
        let block = if alignment.align_bytes > GRANULE_BYTES {
            self.tlsf.allocate_aligned(words, size_bytes, alignment)?
        } else {
            self.tlsf.allocate(words, size_bytes)?
        };
        self.note_free_bytes();
        Ok(block)
    }

    /// Counts a request that the region could not serve.
    pub fn note_failure(&mut self) {
        self.failed_allocations = self.failed_allocations.saturating_add(1);
    }

    /// Makes a block smaller or larger where it is, if that can be.
    ///
    /// # Errors
    /// A word that is wrong; nothing has changed.
    pub fn resize(
        &mut self,
        words: &mut impl Words,
        block: &Header,
        size_bytes: u32,
    ) -> Result<Option<Header>, Corruption> {
        let resized = self.tlsf.resize(words, block, size_bytes)?;
        self.note_free_bytes();
        Ok(resized)
    }

    #[inline]
    fn note_free_bytes(&mut self) {
        self.minimum_free_bytes = self.minimum_free_bytes.min(self.tlsf.free_bytes());
    }

    /// From now on the minimum is that of a window.
    pub fn start_monitoring(&mut self) {
        let minimum = self.minimum_free_bytes;
        self.minimum_before = Some(self.minimum_before.map_or(minimum, |least| least.min(minimum)));
        self.minimum_free_bytes = self.tlsf.free_bytes();
    }

    /// The minimum is that of all time again.
    pub fn stop_monitoring(&mut self) {
        let before = self.minimum_before.take();
        self.minimum_free_bytes = self.minimum_free_bytes.min(before.unwrap_or(u32::MAX));
    }

    /// What could be handed out if nothing were. Not kept: a wrong bit of the extent is found, one
    /// of a number that nothing rests on would not be.
    const fn total_bytes(&self) -> u32 {
        let Extent { first, end } = self.tlsf.extent;
        end.saturating_sub(first).saturating_sub(L::OVERHEAD_BYTES)
    }

    /// What the region has to tell.
    ///
    /// # Errors
    /// A word that is wrong.
    pub fn totals(&self, words: &impl Words) -> Result<Totals, Corruption> {
        Ok(Totals {
            total_bytes: self.total_bytes(),
            free_bytes: self.tlsf.free_bytes(),
            minimum_free_bytes: self.minimum_free_bytes,
            largest_free_block: self.tlsf.largest_free_block(words)?,
            allocated_blocks: self.tlsf.allocated_blocks,
            free_blocks: self.tlsf.free_blocks,
            failed_allocations: self.failed_allocations,
        })
    }
}

/// The part of a region that blocks can lie in, if there is room for one and lists for the largest.
fn extent(start: u32, size_bytes: u32, smallest_bytes: u32) -> Option<Extent> {
    // A region may end at 4 GiB, so it is told by its last byte.
    let last = start.checked_add(size_bytes.checked_sub(1)?)?;
    let first = start.checked_next_multiple_of(GRANULE_BYTES)?;
    let whole = last.checked_sub(first)?.checked_add(1)? & !(GRANULE_BYTES - 1);
    let blocks = whole.checked_sub(HEADER_BYTES)?;
    let has_lists = (smallest_bytes..=LARGEST_BLOCK_BYTES).contains(&blocks);
    has_lists.then(|| Extent { first, end: first + blocks })
}
