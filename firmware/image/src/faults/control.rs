//! Boots that never end by themselves, and an interrupt that nobody expects.

use core::arch::asm;
use core::hint::black_box;
use cortex_m::peripheral::SCB;
use crashrig_port::{channel, interrupts};

/// A handler that faults at once.
extern "C" fn faulting_handler() {
    // SAFETY: none; an undefined instruction inside HardFault locks the core up (DDI0403E B1.5.15).
    unsafe { asm!("udf #0") };
}

/// Replaces the HardFault handler by one that faults, then causes a HardFault: lockup.
#[inline(never)]
pub fn lock_up() {
    const HARD_FAULT: usize = 3;
    // SAFETY: the address of SCB is fixed by the architecture; reading VTOR has no side effect.
    let table = unsafe { (*SCB::PTR).vtor.read() } as usize;
    let entry = core::ptr::with_exposed_provenance_mut::<u32>(table + 4 * HARD_FAULT);
    // SAFETY: an entry of the table that VTOR names.
    unsafe { entry.write_volatile(faulting_handler as *const () as usize as u32) };
    cortex_m::interrupt::disable();
    // With interrupts masked no configurable fault can be taken, so this becomes a HardFault.
    // SAFETY: none; the instruction is meant to fault.
    unsafe { asm!("udf #0") };
    black_box(());
}

/// An endless loop with interrupts masked.
#[inline(never)]
pub fn hang() {
    cortex_m::interrupt::disable();
    loop {
        black_box(());
    }
}

/// Says so on the console and leaves the emulator, as an image that is not ours would end.
#[inline(never)]
pub fn foreign_exit(status: u32) -> ! {
    channel::console(c"leaving by a semihosting exit\n");
    channel::exit(status)
}

/// Raises an interrupt that still has the handler of every vector that nobody claimed.
#[inline(never)]
pub fn unexpected_interrupt() {
    interrupts::raise(interrupts::count() - 3);
}
