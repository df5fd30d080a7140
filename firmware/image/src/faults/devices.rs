//! Devices of the chip, used and misused: the watchdog.

use super::control;
use crashrig_port::{clock, watchdog};

const TIMEOUT_MS: u32 = 50;

/// Lets some time pass without sleeping.
fn spin(duration_ms: u32) {
    let start_ms = clock::uptime_ms();
    while clock::uptime_ms().wrapping_sub(start_ms) < duration_ms {}
}

/// Starts the watchdog and feeds it for three times as long as it waits.
#[inline(never)]
pub fn feed_watchdog() {
    const PAUSE_MS: u32 = TIMEOUT_MS / 2;
    watchdog::start(TIMEOUT_MS);
    for _ in 0..3 * TIMEOUT_MS / PAUSE_MS {
        spin(PAUSE_MS);
        watchdog::feed();
    }
}

/// Starts the watchdog and never feeds it.
#[inline(never)]
pub fn starve_watchdog() {
    watchdog::start(TIMEOUT_MS);
    control::hang();
}
