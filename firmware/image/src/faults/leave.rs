//! A thread leaves the core while its stack pointer is outside of its stack. Only the check at the
//! switch can see that: it is back inside before the thread runs on, and clock ticks meanwhile look
//! at the stack of another thread.

use core::arch::naked_asm;
use crashrig_port::clock;
use crashrig_port::kernel::thread::{self, Options, Stack};
use crashrig_port::kernel::{FOREVER, priority};

/// Room for a supervisor call, which is no stack of any thread.
const ASIDE_BYTES: usize = 512;

static STACK: Stack<2048> = Stack::new();
static ASIDE: Stack<ASIDE_BYTES> = Stack::new();

/// One thread leaves so, and the main thread, which has spawned it, is the next.
pub fn leave_outside() {
    let options = Options { name: "leaver", priority: priority::HIGH, privileged: true };
    if let Ok(leaver) = thread::spawn_static(&options, &STACK, leave, 0) {
        let now = clock::uptime_ms();
        while clock::uptime_ms() < now + 2 {}
        let _ = leaver.join(FOREVER);
    }
}

extern "C" fn leave(_: u32) -> u32 {
    // No tick comes before the switch.
    let now = clock::uptime_ms();
    while clock::uptime_ms() == now {}
    let end = (&raw const ASIDE).addr() + ASIDE_BYTES;
    // SAFETY: nothing else uses the room, which is enough for the call.
    unsafe { sleep_with_stack_pointer(end as u32) };
    0
}

extern "C" fn sleep() {
    let _ = thread::sleep(1);
}

/// Sleeps with the stack pointer elsewhere, and takes it back.
///
/// # Safety
/// Below `stack_pointer` there is room for the call that sleeps.
#[unsafe(naked)]
unsafe extern "C" fn sleep_with_stack_pointer(stack_pointer: u32) {
    naked_asm!(
        "push {{r7, lr}}",
        "mov r7, sp",
        "mov sp, r0",
        "bl {sleep}",
        "mov sp, r7",
        "pop {{r7, pc}}",
        sleep = sym sleep,
    )
}
