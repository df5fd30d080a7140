//! Guard regions under the stacks, in the MPU (DDI0403E B3.5; PM0214 §4.2).
//!
//! A guard is a region without any access. It lies directly below its stack, is aligned to its
//! size, and is larger than an exception frame with floating-point state (104 bytes), so that
//! stacking cannot jump it. Inside HardFault and NMI the MPU is off (HFNMIENA = 0).

use crate::platform;
use crate::registers::memory_protection;

/// Regions with higher numbers win where regions overlap; guards take the highest two of eight.
const MAIN_GUARD: u32 = 6;
const ISR_GUARD: u32 = 7;

const ENABLE_WITH_DEFAULT_MAP: u32 = 0b101;
const EXECUTE_NEVER: u32 = 1 << 28;
const REGION_ENABLE: u32 = 1;
const ADDRESS_VALID: u32 = 1 << 4;

/// Switches off what whoever ran before has left on.
pub(crate) fn disarm() {
    // SAFETY: without regions the default map is in force.
    unsafe { memory_protection().ctrl.write(0) };
    cortex_m::asm::dsb();
    cortex_m::asm::isb();
}

/// Programs and enables both guards.
pub(crate) fn arm_guards() {
    for (number, start) in guards() {
        no_access(number, start, platform::guard_size_bytes());
    }
    cortex_m::asm::dsb();
    // SAFETY: the default map stays in force
    // wherever no region lies, so only the guards change.
    unsafe { memory_protection().ctrl.write(ENABLE_WITH_DEFAULT_MAP) };
    cortex_m::asm::dsb();
    cortex_m::asm::isb();
}

/// Whether both guards are in force, read back from the MPU.
pub(crate) fn guards_armed() -> bool {
    let mpu = memory_protection();
    mpu.ctrl.read() & 1 != 0
        && guards().into_iter().all(|(number, start)| {
            // SAFETY: selecting a region changes no access right.
            unsafe { mpu.rnr.write(number) };
            mpu.rbar.read() & !0x1F == start && mpu.rasr.read() & REGION_ENABLE != 0
        })
}

fn guards() -> [(u32, u32); 2] {
    [(MAIN_GUARD, platform::main_guard_start()), (ISR_GUARD, platform::isr_guard_start())]
}

/// Makes a region without access. `size_bytes` is a power of two from 32 on; `start` is aligned to
/// it.
pub fn no_access(number: u32, start: u32, size_bytes: u32) {
    let size_field = (size_bytes.trailing_zeros().saturating_sub(1)) << 1;
    // SAFETY: a region that forbids access can
    // only take rights away.
    unsafe { memory_protection().rbar.write(start | ADDRESS_VALID | number) };
    // SAFETY: as above.
    unsafe { memory_protection().rasr.write(EXECUTE_NEVER | size_field | REGION_ENABLE) };
    cortex_m::asm::dsb();
    cortex_m::asm::isb();
}
