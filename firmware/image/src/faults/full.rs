//! Heap and ISR stack used to their last byte at the same time, and one step beyond.
//!
//! The last byte of a heap is that of its last free block; the last byte of a stack is the one
//! above its canary.

use super::words::{read, write};
use crate::observe::note;
use core::sync::atomic::{AtomicU32, Ordering};
use crashrig_layout::Capabilities;
use crashrig_memory::heap::{Alignment, AllocationError};
use crashrig_memory::stack::CANARY_BYTES;
use crashrig_port::{heap, interrupts, kernel};
use crashrig_wire::Observation;

const ANY: Capabilities = Capabilities::DEFAULT;
const PATTERN: u32 = 0xF111_ED00;
/// Blocks that the heap may be in when all of it is taken.
const BLOCKS: usize = 24;

/// How many bytes below the last one the handler goes.
static BEYOND_BYTES: AtomicU32 = AtomicU32::new(0);
/// Whether the handler found its stack as it had filled it.
static STACK_HELD: AtomicU32 = AtomicU32::new(0);

/// Takes the whole heap, fills it, uses the whole ISR stack, or `beyond_bytes` more, and looks at
/// every word of both.
#[inline(never)]
pub fn heap_and_isr_stack(beyond_bytes: u32) {
    BEYOND_BYTES.store(beyond_bytes, Ordering::Relaxed);
    let mut blocks = [(0, 0); BLOCKS];
    for block in &mut blocks {
        let Ok(totals) = heap::totals(ANY) else { return };
        let size_bytes = totals.largest_free_block;
        if size_bytes == 0 {
            break;
        }
        let Ok(address) = heap::allocate(size_bytes, Alignment::NATURAL, ANY) else { return };
        *block = (address, size_bytes);
    }
    let one_more = heap::allocate(1, Alignment::NATURAL, ANY);
    let words = || {
        blocks.iter().flat_map(|&(address, size_bytes)| (address..address + size_bytes).step_by(4))
    };
    words().for_each(|address| write(address, PATTERN ^ address));
    let interrupt = interrupts::count() - 2;
    interrupts::install(interrupt, handler);
    interrupts::raise(interrupt);
    let filled = words().all(|address| read(address) == PATTERN ^ address);
    let bytes: u32 = blocks.iter().map(|(_, size_bytes)| size_bytes).sum();
    let totals = heap::totals(ANY).unwrap_or_default();
    let full = totals.free_bytes == 0 && totals.free_blocks == 0 && bytes > 0;
    let intact =
        filled && heap::check_integrity().is_ok() && STACK_HELD.load(Ordering::Relaxed) == 1;
    note(Observation::HeapAndIsrStackFull, full && intact);
    note(
        Observation::HeapExhausted,
        matches!(one_more, Err(heap::Error::Heap(AllocationError::OutOfMemory { .. }))),
    );
    defmt::info!("heap full with {=u32} bytes", bytes);
}

/// With interrupts masked no frame is stacked below what is in use, until all was looked at.
extern "C" fn handler() {
    let lowest = kernel::stack_in_use().start + CANARY_BYTES;
    let beyond_bytes = BEYOND_BYTES.load(Ordering::Relaxed);
    let whole = cortex_m::interrupt::free(|_| {
        let first = super::overflow::short_frame(lowest - beyond_bytes);
        let mut words = (lowest..first).step_by(4);
        let filled = words.all(|address| read(address) == super::overflow::FILL);
        filled && first > lowest
    });
    STACK_HELD.store(u32::from(whole), Ordering::Relaxed);
}
