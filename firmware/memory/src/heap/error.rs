//! What can go wrong in the heap, as values.
//!
//! The heap never panics and never calls back: who asked decides what a refusal means. Sizes are in
//! bytes, addresses are those of the target.

use crashrig_layout::Capabilities;

/// A word of the heap's own that does not hold what it must.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Corruption {
    /// Address of the word.
    pub address: u32,
    /// What it should hold.
    pub expected: Expected,
    /// What it holds.
    pub found: u32,
}

/// What a word of the heap's own should hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// Exactly this, because another word or the heap's own state says so.
    Word(u32),
    /// The size of a block, with its flags, that leads to the next block.
    Size,
    /// The size of the block before, which leads back to it.
    PreviousSize,
    /// The address of a free block in the same list, or the mark that there is none.
    FreeBlock,
    /// The canary in front of what was handed out: somebody wrote below a block.
    HeadCanary(u32),
    /// The canary behind what was asked for: somebody wrote beyond a block. At any address.
    TailCanary(u32),
    /// The fill of free memory: somebody wrote to a block that was given back.
    Fill(u32),
}

/// Why a region was not added. The heap is as before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegionError {
    /// The region ends beyond 4 GiB, is too small to hold one block, or is too large for the lists.
    Size {
        /// What was given.
        size_bytes: u32,
        /// The smallest size of a region, bytes lost to alignment not counted.
        smallest_bytes: u32,
        /// The largest.
        largest_bytes: u32,
    },
    /// It shares memory with a region that is there, and does not lie inside of one block which
    /// that region has handed out.
    Overlap {
        /// The index of that region.
        region: usize,
    },
    /// The heap has as many regions as it can hold.
    Full {
        /// How many that is.
        capacity: usize,
    },
    /// What was written there could not be read back: no memory, or its clock is off.
    NotMemory(Corruption),
}

/// Why nothing was allocated. But for the counter of failed allocations the heap is as before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AllocationError {
    /// A size of zero.
    ZeroSize,
    /// The alignment is not a power of two, or no address with a multiple of eight can have it.
    Alignment(super::Alignment),
    /// Capabilities that no memory may have together: what code can be fetched from is not for
    /// bytes and not for DMA (ESP-IDF's rule for `MALLOC_CAP_EXEC`).
    Contradiction {
        /// What was asked for.
        caps: Capabilities,
    },
    /// Number and size of what was asked for are more than 4 GiB together.
    Overflow,
    /// No region with these capabilities can serve it.
    OutOfMemory {
        /// What was asked for.
        size_bytes: u32,
        /// With which capabilities.
        caps: Capabilities,
        /// The largest size that an allocation with these capabilities would be given now, if it
        /// asked for no alignment. Zero when no region has them.
        largest_free_block: u32,
    },
    /// A word that was needed on the way is not what it must be.
    Corrupt(Corruption),
}

/// Why a block was not resized: it is as before, and still handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReallocationError {
    /// The address is none that is handed out now, or a word of the heap's own is wrong.
    Address(AddressError),
    /// It could not grow where it is, and there is no other place.
    Allocation(AllocationError),
}

/// Monitoring was to be stopped, and was not started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotMonitoring;

/// Why an address was refused. The heap is as before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressError {
    /// It lies in no region of this heap.
    Foreign {
        /// The address.
        address: u32,
    },
    /// It lies inside of an allocated block but is not the address that was handed out.
    NotStartOfBlock {
        /// The address.
        address: u32,
        /// The address that was handed out for this block.
        block: u32,
    },
    /// It lies in a free block: it was freed before, or never handed out.
    AlreadyFree {
        /// The address.
        address: u32,
        /// The address behind the header of this block.
        block: u32,
    },
    /// The block holds a region, so it is neither given back nor given another size.
    Lent {
        /// The address.
        address: u32,
        /// The index of that region.
        region: usize,
    },
    /// A word that was needed on the way is not what it must be.
    Corrupt(Corruption),
}

impl From<Corruption> for AllocationError {
    fn from(corruption: Corruption) -> Self {
        Self::Corrupt(corruption)
    }
}

impl From<Corruption> for AddressError {
    fn from(corruption: Corruption) -> Self {
        Self::Corrupt(corruption)
    }
}

impl From<AddressError> for ReallocationError {
    fn from(error: AddressError) -> Self {
        Self::Address(error)
    }
}

impl From<AllocationError> for ReallocationError {
    fn from(error: AllocationError) -> Self {
        Self::Allocation(error)
    }
}

impl From<Corruption> for ReallocationError {
    fn from(corruption: Corruption) -> Self {
        Self::Allocation(AllocationError::Corrupt(corruption))
    }
}
