//! What the kernel promises of threads' stacks: how much of one was used, and when it is free.

use super::services::worker;
use core::arch::naked_asm;
use core::sync::atomic::{AtomicU32, Ordering};
use crashrig_layout::Capabilities;
use crashrig_port::kernel::thread::{self, Stack};
use crashrig_port::kernel::{Error, FOREVER, priority};
use crashrig_wire::section::THREAD_ROWS;

/// More than the functions of the measuring thread use themselves, and what a switch stacks.
const SHALLOWEST_BYTES: u32 = 768;
const DEEPEST_BYTES: u32 = 1536;
const STEP_BYTES: u32 = 12;

/// What a thread that has dived found: 0 as long as it dives.
static FOUND: AtomicU32 = AtomicU32::new(0);
const EXACT: u32 = 1;
const WRONG: u32 = 2;

static STACK: Stack<2048> = Stack::new();

/// A thread uses its stack ever deeper and finds each depth exactly, then its spawner the last one:
/// on a stack that is static and on one from the heap.
pub fn high_water_is_exact() -> Result<bool, Error> {
    let options = worker("diver", priority::LOW);
    let fixed = is_exact_for(thread::spawn_static(&options, &STACK, dive, 0)?)?;
    let caps = Capabilities::DEFAULT;
    Ok(fixed && is_exact_for(thread::spawn(&options, 2048, caps, dive, 0)?)?)
}

/// The thread waits at the end of its dive, so that its stack can still be asked about.
fn is_exact_for(diver: thread::Thread) -> Result<bool, Error> {
    FOUND.store(0, Ordering::Relaxed);
    while FOUND.load(Ordering::Relaxed) == 0 {
        thread::sleep(1)?;
    }
    let seen = diver.high_water_bytes()?;
    diver.terminate()?;
    let ended = diver.join(FOREVER)? == thread::TERMINATED;
    Ok(ended && seen == DEEPEST_BYTES && FOUND.load(Ordering::Relaxed) == EXACT)
}

extern "C" fn dive(_: u32) -> u32 {
    let exact = dives_are_exact().unwrap_or(false);
    FOUND.store(if exact { EXACT } else { WRONG }, Ordering::Relaxed);
    let _ = thread::sleep(FOREVER - 1);
    0
}

fn dives_are_exact() -> Result<bool, Error> {
    let diver = thread::current().ok_or(Error::NoSuchThread)?;
    let end = diver.stack()?.end;
    for depth_bytes in (SHALLOWEST_BYTES..=DEEPEST_BYTES).step_by(STEP_BYTES as usize) {
        // What is stacked at an interrupt would lie deeper.
        cortex_m::interrupt::free(|_| {
            // SAFETY: the stack goes on below, and nothing else is stacked meanwhile.
            unsafe { touch(end - depth_bytes) }
        });
        let seen = diver.high_water_bytes()?;
        if seen != depth_bytes {
            defmt::error!("{=u32} bytes used, {=u32} seen", depth_bytes, seen);
            return Ok(false);
        }
    }
    Ok(true)
}

/// Takes a frame down to an address and writes its lowest word.
///
/// # Safety
/// The frame lies in the stack in use, and interrupts are masked.
#[unsafe(naked)]
unsafe extern "C" fn touch(lowest: u32) {
    naked_asm!("mov r1, sp", "mov sp, r0", "str r0, [sp]", "mov sp, r1", "bx lr")
}

/// A thread that another one ends leaves its stack to the next, and not before it is ended.
pub fn terminated_stack_is_reused() -> Result<bool, Error> {
    extern "C" fn wait(_: u32) -> u32 {
        let _ = thread::sleep(FOREVER - 1);
        0
    }
    extern "C" fn next(argument: u32) -> u32 {
        argument + 1
    }
    let options = worker("waits", priority::HIGH);
    let mut held = true;
    for round in 0..4 {
        let first = thread::spawn_static(&options, &STACK, wait, 0)?;
        let early = thread::spawn_static(&options, &STACK, next, round);
        held &= early == Err(Error::StackInUse);
        first.terminate()?;
        held &= first.join(FOREVER)? == thread::TERMINATED;
        held &= thread::spawn_static(&options, &STACK, next, round)?.join(FOREVER)? == round + 1;
        held &= first.join(0) == Err(Error::NoSuchThread);
    }
    let caps = Capabilities::DEFAULT;
    let first = thread::spawn(&options, 1024, caps, wait, 0)?;
    let place = first.stack()?.start;
    first.terminate()?;
    held &= first.join(FOREVER)? == thread::TERMINATED;
    let second = thread::spawn(&options, 1024, caps, wait, 0)?;
    held &= second.stack()?.start == place;
    second.terminate()?;
    Ok(held && second.join(FOREVER)? == thread::TERMINATED)
}

/// As many threads more as make one too many for the table of a record, then a load from nowhere.
pub fn many_threads(address: u32) {
    /// Main, timer and idle thread.
    const OWN_THREADS: usize = 3;
    extern "C" fn wait(_: u32) -> u32 {
        let _ = thread::sleep(FOREVER - 1);
        0
    }
    for _ in OWN_THREADS..=THREAD_ROWS {
        let options = worker("waits", priority::HIGH);
        if thread::spawn(&options, 512, Capabilities::DEFAULT, wait, 0).is_err() {
            return;
        }
    }
    super::access::bus_read(address);
}
