//! What a boot checks about itself. Each check spoils what it looked at, so that the next boot can
//! only pass by being started properly again.

use crate::board;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use crashrig_layout::Capabilities;
use crashrig_memory::heap::Level as _;
use crashrig_memory::reboot::BootMode;
use crashrig_memory::retain::BootReport;
use crashrig_port::host_block::HostBlock;
use crashrig_port::{Boot, clock, heap, interrupts, platform};
use crashrig_wire::Observation;

const PATTERN: [u32; 4] = [0x0123_4567, 0x89AB_CDEF, 0xFEDC_BA98, 0x7654_3210];

static DATA: [AtomicU32; 4] = [
    AtomicU32::new(PATTERN[0]),
    AtomicU32::new(PATTERN[1]),
    AtomicU32::new(PATTERN[2]),
    AtomicU32::new(PATTERN[3]),
];

static ZEROED: [AtomicU32; 16] = [const { AtomicU32::new(0) }; 16];

#[expect(unsafe_code, reason = "no-init data must lie where start-up code does not clear")]
#[unsafe(link_section = ".noinit.observed")]
static KEPT: HostBlock<4> = HostBlock::new();

#[cfg(feature = "more-static-data")]
#[expect(unsafe_code, reason = "data that nothing uses must be kept")]
#[unsafe(link_section = ".noinit.more")]
#[used]
static MORE: HostBlock<1024> = HostBlock::new();

/// What has held so far, as bits of observations, the low ones first.
static HELD: [AtomicU32; 2] = [const { AtomicU32::new(0) }; 2];

static RAM_HANDLER_RUNS: AtomicU32 = AtomicU32::new(0);

static REPORTED: AtomicBool = AtomicBool::new(false);

/// Bytes of the ISR stack that were in use at the reported crash, or [`UNKNOWN`].
static ISR_STACK_REPORTED: AtomicU32 = AtomicU32::new(UNKNOWN);

const UNKNOWN: u32 = u32::MAX;

/// The image was shown a record before its main, when it cannot log yet.
pub fn crash_report_called(report: &BootReport) {
    let msp = report.record.as_ref().map_or(0, |record| record.registers.msp);
    // The record of a boot that a watchdog ended has no registers.
    if msp != 0 {
        let used_bytes = platform::isr_stack_end().wrapping_sub(msp);
        ISR_STACK_REPORTED.store(used_bytes, Ordering::Relaxed);
    }
    REPORTED.store(true, Ordering::Relaxed);
}

/// How much of the ISR stack was in use at the reported crash, if there was one that tells.
pub fn isr_stack_reported() -> Option<u32> {
    Some(ISR_STACK_REPORTED.load(Ordering::Relaxed)).filter(|used_bytes| *used_bytes != UNKNOWN)
}

/// How long the end of a boot waits for a first tick, in turns of a loop: far more than a tick
/// takes.
const TICK_WAIT_TURNS: u32 = 1_000_000;

/// Checks at the start of the main thread.
pub fn at_start(boot: &Boot) {
    let data =
        DATA.iter().zip(PATTERN).all(|(cell, value)| cell.swap(!value, Ordering::Relaxed) == value);
    let zero = ZEROED.iter().all(|cell| cell.swap(u32::MAX, Ordering::Relaxed) == 0);
    let spare = interrupts::count() - 1;
    interrupts::install(spare, ram_handler);
    interrupts::raise(spare);
    note_all(&[
        (Observation::DataInitialised, data),
        (Observation::BssZero, zero),
        (Observation::NoInitKept, no_init_kept()),
        (Observation::VectorsInRam, boot.vectors_in_ram),
        (Observation::VectorEntriesDiffer, interrupts::entries_differ(spare)),
        (Observation::RamHandlerRan, RAM_HANDLER_RUNS.load(Ordering::Relaxed) == 1),
        (Observation::MainOnOwnStack, on_own_stack()),
        (Observation::GuardsArmed, boot.guards_armed),
        (Observation::HeapIsTheRest, heap_is_the_rest()),
        (Observation::CrashReportCalled, REPORTED.load(Ordering::Relaxed)),
        (Observation::SafeMode, boot.mode != BootMode::Normal),
    ]);
}

/// Whether the regions on the chip for plain allocations are what the linker leaves, but for the
/// part for code, the heap's own words in each of at most two regions, and 8 bytes for their
/// alignment.
fn heap_is_the_rest() -> bool {
    const END_MARK_BYTES: u32 = 8;
    const OWN_BYTES: u32 = 2 * (END_MARK_BYTES + heap::HeapLevel::OVERHEAD_BYTES) + 8;
    let code_bytes = board::EXECUTABLE_RAM.map_or(0, |(_, size_bytes)| size_bytes);
    let left = platform::heap_end() - platform::heap_start() - code_bytes;
    let on_chip = Capabilities::DEFAULT.union(Capabilities::INTERNAL);
    heap::totals(on_chip).is_ok_and(|totals| {
        defmt::info!("heap of {=u32} bytes, {=u32} left by static data", totals.total_bytes, left);
        totals.total_bytes <= left && left - totals.total_bytes <= OWN_BYTES
    })
}

/// Checks that need the boot to have run for a while.
pub fn at_end() {
    let ticked = (0..TICK_WAIT_TURNS).any(|_| clock::uptime_ms() > 0);
    note(Observation::ClockTicked, ticked);
}

/// What has held so far, as bits of observations.
pub fn observed() -> u64 {
    let [low, high] = HELD.each_ref().map(|word| u64::from(word.load(Ordering::Relaxed)));
    high << u32::BITS | low
}

/// Notes an observation, if it held.
pub fn note(what: Observation, holds: bool) {
    let (word, bit) = (usize::from(what.code()) / 32, u32::from(what.code()) % 32);
    if let Some(word) = HELD.get(word).filter(|_| holds) {
        word.fetch_or(1 << bit, Ordering::Relaxed);
    }
}

fn note_all(observations: &[(Observation, bool)]) {
    observations.iter().for_each(|(what, holds)| note(*what, *holds));
}

extern "C" fn ram_handler() {
    RAM_HANDLER_RUNS.fetch_add(1, Ordering::Relaxed);
}

/// Whether the no-init block holds what a boot before this one left; leaves the same for the next.
fn no_init_kept() -> bool {
    let mut found = [0; 16];
    KEPT.read(&mut found);
    let mut expected = [0; 16];
    for (chunk, value) in expected.chunks_mut(4).zip(PATTERN) {
        chunk.copy_from_slice(&(!value).to_le_bytes());
    }
    KEPT.write(&expected);
    found == expected
}

fn on_own_stack() -> bool {
    let pointer = cortex_m::register::psp::read();
    cortex_m::register::control::read().spsel().is_psp()
        && platform::main_stack_start() < pointer
        && pointer <= platform::main_stack_end()
}
