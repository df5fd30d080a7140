//! Accesses that the bus or the MPU refuses.

use core::arch::asm;
use core::hint::black_box;
use crashrig_port::{mpu, platform};
use crashrig_wire::Fault;

/// A load.
#[inline(never)]
pub fn bus_read(address: u32) {
    let pointer = core::ptr::with_exposed_provenance::<u32>(address as usize);
    // SAFETY: none; the load is meant to fault.
    let word = unsafe { pointer.read_volatile() };
    black_box(word);
}

/// A store.
#[inline(never)]
pub fn bus_write(address: u32) {
    let pointer = core::ptr::with_exposed_provenance_mut::<u32>(address as usize);
    // SAFETY: none; the store is meant to fault.
    unsafe { pointer.write_volatile(0xC0FF_EE00) };
    black_box(());
}

/// A load that faults while the frame pointer leads into memory that cannot be read: the capture of
/// the first fault is cut short by a second when it follows the trail.
#[inline(never)]
pub fn capture_fault(address: u32) {
    const SMALLEST_REGION_BYTES: u32 = 32;
    // Far below what is in use of this stack, yet inside of it.
    let trap = platform::main_stack_start() + 512;
    mpu::no_access(mpu::SPARE_REGION, trap, SMALLEST_REGION_BYTES);
    // SAFETY: none; the load is meant to fault with a frame pointer that leads into the trap.
    unsafe {
        asm!(
            "mov r7, {trap}",
            "ldr {scratch}, [{address}]",
            trap = in(reg) trap,
            address = in(reg) address,
            scratch = out(reg) _,
        );
    }
    black_box(());
}

/// A call of address 0.
#[inline(never)]
pub fn null_call() {
    super::execute::call(0);
}

/// A store to memory that is protected: null, flash, or the vector table in RAM, as the fault says.
pub fn protected(fault: Fault) {
    bus_write(match fault {
        Fault::FlashWrite => platform::text_start(),
        Fault::VectorWrite => platform::vectors_start(),
        _ => 0,
    });
}
