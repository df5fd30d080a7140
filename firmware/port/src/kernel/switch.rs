//! PendSV: checks the stack of the thread that leaves, then loads the registers of the next.
//!
//! Registers are kept in the kernel's memory and not on the thread's stack, so a switch needs no
//! room there. The check comes before the kernel's idea of the running thread changes, so that an
//! overflow is charged to whose it is. Floating-point registers are saved only for a thread that
//! used them; s0–s15 the core stacks lazily (DDI0403E B1.5.7), which saving s16–s31 makes it do.

use super::{IDLE_SLOT, THREAD_LIMIT, running, stacks_in_use, with};
use crate::{fault, kept, limits, mpu, systick};
use core::arch::{asm, naked_asm};
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicU32, Ordering};
use crashrig_memory::capture::SourceLocation;
use crashrig_memory::kernel::call::to_word;
use crashrig_memory::stack::StackRange;

/// Registers of a thread that does not run. The order is that of the assembly below.
#[repr(C)]
struct Context {
    /// r4 to r11.
    callee_saved: [u32; 8],
    /// Where the exception frame lies.
    stack_pointer: u32,
    /// EXC_RETURN to the thread.
    exc_return: u32,
    /// s16 to s31, if EXC_RETURN says that floating point is in use.
    float: [u32; 16],
    /// CONTROL: bit 0 makes the thread unprivileged.
    control: u32,
}

/// Thread mode, process stack, no floating-point state (DDI0403E B1.5.8).
const EXC_RETURN_TO_THREAD: u32 = 0xFFFF_FFFD;
/// The Thumb bit of xPSR.
const XPSR_THUMB: u32 = 1 << 24;
/// xPSR: a word of padding was put above the frame to align it (DDI0403E B1.5.7).
const XPSR_REALIGNED: u32 = 1 << 9;
/// Words of a frame: r0–r3, r12, lr, pc, xPSR.
const FRAME_WORDS: usize = 8;

#[repr(transparent)]
struct Contexts(UnsafeCell<[Context; THREAD_LIMIT]>);

// SAFETY: PendSV, which does not preempt itself, and code that runs with PendSV unable to come in
// between (start-up, supervisor calls) are all that reach it.
unsafe impl Sync for Contexts {}

#[unsafe(link_section = ".upper.contexts")]
static CONTEXTS: Contexts = Contexts(UnsafeCell::new(
    [const {
        Context {
            callee_saved: [0; 8],
            stack_pointer: 0,
            exc_return: 0,
            float: [0; 16],
            control: 0,
        }
    }; THREAD_LIMIT],
));

/// Address of the context of the running thread.
#[unsafe(link_section = ".upper.running_context")]
static RUNNING: AtomicU32 = AtomicU32::new(0);

fn context(slot: u8) -> *mut Context {
    let slot = usize::from(slot).min(THREAD_LIMIT - 1);
    CONTEXTS.0.get().cast::<Context>().wrapping_add(slot)
}

/// # Safety
/// Only the core calls this, through the vector table in RAM.
#[unsafe(naked)]
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn crashrig_pendsv_entry() {
    naked_asm!(
        "movw r3, #:lower16:{running}",
        "movt r3, #:upper16:{running}",
        "ldr r3, [r3]",
        "mrs r0, psp",
        "mov r1, lr",
        "mrs r2, msp",
        "stmia r3!, {{r4-r11}}",
        "stmia r3!, {{r0, r1}}",
        "tst r1, #0x10",
        "it eq",
        "vstmiaeq r3, {{s16-s31}}",
        "bl {switch}",
        "ldmia r0!, {{r4-r11}}",
        "ldmia r0!, {{r1, r2}}",
        "ldr r3, [r0, #64]",
        "tst r2, #0x10",
        "it eq",
        "vldmiaeq r0, {{s16-s31}}",
        "msr psp, r1",
        "msr control, r3",
        "isb",
        "bx r2",
        running = sym RUNNING,
        switch = sym switch,
    )
}

extern "C" fn switch(psp: u32, exc_return: u32, msp: u32) -> *const Context {
    const PENDSV: u32 = 14;
    let leaving = with(|kernel| kernel.current());
    if let Some(slot) = leaving
        && !cfg!(feature = "without-switch-check")
    {
        let entry = fault::entry(running(), PENDSV, exc_return, [msp, psp]);
        // SAFETY: the entry above has just filled it.
        let callee_saved = unsafe { &(*context(slot)).callee_saved };
        systick::check(&entry, callee_saved);
    }
    let (next, answer, stack, privileged) = with(|kernel| {
        // There is always the idle thread.
        let next = kernel.switch().unwrap_or(IDLE_SLOT);
        let answer = kernel.take_answer(next);
        let thread = kernel.thread(next);
        let stack = thread.map_or(StackRange::NONE, |thread| thread.stack);
        (next, answer, stack, thread.is_none_or(|thread| thread.privileged))
    });
    let context = context(next);
    if let Some(answer) = answer {
        // SAFETY: the thread does not run, and its frame lies where it was when it last left.
        let frame = unsafe { (*context).stack_pointer };
        set_answer(frame, to_word(answer));
    }
    mpu::follow(&stack, privileged);
    limits::follow(&stack);
    kept::runs(stack.thread);
    RUNNING.store(context.addr() as u32, Ordering::Relaxed);
    // Not before: the core may have put off writing floating-point state there, which the entry
    // above has made it do, and the guard of the thread that leaves lay in the block.
    super::thread::release_finished_stacks();
    context
}

/// Has the running thread go on at the entry of the capture of its panic, with privileges. Nothing
/// else of its frame is believed: no conditional instruction may be half done there.
pub(super) fn capture_panic(frame: u32, xpsr: u32, location: SourceLocation) {
    let (function, argument) = fault::keep_panic(location);
    let xpsr = XPSR_THUMB | xpsr & XPSR_REALIGNED;
    for (index, word) in [(0, argument), (6, function & !1), (7, xpsr)] {
        let pointer = core::ptr::with_exposed_provenance_mut::<u32>(frame as usize + 4 * index);
        // SAFETY: the core has just written a frame there.
        unsafe { pointer.write_volatile(word) };
    }
    // Also for the case that another thread runs in between.
    if let Some(slot) = with(|kernel| kernel.current()) {
        // SAFETY: the thread runs, so its context is not in use.
        unsafe { (*context(slot)).control = 0 };
    }
    // SAFETY: what runs from here on is the kernel's.
    unsafe { asm!("msr control, {0}", "isb", in(reg) 0) };
}

/// Where the frame of a thread that does not run lies.
pub(super) fn stack_pointer_of(slot: u8) -> u32 {
    // SAFETY: the fault path asks, which runs alone.
    unsafe { (*context(slot)).stack_pointer }
}

/// Puts the answer to a call into r0 of a frame.
pub(super) fn set_answer(frame: u32, answer: u32) {
    let pointer = core::ptr::with_exposed_provenance_mut::<u32>(frame as usize);
    // SAFETY: the core wrote the frame there when its thread last asked, and nothing has run on
    // that stack since.
    unsafe { pointer.write_volatile(answer) };
}

/// Says which thread runs, before the first switch.
pub(super) fn begin(slot: u8) {
    with(|kernel| kernel.begin(slot));
    RUNNING.store(context(slot).addr() as u32, Ordering::Relaxed);
    let [stack, _] = stacks_in_use();
    mpu::follow(&stack, true);
    limits::follow(&stack);
    kept::runs(stack.thread);
}

/// Prepares the registers of a new thread, so that a switch to it calls its function.
pub(super) fn prepare(slot: u8, stack: &StackRange, entry: u32, argument: u32, privileged: bool) {
    let frame = stack.end - 4 * FRAME_WORDS as u32;
    let end = super::thread::crashrig_thread_end as *const () as u32;
    let words = [argument, 0, 0, 0, 0, end, entry & !1, XPSR_THUMB];
    for (index, word) in words.into_iter().enumerate() {
        let address = frame as usize + 4 * index;
        let pointer = core::ptr::with_exposed_provenance_mut::<u32>(address);
        // SAFETY: the stack was checked to be larger than a frame, and no thread runs on it yet.
        unsafe { pointer.write_volatile(word) };
    }
    let fresh = Context {
        callee_saved: [0; 8],
        stack_pointer: frame,
        exc_return: EXC_RETURN_TO_THREAD,
        float: [0; 16],
        control: u32::from(!privileged),
    };
    // SAFETY: the slot's thread does not run.
    unsafe { context(slot).write(fresh) };
}

// The assembly above counts on these offsets.
const _: () = assert!(core::mem::offset_of!(Context, float) == 40);
const _: () = assert!(core::mem::offset_of!(Context, control) == 40 + 64);
