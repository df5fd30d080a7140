//! Threads that take turns while an interrupt handler wakes a third: an interrupt more, before
//! whichever instruction of it, changes nothing but how often the third one is woken.
//!
//! Nobody sleeps and no clock is asked, so that the number of instructions hardly depends on time.

use super::devices::watched;
use super::services::worker;
use crate::observe::note;
use core::hint::black_box;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use crashrig_layout::Capabilities;
use crashrig_port::interrupts;
use crashrig_port::kernel::sync::Semaphore;
use crashrig_port::kernel::thread;
use crashrig_port::kernel::{Error, FOREVER, priority};
use crashrig_wire::Observation;

/// The interrupt that wakes. No device that a board of ours is emulated with raises it; sweeps name
/// it by this number.
const WAKING_INTERRUPT: u32 = 77;
/// One that is enabled and has no handler of its own; sweeps name it too.
const SPURIOUS_INTERRUPT: u32 = 76;

/// Turns of each thread.
const TURNS: u32 = 3;
/// More wake-ups than a storm of interrupts brings before the third thread can run.
const WAKE_UP_LIMIT: u32 = 10_000;

/// Of the partner and of the server, from the heap: static ones would take from it what scripts of
/// its own need.
const STACK_BYTES: u32 = 2_048;

static WAKE_UPS: AtomicU32 = AtomicU32::new(0);
static OURS: AtomicU32 = AtomicU32::new(0);
static THEIRS: AtomicU32 = AtomicU32::new(0);

/// Wake-ups that the kernel has taken.
static WOKEN: AtomicU32 = AtomicU32::new(0);
static IS_OVER: AtomicBool = AtomicBool::new(false);
static ORDER: AtomicU32 = AtomicU32::new(0);

/// Time of the watchdog: a thousand times what the turns take under QEMU.
const TIMEOUT_MS: u32 = 50;

/// Has them take their turns, under a watchdog if the parameter asks for it, and notes whether all
/// went well.
pub fn take(parameter: u32) {
    let is_well = watched(parameter, TIMEOUT_MS, all_is_well);
    note(Observation::TurnsTaken, is_well.unwrap_or(false));
}

fn all_is_well() -> Result<bool, Error> {
    let (wake_ups, ours, theirs) =
        (Semaphore::new(0, WAKE_UP_LIMIT)?, Semaphore::new(0, 1)?, Semaphore::new(0, 1)?);
    for (place, semaphore) in [(&WAKE_UPS, wake_ups), (&OURS, ours), (&THEIRS, theirs)] {
        place.store(semaphore.handle(), Ordering::Relaxed);
    }
    interrupts::install(WAKING_INTERRUPT, crashrig_wake);
    interrupts::enable(SPURIOUS_INTERRUPT);
    let server = worker("server", priority::HIGH);
    let server = thread::spawn(&server, STACK_BYTES, Capabilities::DEFAULT, serve, 0)?;
    let partner = worker("partner", priority::LOW);
    let partner = thread::spawn(&partner, STACK_BYTES, Capabilities::DEFAULT, answer, 0)?;
    // Enables it, too.
    interrupts::pend_above(WAKING_INTERRUPT);
    let in_turn = crashrig_take_turns(ours, theirs);
    crashrig_turns_taken();
    IS_OVER.store(true, Ordering::Relaxed);
    wake_ups.release()?;
    let served = server.join(FOREVER)?;
    let answered = partner.join(FOREVER)? == TURNS;
    for semaphore in [wake_ups, ours, theirs] {
        semaphore.delete()?;
    }
    let in_order = ORDER.load(Ordering::Relaxed) == 0x12_1212;
    Ok(in_turn && answered && in_order && served == WOKEN.load(Ordering::Relaxed))
}

/// From here on sweeps inject, up to [`crashrig_turns_taken`].
#[inline(never)]
#[unsafe(no_mangle)]
fn crashrig_take_turns(ours: Semaphore, theirs: Semaphore) -> bool {
    let mut sum = 0.0_f32;
    for turn in 0..TURNS {
        step(1);
        // One switch from this thread in the handler's tail, the others by its own calls.
        if turn == 1 {
            interrupts::pend_above(WAKING_INTERRUPT);
        }
        sum = black_box(sum + 1.5);
        let went = theirs.release().is_ok() && ours.acquire(FOREVER).is_ok();
        sum = black_box(sum + 1.0);
        if !went {
            return false;
        }
    }
    sum == TURNS as f32 * 2.5
}

#[inline(never)]
#[unsafe(no_mangle)]
fn crashrig_turns_taken() {
    black_box(());
}

fn step(who: u32) {
    ORDER.store(ORDER.load(Ordering::Relaxed) << 4 | who, Ordering::Relaxed);
}

/// The partner's turns. How many it had, or another number if its sum is wrong.
extern "C" fn answer(_: u32) -> u32 {
    let ours = Semaphore::from_handle(OURS.load(Ordering::Relaxed));
    let theirs = Semaphore::from_handle(THEIRS.load(Ordering::Relaxed));
    let (mut turns, mut sum) = (0, 0.0_f32);
    while turns < TURNS && theirs.acquire(FOREVER).is_ok() {
        step(2);
        sum = black_box(sum + 0.25);
        turns += 1;
        if ours.release().is_err() {
            break;
        }
        sum = black_box(sum + 0.5);
    }
    if sum == TURNS as f32 * 0.75 { turns } else { u32::MAX }
}

/// Serves wake-ups until the last one, which is no interrupt's; how many there were before.
extern "C" fn serve(_: u32) -> u32 {
    let wake_ups = Semaphore::from_handle(WAKE_UPS.load(Ordering::Relaxed));
    let mut served = 0;
    while wake_ups.acquire(FOREVER).is_ok() {
        if IS_OVER.load(Ordering::Relaxed) && served == WOKEN.load(Ordering::Relaxed) {
            break;
        }
        served += 1;
    }
    served
}

/// The handler.
#[unsafe(no_mangle)]
extern "C" fn crashrig_wake() {
    let wake_ups = Semaphore::from_handle(WAKE_UPS.load(Ordering::Relaxed));
    if wake_ups.release().is_ok() {
        WOKEN.fetch_add(1, Ordering::Relaxed);
    }
}
