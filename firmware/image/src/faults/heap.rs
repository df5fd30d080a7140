//! Blocks of the heap written beyond: by a thread whose stack is one, and by their owner.

use super::words::{read, write};
use crate::observe::note;
use core::sync::atomic::{AtomicU32, Ordering};
use crashrig_layout::Capabilities;
use crashrig_memory::heap::{Alignment, Level};
use crashrig_port::kernel::thread::{self, Options};
use crashrig_port::kernel::{FOREVER, priority};
use crashrig_port::{errors, heap, platform};
use crashrig_wire::Observation;
use crashrig_wire::status::Misuse;

/// A stack's pages, as `thread::spawn` aligns them: the guard ends where one begins.
const PAGE_BYTES: u32 = 1024;
/// What the heap keeps in front of a block.
const BEFORE_BYTES: u32 = heap::HeapLevel::PAYLOAD_OFFSET_BYTES;
const NEIGHBOUR_BYTES: u32 = 32;
/// More than an exception frame: what is stacked below the neighbour's header breaks nothing else.
const LOWEST_BYTES: u32 = 256;
/// How often three blocks side by side are tried for.
const TRIES: u32 = 4;
const PATTERN: u32 = 0x5EED_B10C;

/// Where the neighbour's block of the boot before is.
#[unsafe(link_section = ".noinit.neighbour")]
static NEIGHBOUR: AtomicU32 = AtomicU32::new(0);

/// A thread with its stack in the heap goes beyond it, through the block directly below, and over
/// the header of that one.
#[inline(never)]
pub fn heap_stack_overflow() {
    match spawn_above_neighbour() {
        Some(tenant) => _ = tenant.join(FOREVER),
        None => defmt::error!("no stack directly above the neighbour's block"),
    }
}

/// Looks at what the boot before has left of that block: a heap that starts writes only at its two
/// ends.
pub fn look_at_neighbour() {
    if neighbour_is_whole() {
        note(Observation::NeighbourUntouched, true);
    }
}

/// Three blocks side by side: one nobody cares for, the neighbour's, and the stack with its guard.
fn spawn_above_neighbour() -> Option<thread::Thread> {
    let guard_bytes = platform::guard_size_bytes();
    let stride_bytes = heap::HeapLevel::block_bytes(NEIGHBOUR_BYTES)?;
    // The neighbour's block ends where that of a stack begins.
    let offset_bytes = stride_bytes + guard_bytes;
    let lowest_offset_bytes = heap::HeapLevel::block_bytes(LOWEST_BYTES)? + offset_bytes;
    let lowest = Alignment { align_bytes: PAGE_BYTES, offset_bytes: lowest_offset_bytes };
    let alignment = Alignment { align_bytes: PAGE_BYTES, offset_bytes };
    // A free block below may be where the neighbour's lies as well; the next try finds it taken.
    let neighbour = (0..TRIES).find_map(|_| {
        let lowest = heap::allocate(LOWEST_BYTES, lowest, Capabilities::DEFAULT).ok()?;
        let behind = lowest + heap::HeapLevel::block_bytes(LOWEST_BYTES)?;
        let found = heap::allocate(NEIGHBOUR_BYTES, alignment, Capabilities::DEFAULT).ok()?;
        (found == behind).then_some(found)
    })?;
    for address in words_of(neighbour) {
        write(address, PATTERN);
    }
    NEIGHBOUR.store(neighbour, Ordering::Relaxed);
    let options = Options { name: "tenant", priority: priority::LOW, privileged: true };
    let caps = Capabilities::DEFAULT;
    let tenant = thread::spawn(&options, PAGE_BYTES, caps, overflow, neighbour).ok()?;
    let stack = tenant.stack().ok()?;
    (stack.guard_start == neighbour + stride_bytes).then_some(tenant)
}

extern "C" fn overflow(neighbour: u32) -> u32 {
    super::overflow::large_frame(neighbour - BEFORE_BYTES);
    0
}

fn neighbour_is_whole() -> bool {
    let neighbour = NEIGHBOUR.load(Ordering::Relaxed);
    let inside = platform::heap_start()..platform::heap_end() - NEIGHBOUR_BYTES;
    neighbour.is_multiple_of(8)
        && inside.contains(&neighbour)
        && words_of(neighbour).all(|address| read(address) == PATTERN)
}

fn words_of(block: u32) -> impl Iterator<Item = u32> {
    (block..block + NEIGHBOUR_BYTES).step_by(4)
}

/// The owner of a block writes one word beyond it; the check of the heap tells where, and that is
/// reported as a fatal error.
#[inline(never)]
pub fn heap_overrun() {
    let block = |_| heap::allocate(NEIGHBOUR_BYTES, Alignment::NATURAL, Capabilities::DEFAULT);
    let [Ok(block), Ok(_)] = [0, 1].map(block) else { return };
    for address in (block..=block + NEIGHBOUR_BYTES).step_by(4) {
        write(address, PATTERN);
    }
    if let Err(broken) = heap::check_integrity() {
        defmt::error!(
            "{=u32} bytes into a block of {=u32}: broken",
            broken.address - block,
            NEIGHBOUR_BYTES
        );
        errors::fatal(Misuse::HeapCorrupt.status(), broken.address);
    }
}
