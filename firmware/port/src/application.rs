//! What a bootloader does with the application behind it: look at it, start it, or refuse it.
//!
//! The hand-over leaves the core as a reset does, as far as software can: nothing enabled, nothing
//! pending, memory protection off, the main stack in use, interrupts not masked. It touches neither
//! the crash region nor the reset flags of the chip, so that the application finds what the reset
//! left. What it must never do is start an application that was not checked.
//!
//! Source: DDI0403E B1.5.5 (reset), B3.2 to B3.5; what ST's own bootloader leaves on is why the
//! start-up code of an application assumes nothing (`start.rs`).

use crate::registers::system_control;
use crate::{clock, fault, interrupts, limits, mpu, platform};
use core::arch::naked_asm;
use core::panic::Location;
use crashrig_layout::RegionKind;
use crashrig_memory::application::{self, Application};
use crashrig_memory::capture::{Reported, Reporter};
use crashrig_memory::reboot::BootMode;
use crashrig_wire::image_header::Refusal;

/// Checks the application in a part of flash, of first address and size in bytes.
///
/// # Errors
/// Why it must not be started.
///
/// # Safety
/// The range is flash, to be read by the core, that nobody writes.
pub unsafe fn check((start, size_bytes): (u32, u32)) -> Result<Application, Refusal> {
    let pointer = core::ptr::with_exposed_provenance::<u8>(start as usize);
    // SAFETY: the caller promises memory that can be read and does not change.
    let flash = unsafe { core::slice::from_raw_parts(pointer, size_bytes as usize) };
    application::check(flash, start, is_ram)
}

/// RAM that needs no clock enabled first: the part that start-up code relies on.
fn is_ram(start: u32, size_bytes: u32) -> bool {
    let inside = |lowest: u32, end: u32| lowest <= start && start <= end - size_bytes;
    let other = platform::platform().regions.iter().filter(|it| it.kind == RegionKind::Ram);
    inside(platform::ram_start(), platform::ram_end())
        || other.into_iter().any(|it| inside(it.start, it.start + it.size_bytes))
}

/// Starts an application that was checked. To be called before the kernel starts, with interrupts
/// masked.
pub fn hand_over(application: &Application) -> ! {
    clock::stop_tick();
    interrupts::silence();
    mpu::disarm();
    let scb = system_control();
    // SAFETY: faults escalate to HardFault until the application gives them handlers, as after a
    // reset.
    unsafe { scb.shcsr.write(0) };
    // SAFETY: the check found a vector table there; interrupts are masked and none is enabled.
    unsafe { scb.vtor.write(application.vectors) };
    cortex_m::asm::dsb();
    cortex_m::asm::isb();
    // SAFETY: nothing of this program is used any more.
    unsafe { enter(application.vectors) }
}

/// What the core does after a reset: loads stack pointer and program counter from a vector table.
///
/// # Safety
/// `vectors` is the table of a program that was checked, and VTOR points to it.
#[unsafe(naked)]
unsafe extern "C" fn enter(vectors: u32) -> ! {
    naked_asm!(
        "movs r3, #0",
        "msr control, r3",
        "isb",
        limits::take_limits_away!(),
        "ldr r1, [r0]",
        "ldr r2, [r0, #4]",
        "msr msp, r1",
        // An application may rely on it that a reset does not mask.
        "cpsie i",
        "mov lr, #-1",
        "bx r2",
    )
}

/// Refuses the application at an address: leaves a record and resets. Once too many boots in a row
/// ended badly it returns, and the bootloader is to stay.
#[track_caller]
pub fn refuse(refusal: Refusal, address: u32) {
    if fault::mode_before_boot() == BootMode::Normal {
        let error = Reported { status: refusal.status(), value: address, by: Reporter::Bootloader };
        fault::capture_error(error, Location::caller())
    }
}
