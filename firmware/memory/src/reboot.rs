//! When a device stops rebooting as if nothing had happened: a limit of crashes in a row, then safe
//! mode.
//!
//! A device that crashes at each start wears itself out and never tells anyone. So each boot is
//! followed in the ledger: it begins, and it ends in order, with a record, or not at all. The two
//! bad ends are counted together; at the limit of the [`Policy`] the next boot is told to run in
//! safe mode. The count is cleared once a boot was [`healthy`] for long enough, or by whoever
//! looked at the crashes ([`acknowledged`]).
//!
//! Everything here is a pure change of a ledger; [`crate::retain`] writes it. A boot without an end
//! is only noticed by the next one, and a loss of power is not held against anyone: the caller says
//! what the chip says of its last reset. What hangs before it has begun is never seen here, so a
//! boot is to begin as early as it can.

use crashrig_wire::ledger::{Class, Phase, SafeMode};
use crashrig_wire::{Ledger, Status};

/// How many crashes are answered by a mere reboot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Crashes in a row, boots without an end among them, from which on a boot is in safe mode; 0
    /// counts as 1.
    pub reboot_limit: u16,
    /// How long a boot must run before it counts as healthy, in milliseconds.
    pub healthy_after_ms: u32,
}

/// How a boot is to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BootMode {
    /// As ever.
    Normal,
    /// With as little as is needed to be repaired.
    Safe {
        /// Boots in a row that crashed or had no end.
        crashes_in_a_row: u16,
    },
}

/// What a chip says of the reset before this boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Any reset with the power on; also where the chip cannot tell.
    Reset,
    /// Power came back.
    PowerOn,
}

impl Policy {
    /// How a boot with this ledger is to run. Safe mode, once entered, lasts until it is left:
    /// another limit in newer firmware does not end it.
    #[must_use]
    pub const fn decide(&self, ledger: &Ledger) -> BootMode {
        let limit = if self.reboot_limit == 0 { 1 } else { self.reboot_limit };
        let crashes_in_a_row = ledger.crashes_in_a_row;
        if crashes_in_a_row >= limit || !matches!(ledger.safe_mode, SafeMode::Off) {
            BootMode::Safe { crashes_in_a_row }
        } else {
            BootMode::Normal
        }
    }

    /// Whether a boot that has run for so many milliseconds counts as healthy.
    #[must_use]
    pub const fn is_healthy_at(&self, uptime_ms: u32) -> bool {
        uptime_ms >= self.healthy_after_ms
    }

    /// A boot begins: the one before is counted if it had no end, and the mode is decided and
    /// noted.
    pub const fn begin(&self, ledger: &mut Ledger, start: Start) -> BootMode {
        // Behind a hand-over the bootloader has counted it, and the newest crash is older than it.
        let handed_over = matches!(ledger.phase, Phase::HandedOver);
        let is_new = !handed_over && is_without_end(ledger, start);
        let without_end = is_new || handed_over && ledger.boots_since_crash > 0;
        if is_new {
            count_without_end(ledger);
        }
        ledger.boots_since_crash = ledger.boots_since_crash.saturating_add(1);
        ledger.phase = Phase::Running;
        let mode = self.decide(ledger);
        if matches!(mode, BootMode::Safe { .. }) {
            enter_safe_mode(ledger, without_end);
        }
        mode
    }
}

/// Whether a bootloader is to start the application. Notes the hand-over, and counts the boot
/// before if it had no end, even if the application did not come far enough to begin it.
///
/// After `limit` bad ends in a row it says no and changes nothing: the application's own safe mode
/// did not help, so the bootloader is to stay. It may be tried again behind a boot that had its
/// end, such as one in which the bootloader stayed.
pub const fn hand_over(ledger: &mut Ledger, limit: u16, start: Start) -> bool {
    let without_end = is_without_end(ledger, start);
    let in_a_row = ledger.crashes_in_a_row.saturating_add(without_end as u16);
    let ended_badly = without_end || matches!(ledger.phase, Phase::Crashed);
    if ended_badly && in_a_row >= limit {
        return false;
    }
    if without_end {
        count_without_end(ledger);
    }
    ledger.phase = Phase::HandedOver;
    true
}

/// A boot begins in which a bootloader stays: safe mode, whatever the count. It has its end
/// already: a reset out of it is no crash.
pub const fn stay(ledger: &mut Ledger, start: Start) {
    let without_end = is_without_end(ledger, start);
    if without_end {
        count_without_end(ledger);
    }
    ledger.boots_since_crash = ledger.boots_since_crash.saturating_add(1);
    enter_safe_mode(ledger, without_end);
    ended(ledger);
}

const fn enter_safe_mode(ledger: &mut Ledger, without_end: bool) {
    if matches!(ledger.safe_mode, SafeMode::Off) {
        ledger.safe_mode = if without_end { SafeMode::NoEnd } else { SafeMode::Crash };
    }
}

/// Notes the flags of the reset before this boot, as the chip gives them; 0 if it gives none. To be
/// called once a boot, before it is counted.
///
/// A bootloader takes the flags with it, so the application behind it finds none and notes none.
pub const fn note_reset(ledger: &mut Ledger, flags: u8) {
    if flags != 0 || !matches!(ledger.phase, Phase::HandedOver) {
        ledger.reset_causes = ledger.reset_causes << u8::BITS | flags as u32;
    }
}

const fn is_without_end(ledger: &Ledger, start: Start) -> bool {
    matches!(ledger.phase, Phase::Running | Phase::HandedOver) && matches!(start, Start::Reset)
}

const fn count_without_end(ledger: &mut Ledger) {
    // What never began its boot did not count it either.
    if matches!(ledger.phase, Phase::HandedOver) {
        ledger.boots_since_crash = ledger.boots_since_crash.saturating_add(1);
    }
    ledger.crashes_in_a_row = ledger.crashes_in_a_row.saturating_add(1);
    ledger.boots_without_end = ledger.boots_without_end.saturating_add(1);
}

/// A crash left a record with a status.
pub fn crashed(ledger: &mut Ledger, status: Status) {
    ledger.crashes_in_a_row = ledger.crashes_in_a_row.saturating_add(1);
    ledger.boots_since_crash = 0;
    ledger.newest_status = status;
    ledger.phase = Phase::Crashed;
    let class = usize::from(Class::of(status).code());
    if let Some(count) = ledger.crashes_by_class.get_mut(class) {
        *count = count.saturating_add(1);
    }
}

/// The boot has run long enough to be trusted. It is not over: should it find no end, that counts.
pub const fn healthy(ledger: &mut Ledger) {
    ledger.crashes_in_a_row = 0;
    ledger.safe_mode = SafeMode::Off;
}

/// Somebody has looked at the crashes and wants the device to run normally again.
pub const fn acknowledged(ledger: &mut Ledger) {
    healthy(ledger);
}

/// The boot is about to reset itself, in order. That clears nothing: a boot that updates itself or
/// changes its settings has not proved anything.
pub const fn ended(ledger: &mut Ledger) {
    ledger.phase = Phase::Ended;
}
