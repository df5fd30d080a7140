//! Interrupts of the chip: handlers in the table in RAM, enabled and pended by number.

use crate::registers::interrupt_controller;
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

/// Installs a handler for an interrupt in the table in RAM.
pub fn install(interrupt: u32, handler: Handler) {
    vectors::install(vectors::CORE_EXCEPTIONS + interrupt, handler);
}

/// Whether the entries of an interrupt in flash and in RAM differ.
#[must_use]
pub fn entries_differ(interrupt: u32) -> bool {
    let (flash, ram) = vectors::entries(vectors::CORE_EXCEPTIONS + interrupt);
    flash != ram
}

/// Enables an interrupt at the lowest priority and pends it. It runs before the caller goes on,
/// unless interrupts are masked. A number that the chip does not implement does nothing.
pub fn raise(interrupt: u32) {
    if interrupt >= count() {
        return;
    }
    let (word, bit) = ((interrupt / 32) as usize, interrupt % 32);
    let nvic = interrupt_controller();
    if let Some(priority) = nvic.ipr.get(interrupt as usize) {
        // SAFETY: the interrupt is not enabled yet.
        unsafe { priority.write(LOWEST_PRIORITY) };
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
