//! The heaps of others, each called as its documentation says, and one that does nothing.

use super::allocator::{Allocator, Area};
use core::alloc::{GlobalAlloc as _, Layout};
use core::ptr::{NonNull, with_exposed_provenance_mut};

/// Does nothing: what a call itself costs.
#[derive(Debug)]
pub struct Nothing;

impl Allocator for Nothing {
    unsafe fn start(&mut self, _: Area) {}

    #[inline(never)]
    fn allocate(&mut self, _: Layout) -> Option<NonNull<u8>> {
        Some(NonNull::dangling())
    }

    fn is_real(&self) -> bool {
        false
    }

    #[inline(never)]
    unsafe fn free(&mut self, _: NonNull<u8>, _: Layout) {}

    #[inline(never)]
    unsafe fn resize(&mut self, block: NonNull<u8>, _: Layout, _: usize) -> Option<NonNull<u8>> {
        Some(block)
    }
}

/// The area as a pointer to bytes.
fn bytes(area: Area) -> NonNull<[u8]> {
    let start =
        NonNull::new(with_exposed_provenance_mut(area.start)).unwrap_or(NonNull::dangling());
    NonNull::slice_from_raw_parts(start, area.size_bytes)
}

/// `rlsf` itself, with lists for blocks of up to 64 KiB: the example of its documentation.
pub struct Rlsf(rlsf::Tlsf<'static, u16, u16, 12, 16>);

impl Rlsf {
    /// Without memory.
    pub const fn new() -> Self {
        Self(rlsf::Tlsf::new())
    }
}

impl Allocator for Rlsf {
    unsafe fn start(&mut self, area: Area) {
        // SAFETY: the area is static and nobody else's.
        unsafe { self.0.insert_free_block_ptr(bytes(area)) };
    }

    fn allocate(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        self.0.allocate(layout)
    }

    unsafe fn free(&mut self, block: NonNull<u8>, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { self.0.deallocate(block, layout.align()) }
    }

    unsafe fn resize(
        &mut self,
        block: NonNull<u8>,
        layout: Layout,
        size_bytes: usize,
    ) -> Option<NonNull<u8>> {
        let wanted = Layout::from_size_align(size_bytes, layout.align()).ok()?;
        // SAFETY: as the caller promises.
        unsafe { self.0.reallocate(block, wanted) }
    }
}

/// `linked_list_allocator` itself.
pub struct LinkedList(linked_list_allocator::Heap);

impl LinkedList {
    /// Without memory.
    pub const fn new() -> Self {
        Self(linked_list_allocator::Heap::empty())
    }
}

impl Allocator for LinkedList {
    unsafe fn start(&mut self, area: Area) {
        // SAFETY: the area is static and nobody else's.
        unsafe { self.0.init(bytes(area).as_ptr().cast(), area.size_bytes) };
    }

    fn allocate(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        self.0.allocate_first_fit(layout).ok()
    }

    unsafe fn free(&mut self, block: NonNull<u8>, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { self.0.deallocate(block, layout) }
    }
}

macro_rules! embedded_alloc {
    ($( $(#[$doc:meta])* $name:ident: $heap:ty; )+) => { $(
        $(#[$doc])*
        pub struct $name($heap);

        impl $name {
            /// Without memory.
            pub const fn new() -> Self {
                Self(<$heap>::empty())
            }
        }

        impl Allocator for $name {
            unsafe fn start(&mut self, area: Area) {
                // SAFETY: the area is static and nobody else's.
                unsafe { self.0.init(area.start, area.size_bytes) };
            }

            fn allocate(&mut self, layout: Layout) -> Option<NonNull<u8>> {
                // SAFETY: no trace has a size of zero.
                NonNull::new(unsafe { self.0.alloc(layout) })
            }

            unsafe fn free(&mut self, block: NonNull<u8>, layout: Layout) {
                // SAFETY: as the caller promises.
                unsafe { self.0.dealloc(block.as_ptr(), layout) }
            }

            unsafe fn resize(
                &mut self,
                block: NonNull<u8>,
                layout: Layout,
                size_bytes: usize,
            ) -> Option<NonNull<u8>> {
                // SAFETY: as the caller promises.
                NonNull::new(unsafe { self.0.realloc(block.as_ptr(), layout, size_bytes) })
            }
        }
    )+ };
}

embedded_alloc! {
    /// `embedded-alloc` over `rlsf`, with its critical section.
    Tlsf: embedded_alloc::TlsfHeap;
    /// `embedded-alloc` over `linked_list_allocator`, with its critical section.
    Llff: embedded_alloc::LlffHeap;
}
