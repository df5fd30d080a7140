//! The way out of a boot: a reset of the core and its peripherals that keeps RAM.

use cortex_m::peripheral::SCB;

/// Asks for a system reset (DDI0403E B3.2.6, AIRCR.SYSRESETREQ) and waits for it.
pub fn reset() -> ! {
    SCB::sys_reset()
}
