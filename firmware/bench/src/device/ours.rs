//! This project's heap, at each level.

use super::allocator::{Allocator, Area};
use core::alloc::Layout;
use core::ptr::{NonNull, with_exposed_provenance, with_exposed_provenance_mut};
use crashrig_layout::Capabilities;
use crashrig_memory::heap::{Alignment, Heap, Level, Request};
use crashrig_memory::words::Words;

/// Regions that there is room for, of which one is used here. The heap of the port has room for
/// two more; what is not used costs RAM alone.
const REGIONS: usize = 4;

/// What each request asks for: plain memory.
const PLAIN: Capabilities = Capabilities::DEFAULT;

/// The heap.
#[derive(Debug)]
pub struct Ours<L>(Heap<AreaWords, L, REGIONS>);

impl<L: Level> Ours<L> {
    /// Without memory.
    pub const fn new() -> Self {
        Self(Heap::new(AreaWords))
    }
}

/// All words there are, without a look at their addresses, as the other heaps reach theirs.
#[derive(Debug)]
struct AreaWords;

impl Words for AreaWords {
    #[inline(always)]
    fn read(&self, address: u32) -> u32 {
        // SAFETY: the heap asks for aligned words of its region only, as nobody here writes beyond
        // a block.
        unsafe { with_exposed_provenance::<u32>(address as usize).read() }
    }

    #[inline(always)]
    fn write(&mut self, address: u32, word: u32) {
        // SAFETY: as above.
        unsafe { with_exposed_provenance_mut::<u32>(address as usize).write(word) }
    }
}

fn block(address: u32) -> Option<NonNull<u8>> {
    NonNull::new(with_exposed_provenance_mut(address as usize))
}

/// What a layout asks for. Each block has the natural alignment, and most layouts want no more.
#[inline(always)]
fn request(size_bytes: usize, align_bytes: usize) -> Request {
    let mut request = Request::new(size_bytes as u32, PLAIN);
    if align_bytes > Alignment::NATURAL.align_bytes as usize {
        request.alignment = Alignment { align_bytes: align_bytes as u32, offset_bytes: 0 };
    }
    request
}

impl<L: Level> Allocator for Ours<L> {
    unsafe fn start(&mut self, area: Area) {
        let caps = [PLAIN, Capabilities::NONE, Capabilities::NONE];
        // A heap that got no memory refuses the first request, which the host sees.
        let _ = self.0.add_region(area.start as u32, area.size_bytes as u32, caps);
    }

    fn allocate(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        let (size_bytes, align_bytes) = (layout.size(), layout.align());
        if align_bytes <= Alignment::NATURAL.align_bytes as usize {
            return block(self.0.allocate(size_bytes as u32, PLAIN).ok()?);
        }
        block(self.0.request(&request(size_bytes, align_bytes)).ok()?)
    }

    unsafe fn free(&mut self, block: NonNull<u8>, _: Layout) {
        // What it answers for a wrong address is of no use to who cannot give one.
        let _ = self.0.free(block.addr().get() as u32);
    }

    unsafe fn resize(
        &mut self,
        old: NonNull<u8>,
        layout: Layout,
        size_bytes: usize,
    ) -> Option<NonNull<u8>> {
        let request = request(size_bytes, layout.align());
        block(self.0.reallocate(old.addr().get() as u32, &request).ok()?)
    }
}
