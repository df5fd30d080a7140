//! The backup domain of the STM32F4: backup SRAM, the backup registers of the RTC, and what opens
//! them (RM0090 §5.1.2, §5.4, §7.3.10, §7.3.13, §7.3.20, §26.6.20).
//!
//! To be open, both need PWR_CR.DBP for writes, and the SRAM its clock for any access. Their two
//! bits of RCC's enables are kept here, since QEMU 7.2 keeps nothing that is written to RCC; the
//! others are QEMU's, so that a guest does not take for clocked what this QEMU has not. All of the
//! manual is from memory, not checked, but for the numbers of bits, which are those of ST's header.
//! That closed memory reads as zero without its clock, and ignores writes silently, is an
//! assumption.
//!
//! Not modelled: RTC itself, tamper detection, the wake-up pin, standby.

use super::{Bus, MmioModel, Registers, Reset, Width};
use crate::error::Error;

const POWER: u32 = 0x4000_7000;
const AHB1_ENABLE: u32 = 0x4002_3830;
const APB1_ENABLE: u32 = 0x4002_3840;
/// RCC_BDCR.
const DOMAIN_CONTROL: u32 = 0x4002_3870;
/// RTC_BKP0R.
const BACKUP_REGISTERS: u32 = 0x4000_2850;
const BACKUP_REGISTER_COUNT: usize = 20;
const SRAM: u32 = 0x4002_4000;
const SRAM_BYTES: usize = 0x1000;

/// RCC_AHB1ENR.BKPSRAMEN.
const SRAM_CLOCK: u32 = 1 << 18;
/// RCC_APB1ENR.PWREN.
const POWER_CLOCK: u32 = 1 << 28;
/// RCC_BDCR.BDRST.
const DOMAIN_RESET: u32 = 1 << 16;
/// PWR_CR.DBP.
const WRITES_ALLOWED: u32 = 1 << 8;
/// PWR_CR.CWUF and CSBF: written as one, read as zero.
const CLEARING: u32 = 0xc;
/// PWR_CSR.BRR and BRE.
const REGULATOR_READY: u32 = 1 << 3;
const REGULATOR: u32 = 1 << 9;

/// After a system reset VOS is one (§5.4.1).
const POWER_AT_RESET: u32 = 1 << 14;

/// What SRAM holds after its power was away, so that nobody takes it for kept.
const NOISE: u8 = 0xa5;

/// The backup domain and its neighbours.
#[derive(Debug)]
pub struct Backup {
    /// RCC_AHB1ENR.BKPSRAMEN.
    sram_clock: bool,
    /// RCC_APB1ENR.PWREN.
    power_clock: bool,
    domain_control: u32,
    power_control: u32,
    regulator: bool,
    registers: [u32; BACKUP_REGISTER_COUNT],
    sram: Vec<u8>,
}

impl Default for Backup {
    fn default() -> Self {
        Self::new()
    }
}

impl Backup {
    /// The domain after a power-on without a battery.
    #[must_use]
    pub fn new() -> Self {
        Self {
            sram_clock: false,
            power_clock: false,
            domain_control: 0,
            power_control: POWER_AT_RESET,
            regulator: false,
            registers: [0; BACKUP_REGISTER_COUNT],
            sram: noise(),
        }
    }

    const fn is_writable(&self) -> bool {
        self.power_control & WRITES_ALLOWED != 0
    }

    fn word(&self, address: u32, bus: &mut dyn Bus) -> Result<u32, Error> {
        let mut with_ours = |bit: u32, is_set| {
            let word = bus.load(address, Width::Word)? & !bit;
            Ok::<_, Error>(word | if is_set { bit } else { 0 })
        };
        Ok(match address {
            AHB1_ENABLE => with_ours(SRAM_CLOCK, self.sram_clock)?,
            APB1_ENABLE => with_ours(POWER_CLOCK, self.power_clock)?,
            DOMAIN_CONTROL => self.domain_control,
            POWER if self.power_clock => self.power_control,
            // The regulator is ready as soon as it is on.
            _ if address == POWER + 4 && self.power_clock && self.regulator => {
                REGULATOR | REGULATOR_READY
            }
            _ => {
                let index = (address.wrapping_sub(BACKUP_REGISTERS) / 4) as usize;
                self.registers.get(index).copied().unwrap_or_default()
            }
        })
    }

    fn set_word(&mut self, address: u32, value: u32, bus: &mut dyn Bus) -> Result<(), Error> {
        match address {
            AHB1_ENABLE => {
                self.sram_clock = value & SRAM_CLOCK != 0;
                bus.store(address, Width::Word, value)?;
            }
            APB1_ENABLE => {
                self.power_clock = value & POWER_CLOCK != 0;
                bus.store(address, Width::Word, value)?;
            }
            DOMAIN_CONTROL if self.is_writable() => {
                self.domain_control = value;
                if value & DOMAIN_RESET != 0 {
                    self.reset_domain();
                }
            }
            POWER if self.power_clock => self.power_control = value & 0xffff & !CLEARING,
            _ if address == POWER + 4 && self.power_clock => {
                self.regulator = value & REGULATOR != 0;
            }
            _ if self.is_writable() => {
                let index = (address.wrapping_sub(BACKUP_REGISTERS) / 4) as usize;
                if let Some(register) = self.registers.get_mut(index) {
                    *register = value;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// All but the bit that resets it, and the backup SRAM stays as it is.
    const fn reset_domain(&mut self) {
        self.domain_control = DOMAIN_RESET;
        self.registers = [0; BACKUP_REGISTER_COUNT];
    }

    /// The bytes of the backup SRAM that an access means, when its clock is on.
    fn sram_bytes(&mut self, address: u32, width: Width) -> Option<&mut [u8]> {
        let offset = address.wrapping_sub(SRAM) as usize;
        let bytes = self.sram.get_mut(offset..offset.checked_add(width.bytes() as usize)?);
        bytes.filter(|_| self.sram_clock)
    }
}

fn noise() -> Vec<u8> {
    vec![NOISE; SRAM_BYTES]
}

impl MmioModel for Backup {
    fn registers(&self) -> Vec<Registers> {
        let range = |start, size_bytes| Registers { start, size_bytes, reads: true };
        vec![
            range(AHB1_ENABLE, 4),
            range(APB1_ENABLE, 4),
            range(DOMAIN_CONTROL, 4),
            range(POWER, 8),
            range(BACKUP_REGISTERS, 4 * BACKUP_REGISTER_COUNT as u32),
            range(SRAM, SRAM_BYTES as u32),
        ]
    }

    fn read(&mut self, address: u32, width: Width, bus: &mut dyn Bus) -> Result<u32, Error> {
        if address.wrapping_sub(SRAM) < SRAM_BYTES as u32 {
            let bytes = self.sram_bytes(address, width);
            let bytes = bytes.into_iter().flatten().rev();
            return Ok(bytes.fold(0, |value, byte| value << 8 | u32::from(*byte)));
        }
        Ok(self.word(address & !3, bus)? >> (8 * (address & 3)) & width.mask())
    }

    /// A write to a register that is narrower than a word changes the bytes that it means.
    fn write(
        &mut self,
        address: u32,
        width: Width,
        value: u32,
        bus: &mut dyn Bus,
    ) -> Result<(), Error> {
        if address.wrapping_sub(SRAM) < SRAM_BYTES as u32 {
            let is_writable = self.is_writable();
            if let Some(bytes) = self.sram_bytes(address, width).filter(|_| is_writable) {
                bytes.iter_mut().zip(value.to_le_bytes()).for_each(|(byte, value)| *byte = value);
            }
            return Ok(());
        }
        let (address, shift) = (address & !3, 8 * (address & 3));
        let kept = self.word(address, bus)? & !(width.mask() << shift);
        self.set_word(address, kept | (value & width.mask()) << shift, bus)
    }

    fn peek(&self, address: u32, bytes: &mut [u8]) -> bool {
        let registers: Vec<u8> = self.registers.iter().flat_map(|it| it.to_le_bytes()).collect();
        let memories = [(BACKUP_REGISTERS, &registers), (SRAM, &self.sram)];
        let found = memories.into_iter().find_map(|(start, memory)| {
            let offset = address.checked_sub(start)? as usize;
            memory.get(offset..offset.checked_add(bytes.len())?)
        });
        if let Some(found) = found {
            bytes.copy_from_slice(found);
        }
        found.is_some()
    }

    fn poke(&mut self, address: u32, bytes: &[u8]) -> bool {
        let offset = address.wrapping_sub(SRAM) as usize;
        let end = offset.saturating_add(bytes.len());
        let place = self.sram.get_mut(offset..end);
        let is_ours = place.is_some();
        place.into_iter().for_each(|place| place.copy_from_slice(bytes));
        is_ours
    }

    fn event(&mut self) {}

    fn step(&mut self, _: &mut dyn Bus) -> Result<bool, Error> {
        Ok(false)
    }

    /// The domain itself is reset by nothing but the loss of all power, or its own reset. Its SRAM
    /// is kept by a battery only through its regulator (§5.1.2).
    fn reset(&mut self, reset: Reset) {
        match reset {
            Reset::PowerOn => {
                *self = Self::new();
                return;
            }
            Reset::BackupDomain => {
                self.reset_domain();
                return;
            }
            Reset::PowerOnWithBattery | Reset::Standby if !self.regulator => self.sram = noise(),
            Reset::PowerOnWithBattery
            | Reset::Standby
            | Reset::SystemReset
            | Reset::Watchdog
            | Reset::Pin => {}
        }
        self.sram_clock = false;
        self.power_clock = false;
        self.power_control = POWER_AT_RESET;
    }
}

#[cfg(test)]
#[path = "backup_tests.rs"]
mod tests;
