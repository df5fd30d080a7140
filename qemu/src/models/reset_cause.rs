//! RCC_CSR of the STM32F4: why the chip was reset (RM0090 §7.3.21, from memory, not checked; the
//! numbers of bits are those of ST's header).
//!
//! Flags add up until somebody clears them. Every reset inside of the chip pulls its pin low, so
//! the flag of the pin stands beside the others.

use super::{Bus, MmioModel, Registers, Reset, Width};
use crate::error::Error;

const REGISTER: u32 = 0x4002_3874;

/// LSION, and LSIRDY, which follows it.
const OSCILLATOR: u32 = 1 << 0;
const OSCILLATOR_READY: u32 = 1 << 1;
/// RMVF.
const CLEAR: u32 = 1 << 24;
const BROWN_OUT: u32 = 1 << 25;
const PIN: u32 = 1 << 26;
const POWER_ON: u32 = 1 << 27;
const SOFTWARE: u32 = 1 << 28;
const WATCHDOG: u32 = 1 << 29;

/// The register.
#[derive(Debug)]
pub struct ResetCause {
    flags: u32,
    oscillator: bool,
}

impl Default for ResetCause {
    fn default() -> Self {
        Self::new()
    }
}

impl ResetCause {
    /// The register after a power-on.
    #[must_use]
    pub const fn new() -> Self {
        Self { flags: BROWN_OUT | PIN | POWER_ON, oscillator: false }
    }

    const fn word(&self) -> u32 {
        let oscillator = if self.oscillator { OSCILLATOR | OSCILLATOR_READY } else { 0 };
        self.flags | oscillator
    }
}

impl MmioModel for ResetCause {
    fn registers(&self) -> Vec<Registers> {
        vec![Registers { start: REGISTER, size_bytes: 4, reads: true }]
    }

    fn read(&mut self, address: u32, width: Width, _: &mut dyn Bus) -> Result<u32, Error> {
        Ok(self.word() >> (8 * (address & 3)) & width.mask())
    }

    fn write(
        &mut self,
        address: u32,
        width: Width,
        value: u32,
        _: &mut dyn Bus,
    ) -> Result<(), Error> {
        let shift = 8 * (address & 3);
        let kept = self.word() & !(width.mask() << shift);
        let value = kept | (value & width.mask()) << shift;
        self.oscillator = value & OSCILLATOR != 0;
        if value & CLEAR != 0 {
            self.flags = 0;
        }
        Ok(())
    }

    fn event(&mut self) {}

    fn step(&mut self, _: &mut dyn Bus) -> Result<bool, Error> {
        Ok(false)
    }

    /// The flags are reset by a loss of power alone, the rest by every reset.
    fn reset(&mut self, reset: Reset) {
        self.oscillator = false;
        match reset {
            Reset::SystemReset => self.flags |= PIN | SOFTWARE,
            Reset::Watchdog => self.flags |= PIN | WATCHDOG,
            Reset::Pin => self.flags |= PIN,
            Reset::PowerOn | Reset::PowerOnWithBattery => *self = Self::new(),
            // Standby has a flag in PWR_CSR, and the other is no reset of the chip.
            Reset::Standby | Reset::BackupDomain => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::NoBus;

    fn read(model: &mut ResetCause) -> u32 {
        model.read(REGISTER, Width::Word, &mut NoBus::default()).unwrap()
    }

    /// The flags after these resets, none of them cleared.
    fn check(resets: &[Reset], expected: u32) {
        let mut model = ResetCause { flags: 0, oscillator: true };
        resets.iter().for_each(|reset| model.reset(*reset));
        assert_eq!(read(&mut model), expected, "{resets:?}");
    }

    /// §7.3.21: bits 25 to 31.
    #[test]
    fn each_reset_has_its_flags() {
        check(&[], 3);
        check(&[Reset::PowerOn], 0x0e00_0000);
        check(&[Reset::PowerOnWithBattery], 0x0e00_0000);
        check(&[Reset::SystemReset], 0x1400_0000);
        check(&[Reset::Watchdog], 0x2400_0000);
        check(&[Reset::Pin], 0x0400_0000);
        check(&[Reset::SystemReset, Reset::Watchdog], 0x3400_0000);
        check(&[Reset::SystemReset, Reset::PowerOn], 0x0e00_0000);
    }

    /// RMVF clears the flags and reads as zero; the flags themselves are read only.
    #[test]
    fn flags_are_cleared_on_request() {
        let mut model = ResetCause::new();
        let mut write = |width, address, value| {
            model.write(address, width, value, &mut NoBus::default()).unwrap();
            read(&mut model)
        };
        assert_eq!(write(Width::Word, REGISTER, 0xf000_0001), 0x0e00_0003);
        assert_eq!(write(Width::Word, REGISTER, 1 << 24 | 1), 3);
        assert_eq!(write(Width::Byte, REGISTER, 0), 0);
        model.reset(Reset::Pin);
        assert_eq!(model.read(REGISTER + 3, Width::Byte, &mut NoBus::default()).unwrap(), 4);
        model.write(REGISTER + 3, Width::Byte, 1, &mut NoBus::default()).unwrap();
        assert_eq!(read(&mut model), 0);
    }
}
