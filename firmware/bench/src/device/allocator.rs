//! What a heap has to offer to be measured.

use core::alloc::Layout;
use core::ptr::NonNull;

/// The memory that a heap manages: first address, and size in bytes.
#[derive(Debug, Clone, Copy)]
pub struct Area {
    /// First address, a multiple of 64.
    pub start: usize,
    /// Size in bytes.
    pub size_bytes: usize,
}

/// A heap. Each implementation calls what a program would call, and adds nothing to it.
pub trait Allocator {
    /// Gives the heap its memory, once.
    ///
    /// # Safety
    /// Nobody else uses the area from now on.
    unsafe fn start(&mut self, area: Area);

    /// Hands out memory.
    fn allocate(&mut self, layout: Layout) -> Option<NonNull<u8>>;

    /// Whether it hands out memory at all.
    fn is_real(&self) -> bool {
        true
    }

    /// Takes memory back.
    ///
    /// # Safety
    /// The block was handed out for this layout, and is used no more.
    unsafe fn free(&mut self, block: NonNull<u8>, layout: Layout);

    /// Gives a block another size. Nothing, if there is no memory: then the block is as before.
    /// What heaps without a way of their own do is what `GlobalAlloc` does for them.
    ///
    /// # Safety
    /// As for `free`; `layout` is that of the block now, and the new size is not zero.
    unsafe fn resize(
        &mut self,
        block: NonNull<u8>,
        layout: Layout,
        size_bytes: usize,
    ) -> Option<NonNull<u8>> {
        let wanted = Layout::from_size_align(size_bytes, layout.align()).ok()?;
        let fresh = self.allocate(wanted)?;
        let held_bytes = layout.size().min(size_bytes);
        // SAFETY: both blocks are at least that large, and no memory is handed out twice.
        unsafe { core::ptr::copy_nonoverlapping(block.as_ptr(), fresh.as_ptr(), held_bytes) };
        // SAFETY: as the caller promises.
        unsafe { self.free(block, layout) };
        Some(fresh)
    }
}
