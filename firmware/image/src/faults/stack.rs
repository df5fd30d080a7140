//! Stacks used beyond their limit.

use core::arch::asm;
use core::hint::black_box;
use core::sync::atomic::{AtomicU32, Ordering};
use crashrig_port::interrupts;

/// Size of the frame that jumps the guard of the main stack: as much as the whole stack, so that
/// its lower end lies below the guard region by about as much as was in use.
const MAIN_FRAME_BYTES: usize = 4096;

/// The same for the ISR stack, of which a handler has used next to nothing when it begins.
const ISR_FRAME_BYTES: usize = 2048 + 256;

/// Bytes that the large frame writes at its lower end.
const WRITTEN_BYTES: usize = 128;

/// Calls itself until the guard is hit.
#[inline(never)]
pub fn main_stack_recursion() {
    black_box(recurse(black_box(1)));
}

/// One level: 64 bytes of frame that the compiler cannot do without.
#[inline(never)]
fn recurse(depth: u32) -> u32 {
    let frame = black_box([depth; 12]);
    if depth == 0 {
        return 0;
    }
    let below = recurse(black_box(depth + 1));
    below.wrapping_add(black_box(frame).iter().sum())
}

/// One frame as large as the stack, written at its lower end only: the guard is never touched. Then
/// it waits for what notices.
#[inline(never)]
pub fn main_stack_large_frame() {
    large_frame::<MAIN_FRAME_BYTES>();
    // Something to do afterwards, or the call would become a jump and this frame would be gone.
    black_box(());
}

/// The same in an interrupt handler.
#[inline(never)]
pub fn isr_stack_large_frame() {
    let interrupt = interrupts::count() - 2;
    interrupts::install(interrupt, handler_with_large_frame);
    interrupts::raise(interrupt);
}

extern "C" fn handler_with_large_frame() {
    large_frame::<ISR_FRAME_BYTES>();
    black_box(());
}

#[inline(never)]
fn large_frame<const BYTES: usize>() {
    let mut frame = core::mem::MaybeUninit::<[u8; BYTES]>::uninit();
    let lowest = frame.as_mut_ptr().cast::<u8>();
    for offset in 0..WRITTEN_BYTES {
        // SAFETY: inside of the frame, which itself is meant to lie outside of the stack.
        unsafe { lowest.wrapping_add(offset).write_volatile(0xEF) };
    }
    // A device whose check is off must end all the same, without a record.
    for _ in 0..1_000_000 {
        black_box(lowest);
    }
}

/// The same recursion in an interrupt handler, on the ISR stack.
#[inline(never)]
pub fn isr_stack_recursion() {
    let interrupt = interrupts::count() - 2;
    interrupts::install(interrupt, recursing_handler);
    interrupts::raise(interrupt);
}

extern "C" fn recursing_handler() {
    black_box(recurse(black_box(1)));
}

/// Where the wild stack pointer goes.
static NOWHERE: AtomicU32 = AtomicU32::new(0);

/// An interrupt handler loses its stack pointer and faults: the core cannot write the frame, and a
/// fault handler that pushes before it has a stack of its own locks up.
#[inline(never)]
pub fn wild_stack_pointer(address: u32) {
    let interrupt = interrupts::count() - 2;
    NOWHERE.store(address, Ordering::Relaxed);
    interrupts::install(interrupt, handler_without_stack);
    interrupts::raise(interrupt);
}

extern "C" fn handler_without_stack() {
    let nowhere = NOWHERE.load(Ordering::Relaxed);
    // SAFETY: none; the stack pointer is meant to be lost and the instruction to fault.
    unsafe { asm!("msr msp, {0}", "udf #0", in(reg) nowhere) };
}
