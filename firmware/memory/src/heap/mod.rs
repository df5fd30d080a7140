//! The capability heap: memory of several regions, handed out by what it can be used for.
//!
//! Regions differ: one is out of reach of DMA, one keeps its contents in standby. Each has its
//! capabilities in three priorities, and a request goes to the region that is suited and least
//! needed for something else. The rule is that of ESP-IDF's `heap_caps_malloc`: for each priority,
//! for each region in the order they were added, a region is tried whose capabilities of that
//! priority have any of the wanted ones and whose capabilities together have all of them.
//! ESP-IDF's special cases for executable memory are not part of it.
//!
//! Within a region, two-level segregated fit finds a block in bounded time (`tlsf`). Every word
//! read from memory is checked before it is used (`block`), so a heap that somebody wrote over
//! answers an error that names the word, and never follows it.
//!
//! What it must never do: touch memory other than through [`Words`], write where it was not given a
//! region, panic, wait, or lock. It has no global state; whoever shares one wraps it in a critical
//! section. `check_integrity`, `walk`, `containing_block` and the refusal of a wrong address take
//! time in proportion to the number of blocks.
//!
//! Its limit: a forged header inside of a block, with forged neighbours that agree with it, is
//! taken for a block by `free`.

mod alignment;
mod block;
mod error;
mod integrity;
mod region;
mod tlsf;
mod tlsf_lists;
mod totals;

pub use alignment::Alignment;
pub use error::{AddressError, AllocationError, Corruption, Expected, RegionError};
pub use region::PRIORITIES;
pub use totals::Totals;

use crate::words::Words;
use crashrig_layout::Capabilities;
use region::Region;

/// One block, as [`Heap::walk`] shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    /// Index of its region, in the order they were added.
    pub region: usize,
    /// The address that is or would be handed out.
    pub address: u32,
    /// How many bytes can be used from there on; a multiple of eight, often more than asked for.
    pub size_bytes: u32,
    /// Whether it is free.
    pub is_free: bool,
}

impl Block {
    const fn new(region: usize, header: &block::Header) -> Self {
        Self {
            region,
            address: header.payload(),
            size_bytes: header.payload_bytes(),
            is_free: header.is_free,
        }
    }
}

/// A heap over at most `REGIONS` regions.
#[derive(Debug)]
pub struct Heap<W, const REGIONS: usize> {
    words: W,
    /// Invariant: the first `used` are regions, and no two share memory.
    regions: [Region; REGIONS],
    used: usize,
}

impl<W: Words, const REGIONS: usize> Heap<W, REGIONS> {
    /// A heap without memory.
    #[must_use]
    pub const fn new(words: W) -> Self {
        Self { words, regions: [const { Region::EMPTY }; REGIONS], used: 0 }
    }

    /// Gives the heap a region; what it holds is lost. Answers its index.
    ///
    /// Bytes outside of whole multiples of eight are not used, and eight bytes more are kept for
    /// the end mark. Regions are tried in the order in which they were added.
    ///
    /// # Errors
    /// The region is too small, too large, shares memory with another or is no memory, or there are
    /// `REGIONS` already.
    pub fn add_region(
        &mut self,
        start: u32,
        size_bytes: u32,
        caps: [Capabilities; PRIORITIES],
    ) -> Result<usize, RegionError> {
        let shared = |region: &Region| region.overlaps(start, size_bytes);
        if let Some(region) = self.regions().position(shared) {
            return Err(RegionError::Overlap { region });
        }
        let index = self.used;
        let place = self.regions.get_mut(index).ok_or(RegionError::Full { capacity: REGIONS })?;
        place.format(&mut self.words, start, size_bytes, caps)?;
        self.used += 1;
        Ok(index)
    }

    /// Hands out at least `size_bytes` bytes that have all of `caps`, at a multiple of eight. What
    /// they hold is left over from before. With no capabilities at all, no region is suited.
    ///
    /// # Errors
    /// The size is zero, no region can serve it, or a word of the heap's own is wrong.
    pub fn allocate(
        &mut self,
        size_bytes: u32,
        caps: Capabilities,
    ) -> Result<u32, AllocationError> {
        self.allocate_aligned(size_bytes, Alignment::NATURAL, caps)
    }

    /// Like [`allocate`](Self::allocate), at an address with an alignment. A request may be refused
    /// where a block would just do: the block that is found in bounded time is used if it happens
    /// to lie well, or else one with `align_bytes + 8` bytes to spare.
    ///
    /// # Errors
    /// As for `allocate`, and no address can have this alignment.
    pub fn allocate_aligned(
        &mut self,
        size_bytes: u32,
        alignment: Alignment,
        caps: Capabilities,
    ) -> Result<u32, AllocationError> {
        if size_bytes == 0 {
            return Err(AllocationError::ZeroSize);
        }
        if !alignment.is_possible() {
            return Err(AllocationError::Alignment(alignment));
        }
        let mut largest_free_block = 0;
        for priority in 0..PRIORITIES {
            for region in self.regions.iter_mut().take(self.used) {
                // A region that could not serve it at one priority is not tried again at the next.
                if region.priority_for(caps) != Some(priority) {
                    continue;
                }
                if let Some(block) = region.allocate(&mut self.words, size_bytes, alignment)? {
                    return Ok(block.payload());
                }
                let largest = region.tlsf.largest_free_block(&self.words)?;
                largest_free_block = largest_free_block.max(largest);
            }
        }
        Err(AllocationError::OutOfMemory { size_bytes, caps, largest_free_block })
    }

    /// Takes back what was handed out. Answers how many bytes it held.
    ///
    /// # Errors
    /// The address is none that is handed out now, or a word of the heap's own is wrong. The heap
    /// is as before.
    pub fn free(&mut self, address: u32) -> Result<u32, AddressError> {
        let mut regions = self.regions.iter_mut().take(self.used);
        let region = regions.find(|region| region.contains(address));
        let region = region.ok_or(AddressError::Foreign { address })?;
        Ok(region.free(&mut self.words, address)?.payload_bytes())
    }

    /// How many bytes can be used at an address that is handed out: as many as were asked for, or
    /// some more.
    ///
    /// # Errors
    /// The address is none that is handed out now, or a word of the heap's own is wrong.
    pub fn size_of(&self, address: u32) -> Result<u32, AddressError> {
        let (_, region) = self.region_of(address)?;
        Ok(region.tlsf.allocated_block(&self.words, address)?.payload_bytes())
    }

    /// The block, free or not, that any address lies in. A header belongs to the block behind it.
    ///
    /// # Errors
    /// The address lies in no block, or a word of the heap's own is wrong.
    pub fn containing_block(&self, address: u32) -> Result<Block, AddressError> {
        let (index, region) = self.region_of(address)?;
        Ok(Block::new(index, &region.tlsf.containing(&self.words, address)?))
    }

    /// Sums over the regions that have all of `caps`; with [`Capabilities::NONE`], over all.
    ///
    /// # Errors
    /// A word of the heap's own is wrong.
    pub fn totals(&self, caps: Capabilities) -> Result<Totals, Corruption> {
        let regions = self.regions();
        regions
            .filter(|region| region.capabilities().contains(caps))
            .try_fold(Totals::default(), |totals, region| {
                Ok(totals.and(region.totals(&self.words)?))
            })
    }

    /// The numbers of one region, by its index. Nothing, if there is no such region.
    ///
    /// # Errors
    /// A word of the heap's own is wrong.
    pub fn region_totals(&self, region: usize) -> Result<Option<Totals>, Corruption> {
        let region = self.regions().nth(region);
        region.map(|region| region.totals(&self.words)).transpose()
    }

    /// Shows each block, by region and address.
    ///
    /// # Errors
    /// A header is wrong; the blocks before it have been shown.
    pub fn walk(&self, mut visit: impl FnMut(Block)) -> Result<(), Corruption> {
        for (index, region) in self.regions().enumerate() {
            for block in region.tlsf.extent.blocks(&self.words) {
                visit(Block::new(index, &block?));
            }
        }
        Ok(())
    }

    /// Checks every header and every link of every region.
    ///
    /// # Errors
    /// The first word found wrong.
    pub fn check_integrity(&self) -> Result<(), Corruption> {
        let mut regions = self.regions();
        regions.try_for_each(|region| integrity::check(&region.tlsf, &self.words))
    }

    fn regions(&self) -> impl Iterator<Item = &Region> {
        self.regions.iter().take(self.used)
    }

    fn region_of(&self, address: u32) -> Result<(usize, &Region), AddressError> {
        let mut regions = self.regions().enumerate();
        let found = regions.find(|(_, region)| region.contains(address));
        found.ok_or(AddressError::Foreign { address })
    }
}
