//! The capability heap: memory of several regions, handed out by what it can be used for.
//!
//! Regions differ: one is out of reach of DMA, one keeps its contents in standby. Each has its
//! capabilities in three priorities, and a request goes to the region that is suited and least
//! needed for something else. The rule is that of ESP-IDF's `heap_caps_malloc`: for each priority,
//! for each region in the order they were added, a region is tried whose capabilities of that
//! priority have any of the wanted ones and whose capabilities together have all of them.
//! Of ESP-IDF's special cases for executable memory two hold here: it is given in whole words, and
//! not for bytes or DMA. The third, an alias address for fetches, is not part of it.
//!
//! Within a region, two-level segregated fit finds a block in bounded time (`tlsf`). How much is
//! checked on the way is the heap's [`Level`]: at a checked one every word read from memory is held
//! against others before it is used (`block`, `links`, `dress`), so a heap that somebody wrote over
//! answers an error that names the word, and never follows it.
//!
//! What it must never do: touch memory other than through [`Words`], write where it was not given a
//! region, panic, wait, or lock. It has no global state; whoever shares one wraps it in a critical
//! section. `check_integrity`, `walk`, `containing_block` and the refusal of a wrong address take
//! time in proportion to the number of blocks; a reallocation that moves, zeroing and filling, in
//! proportion to the size. The first two of these can be done outside of that section
//! (`reallocation`, [`Request::zero`]).
//!
//! All addresses are those of the target, so a heap on the host lays blocks out as on the device.

mod accounts;
mod alignment;
mod block;
mod dress;
mod error;
mod integrity;
mod level;
mod links;
mod reallocation;
mod region;
mod request;
#[cfg(test)]
mod state_bits;
mod tlsf;
mod tlsf_lists;
mod tlsf_lookup;
mod totals;
mod trace;

pub use accounts::{Account, Accounts, OTHERS};
pub use alignment::Alignment;
pub use dress::Origin;
pub use error::{
    AddressError, AllocationError, Corruption, Expected, NotMonitoring, ReallocationError,
    RegionError,
};
pub use level::{Comprehensive, Level, Light, Off, Tracked};
pub use reallocation::{Move, ResizeWay, Resizing};
pub use region::PRIORITIES;
pub use request::{Request, prefer};
pub use totals::Totals;
pub use trace::{Mode, Record, Summary, Trace, TraceError};

use crate::words::Words;
use core::ops::ControlFlow;
use crashrig_layout::Capabilities;
use region::Region;

/// One block, as [`Heap::walk`] shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    /// Index of its region, in the order they were added.
    pub region: usize,
    /// The address that is or would be handed out.
    pub address: u32,
    /// How many bytes can be used from there on, at most; often more than asked for.
    pub size_bytes: u32,
    /// Whether it is free.
    pub is_free: bool,
    /// Who asked for it, at a tracked level.
    pub origin: Origin,
}

/// A heap over at most `REGIONS` regions, with the checks of a [`Level`].
#[derive(Debug)]
pub struct Heap<W, L, const REGIONS: usize> {
    words: W,
    /// Invariant: the first `used` are regions, and two share memory only if the later one lies in
    /// a block that the earlier one has handed out.
    regions: [Region<L>; REGIONS],
    used: usize,
    /// Plain allocations above it prefer external memory, if that is open to them.
    external_limit_bytes: Option<u32>,
    is_monitoring: bool,
    /// Whether a region lies in a block of another.
    is_nested: bool,
    /// The capabilities of the last request that was served, and the region that was tried first.
    last: (Capabilities, usize),
}

impl<W: Words, L: Level, const REGIONS: usize> Heap<W, L, REGIONS> {
    /// A heap without memory.
    #[must_use]
    pub const fn new(words: W) -> Self {
        Self {
            words,
            regions: [const { Region::EMPTY }; REGIONS],
            used: 0,
            external_limit_bytes: None,
            is_monitoring: false,
            is_nested: false,
            last: (Capabilities::NONE, usize::MAX),
        }
    }

    /// Gives the heap a region; what it holds is lost. Answers its index.
    ///
    /// Bytes outside of whole multiples of eight are not used, and eight bytes more are kept for
    /// the end mark. Regions are tried in the order in which they were added. A region may lie
    /// inside of a block that another has handed out, which is then a heap with capabilities of its
    /// own; it is not taken back any more.
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
        let shared = |region: &Region<L>| {
            let is_lent = region.lends(&self.words, start, size_bytes);
            region.overlaps(start, size_bytes) && !is_lent
        };
        if let Some(region) = self.regions().position(shared) {
            return Err(RegionError::Overlap { region });
        }
        let index = self.used;
        let place = self.regions.get_mut(index).ok_or(RegionError::Full { capacity: REGIONS })?;
        place.format(&mut self.words, start, size_bytes, caps)?;
        let mut others = self.regions.iter().take(index);
        self.is_nested |= others.any(|region| region.contains(start));
        self.used += 1;
        // It may come first for what was asked for last.
        self.last = (Capabilities::NONE, usize::MAX);
        Ok(index)
    }

    /// Takes back what was handed out. Answers how many bytes it held.
    ///
    /// # Errors
    /// The address is none that is handed out now, the block holds a region, or a word of the
    /// heap's own is wrong. The heap is as before.
    #[inline]
    pub fn free(&mut self, address: u32) -> Result<u32, AddressError> {
        let index = match self.regions.get(self.last.1) {
            // Most is given back to where the last request was served.
            Some(region) if !self.is_nested && region.contains(address) => self.last.1,
            _ => self.region_to_change(address)?,
        };
        let region = self.regions.get_mut(index).ok_or(AddressError::Foreign { address })?;
        region.tlsf.free(&mut self.words, address)
    }

    /// How many bytes can be used at an address that is handed out: as many as were asked for, or
    /// some more where no canary stands behind them.
    ///
    /// # Errors
    /// The address is none that is handed out now, or a word of the heap's own is wrong.
    pub fn size_of(&self, address: u32) -> Result<u32, AddressError> {
        let (_, region) = self.region_of(address)?;
        Ok(region.tlsf.allocated_block(&self.words, address)?.1)
    }

    /// The block, free or not, that any address lies in. A header belongs to the block behind it.
    ///
    /// # Errors
    /// The address lies in no block, or a word of the heap's own is wrong.
    pub fn containing_block(&self, address: u32) -> Result<Block, AddressError> {
        let (index, region) = self.region_of(address)?;
        Ok(self.describe(index, &region.tlsf.containing(&self.words, address)?))
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

    /// From now on, the minimum of free bytes is that of a window. Once more: of a new one.
    pub fn start_monitoring(&mut self) {
        self.regions.iter_mut().take(self.used).for_each(Region::start_monitoring);
        self.is_monitoring = true;
    }

    /// The minimum of free bytes is that of all time again.
    ///
    /// # Errors
    /// Monitoring was not started.
    pub fn stop_monitoring(&mut self) -> Result<(), NotMonitoring> {
        if !core::mem::replace(&mut self.is_monitoring, false) {
            return Err(NotMonitoring);
        }
        self.regions.iter_mut().take(self.used).for_each(Region::stop_monitoring);
        Ok(())
    }

    /// Shows each block of the regions that have all of `caps`, by region and address. A visitor
    /// that breaks skips the rest of that region.
    ///
    /// # Errors
    /// A header is wrong; the blocks before it have been shown.
    pub fn walk(
        &self,
        caps: Capabilities,
        mut visit: impl FnMut(Block) -> ControlFlow<()>,
    ) -> Result<(), Corruption> {
        for (index, region) in self.regions().enumerate() {
            if !region.capabilities().contains(caps) {
                continue;
            }
            for block in region.tlsf.extent.blocks(&self.words) {
                if visit(self.describe(index, &block?)).is_break() {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Checks every header, link, canary and fill of the regions that have all of `caps`; with
    /// [`Capabilities::NONE`], of all.
    ///
    /// # Errors
    /// The first word found wrong.
    pub fn check_integrity(&self, caps: Capabilities) -> Result<(), Corruption> {
        self.check_used()?;
        let mut regions = self.regions().filter(|region| region.capabilities().contains(caps));
        regions.try_for_each(|region| integrity::check(&region.tlsf, &self.words))
    }

    /// A region that is not counted would be missing without a word.
    fn check_used(&self) -> Result<(), Corruption> {
        let formatted = self.regions.iter().filter(|region| region.is_formatted()).count();
        let address = core::ptr::from_ref(&self.used).addr() as u32;
        let expected = Expected::Word(formatted as u32);
        let wrong = Corruption { address, expected, found: self.used as u32 };
        if self.used == formatted { Ok(()) } else { Err(wrong) }
    }

    /// Checks the whole region that an address lies in.
    ///
    /// # Errors
    /// The address lies in no region, or the first word found wrong.
    pub fn check_integrity_at(&self, address: u32) -> Result<(), AddressError> {
        let (_, region) = self.region_of(address)?;
        Ok(integrity::check(&region.tlsf, &self.words)?)
    }

    fn regions(&self) -> impl Iterator<Item = &Region<L>> {
        self.regions.iter().take(self.used)
    }

    /// The innermost region that an address lies in: one inside of another came later.
    fn region_of(&self, address: u32) -> Result<(usize, &Region<L>), AddressError> {
        let mut regions = self.regions.iter().enumerate().take(self.used).rev();
        let found = regions.find(|(_, region)| region.contains(address));
        found.ok_or(AddressError::Foreign { address })
    }

    /// The region whose block at an address is about to be freed or resized.
    ///
    /// # Errors
    /// The address lies in no region, or the block holds one.
    fn region_to_change(&self, address: u32) -> Result<usize, AddressError> {
        let (index, region) = self.region_of(address)?;
        if !self.is_nested {
            return Ok(index);
        }
        let outer = || self.regions().take(index).any(|outer| outer.contains(address));
        if address == region.tlsf.extent.first && outer() {
            // The region's first header lies where the block around it was handed out.
            return Err(AddressError::Lent { address, region: index });
        }
        let Ok((block, _)) = region.tlsf.allocated_block(&self.words, address) else {
            return Ok(index);
        };
        let mut inner = self.regions().enumerate().skip(index + 1);
        match inner.find(|(_, inner)| inner.lies_in(&block)) {
            Some((region, _)) => Err(AddressError::Lent { address, region }),
            None => Ok(index),
        }
    }

    fn describe(&self, region: usize, header: &block::Header) -> Block {
        let origin = if header.is_free {
            Origin::default()
        } else {
            dress::origin::<L>(&self.words, header)
        };
        Block {
            region,
            address: dress::payload::<L>(header),
            size_bytes: L::usable_bytes(header.size_bytes),
            is_free: header.is_free,
            origin,
        }
    }
}
