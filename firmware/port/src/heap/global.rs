//! The heap behind Rust's own traits: for `Box` and `Vec` of `alloc`, and for all collections that
//! take an allocator of `allocator-api2`.
//!
//! An application makes [`Global`] its allocator, for memory of the default kind:
//!
//! ```ignore
//! #[global_allocator]
//! static ALLOCATOR: crashrig_port::heap::Global = crashrig_port::heap::Global;
//! ```
//!
//! [`Capable`] is for memory with certain capabilities. Both warn of a mistake as any other caller
//! of the heap is warned of; what fails is a null pointer or `AllocError`. A block that a handler
//! may not give back stays handed out, and the warning says so.
//!
//! The place that is kept as the caller's is that behind the call of the allocator, mostly one in
//! `alloc`: what called `Box::new` stands further up the stack.

use super::{Error, ask, history, policy};
use crate::errors::{self, Place};
use core::alloc::{GlobalAlloc, Layout};
use core::ptr;
use crashrig_layout::Capabilities;
use crashrig_memory::heap::{Alignment, ReallocationError, Request};
use crashrig_memory::misuse;

/// What a layout asks for. Sizes have 32 bits on this core.
fn request(layout: Layout, caps: Capabilities, is_zeroed: bool) -> Request {
    let align_bytes = (layout.align() as u32).max(Alignment::NATURAL.align_bytes);
    let alignment = Alignment { align_bytes, offset_bytes: 0 };
    Request { alignment, is_zeroed, ..Request::new(layout.size() as u32, caps) }
}

/// The pointer to a block, or null where there is none.
fn pointer<E>(address: Result<u32, E>) -> *mut u8 {
    let found = |address| ptr::with_exposed_provenance_mut(address as usize);
    address.map_or(ptr::null_mut(), found)
}

/// How the heap is asked for another size: with capabilities, or for memory of the default kind.
type Resize = unsafe fn(u32, &Request, u32) -> Result<u32, Error<ReallocationError>>;

/// # Safety
/// The block is the caller's.
unsafe fn resize(block: *mut u8, asked: &Request, caller: u32, way: Resize) -> *mut u8 {
    let address = block.addr() as u32;
    if policy::check_taker::<()>(address, caller).is_err() {
        return ptr::null_mut();
    }
    // SAFETY: as the caller promises.
    pointer(unsafe { way(address, asked, caller) })
}

/// # Safety
/// The block is the caller's, and nobody uses it any more.
unsafe fn release(block: *mut u8, caller: u32) {
    let address = block.addr() as u32;
    if policy::check_taker::<()>(address, caller).is_err() {
        return;
    }
    // SAFETY: as the caller promises.
    if let Err(error) = unsafe { ask::release(address, caller) } {
        errors::misuse(misuse::of_address(&error), Place::Caller(caller));
    }
}

/// The heap as a global allocator: memory as [`allocate_default`](super::allocate_default) hands it
/// out, also where a block moves.
#[derive(Debug, Clone, Copy, Default)]
pub struct Global;

impl Global {
    fn obtain(layout: Layout, is_zeroed: bool, caller: u32) -> *mut u8 {
        if policy::check_caller::<()>(caller).is_err() {
            return ptr::null_mut();
        }
        let asked = request(layout, Capabilities::DEFAULT, is_zeroed);
        pointer(ask::told(ask::serve_default(&asked, caller), &asked, caller))
    }
}

// SAFETY: the heap hands out each byte once until it is given back, at the alignment and with the
// size of the layout, or answers null; it keeps a block as it is when it cannot resize it; it does
// not unwind, and no program depends on whether it was called.
unsafe impl GlobalAlloc for Global {
    #[inline(never)]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::obtain(layout, false, history::caller())
    }

    #[inline(never)]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        Self::obtain(layout, true, history::caller())
    }

    #[inline(never)]
    unsafe fn dealloc(&self, block: *mut u8, _: Layout) {
        // SAFETY: as the trait demands.
        unsafe { release(block, history::caller()) };
    }

    #[inline(never)]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size_bytes: usize) -> *mut u8 {
        let one = request(layout, Capabilities::DEFAULT, false);
        let asked = Request { size_bytes: size_bytes as u32, ..one };
        // SAFETY: as the trait demands.
        unsafe { resize(block, &asked, history::caller(), ask::resize_default) }
    }
}

#[cfg(feature = "allocator-api2")]
pub use capable::Capable;

#[cfg(feature = "allocator-api2")]
mod capable {
    use super::{history, pointer, policy, release, request, resize};
    use crate::heap::ask;
    use allocator_api2::alloc::{AllocError, Allocator};
    use core::alloc::Layout;
    use core::ptr::{self, NonNull};
    use crashrig_layout::Capabilities;

    /// The heap as an allocator of memory that has all of some capabilities.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Capable(pub Capabilities);

    impl Capable {
        fn obtain(
            self,
            layout: Layout,
            is_zeroed: bool,
            caller: u32,
        ) -> Result<NonNull<[u8]>, AllocError> {
            if layout.size() == 0 {
                return Ok(nothing(layout));
            }
            policy::check_caller::<()>(caller).or(Err(AllocError))?;
            let asked = request(layout, self.0, is_zeroed);
            slice(pointer(ask::told(ask::serve(&asked, caller), &asked, caller)), layout)
        }

        /// A block in the size and alignment of another layout, at a new place only if need be.
        ///
        /// # Safety
        /// The block is the caller's.
        unsafe fn move_to(
            self,
            block: NonNull<u8>,
            old: Layout,
            new: Layout,
            caller: u32,
        ) -> Result<NonNull<[u8]>, AllocError> {
            match (old.size(), new.size()) {
                (0, _) => self.obtain(new, false, caller),
                (_, 0) => {
                    // SAFETY: as the caller promises, who gets nothing for it.
                    unsafe { release(block.as_ptr(), caller) };
                    Ok(nothing(new))
                }
                _ => {
                    let asked = request(new, self.0, false);
                    // SAFETY: as the caller promises.
                    slice(unsafe { resize(block.as_ptr(), &asked, caller, ask::resize) }, new)
                }
            }
        }
    }

    /// No bytes, at an address that is aligned.
    fn nothing(layout: Layout) -> NonNull<[u8]> {
        let address = ptr::without_provenance_mut(layout.align());
        // An alignment is never zero.
        NonNull::slice_from_raw_parts(NonNull::new(address).unwrap_or(NonNull::dangling()), 0)
    }

    fn slice(block: *mut u8, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        let block = NonNull::new(block).ok_or(AllocError)?;
        Ok(NonNull::slice_from_raw_parts(block, layout.size()))
    }

    // SAFETY: a block stays where it is, and nobody else's, until it is given back or resized; the
    // heap is one for all values of this type, so any of them may take a block back.
    unsafe impl Allocator for Capable {
        #[inline(never)]
        fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
            self.obtain(layout, false, history::caller())
        }

        #[inline(never)]
        fn allocate_zeroed(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
            self.obtain(layout, true, history::caller())
        }

        #[inline(never)]
        unsafe fn deallocate(&self, block: NonNull<u8>, layout: Layout) {
            if layout.size() != 0 {
                // SAFETY: as the trait demands.
                unsafe { release(block.as_ptr(), history::caller()) };
            }
        }

        #[inline(never)]
        unsafe fn grow(
            &self,
            block: NonNull<u8>,
            old: Layout,
            new: Layout,
        ) -> Result<NonNull<[u8]>, AllocError> {
            // SAFETY: as the trait demands.
            unsafe { self.move_to(block, old, new, history::caller()) }
        }

        #[inline(never)]
        unsafe fn shrink(
            &self,
            block: NonNull<u8>,
            old: Layout,
            new: Layout,
        ) -> Result<NonNull<[u8]>, AllocError> {
            // SAFETY: as the trait demands.
            unsafe { self.move_to(block, old, new, history::caller()) }
        }
    }
}
