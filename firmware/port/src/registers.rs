//! The register blocks of the core, which every other file of this crate takes from here.
//!
//! Their addresses are fixed by the architecture (DDI0403E B3.2, B3.3, B3.4, B3.5; ARMv8-M has them
//! at the same places). All fields are volatile cells, so shared references to them are sound; what
//! a write does is for its caller to answer for.

use cortex_m::peripheral::{FPU, MPU, NVIC, SCB, SYST, fpu, mpu, nvic, scb, syst};

/// The System Control Block.
pub(crate) fn system_control() -> &'static scb::RegisterBlock {
    // SAFETY: the block exists at this address on every ARMv7-M and ARMv8-M core, never moved.
    unsafe { &*SCB::PTR }
}

/// The Memory Protection Unit.
pub(crate) fn memory_protection() -> &'static mpu::RegisterBlock {
    // SAFETY: as above; a core without the unit reads its type register as zero.
    unsafe { &*MPU::PTR }
}

/// The Nested Vectored Interrupt Controller.
pub(crate) fn interrupt_controller() -> &'static nvic::RegisterBlock {
    // SAFETY: as above.
    unsafe { &*NVIC::PTR }
}

/// The floating-point unit's context control.
pub(crate) fn float_unit() -> &'static fpu::RegisterBlock {
    // SAFETY: as above; a core without the unit reads its registers as zero.
    unsafe { &*FPU::PTR }
}

/// The system timer.
pub(crate) fn system_timer() -> &'static syst::RegisterBlock {
    // SAFETY: as above.
    unsafe { &*SYST::PTR }
}

/// The status of SecureFaults. The block of the Security Attribution Unit holds it.
#[cfg(armv8m)]
pub(crate) fn secure_fault_status() -> u32 {
    // SAFETY: the block exists at this address in secure state and is never moved.
    unsafe { &*cortex_m::peripheral::SAU::PTR }.sfsr.read().0
}
