//! Clocks: those that memory regions need, and the periodic tick.

use crate::kept;
use crate::platform::{Platform, platform};
use crate::registers::system_timer;
use core::sync::atomic::{AtomicU32, Ordering};
use crashrig_layout::ClockEnable;

/// Ticks in a second.
pub const TICK_HZ: u32 = 1000;

/// Number of SysTick in the vector table.
pub(crate) const SYSTICK: u32 = 15;

/// How often a bit that was set is read back, and how often one that is to follow it, before the
/// clock is given up. What is set is set a few cycles later, or never.
const READ_BACK_LIMIT: u32 = 8;
const READY_LIMIT: u32 = 1000;

#[unsafe(link_section = ".upper.ticks")]
static TICKS: AtomicU32 = AtomicU32::new(0);

/// Milliseconds since the tick of this boot started; wraps after 49 days.
#[must_use]
pub fn uptime_ms() -> u32 {
    TICKS.load(Ordering::Relaxed)
}

pub(crate) fn count_tick() {
    let ticks = TICKS.load(Ordering::Relaxed).wrapping_add(1);
    TICKS.store(ticks, Ordering::Relaxed);
    kept::ticked(ticks);
}

/// Enables the clocks that memory regions need from the start, each with a bounded wait until it is
/// in force. Returns how many did not come up.
pub(crate) fn enable_memory_clocks(enables: &[ClockEnable]) -> u32 {
    enables.iter().filter(|enable| !enable_clock(enable)).count() as u32
}

/// Enables what a region needs that is not enabled from the start, in the order of the chip file.
/// Says whether all of it is in force.
#[must_use]
pub fn enable_region(region: &str) -> bool {
    let mut enables = platform().clock_enables_on_demand.iter();
    // One that is not in force may keep the next from being reached.
    enables.all(|enable| enable.region != region || enable_clock(enable)) && is_region_on(region)
}

/// Takes one of the bits back that [`enable_region`] sets, by its name in the chip file; nothing
/// where there is none of that name. For tests of what the bit opens.
///
/// # Safety
/// What the bit opened is not in use.
#[cfg(feature = "injection")]
pub unsafe fn disable_bit(name: &str) {
    let enables = platform().clock_enables_on_demand.iter();
    for enable in enables.filter(|enable| enable.name == name) {
        let register = core::ptr::with_exposed_provenance_mut::<u32>(enable.register as usize);
        // SAFETY: the chip file gives the address of a clock register of this chip.
        let before = unsafe { register.read_volatile() };
        // SAFETY: as above; only the one bit is taken away.
        unsafe { register.write_volatile(before & !(1 << enable.bit)) };
    }
}

/// Whether every clock that a region needs is in force. Memory without one must not be touched.
pub(crate) fn is_region_on(region: &str) -> bool {
    let Platform { clock_enables, clock_enables_on_demand, .. } = *platform();
    let mut enables = clock_enables.iter().chain(clock_enables_on_demand);
    enables.all(|enable| enable.region != region || is_ready(enable))
}

/// Whether a region is switched on by whoever wants it, and not at start-up.
pub(crate) fn is_on_demand(region: &str) -> bool {
    platform().clock_enables_on_demand.iter().any(|enable| enable.region == region)
}

fn is_ready(enable: &ClockEnable) -> bool {
    let ready = core::ptr::with_exposed_provenance::<u32>(enable.ready_register as usize);
    // SAFETY: the chip file gives the address of a clock register of this chip.
    let word = unsafe { ready.read_volatile() };
    word & 1 << enable.ready_bit != 0
}

fn enable_clock(enable: &ClockEnable) -> bool {
    let register = core::ptr::with_exposed_provenance_mut::<u32>(enable.register as usize);
    // SAFETY: the chip file gives the address of a clock register of this chip.
    let before = unsafe { register.read_volatile() };
    // SAFETY: as above; only the one bit that enables a memory's clock is added.
    unsafe { register.write_volatile(before | 1 << enable.bit) };
    let is_own = enable.ready_register == enable.register && enable.ready_bit == enable.bit;
    let limit = if is_own { READ_BACK_LIMIT } else { READY_LIMIT };
    (0..limit).any(|_| is_ready(enable))
}

/// Stops the tick: one that whoever ran before has left on, or that would disturb what is measured.
pub fn stop_tick() {
    // SAFETY: a timer that is off does nothing; who waits for a tick waits for ever.
    unsafe { system_timer().csr.write(0) };
}

/// Starts the periodic tick (DDI0403E B3.3).
pub(crate) fn start_tick(core_clock_hz: u32) {
    const ENABLE_WITH_INTERRUPT_FROM_CORE_CLOCK: u32 = 0b111;
    let reload = (core_clock_hz / TICK_HZ).clamp(1, 1 << 24) - 1;
    // SAFETY: the timer is off; its handler stands in the table in RAM.
    unsafe { system_timer().rvr.write(reload) };
    // SAFETY: as above; writing clears the counter.
    unsafe { system_timer().cvr.write(0) };
    // SAFETY: as above; the handler stands in the table in RAM.
    unsafe { system_timer().csr.write(ENABLE_WITH_INTERRUPT_FROM_CORE_CLOCK) };
}
