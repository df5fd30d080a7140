//! What the program of a trace keeps in its blocks: the number of its slot, again and again.
//!
//! A heap that hands out memory which is in use, or loses bytes when it gives a block another size,
//! would look fast; here it is found, between requests, where nobody counts instructions.

use core::alloc::Layout;
use core::ptr::NonNull;

/// The byte at an offset: the low and the high one of the slot's number, in turn.
const fn byte(slot: usize, offset: usize) -> u8 {
    let [low, high, ..] = slot.to_le_bytes();
    if offset.is_multiple_of(2) { low } else { high }
}

/// Fills a block.
///
/// # Safety
/// It was handed out for this layout, and nobody else uses it.
pub unsafe fn write(block: NonNull<u8>, layout: Layout, slot: usize) {
    for offset in 0..layout.size() {
        // SAFETY: the offset is less than the size of the block.
        let place = unsafe { block.add(offset) };
        // SAFETY: as the caller promises.
        unsafe { place.write_volatile(byte(slot, offset)) }
    }
}

/// Whether so many bytes of a block are as they were written.
///
/// # Safety
/// They were written, and belong to a block that was handed out.
pub unsafe fn are_kept(block: NonNull<u8>, size_bytes: usize, slot: usize) -> bool {
    (0..size_bytes).all(|offset| {
        // SAFETY: the offset is less than the size of the block.
        let place = unsafe { block.add(offset) };
        // SAFETY: as the caller promises. Volatile, so that what was written is not believed.
        unsafe { place.read_volatile() == byte(slot, offset) }
    })
}
