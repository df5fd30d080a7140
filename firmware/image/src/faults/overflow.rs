//! Stacks used beyond their limit: every stack, in every way.
//!
//! Each way is told where the stack ends, so that it goes just as far as it needs to, and then
//! waits for what notices. With every detector off it comes back, and the boot ends without a
//! record.

use core::arch::naked_asm;
use core::hint::black_box;
use core::sync::atomic::{AtomicU32, Ordering};
use crashrig_port::kernel::thread::{self, Options, Stack};
use crashrig_port::kernel::{FOREVER, priority, sync::Timer};
use crashrig_port::{clock, interrupts, kernel};
use crashrig_wire::Way;
use crashrig_wire::thread::Context;

/// How far below the limit a way goes that is not bound to a guard.
const OVERRUN_BYTES: u32 = 64;
/// What is left of a stack that is full to the last word of its canary.
const CANARY_BYTES: u32 = 16;
/// Less than an exception frame with floating-point state (104 bytes) above the limit, more than
/// one without.
const FLOAT_LEFT_BYTES: u32 = 96;
/// What a handler leaves of the ISR stack to the one that preempts it: its exception frame and its
/// first pushes fit.
const NESTED_LEFT_BYTES: u32 = 200;
/// How often the loop turns that waits to be noticed: about a hundred clock ticks.
const WAIT_TURNS: u32 = 1_000_000;
/// The same for three clock ticks or so.
const TICK_TURNS: u32 = 50_000;
/// Room for the frames of [`frame`] and [`take_frame`], which must not write over their own.
const OWN_FRAMES_BYTES: u32 = 64;
/// What is written into a frame.
pub(super) const FILL: u32 = 0xEF;

static WAY: AtomicU32 = AtomicU32::new(0);
/// Not 0: everything is done as always, but for the overflow.
static HARMLESS: AtomicU32 = AtomicU32::new(0);
/// Not 0: how much of the stack in use a large frame takes, in bytes from its end down.
static DEPTH_BYTES: AtomicU32 = AtomicU32::new(0);
static WORKER_STACK: Stack<2048> = Stack::new();

/// Whose stack, and how, as the command says.
pub fn stack_overflow([stack, way, harmless, depth_bytes]: [u32; 4]) {
    let code = |word: u32| u8::try_from(word).unwrap_or(0);
    WAY.store(way, Ordering::Relaxed);
    HARMLESS.store(harmless, Ordering::Relaxed);
    DEPTH_BYTES.store(depth_bytes, Ordering::Relaxed);
    match Context::from_code(code(stack)) {
        Some(Context::Main) => chosen(),
        Some(Context::Timer) => on_timer_thread(),
        Some(Context::Idle) => {
            thread::set_idle_hook(chosen);
            let _ = thread::sleep(200);
        }
        Some(Context::User) => on_worker_thread(),
        Some(Context::Isr) => {
            let interrupt = interrupts::count() - 2;
            interrupts::install(interrupt, handler);
            interrupts::raise(interrupt);
        }
        _ => defmt::error!("context {=u32} has no stack of its own", stack),
    }
}

fn on_timer_thread() {
    extern "C" fn expired(_: u32) {
        chosen();
    }
    if let Ok(timer) = Timer::new(expired, 0) {
        let _ = timer.start(1, 0);
        let _ = thread::sleep(200);
    }
}

fn on_worker_thread() {
    extern "C" fn work(_: u32) -> u32 {
        chosen();
        0
    }
    let options = Options { name: "worker", priority: priority::HIGH, privileged: true };
    if let Ok(worker) = thread::spawn_static(&options, &WORKER_STACK, work, 0) {
        let _ = worker.join(FOREVER);
    }
}

extern "C" fn handler() {
    chosen();
    black_box(());
}

fn chosen() {
    let code = u8::try_from(WAY.load(Ordering::Relaxed)).unwrap_or(0);
    if let Some(way) = Way::from_code(code) {
        overflow(way);
    }
    black_box(());
}

/// The stack in use is used beyond its limit, as soon as a clock tick has passed: what follows is
/// done before the next one, and none looks at the stack halfway.
fn overflow(way: Way) {
    let stack = kernel::stack_in_use();
    interrupts::install(nested_interrupt(), nested_handler);
    let now = clock::uptime_ms();
    while clock::uptime_ms() == now {}
    crashrig_inject_overflow(stack.start, stack.end, stack.guard_start, way);
}

/// Memory is compared from here on; the host reads the arguments.
#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn crashrig_inject_overflow(limit: u32, end: u32, guard: u32, way: Way) {
    black_box(end);
    if HARMLESS.load(Ordering::Relaxed) != 0 {
        return stay_inside(way);
    }
    match way {
        Way::Recursion => {
            // SAFETY: none; the levels are meant to leave the stack.
            unsafe { recurse(limit - OVERRUN_BYTES, WAIT_TURNS) };
        }
        // SAFETY of the frames: none; they are meant to lie outside of the stack.
        Way::LargeFrame => match DEPTH_BYTES.load(Ordering::Relaxed) {
            0 => frame(limit - OVERRUN_BYTES, stack_pointer(), limit - OVERRUN_BYTES),
            depth_bytes => eat(end - depth_bytes),
        },
        Way::SkippedFrame => frame(guard - OVERRUN_BYTES, guard, guard - OVERRUN_BYTES),
        Way::BelowPointer => below_pointer(limit),
        Way::ExceptionFrame => frame(limit + CANARY_BYTES, 0, 0),
        Way::FloatFrame => {
            use_float();
            frame(limit + FLOAT_LEFT_BYTES, 0, 0);
        }
        Way::NestedInterrupt => {
            // The frame lets it come.
            hold_interrupts_back();
            preempt();
            frame(limit + NESTED_LEFT_BYTES, 0, 0);
        }
    }
    black_box(());
}

/// Stores over the canary and below the limit, and leaves the core at once: the switch must notice,
/// well before a tick. Afterwards the canary is whole again, so that nothing else can.
fn below_pointer(limit: u32) {
    let canary: [u32; CANARY_BYTES as usize / 4] = core::array::from_fn(|index| {
        let pointer = core::ptr::with_exposed_provenance::<u32>(limit as usize + 4 * index);
        // SAFETY: the lowest words of the stack in use.
        unsafe { pointer.read_volatile() }
    });
    // SAFETY: none; this is meant to break what lies below the stack.
    unsafe { take_frame(stack_pointer(), limit + CANARY_BYTES, limit - CANARY_BYTES, 1) }
    if thread::sleep(1).is_err() {
        // A handler cannot sleep: the next tick looks.
        return wait();
    }
    for (index, word) in canary.into_iter().enumerate() {
        let pointer = core::ptr::with_exposed_provenance_mut::<u32>(limit as usize + 4 * index);
        // SAFETY: as above.
        unsafe { pointer.write_volatile(word) };
    }
}

/// All of it but the overflow.
fn stay_inside(way: Way) {
    match way {
        Way::BelowPointer => _ = thread::sleep(1),
        Way::NestedInterrupt => preempt(),
        _ => {}
    }
    wait();
}

/// Lets what notices come. Stores nothing meanwhile, which a log of stores would be full of.
fn wait() {
    cortex_m::asm::delay(2 * WAIT_TURNS);
}

/// Masks interrupts of [`interrupts::pend_above`] until the next frame is taken.
fn hold_interrupts_back() {
    // SAFETY: the next frame takes it back.
    unsafe { core::arch::asm!("msr basepri, {0}", in(reg) 0x80_u32) };
}

/// Has the handler in use preempted by another one.
fn preempt() {
    interrupts::pend_above(nested_interrupt());
}

fn nested_interrupt() -> u32 {
    interrupts::count() - 3
}

/// The handler that preempts: its frame does not fit any more.
extern "C" fn nested_handler() {
    if HARMLESS.load(Ordering::Relaxed) != 0 {
        return wait();
    }
    let limit = kernel::stack_in_use().start;
    frame(limit - OVERRUN_BYTES, stack_pointer(), limit - OVERRUN_BYTES);
    black_box(());
}

/// One level: 16 bytes of frame, all of them written. Calls itself until the stack pointer is at
/// `lowest` or below; the deepest level waits, then all come back.
///
/// # Safety
/// None: it breaks what lies below the stack.
#[unsafe(naked)]
unsafe extern "C" fn recurse(lowest: u32, turns: u32) {
    naked_asm!(
        "push {{r4, r5, r7, lr}}",
        "add r7, sp, #8",
        "cmp sp, r0",
        "bls 2f",
        "bl {recurse}",
        "pop {{r4, r5, r7, pc}}",
        "2: subs r1, #1",
        "bne 2b",
        "pop {{r4, r5, r7, pc}}",
        recurse = sym recurse,
    )
}

fn stack_pointer() -> u32 {
    let pointer: u32;
    // SAFETY: reading the stack pointer has no side effect.
    unsafe { core::arch::asm!("mov {0}, sp", out(reg) pointer, options(nomem, nostack)) };
    pointer & !7
}

/// Makes the core stack floating-point state with the next exception.
fn use_float() {
    // SAFETY: s0 is not kept over calls.
    unsafe { core::arch::asm!("vmov s0, {0}", in(reg) 1_u32, out("s0") _) };
}

fn frame(stack_pointer: u32, from: u32, down_to: u32) {
    // SAFETY: none; the frame is meant to lie outside of the stack.
    unsafe { take_frame(stack_pointer, from, down_to, WAIT_TURNS) }
}

/// A frame down to an address, or a small one if more is in use; all of it written, and held for
/// some clock ticks.
fn eat(lowest: u32) {
    let from = stack_pointer() - OWN_FRAMES_BYTES;
    let lowest = lowest.min(from - OWN_FRAMES_BYTES);
    // SAFETY: none beyond the limit; within it, what lies there is this thread's.
    unsafe { take_frame(lowest, from, lowest, TICK_TURNS) }
}

/// One frame down to `lowest`, all of it written, held for long.
pub(super) fn large_frame(lowest: u32) {
    frame(lowest, stack_pointer() - OWN_FRAMES_BYTES, lowest);
}

/// One frame down to `lowest`, all of it written, and left at once. Where it began.
pub(super) fn short_frame(lowest: u32) -> u32 {
    let from = stack_pointer() - OWN_FRAMES_BYTES;
    // SAFETY: callers mask interrupts, and own what lies there or mean to go beyond it.
    unsafe { take_frame(lowest, from, lowest, 1) }
    from
}

/// A frame down to `stack_pointer`: lets all interrupts come, writes every word below `from` down
/// to `down_to`, waits, and comes back.
///
/// # Safety
/// None: it breaks what lies there.
#[unsafe(naked)]
unsafe extern "C" fn take_frame(stack_pointer: u32, from: u32, down_to: u32, turns: u32) {
    naked_asm!(
        "push {{r4, r5, r7, lr}}",
        "add r7, sp, #8",
        "mov r4, #0",
        "mov sp, r0",
        "msr basepri, r4",
        "mov r4, #{fill}",
        "2: cmp r1, r2",
        "bls 3f",
        "str r4, [r1, #-4]!",
        "b 2b",
        "3: subs r3, #1",
        "bne 3b",
        "sub r4, r7, #8",
        "mov sp, r4",
        "pop {{r4, r5, r7, pc}}",
        fill = const FILL,
    )
}
