//! What the kernel costs: each thing is done between two marks, at which the host stops the device
//! and counts instructions. Breaks nothing.

use super::blocks;
use core::hint::black_box;
use crashrig_layout::Capabilities;
use crashrig_memory::heap::Alignment;
use crashrig_port::heap;
use crashrig_port::kernel::thread::{self, Options, Stack};
use crashrig_port::kernel::{Error, FOREVER, priority};
use crashrig_wire::Mark;

/// Size of the stacks of the threads that are spawned, in bytes; painting one is part of it.
const STACK_BYTES: u32 = 1024;
const LARGE_BYTES: u32 = 4096;

static PARTNER_STACK: Stack<2048> = Stack::new();

/// Does each thing once.
pub fn run() {
    if let Err(error) = steps() {
        defmt::error!("benchmark: {}", defmt::Debug2Format(&error));
    }
}

fn steps() -> Result<(), Error> {
    mark(Mark::Begin);
    mark(Mark::Nothing);
    let options = Options { name: "partner", priority: priority::NORMAL, privileged: true };
    let partner = thread::spawn_static(&options, &PARTNER_STACK, partner, 0)?;
    thread::yield_now()?;
    mark(Mark::YieldedAgain);
    thread::yield_now()?;
    use_float();
    thread::yield_now()?;
    mark(Mark::YieldedWithFloat);
    partner.terminate()?;

    mark(Mark::BeforeSpawn);
    let options = Options { name: "short", priority: priority::LOW, privileged: true };
    let short = thread::spawn(&options, STACK_BYTES, Capabilities::DEFAULT, short, 0)?;
    mark(Mark::Spawned);
    let _ = short.join(FOREVER)?;

    mark(Mark::BeforeAllocation);
    let block = heap::allocate(64, Alignment::NATURAL, Capabilities::DEFAULT);
    mark(Mark::Allocated);
    let _ = block.map(blocks::free);
    mark(Mark::Released);
    large_block();
    Ok(())
}

/// A block large enough that zeroing and moving it tell from all else.
fn large_block() {
    const CAPS: Capabilities = Capabilities::DEFAULT;
    let block = heap::allocate_zeroed(1, LARGE_BYTES, Alignment::NATURAL, CAPS);
    mark(Mark::AllocatedZeroed);
    let fence = heap::allocate(8, Alignment::NATURAL, CAPS);
    mark(Mark::BeforeResize);
    let moved = block.ok().and_then(|it| blocks::reallocate(it, 2 * LARGE_BYTES, CAPS).ok());
    mark(Mark::Resized);
    if moved.is_none() || moved == block.ok() {
        defmt::error!("benchmark: the block did not move");
    }
    let _ = (moved.map(blocks::free), fence.map(blocks::free));
}

extern "C" fn partner(_: u32) -> u32 {
    mark(Mark::SwitchedToNew);
    let _ = thread::yield_now();
    mark(Mark::Switched);
    let _ = thread::yield_now();
    use_float();
    mark(Mark::SwitchedWithFloat);
    loop {
        let _ = thread::yield_now();
    }
}

extern "C" fn short(_: u32) -> u32 {
    0
}

/// The host stops the device here, and reads which mark it is.
fn mark(which: Mark) {
    crashrig_mark(u32::from(which.code()));
}

#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn crashrig_mark(which: u32) {
    black_box(which);
}

fn use_float() {
    // SAFETY: s0 is not kept over calls.
    unsafe { core::arch::asm!("vmov s0, {0}", in(reg) 1_u32, out("s0") _) };
}
