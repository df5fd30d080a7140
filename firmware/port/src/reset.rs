//! The way out of a boot: a reset of the core and its peripherals that keeps RAM.

use crate::hooks::crashrig_reset_hook;
use cortex_m::peripheral::SCB;

/// Asks for a system reset (DDI0403E B3.2.6, AIRCR.SYSRESETREQ) and waits for it.
pub fn reset() -> ! {
    // SAFETY: it goes on to `request`, which has the same signature.
    unsafe { crashrig_reset_hook() }
}

pub(crate) extern "C" fn request() -> ! {
    SCB::sys_reset()
}
