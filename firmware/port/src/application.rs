//! What a bootloader does with the application behind it: look at it, start it, or refuse it.
//!
//! The hand-over leaves the core as a reset does, as far as software can: nothing enabled, nothing
//! pending, memory protection off, the main stack in use, interrupts not masked. In the crash
//! region it notes the hand-over, with the reset flags of the chip, which start-up has cleared, and
//! leaves records alone. What it must never do is start an application that was not checked.
//!
//! Source: DDI0403E B1.5.5 (reset), B3.2 to B3.5; what ST's own bootloader leaves on is why the
//! start-up code of an application assumes nothing (`start.rs`).

use crate::registers::system_control;
use crate::{clock, fault, interrupts, limits, mpu, platform, reset_cause};
use core::arch::naked_asm;
use core::panic::Location;
use crashrig_layout::{Region, RegionKind};
use crashrig_memory::application::{self, Application};
use crashrig_memory::capture::Reported;
use crashrig_memory::raw::RetainedRam;
use crashrig_memory::reboot::{BootMode, Start};
use crashrig_memory::retain::CrashRegion;
use crashrig_wire::Detector;
use crashrig_wire::image_header::Refusal;

/// Checks the application in a part of flash, of first address and size in bytes.
///
/// # Errors
/// Why it must not be started; a range outside of flash has no vectors.
pub fn check((start, size_bytes): (u32, u32)) -> Result<Application, Refusal> {
    let mut regions = platform::platform().regions.iter();
    let is_flash = |it: &Region| it.kind == RegionKind::Flash && encloses(it, start, size_bytes);
    if !regions.any(is_flash) {
        return Err(Refusal::Vector);
    }
    let pointer = core::ptr::with_exposed_provenance::<u8>(start as usize);
    // SAFETY: the chip file says that all of it is flash, which the core can read and nothing in
    // here programs.
    let flash = unsafe { core::slice::from_raw_parts(pointer, size_bytes as usize) };
    application::check(flash, start, is_ram)
}

/// Whether a range is RAM that start-up code can use.
fn is_ram(start: u32, size_bytes: u32) -> bool {
    // Regions that follow each other are one, as main RAM is.
    let (lowest, end) = (platform::ram_start(), platform::ram_end());
    let in_main = lowest <= start && start < end && size_bytes <= end - start;
    let mut regions = platform::platform().regions.iter();
    in_main || regions.any(|it| it.kind == RegionKind::Ram && encloses(it, start, size_bytes))
}

fn encloses(region: &Region, start: u32, size_bytes: u32) -> bool {
    let offset = start.checked_sub(region.start);
    let room = offset.and_then(|offset| region.size_bytes.checked_sub(offset));
    room.is_some_and(|room| size_bytes <= room)
}

/// Starts an application that was checked, unless `limit` boots in a row ended badly: then its own
/// safe mode did not help, and the device stays here. To be called without kernel, with interrupts
/// masked.
pub fn hand_over(application: &Application, limit: u16) -> ! {
    let mut region = fault::open_region();
    let start = reset_cause::note(&mut region);
    if !region.hand_over(limit, start) {
        stay(region, start)
    }
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
/// have ended badly, the device stays here instead, in safe mode, for whoever comes to repair it.
#[track_caller]
pub fn refuse(refusal: Refusal, address: u32) -> ! {
    let policy = &platform::platform().policy;
    let mut region = fault::open_region();
    if policy.decide(region.ledger()) == BootMode::Normal {
        let (status, detector) = (refusal.status(), Detector::Bootloader);
        let error = Reported { status, value: address, detector, address: None };
        fault::capture_error(error, Location::caller())
    }
    let start = reset_cause::note(&mut region);
    stay(region, start)
}

/// Loops for ever, as nothing would wake a core that sleeps: this is where a product would look for
/// a new application. The boot is counted and has its end, so a reset out of this is no crash.
fn stay(mut region: CrashRegion<RetainedRam>, start: Start) -> ! {
    region.stay(start);
    loop {
        cortex_m::asm::nop();
    }
}
