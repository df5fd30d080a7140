//! The heap used by one thread, while the clock ticks at each of its instructions in turn: four
//! threads of higher priority and a timer come in between and use the heap as well.
//!
//! The tick is set to come after a fixed time. Before it asks the heap, the main thread waits for
//! so many instructions, and from one time to the next for one instruction less. A tick that falls
//! into a critical section of the heap is taken at its end. The sweep is over once the tick has
//! come behind the heap's answer several times in a row. An emulator that counts instructions hits
//! each of them; a chip would be hit at cycles that are not all told apart.
//!
//! That the timer takes a new reload value at its next reload is from memory (ARMv7-M ARM, B3.3),
//! and was not looked up; the emulators do so, or the sweep would fail.

use super::blocks;
use super::words::{read, write};
use crate::observe::note;
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
/// What is filled, of each block.
const BYTES: u32 = 24;
const PATTERN: u32 = 0x5EED_0000;
const THREADS: u32 = 4;
const STACK_BYTES: u32 = 2048;
/// More instructions than the heap takes.
const LONGEST: u32 = 8_000;
/// The timer has taken over its reload value when so many instructions have passed.
const SETTLING: u32 = 32;
/// So many ticks in a row behind the answer, and the sweep is over.
const BEHIND: u32 = 16;
/// Points may differ from instructions by what reading the clock takes, and a rounding.
const TOLERANCE: u32 = 32;
/// Ticks are so much rarer than otherwise: who wakes with one must be done before the next, or the
/// main thread would never run.
const SLOWER: u32 = 8;

/// How often threads and timer have done their work.
static ROUNDS: AtomicU32 = AtomicU32::new(0);
static IS_SOUND: AtomicBool = AtomicBool::new(true);
static IS_OVER: AtomicBool = AtomicBool::new(false);

/// What the main thread asks of the heap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Allocate,
    /// To a size for which there is no room where the block is.
    Resize,
    Free,
}

/// The block that the main thread has, and the one behind it, if that matters.
#[derive(Debug, Clone, Copy, Default)]
struct Blocks {
    own: Option<u32>,
    behind: Option<u32>,
}

/// Runs the sweep over one operation.
#[inline(never)]
pub fn switch_at_every_instruction(which: u32) {
    let operation = match which {
        0 => Operation::Allocate,
        1 => Operation::Resize,
        _ => Operation::Free,
    };
    let held = sweep_among_others(operation);
    note(Observation::HeapSwitched, held == Ok(true));
}

fn sweep_among_others(operation: Operation) -> Result<bool, Error> {
    let reload = timer().rvr.read();
    set(SLOWER * reload);
    let mut threads = [None; THREADS as usize];
    for (place, number) in threads.iter_mut().zip(1..) {
        let options = Options { name: "user", priority: priority::HIGH, privileged: true };
        *place = Some(thread::spawn(&options, STACK_BYTES, CAPS, user, number)?);
    }
    let timer = Timer::new(on_timer, 0)?;
    timer.start(1, 1)?;
    let timing = Timing::measure(operation, SLOWER * reload);
    let (points, others_came) = sweep(&timing, operation);
    IS_OVER.store(true, Ordering::Relaxed);
    timer.stop()?;
    timer.delete()?;
    for thread in threads.into_iter().flatten() {
        let _ = thread.join(FOREVER)?;
    }
    set(reload);
    let expected = timing.instructions;
    defmt::info!("a switch at {=u32} of {=u32} instructions", points, expected);
    let whole = heap::check_integrity().is_ok() && IS_SOUND.load(Ordering::Relaxed);
    Ok(points.abs_diff(expected) <= TOLERANCE && others_came && whole)
}

/// At how many points of the operation the tick came, and whether everybody came with each.
fn sweep(timing: &Timing, operation: Operation) -> (u32, bool) {
    let (mut points, mut behind, mut others_came) = (0, 0, true);
    for delay in (0..LONGEST).rev() {
        let mut blocks = prepare(operation);
        let rounds = ROUNDS.load(Ordering::Relaxed);
        let before = clock::uptime_ms();
        timing.set_tick();
        wait(delay);
        let first = clock::uptime_ms();
        act(operation, &mut blocks);
        let last = clock::uptime_ms();
        while clock::uptime_ms() == before {}
        finish(operation, blocks);
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

fn prepare(operation: Operation) -> Blocks {
    match operation {
        Operation::Allocate => Blocks::default(),
        Operation::Free => Blocks { own: allocate(), behind: None },
        Operation::Resize => Blocks { own: allocate(), behind: allocate() },
    }
}

#[inline(never)]
fn act(operation: Operation, blocks: &mut Blocks) {
    match (operation, blocks.own) {
        (Operation::Allocate, _) => blocks.own = allocate(),
        (Operation::Resize, Some(block)) => blocks.own = resize(block),
        (Operation::Free, Some(block)) => blocks.own = blocks::free(block).ok(),
        (_, None) => {}
    }
}

/// Looks whether it was done, and gives back what is left.
fn finish(operation: Operation, blocks: Blocks) {
    let is_done = blocks.own.is_some_and(|block| operation == Operation::Free || release(block, 0));
    let behind = blocks.behind.is_none_or(|block| release(block, 0));
    if !(is_done && behind) {
        IS_SOUND.store(false, Ordering::Relaxed);
    }
}

/// What the timer's cycles are in instructions.
struct Timing {
    /// Cycles between the ticks that nobody has set.
    rare_cycles: u32,
    longest_cycles: u32,
    /// How many instructions the operation takes.
    instructions: u32,
}

impl Timing {
    fn measure(operation: Operation, rare_cycles: u32) -> Self {
        let nothing = cycles(|| {});
        let longest_cycles = cycles(|| wait(LONGEST)) - nothing;
        let mut blocks = prepare(operation);
        let operation_cycles = cycles(|| act(operation, &mut blocks)) - nothing;
        finish(operation, blocks);
        set(rare_cycles);
        let instructions = operation_cycles * (LONGEST / 16) / (longest_cycles / 16);
        Self { rare_cycles, longest_cycles, instructions }
    }

    /// Has the clock tick once, after so long as the longest wait takes.
    fn set_tick(&self) {
        set(self.longest_cycles);
        wait(SETTLING);
        // SAFETY: the kernel's clock is slowed down on purpose.
        unsafe { timer().rvr.write(self.rare_cycles) };
    }
}

/// How many cycles of the timer something takes, without interrupts.
#[inline(always)]
fn cycles(work: impl FnOnce()) -> u32 {
    cortex_m::interrupt::free(|_| {
        set(0xFF_FFFF);
        wait(SETTLING);
        let first = timer().cvr.read();
        work();
        first - timer().cvr.read()
    })
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
fn work(number: u32) {
    let block = heap::allocate(BYTES + 8 * number, Alignment::NATURAL, CAPS).ok();
    let block = block.map(|block| fill(block, number)).and_then(resize);
    if !block.is_some_and(|block| release(block, number)) {
        IS_SOUND.store(false, Ordering::Relaxed);
    }
}

/// A block of the main thread.
fn allocate() -> Option<u32> {
    heap::allocate(BYTES, Alignment::NATURAL, CAPS).ok().map(|block| fill(block, 0))
}

fn resize(block: u32) -> Option<u32> {
    blocks::reallocate(block, 4 * BYTES, CAPS).ok()
}

fn fill(block: u32, number: u32) -> u32 {
    words(block).for_each(|address| write(address, PATTERN | number));
    block
}

/// Frees a block that must hold what it was filled with.
fn release(block: u32, number: u32) -> bool {
    words(block).all(|address| read(address) == PATTERN | number) && blocks::free(block).is_ok()
}

fn words(block: u32) -> impl Iterator<Item = u32> {
    (block..block + BYTES).step_by(4)
}
