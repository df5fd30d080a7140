//! The services of the kernel, used as they are meant to be. What held goes into the end marker.

use super::{heap_exhaustion, misuse, threads};
use crate::observe::note;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use cortex_m::interrupt::InterruptNumber;
use cortex_m::peripheral::NVIC;
use crashrig_layout::Capabilities;
use crashrig_port::kernel::sync::{Flags, Mutex, Queue, Semaphore, Timer};
use crashrig_port::kernel::thread::{self, Options, Stack};
use crashrig_port::kernel::{Error, FOREVER, priority};
use crashrig_port::{clock, heap, interrupts};
use crashrig_wire::Observation;

/// What a stack's memory must be good for.
const STACK_MEMORY: Capabilities = Capabilities::DEFAULT;

static LOW_STACK: Stack<2048> = Stack::new();
static HIGH_STACK: Stack<2048> = Stack::new();

/// Runs every check.
pub fn check_all() {
    check(Observation::ThreadsJoined, threads_join());
    check(Observation::HeapThreadsJoined, heap_threads_join());
    check(Observation::SpawnRefused, spawn_runs_out_of_memory());
    check(Observation::PriorityInherited, priority_is_inherited());
    check(Observation::SignalsCame, signals_come());
    check(Observation::TimersExpired, timers_expire());
    check(Observation::ClockPreempts, clock_preempts_handlers());
    check(Observation::FloatKept, float_is_kept());
    check(Observation::MisuseRefused, misuse::is_refused());
    check(Observation::ErrorsKept, misuse::is_kept());
    check(Observation::HighWaterExact, threads::high_water_is_exact());
    check(Observation::TerminatedStackReused, threads::terminated_stack_is_reused());
}

fn check(what: Observation, result: Result<bool, Error>) {
    match result {
        Ok(true) => {
            note(what, true);
        }
        Ok(false) => {
            note(Observation::CheckFailed, true);
            defmt::error!("{=str} did not hold", what.name());
        }
        // The check could not be made: it was told that there is no memory.
        Err(Error::OutOfMemory) => defmt::warn!("{=str}: no memory", what.name()),
        Err(error) => {
            note(Observation::CheckFailed, true);
            defmt::error!("{=str}: error {=u8}", what.name(), error as u8);
        }
    }
}

/// Options of a privileged thread.
pub const fn worker(name: &'static str, priority: u32) -> Options {
    Options { name, priority, privileged: true }
}

/// 64 threads, one after the other, on stacks from the heap: each gives its code, its handle is
/// stale then, and the heap is as full as before.
fn heap_threads_join() -> Result<bool, Error> {
    extern "C" fn triple(argument: u32) -> u32 {
        3 * argument
    }
    let free = || heap::totals(STACK_MEMORY).map_or(0, |totals| totals.free_bytes);
    let before = free();
    let mut held = before > 0;
    for round in 0..64 {
        let thread =
            thread::spawn(&worker("triple", priority::LOW), 1024, STACK_MEMORY, triple, round)?;
        held &= free() < before && thread.high_water_bytes()? < 1024;
        held &= thread.join(FOREVER)? == 3 * round;
        held &= thread.join(0) == Err(Error::NoSuchThread);
    }
    Ok(held && free() == before && heap::check_integrity().is_ok())
}

/// Threads that never end, on stacks from the heap, until there is no memory: the next one is
/// refused with an error. All are ended, and the heap is as full as before.
fn spawn_runs_out_of_memory() -> Result<bool, Error> {
    extern "C" fn wait(_: u32) -> u32 {
        let _ = thread::sleep(FOREVER - 1);
        0
    }
    const LARGE_STACK_BYTES: u32 = 12 << 10;
    let before = heap_exhaustion::state(STACK_MEMORY);
    let mut threads = [None; 12];
    let mut refused = None;
    for (place, number) in threads.iter_mut().zip(0..) {
        let options = worker("waits", priority::LOW);
        match thread::spawn(&options, LARGE_STACK_BYTES, STACK_MEMORY, wait, number) {
            Ok(thread) => *place = Some(thread),
            Err(error) => {
                refused = Some(error);
                break;
            }
        }
    }
    let whole = heap::check_integrity().is_ok();
    let mut ended = true;
    for thread in threads.into_iter().flatten() {
        thread.terminate()?;
        ended &= thread.join(FOREVER)? == thread::TERMINATED;
    }
    let as_before = heap_exhaustion::state(STACK_MEMORY) == before;
    let intact = whole && as_before && heap::check_integrity().is_ok();
    Ok(refused == Some(Error::OutOfMemory) && ended && intact)
}

/// A thread ends with its code, its stack can be used again, and its handle is stale.
fn threads_join() -> Result<bool, Error> {
    extern "C" fn double(argument: u32) -> u32 {
        2 * argument
    }
    let mut held = true;
    for round in 0..64 {
        let options = worker("double", if round % 2 == 0 { priority::HIGH } else { priority::LOW });
        let thread = thread::spawn_static(&options, &LOW_STACK, double, round)?;
        held &= thread.join(FOREVER)? == 2 * round;
        held &= thread.join(0) == Err(Error::NoSuchThread);
    }
    Ok(held)
}

static MUTEX: AtomicU32 = AtomicU32::new(0);
static TRACE: AtomicU32 = AtomicU32::new(0);

fn trace(step: u32) {
    TRACE.store(TRACE.load(Ordering::Relaxed) << 4 | step, Ordering::Relaxed);
}

/// The low thread holds the mutex when the high one wants it; it must run before this thread, which
/// has a priority between the two.
fn priority_is_inherited() -> Result<bool, Error> {
    extern "C" fn low(_: u32) -> u32 {
        let mutex = Mutex::from_handle(MUTEX.load(Ordering::Relaxed));
        trace(1);
        let locked = mutex.lock(FOREVER).is_ok();
        let _ = thread::sleep(5);
        trace(3);
        u32::from(locked && mutex.unlock().is_ok())
    }
    extern "C" fn high(_: u32) -> u32 {
        let mutex = Mutex::from_handle(MUTEX.load(Ordering::Relaxed));
        trace(2);
        let locked = mutex.lock(FOREVER).is_ok();
        trace(4);
        u32::from(locked && mutex.unlock().is_ok())
    }
    TRACE.store(0, Ordering::Relaxed);
    let mutex = Mutex::new()?;
    MUTEX.store(mutex.handle(), Ordering::Relaxed);
    let low = thread::spawn_static(&worker("low", priority::LOW), &LOW_STACK, low, 0)?;
    // The low thread runs only while this one waits; it sleeps with the mutex locked.
    thread::sleep(2)?;
    let high = thread::spawn_static(&worker("high", priority::HIGH), &HIGH_STACK, high, 0)?;
    // This thread never waits: without inheritance the low one would never run again.
    let busy_until = clock::uptime_ms() + 10;
    while clock::uptime_ms() < busy_until {}
    trace(5);
    let held = low.join(FOREVER)? == 1 && high.join(FOREVER)? == 1;
    mutex.delete()?;
    Ok(held && TRACE.load(Ordering::Relaxed) == 0x1_2345)
}

static WORDS: AtomicU32 = AtomicU32::new(0);
static COUNT: AtomicU32 = AtomicU32::new(0);
static READY: AtomicU32 = AtomicU32::new(0);

/// Queue, semaphore and flags between two threads.
fn signals_come() -> Result<bool, Error> {
    extern "C" fn adder(_: u32) -> u32 {
        let words = Queue::from_handle(WORDS.load(Ordering::Relaxed));
        let count = Semaphore::from_handle(COUNT.load(Ordering::Relaxed));
        let ready = Flags::from_handle(READY.load(Ordering::Relaxed));
        let mut sum = 0;
        for _ in 0..8 {
            sum += words.get(FOREVER).unwrap_or(1000);
            let _ = count.release();
        }
        let _ = ready.set(0b10);
        sum
    }
    let (words, count, ready) = (Queue::new(2)?, Semaphore::new(0, 8)?, Flags::new()?);
    WORDS.store(words.handle(), Ordering::Relaxed);
    COUNT.store(count.handle(), Ordering::Relaxed);
    READY.store(ready.handle(), Ordering::Relaxed);
    let adder = thread::spawn_static(&worker("adder", priority::LOW), &LOW_STACK, adder, 0)?;
    for word in 1..=8 {
        words.put(word, FOREVER)?;
    }
    let _ = ready.set(0b01)?;
    let both = ready.wait_all(0b11, 100)?;
    let mut counted = 0;
    while count.acquire(0).is_ok() {
        counted += 1;
    }
    let held = adder.join(FOREVER)? == 36 && both == 0b11 && counted == 8;
    let timed_out = count.acquire(3) == Err(Error::Timeout);
    words.delete()?;
    count.delete()?;
    ready.delete()?;
    Ok(held && timed_out)
}

static EXPIRED: AtomicU32 = AtomicU32::new(0);

/// One timer once, one three times.
fn timers_expire() -> Result<bool, Error> {
    extern "C" fn expired(step: u32) {
        EXPIRED.fetch_add(step, Ordering::Relaxed);
    }
    let (once, often) = (Timer::new(expired, 1)?, Timer::new(expired, 0x100)?);
    once.start(2, 0)?;
    often.start(1, 2)?;
    thread::sleep(6)?;
    often.stop()?;
    let after = EXPIRED.load(Ordering::Relaxed);
    thread::sleep(5)?;
    once.delete()?;
    often.delete()?;
    Ok(after == 0x301 && EXPIRED.load(Ordering::Relaxed) == after)
}

/// An interrupt of this chip, for the functions of the core's own crate.
#[derive(Debug, Clone, Copy)]
struct Interrupt(u16);

// SAFETY: it is one that the chip implements, and stays the same.
unsafe impl InterruptNumber for Interrupt {
    fn number(self) -> u16 {
        self.0
    }
}

static TICKED: AtomicBool = AtomicBool::new(false);

/// The clock ticks, and so checks stacks, in the handler of an interrupt that nobody gave a
/// priority.
fn clock_preempts_handlers() -> Result<bool, Error> {
    extern "C" fn handler() {
        const TURNS: u32 = 1_000_000;
        let now = clock::uptime_ms();
        TICKED.store((0..TURNS).any(|_| clock::uptime_ms() != now), Ordering::Relaxed);
    }
    let number = interrupts::count() - 4;
    interrupts::install(number, handler);
    let interrupt = Interrupt(number as u16);
    // SAFETY: its handler stands in the table.
    unsafe { NVIC::unmask(interrupt) };
    NVIC::pend(interrupt);
    thread::sleep(1)?;
    NVIC::mask(interrupt);
    Ok(TICKED.load(Ordering::Relaxed))
}

/// Two threads that count in floating point, switched at ticks, both come out right.
fn float_is_kept() -> Result<bool, Error> {
    extern "C" fn count(step: u32) -> u32 {
        let mut sum = 0.0_f32;
        let until = clock::uptime_ms() + 12;
        let mut turns = 0_u32;
        while clock::uptime_ms() < until {
            sum = core::hint::black_box(sum + step as f32);
            turns += 1;
            if turns == 10_000 {
                break;
            }
        }
        u32::from(sum == (turns * step) as f32)
    }
    let one = thread::spawn_static(&worker("one", priority::LOW), &LOW_STACK, count, 1)?;
    let three = thread::spawn_static(&worker("three", priority::LOW), &HIGH_STACK, count, 3)?;
    Ok(one.join(FOREVER)? == 1 && three.join(FOREVER)? == 1)
}
