//! The heap used by one thread, while the clock ticks at each of its instructions in turn: four
//! threads of higher priority and a timer come in between and use the heap as well.
//!
//! The tick is set to come after a fixed time. Before the work, the main thread waits for so many
//! instructions that the work begins that long before the tick, and from one time to the next it
//! waits for one instruction less. Where a tick falls into a critical section of the heap it is
//! taken at its end. The sweep is over once the tick has come behind the work several times in a
//! row. An emulator that counts instructions hits each of them; a chip, at least each cycle that
//! its clock can tell.
//!
//! Source: ARMv7-M ARM (DDI0403E) B3.3 for the timer: a new reload value is used at the next reload.

use super::note;
use core::arch::asm;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use cortex_m::peripheral::SYST;
use crashrig_layout::Capabilities;
use crashrig_memory::heap::Alignment;
use crashrig_port::kernel::sync::Timer;
use crashrig_port::kernel::thread::{self, Options};
use crashrig_port::kernel::{Error, FOREVER, priority};
use crashrig_port::{clock, heap};
use crashrig_wire::Observation;

const CAPS: Capabilities = Capabilities::DEFAULT;
const THREADS: u32 = 4;
const STACK_BYTES: u32 = 2048;
/// More instructions than the work takes.
const LONGEST: u32 = 16_000;
/// The timer has taken over its reload value when so many instructions have passed.
const SETTLING: u32 = 32;
/// So many ticks in a row behind the work, and it is over.
const BEHIND: u32 = 16;
/// Points may differ from instructions by what reading the clock takes, and a rounding.
const TOLERANCE: u32 = 16;
/// Ticks are so much rarer than otherwise, so that one is over before the next.
const SLOWER: u32 = 8;

static HELD: AtomicU32 = AtomicU32::new(0);
/// How often threads and timer have done their work.
static ROUNDS: AtomicU32 = AtomicU32::new(0);
static IS_SOUND: AtomicBool = AtomicBool::new(true);
static IS_OVER: AtomicBool = AtomicBool::new(false);

/// Bits of what held.
pub fn held() -> u32 {
    HELD.load(Ordering::Relaxed)
}

/// Runs the sweep.
pub fn switch_at_every_instruction() {
    let held = sweep_among_others();
    note(&HELD, Observation::HeapSwitched, held == Ok(true));
}

fn sweep_among_others() -> Result<bool, Error> {
    let mut threads = [None; THREADS as usize];
    for (place, number) in threads.iter_mut().zip(1..) {
        let options = Options { name: "user", priority: priority::HIGH, privileged: true };
        *place = Some(thread::spawn(&options, STACK_BYTES, CAPS, user, number)?);
    }
    let timer = Timer::new(on_timer, 0)?;
    timer.start(1, 1)?;
    let timing = Timing::measure();
    let (points, others_came) = sweep(&timing);
    IS_OVER.store(true, Ordering::Relaxed);
    timing.restore();
    timer.stop()?;
    timer.delete()?;
    for thread in threads.into_iter().flatten() {
        let _ = thread.join(FOREVER)?;
    }
    let all = points.abs_diff(timing.work_instructions) <= TOLERANCE;
    let expected = timing.work_instructions;
    defmt::info!("a switch at {=u32} of {=u32} instructions", points, expected);
    let whole = heap::check_integrity().is_ok() && IS_SOUND.load(Ordering::Relaxed);
    Ok(all && others_came && whole)
}

/// At how many points of the work the tick came, and whether everybody came with each.
fn sweep(timing: &Timing) -> (u32, bool) {
    let (mut points, mut behind, mut others_came) = (0, 0, true);
    for delay in (0..LONGEST).rev() {
        let rounds = ROUNDS.load(Ordering::Relaxed);
        let before = clock::uptime_ms();
        timing.set_tick();
        wait(delay);
        let first = clock::uptime_ms();
        work(0);
        let last = clock::uptime_ms();
        while clock::uptime_ms() == before {}
        if first == before && last != before {
            (points, behind) = (points + 1, 0);
        } else if last == before {
            behind += 1;
        }
        // Those of higher priority are done when this one goes on.
        others_came &= ROUNDS.load(Ordering::Relaxed) == rounds + THREADS + 1;
        others_came &= clock::uptime_ms() == before + 1;
        if heap::check_integrity().is_err() || behind == BEHIND {
            return (points, others_came && behind == BEHIND);
        }
    }
    (points, false)
}

/// What the timer's cycles are in instructions.
struct Timing {
    reload: u32,
    longest_cycles: u32,
    work_instructions: u32,
}

impl Timing {
    fn measure() -> Self {
        let timer = timer();
        let reload = timer.rvr.read();
        let cycles = |work: fn()| {
            cortex_m::interrupt::free(|_| {
                set(0xFF_FFFF);
                wait(SETTLING);
                let first = timer.cvr.read();
                work();
                first - timer.cvr.read()
            })
        };
        let nothing = cycles(|| {});
        let longest_cycles = cycles(|| wait(LONGEST)) - nothing;
        let work_cycles = cycles(|| work(0)) - nothing;
        set(reload);
        let work_instructions = work_cycles * (LONGEST / 16) / (longest_cycles / 16);
        Self { reload, longest_cycles, work_instructions }
    }

    /// Has the clock tick once, after so long as the longest wait takes.
    fn set_tick(&self) {
        set(self.longest_cycles);
        wait(SETTLING);
        // SAFETY: the kernel's clock is slowed down on purpose.
        unsafe { timer().rvr.write(SLOWER * self.reload) };
    }

    fn restore(&self) {
        set(self.reload);
    }
}

fn timer() -> &'static cortex_m::peripheral::syst::RegisterBlock {
    // SAFETY: the registers of the timer are always there.
    unsafe { &*SYST::PTR }
}

/// Begins a period of so many cycles.
fn set(reload: u32) {
    // SAFETY: the kernel's clock is changed on purpose.
    unsafe { timer().rvr.write(reload) };
    // SAFETY: as above.
    unsafe { timer().cvr.write(0) };
}

/// Waits for so many instructions, and the same few more each time.
#[inline(always)]
fn wait(instructions: u32) {
    // SAFETY: registers only. An odd number takes the `nop`, and each turn takes two instructions.
    unsafe {
        asm!(
            "lsrs {0}, {0}, #1",
            "bcc 2f",
            "nop",
            "2:",
            "adds {0}, #1",
            "3:",
            "subs {0}, #1",
            "bne 3b",
            inout(reg) instructions => _,
        );
    };
}

extern "C" fn user(number: u32) -> u32 {
    while !IS_OVER.load(Ordering::Relaxed) {
        let _ = thread::sleep(1);
        work(number);
        ROUNDS.fetch_add(1, Ordering::Relaxed);
    }
    0
}

extern "C" fn on_timer(_: u32) {
    work(THREADS + 1);
    ROUNDS.fetch_add(1, Ordering::Relaxed);
}

/// Allocates, resizes and frees, and looks at what the memory holds.
#[inline(never)]
fn work(number: u32) {
    const BYTES: u32 = 24;
    let size_bytes = BYTES + 8 * number;
    let pattern = 0x5EED_0000 | number;
    let is_sound = heap::allocate(size_bytes, Alignment::NATURAL, CAPS).is_ok_and(|block| {
        words(block, BYTES).for_each(|address| write(address, pattern));
        let larger = heap::reallocate(block, 3 * size_bytes, Alignment::NATURAL, CAPS);
        larger.is_ok_and(|block| {
            let held = words(block, BYTES).all(|address| read(address) == pattern);
            heap::free(block).is_ok() && held
        })
    });
    if !is_sound {
        IS_SOUND.store(false, Ordering::Relaxed);
    }
}

fn words(block: u32, bytes: u32) -> impl Iterator<Item = u32> {
    (block..block + bytes).step_by(4)
}

fn read(address: u32) -> u32 {
    let pointer = core::ptr::with_exposed_provenance::<u32>(address as usize);
    // SAFETY: a word of a block that is ours.
    unsafe { pointer.read_volatile() }
}

fn write(address: u32, word: u32) {
    let pointer = core::ptr::with_exposed_provenance_mut::<u32>(address as usize);
    // SAFETY: as above.
    unsafe { pointer.write_volatile(word) }
}
