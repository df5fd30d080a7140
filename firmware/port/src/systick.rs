//! The clock tick: counts time, lets the kernel know, and checks the stacks in use, as each switch
//! of threads and each end of one does.
//!
//! The checks find what the guard regions did not: a canary that was overwritten, and a stack
//! pointer outside of its stack, which is a frame that jumped guard and canary.

use crate::{clock, detectors, dma, fault, kernel, platform};
use core::arch::naked_asm;
use crashrig_memory::check::{Checks, broken_canary, check_stack};
use crashrig_memory::classify::{Entry, Meaning};
use crashrig_memory::map::MemoryMap;
use crashrig_wire::Detector;

/// Saves what a record needs of the interrupted code, then ticks.
///
/// # Safety
/// Only the core calls this, through the vector table in RAM.
#[unsafe(naked)]
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn crashrig_systick_entry() {
    naked_asm!(
        "mrs r0, msp",
        "mrs r1, psp",
        "mov r2, lr",
        "push {{r4-r11}}",
        "mov r3, sp",
        "push {{r3, lr}}",
        "bl {tick}",
        "pop {{r3, lr}}",
        "pop {{r4-r11}}",
        "bx lr",
        tick = sym tick,
    )
}

extern "C" fn tick(msp: u32, psp: u32, exc_return: u32, callee_saved: &[u32; 8]) {
    clock::count_tick();
    let entry = fault::entry(kernel::running(), clock::SYSTICK, exc_return, [msp, psp]);
    check(&entry, callee_saved);
    dma::hooks::tick();
    kernel::tick();
}

/// Checks the stacks in use, and ends the boot with a record if something is wrong.
pub(crate) fn check(entry: &Entry, callee_saved: &[u32; 8]) {
    if let Some(meaning) = crashrig_check_stacks(entry) {
        fault::capture_found(entry, &meaning, callee_saved);
    }
}

/// What is wrong with the stack of whoever was interrupted, or with the ISR stack's canary. A
/// debugger can stop the device here, at the first instruction of these detectors.
#[inline(never)]
#[unsafe(no_mangle)]
pub(crate) fn crashrig_check_stacks(entry: &Entry) -> Option<Meaning> {
    let stacks = kernel::stacks_in_use();
    // Whose memory an address is matters only once something was found.
    look(entry, &MemoryMap { stacks: &stacks, image: &[], chip: &[] })?;
    let (image, chip) = (platform::image_areas(), platform::chip_areas());
    look(entry, &MemoryMap { stacks: &stacks, image: &image, chip: &chip })
}

fn look(entry: &Entry, map: &MemoryMap<'_>) -> Option<Meaning> {
    let checks = Checks {
        canary: detectors::is_on(Detector::StackCanary),
        range: detectors::is_on(Detector::SpRange),
    };
    let isr = kernel::isr_stack();
    let stack = map.stack_of(entry.interrupted()).copied().unwrap_or(isr);
    check_stack(entry, map, &kernel::words_of(stack), checks).or_else(|| {
        let canary = checks.canary.then(|| broken_canary(&isr, map, &kernel::words_of(isr)));
        canary.flatten()
    })
}
