//! Interrupts of the chip: handlers in the table in RAM, enabled and pended by number.

use crate::registers::{interrupt_controller, system_control};
use crate::vectors;

/// Lowest priority; on the STM32F4 the upper four bits count (PM0214 §4.3.7).
const LOWEST_PRIORITY: u8 = 0xF0;

/// A handler of an interrupt.
pub type Handler = unsafe extern "C" fn();

/// Interrupts that the chip implements.
#[must_use]
pub fn count() -> u32 {
    vectors::interrupt_count()
}

/// The exception that is being handled, as in IPSR; 0 in a thread.
#[must_use]
pub fn active() -> u32 {
    let number: u32;
    // SAFETY: reading IPSR has no side effect; an unprivileged thread reads zero, and is one.
    unsafe { core::arch::asm!("mrs {0}, ipsr", out(reg) number, options(nomem, nostack)) };
    number
}

/// Installs a handler for an interrupt in the table in RAM.
pub fn install(interrupt: u32, handler: Handler) {
    vectors::install(vectors::CORE_EXCEPTIONS + interrupt, handler);
}

/// Installs a handler for an exception of the core, by its number (DDI0403E B1.5.2).
pub fn install_for_exception(exception: u32, handler: Handler) {
    vectors::install(exception, handler);
}

/// Puts every interrupt below the clock, also those that nobody gives a priority: after a reset
/// they have the highest there is (DDI0403E B3.4.9).
pub(crate) fn lower() {
    for priority in interrupt_controller().ipr.iter().take(count() as usize) {
        // SAFETY: none is enabled yet.
        unsafe { priority.write(LOWEST_PRIORITY) };
    }
}

/// Disables every interrupt and forgets those that are pending, the core's own among them.
pub(crate) fn silence() {
    // ICSR.PENDSVCLR and ICSR.PENDSTCLR (DDI0403E B3.2.4).
    const CLEAR_PENDSV_AND_SYSTICK: u32 = 1 << 27 | 1 << 25;
    let nvic = interrupt_controller();
    for (enable, pending) in nvic.icer.iter().zip(&nvic.icpr) {
        // SAFETY: nothing waits for an interrupt any more; bits that are not implemented ignore it.
        unsafe { enable.write(u32::MAX) };
        // SAFETY: as above.
        unsafe { pending.write(u32::MAX) };
    }
    // SAFETY: as above.
    unsafe { system_control().icsr.write(CLEAR_PENDSV_AND_SYSTICK) };
    cortex_m::asm::dsb();
    cortex_m::asm::isb();
}

/// Exceptions of the core in front of the first interrupt.
pub(crate) const CORE_EXCEPTIONS: u32 = vectors::CORE_EXCEPTIONS;

/// Enables an interrupt at the lowest priority, without pending it. A number that the chip does not
/// implement does nothing.
pub fn enable(interrupt: u32) {
    let enables = &interrupt_controller().iser;
    if let Some(enable) = enables.get((interrupt / 32) as usize).filter(|_| interrupt < count()) {
        // SAFETY: an entry for it stands in the table.
        unsafe { enable.write(1 << (interrupt % 32)) };
    }
}

/// Whether the entries of an interrupt in flash and in RAM differ.
#[must_use]
pub fn entries_differ(interrupt: u32) -> bool {
    let (flash, ram) = vectors::entries(vectors::CORE_EXCEPTIONS + interrupt);
    flash != ram
}

/// Enables an interrupt above those that [`raise`] raises, and pends it: it preempts their
/// handlers.
pub fn pend_above(interrupt: u32) {
    const HIGHER_PRIORITY: u8 = 0x80;
    raise_at(interrupt, HIGHER_PRIORITY);
}

/// Enables an interrupt at the lowest priority and pends it. It runs before the caller goes on,
/// unless interrupts are masked. A number that the chip does not implement does nothing.
pub fn raise(interrupt: u32) {
    raise_at(interrupt, LOWEST_PRIORITY);
}

fn raise_at(interrupt: u32, level: u8) {
    if interrupt >= count() {
        return;
    }
    let (word, bit) = ((interrupt / 32) as usize, interrupt % 32);
    let nvic = interrupt_controller();
    if let Some(priority) = nvic.ipr.get(interrupt as usize) {
        // SAFETY: the interrupt is not enabled yet.
        unsafe { priority.write(level) };
    }
    if let (Some(enable), Some(pend)) = (nvic.iser.get(word), nvic.ispr.get(word)) {
        // SAFETY: an entry for it stands in the table.
        unsafe { enable.write(1 << bit) };
        // SAFETY: as above.
        unsafe { pend.write(1 << bit) };
    }
    cortex_m::asm::dsb();
    cortex_m::asm::isb();
}
