//! A thread that has left its stack and ends before anybody looks: no switch away from it follows.
//! For comparison one that lets others run.

use core::arch::naked_asm;
use crashrig_layout::Capabilities;
use crashrig_port::kernel::thread::{self, Options, Stack};
use crashrig_port::kernel::{self, FOREVER, priority};
use crashrig_port::{clock, errors, heap};
use crashrig_wire::status::Misuse;

/// The parameter for a stack from the heap.
const FROM_HEAP: u32 = 1;
/// The parameter for a stack pointer that is lost.
const POINTER_LOST: u32 = 2;

static STACK: Stack<2048> = Stack::new();

/// The parameter for a stack from the heap whose block is broken.
const BLOCK_BROKEN: u32 = 3;

/// The parameter for the same, with a heap that does not end the boot over it.
const BLOCK_BROKEN_WARNED: u32 = 5;

/// The parameter for a thread that sleeps instead of ending.
const SLEEPS: u32 = 4;

/// Starts the thread and waits for it.
#[inline(never)]
pub fn end_after_overflow(parameter: u32) {
    let options = Options { name: "worker", priority: priority::HIGH, privileged: true };
    let entry = match parameter {
        POINTER_LOST => leave_pointer,
        BLOCK_BROKEN | BLOCK_BROKEN_WARNED => break_block,
        SLEEPS => break_canary_and_sleep,
        _ => break_canary,
    };
    errors::clear();
    heap::set_abort_on_corruption(parameter != BLOCK_BROKEN_WARNED);
    let worker = if matches!(parameter, FROM_HEAP | BLOCK_BROKEN | BLOCK_BROKEN_WARNED) {
        thread::spawn(&options, 2048, Capabilities::DEFAULT, entry, 0)
    } else {
        thread::spawn_static(&options, &STACK, entry, 0)
    };
    match worker.and_then(|worker| worker.join(FOREVER)) {
        Ok(code) => {
            let kept = errors::last().is_some_and(|it| it.status == Misuse::HeapCorrupt.status());
            defmt::info!(
                "the thread ended with {=u32}; a broken heap was told: {=bool}",
                code,
                kept
            );
        }
        Err(error) => defmt::error!("no thread: error {=u8}", error as u8),
    }
}

/// The clock has just ticked when this returns, so what follows at once is seen by no tick.
fn begin_of_tick() {
    let now = clock::uptime_ms();
    while clock::uptime_ms() == now {}
}

extern "C" fn break_canary(_: u32) -> u32 {
    let lowest = kernel::stack_in_use().start as usize;
    let canary = core::ptr::with_exposed_provenance_mut::<u32>(lowest);
    begin_of_tick();
    // SAFETY: none; the word is not the thread's to write.
    unsafe { canary.write_volatile(0) };
    7
}

extern "C" fn break_canary_and_sleep(argument: u32) -> u32 {
    let code = break_canary(argument);
    let _ = thread::sleep(1);
    code
}

/// Nothing is wrong with the stack of this one, but the heap cannot take it back.
extern "C" fn break_block(_: u32) -> u32 {
    // The header of the block is the word in front of what was handed out, which is the guard.
    let header = kernel::stack_in_use().guard_start as usize - 4;
    let header = core::ptr::with_exposed_provenance_mut::<u32>(header);
    // SAFETY: none; the word is the heap's.
    unsafe { header.write_volatile(0xDEAD_BEEF) };
    7
}

extern "C" fn leave_pointer(_: u32) -> u32 {
    let guard = kernel::stack_in_use().guard_start;
    begin_of_tick();
    // SAFETY: none; the stack pointer is meant to be lost.
    unsafe { end_with_pointer(guard) }
}

/// Ends the thread as returning from its function does, with the stack pointer somewhere.
///
/// # Safety
/// None: the core stacks what it interrupts there.
#[unsafe(naked)]
unsafe extern "C" fn end_with_pointer(pointer: u32) -> ! {
    naked_asm!("mov sp, r0", "movs r1, #7", "movs r0, #1", "svc #0", "udf #0")
}
