//! The independent watchdog (IWDG) of the STM32F4 (RM0090 chapter 21, from memory, not checked).
//!
//! A counter with a clock of its own, which software can start and feed but not stop: at zero the
//! chip is reset. Its clock, the LSI, has 32 kHz here, the typical value; a chip may have 17 to 47.
//!
//! **Decided here.** An update of prescaler or reload counts at once, and is under way until the
//! status register was read once: what does not ask finds the next write to that register ignored,
//! as it would be on a chip. Freezing by a debugger and starting by option byte are not modelled.

use super::{Bus, MmioModel, Registers, Reset, Width};
use crate::error::Error;

const START: u32 = 0x4000_3000;

/// One period of the LSI in nanoseconds.
const CLOCK_NS: u64 = 31_250;

/// What is written to IWDG_KR (§21.4.1).
mod key {
    pub const OPEN: u32 = 0x5555;
    pub const FEED: u32 = 0xaaaa;
    pub const START: u32 = 0xcccc;
}

/// IWDG_SR (§21.4.4): an update of the prescaler, or of the reload value, is under way.
const PRESCALER_BUSY: u32 = 1 << 0;
const RELOAD_BUSY: u32 = 1 << 1;

const RELOAD_AT_RESET: u32 = 0xfff;

/// The watchdog.
#[derive(Debug)]
pub struct Watchdog {
    open: bool,
    prescaler: u32,
    reload: u32,
    busy: u32,
    /// Once it was started: when the counter was loaded, and with what.
    loaded: Option<(u64, u32)>,
}

impl Default for Watchdog {
    fn default() -> Self {
        Self::new()
    }
}

impl Watchdog {
    /// The watchdog after a reset, not started.
    #[must_use]
    pub const fn new() -> Self {
        Self { open: false, prescaler: 0, reload: RELOAD_AT_RESET, busy: 0, loaded: None }
    }

    /// How long the counter stays at one value (§21.4.2): 4 periods of its clock to 256.
    fn count_ns(&self) -> u64 {
        CLOCK_NS << (self.prescaler + 2).min(8)
    }

    fn write_key(&mut self, value: u32, now_ns: u64) {
        // Each key but one closes the other registers.
        self.open = value == key::OPEN;
        match value {
            key::START if self.loaded.is_none() => self.loaded = Some((now_ns, RELOAD_AT_RESET)),
            key::FEED if self.loaded.is_some() => self.loaded = Some((now_ns, self.reload)),
            _ => {}
        }
    }

    /// Changes the prescaler; the counter goes on from where it stands.
    fn write_prescaler(&mut self, value: u32, now_ns: u64) {
        if let Some((loaded_ns, count)) = self.loaded {
            let passed = now_ns.saturating_sub(loaded_ns) / self.count_ns();
            let passed = u32::try_from(passed).unwrap_or(u32::MAX);
            self.loaded = Some((now_ns, count.saturating_sub(passed)));
        }
        self.prescaler = value & 7;
        self.busy |= PRESCALER_BUSY;
    }
}

impl MmioModel for Watchdog {
    fn registers(&self) -> Vec<Registers> {
        vec![Registers { start: START, size_bytes: 0x10, reads: true }]
    }

    fn read(&mut self, address: u32, width: Width, _: &mut dyn Bus) -> Result<u32, Error> {
        let offset = address.wrapping_sub(START);
        let word = match offset & !3 {
            0x04 => self.prescaler,
            0x08 => self.reload,
            0x0c => std::mem::take(&mut self.busy),
            // Of the keys nothing is read.
            _ => 0,
        };
        Ok(word >> (8 * (offset & 3)) & width.mask())
    }

    /// A write that is narrower than a halfword has no effect here: no key fits into it.
    fn write(
        &mut self,
        address: u32,
        width: Width,
        value: u32,
        bus: &mut dyn Bus,
    ) -> Result<(), Error> {
        if width == Width::Byte {
            return Ok(());
        }
        let now_ns = bus.target_time_ns()?;
        match address.wrapping_sub(START) {
            0x00 => self.write_key(value & 0xffff, now_ns),
            0x04 if self.open && self.busy & PRESCALER_BUSY == 0 => {
                self.write_prescaler(value, now_ns);
            }
            0x08 if self.open && self.busy & RELOAD_BUSY == 0 => {
                self.reload = value & RELOAD_AT_RESET;
                self.busy |= RELOAD_BUSY;
            }
            _ => {}
        }
        Ok(())
    }

    fn event(&mut self) {}

    fn step(&mut self, _: &mut dyn Bus) -> Result<bool, Error> {
        Ok(false)
    }

    /// Every reset stops it.
    fn reset(&mut self, _: Reset) {
        *self = Self::new();
    }

    /// The counter passes through as many values as it was loaded with, and zero.
    fn resets_chip_at_ns(&self) -> Option<u64> {
        let (loaded_ns, count) = self.loaded?;
        Some(loaded_ns + (u64::from(count) + 1) * self.count_ns())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::NoBus;

    /// A watchdog after writes of words, each one at a time in milliseconds, to an offset.
    fn after(writes: &[(u64, u32, u32)]) -> Watchdog {
        let mut model = Watchdog::new();
        for (now_ms, offset, value) in writes {
            let mut bus = NoBus { now_ns: now_ms * 1_000_000 };
            model.write(START + offset, Width::Word, *value, &mut bus).unwrap();
        }
        model
    }

    fn read(model: &mut Watchdog, offset: u32) -> u32 {
        model.read(START + offset, Width::Word, &mut NoBus::default()).unwrap()
    }

    /// When it resets the chip, in microseconds.
    fn check(writes: &[(u64, u32, u32)], expected_us: Option<u64>) {
        let at_us = after(writes).resets_chip_at_ns().map(|at_ns| at_ns / 1000);
        assert_eq!(at_us, expected_us, "{writes:x?}");
    }

    /// §21.3, table of the shortest and longest times at 32 kHz.
    #[test]
    fn times_are_those_of_the_table() {
        for (prescaler, shortest_us) in
            [125, 250, 500, 1000, 2000, 4000, 8000, 8000].iter().enumerate()
        {
            let set = |reload| {
                let prescaler = prescaler as u32;
                [(0, 0, 0xcccc), (0, 0, 0x5555), (0, 4, prescaler), (0, 8, reload), (0, 0, 0xaaaa)]
            };
            check(&set(0), Some(*shortest_us));
            check(&set(0xfff), Some(4096 * shortest_us));
        }
    }

    /// §21.3.1, §21.4.1: only a start lets it count, from 0xFFF; feeding puts the end off.
    #[test]
    fn it_counts_from_its_start_and_is_fed() {
        check(&[], None);
        check(&[(0, 0, 0xaaaa)], None);
        check(&[(3, 0, 0xcccc)], Some(3_000 + 512_000));
        check(&[(3, 0, 0xcccc), (9, 0, 0xcccc)], Some(3_000 + 512_000));
        check(&[(3, 0, 0xcccc), (9, 0, 0xaaaa)], Some(9_000 + 512_000));
        check(&[(3, 0, 0xcccc), (9, 0, 0xaaab)], Some(3_000 + 512_000));
        // Half of the counts are over when each becomes twice as long.
        let slower = [(0, 0, 0xcccc), (0, 0, 0x5555), (256, 4, 1)];
        check(&slower, Some(256_000 + 2 * 256_000));
    }

    /// §21.3.2: the other registers are open behind one key, until the next.
    #[test]
    fn registers_are_open_behind_their_key() {
        let mut model = after(&[(0, 4, 3), (0, 8, 5)]);
        assert_eq!([4, 8, 12].map(|offset| read(&mut model, offset)), [0, 0xfff, 0]);
        let mut model = after(&[(0, 0, 0x5555), (0, 4, 0xf3), (0, 8, 0xf005)]);
        assert_eq!([4, 8, 12, 12].map(|offset| read(&mut model, offset)), [3, 5, 3, 0]);
        let mut model = after(&[(0, 0, 0x5555), (0, 8, 5), (0, 0, 0xaaaa), (0, 4, 3)]);
        assert_eq!([4, 8, 12].map(|offset| read(&mut model, offset)), [0, 5, 2]);
    }

    /// §21.4.4: while an update is under way the register does not take another.
    #[test]
    fn an_update_that_nobody_waited_for_keeps_the_next_one_out() {
        let mut model = after(&[(0, 0, 0x5555), (0, 8, 5), (0, 8, 6), (0, 4, 1)]);
        assert_eq!([4, 8].map(|offset| read(&mut model, offset)), [1, 5]);
        assert_eq!(read(&mut model, 12), 3);
        model.write(START + 8, Width::Half, 6, &mut NoBus::default()).unwrap();
        model.write(START + 4, Width::Byte, 2, &mut NoBus::default()).unwrap();
        assert_eq!([4, 8].map(|offset| read(&mut model, offset)), [1, 6]);
    }

    #[test]
    fn every_reset_stops_it() {
        for reset in [Reset::SystemReset, Reset::Watchdog, Reset::Pin, Reset::PowerOn] {
            let mut model = after(&[(0, 0, 0xcccc), (0, 0, 0x5555), (0, 8, 5)]);
            model.reset(reset);
            assert_eq!(model.resets_chip_at_ns(), None, "{reset:?}");
            assert_eq!(read(&mut model, 8), 0xfff, "{reset:?}");
        }
    }
}
