//! Devices of the chip, used and misused; here the watchdog.

#[cfg(feature = "injection")]
use super::backup_sram;
use super::{control, flash};
use crashrig_port::{clock, watchdog};
use crashrig_wire::Fault;

const TIMEOUT_MS: u32 = 50;

/// Set in the parameter of a long work: a watchdog is started before it.
pub const WITH_WATCHDOG: u32 = 1 << 30;

/// Does a work that should be over in time. Where the parameter asks for it, and the chip has one,
/// a watchdog ends the boot if it is not; nothing stops the watchdog but a reset, so what comes
/// behind the work has as much time again.
pub fn watched<T>(parameter: u32, timeout_ms: u32, work: impl FnOnce() -> T) -> T {
    let is_watched = parameter & WITH_WATCHDOG != 0;
    if is_watched {
        watchdog::start(timeout_ms);
    }
    let result = work();
    if is_watched {
        watchdog::feed();
    }
    result
}

/// Carries out a fault of a device. Returns only if nothing was to be broken.
pub fn carry_out(fault: Fault, parameter: u32) {
    match fault {
        Fault::FlashProgram => flash::program_flash(parameter),
        #[cfg(feature = "injection")]
        Fault::FlashMisuse => flash::misuse_flash(),
        #[cfg(feature = "injection")]
        Fault::BackupSram => backup_sram::use_backup_sram(parameter),
        Fault::WatchdogHang if parameter == 1 => feed_watchdog(),
        Fault::WatchdogHang => starve_watchdog(),
        _ => {}
    }
}

/// Locks the core up, under a watchdog if the parameter asks for it.
pub fn lock_up(parameter: u32) {
    watched(parameter, TIMEOUT_MS, control::lock_up);
}

/// Lets some time pass without sleeping.
fn spin(duration_ms: u32) {
    let start_ms = clock::uptime_ms();
    while clock::uptime_ms().wrapping_sub(start_ms) < duration_ms {}
}

/// Starts the watchdog and feeds it for three times as long as it waits.
#[inline(never)]
fn feed_watchdog() {
    const PAUSE_MS: u32 = TIMEOUT_MS / 2;
    watchdog::start(TIMEOUT_MS);
    for _ in 0..3 * TIMEOUT_MS / PAUSE_MS {
        spin(PAUSE_MS);
        watchdog::feed();
    }
}

/// Starts the watchdog and never feeds it.
#[inline(never)]
fn starve_watchdog() {
    watchdog::start(TIMEOUT_MS);
    control::hang();
}
