//! A block of the heap, taken away while a stream fills it, in each way that there is.

use super::super::checks::Checks;
use super::{CAPS, RECEPTION, begin, block};
use crate::faults::blocks;
use core::alloc::{GlobalAlloc as _, Layout};
use crashrig_memory::dma::Plan;
use crashrig_port::dma::{self, Options, serial};
use crashrig_port::{errors, heap};
use crashrig_wire::status::Misuse;

/// A block is freed, and given another size, while a stream fills it.
pub fn freed() {
    let mut checks = Checks::new();
    let memory = block(64);
    let options = Options { channel: 4, priority: 0, limit_ms: None };
    let begun =
        begin(RECEPTION, &Plan::receive(serial::data_address(), memory, 64), options).is_ok();
    checks.check("begins", begun);
    let stream = RECEPTION.code();
    checks.check("free", blocks::free(memory) == Err(heap::Error::Borrowed { stream }));
    let moved = blocks::reallocate(memory, 4096, CAPS);
    checks.check("resize", moved == Err(heap::Error::Borrowed { stream }));
    let warnings = errors::count();
    checks.check("global resize", blocks::reallocate_globally(memory, 64, 4096).is_null());
    free_globally(memory, 64);
    let is_kept = errors::count() == warnings + 2 && heap::size_of(memory).is_ok();
    checks.check("global free", is_kept);
    let last = errors::last().map(|context| (context.status, context.value));
    checks.check("warning", last == Some((Misuse::FreeInFlight.status(), memory)));
    dma::stop(RECEPTION);
    checks.check("free afterwards", blocks::free(memory).is_ok());
    checks.say();
}

/// Frees a block through the allocator of `Box` and `Vec`, which answers nothing.
#[inline(never)]
fn free_globally(address: u32, size_bytes: usize) {
    let Ok(layout) = Layout::from_size_align(size_bytes, 8) else { return };
    let block = core::ptr::with_exposed_provenance_mut(address as usize);
    // SAFETY: the caller names a block of the heap that it has, of that layout.
    unsafe { heap::Global.dealloc(block, layout) };
}
