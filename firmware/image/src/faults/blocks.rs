//! Blocks of the heap that faults know by their addresses alone: given back, resized, lent.
//!
//! The heap cannot see whose a block is, so these calls are `unsafe`. What is passed here is a
//! block that the same fault was given, or an address at which no block begins and that the heap is
//! to refuse; never a place of a `Box`, a `Vec` or a stack. Inlined, so that the heap is told who
//! called.

use core::alloc::{GlobalAlloc as _, Layout};
use crashrig_layout::{Capabilities, PRIORITIES};
use crashrig_memory::heap::{AddressError, Alignment, ReallocationError};
use crashrig_port::heap::{self, AddRegionError, Error};

/// Gives a block back.
#[inline(always)]
pub fn free(address: u32) -> Result<u32, Error<AddressError>> {
    // SAFETY: as the module says.
    unsafe { heap::free(address) }
}

/// Gives a block another size.
#[inline(always)]
pub fn reallocate(
    address: u32,
    size_bytes: u32,
    caps: Capabilities,
) -> Result<u32, Error<ReallocationError>> {
    // SAFETY: as the module says.
    unsafe { heap::reallocate(address, size_bytes, Alignment::NATURAL, caps) }
}

/// As [`reallocate`], through the allocator of `Box` and `Vec`: null where it is refused.
pub fn reallocate_globally(address: u32, old_bytes: usize, size_bytes: usize) -> *mut u8 {
    let Ok(layout) = Layout::from_size_align(old_bytes, 8) else { return core::ptr::null_mut() };
    let block = core::ptr::with_exposed_provenance_mut(address as usize);
    // SAFETY: as the module says; the block has that layout, and the size is not zero.
    unsafe { heap::Global.realloc(block, layout, size_bytes) }
}

/// Offers the heap memory that it is to refuse.
pub fn add_region(start: u32, end: u32) -> Result<usize, AddRegionError> {
    // SAFETY: as the module says.
    unsafe { heap::add_region(start, end) }
}

/// Lends the heap a block for uses of its own, which is not given back.
pub fn add_region_with(
    start: u32,
    end: u32,
    capabilities: [Capabilities; PRIORITIES],
) -> Result<usize, AddRegionError> {
    // SAFETY: as the module says.
    unsafe { heap::add_region_with(start, end, capabilities) }
}
