//! The clock tick: counts time, and checks that stack pointers are where they belong.
//!
//! The check (detector `sp-range`) is for frames that jump a guard region without touching it:
//! nothing faults then, and the next tick finds the stack pointer outside of its stack.

use crate::{clock, fault, platform};
use core::arch::naked_asm;
use crashrig_memory::capture::check_range;
use crashrig_memory::classify::Entry;
use crashrig_memory::map::MemoryMap;

/// Saves what a record needs of the interrupted code, then ticks.
///
/// # Safety
/// Only the core calls this, through the vector table in RAM.
#[unsafe(naked)]
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
    const SYSTICK: u32 = 15;
    clock::count_tick();
    if cfg!(feature = "without-sp-range") {
        return;
    }
    let entry = Entry { vector: SYSTICK, exc_return, msp, psp };
    let image = platform::image_areas();
    // The check needs the stacks only.
    let map = MemoryMap { image: &image, chip: &[] };
    if check_range(&entry, &map).is_some() {
        fault::capture_out_of_range(&entry, callee_saved);
    }
}
