//! What a boot tells the ledger of itself; each is a change of [`crate::reboot`] and a write.

use super::{CrashRegion, Store};
use crate::reboot::{self, Start};

impl<S: Store> CrashRegion<S> {
    /// The boot has run for [`reboot::Policy::healthy_after_ms`]: crashes in a row are forgotten,
    /// and safe mode ends with this boot. Writes only what is new.
    pub fn healthy(&mut self) {
        let before = self.ledger;
        reboot::healthy(&mut self.ledger);
        if self.ledger != before {
            self.write_ledger();
        }
    }

    /// Marks the end of a boot that resets itself in order. The last thing before the reset.
    pub fn end_in_order(&mut self) {
        reboot::ended(&mut self.ledger);
        self.write_ledger();
    }

    /// Notes why the chip was reset before this boot, as part of the write that comes next; see
    /// [`reboot::note_reset`].
    pub const fn note_reset(&mut self, flags: u8) {
        reboot::note_reset(&mut self.ledger, flags);
    }

    /// Counts a boot in which a bootloader stays; see [`reboot::stay`].
    pub fn stay(&mut self, start: Start) {
        self.ledger.boots = self.ledger.boots.saturating_add(1);
        reboot::stay(&mut self.ledger, start);
        self.write_ledger();
    }

    /// Whether a bootloader is to start the application, and a note that it did; see
    /// [`reboot::hand_over`]. The boot is counted by the application.
    pub fn hand_over(&mut self, limit: u16, start: Start) -> bool {
        let goes_on = reboot::hand_over(&mut self.ledger, limit, start);
        if goes_on {
            self.write_ledger();
        }
        goes_on
    }
}
