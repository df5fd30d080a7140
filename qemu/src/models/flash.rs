//! The flash interface of the STM32F4: keys, programming, erasing, write protection and its errors
//! (RM0090 §3.5 to §3.9, from memory, not checked).
//!
//! Flash memory itself stays with QEMU, where only stores to it are watched; what is programmed or
//! erased is written there. An operation is over when the store that started it is: the core that
//! fetches from the same flash would stand still meanwhile, so BSY is never seen.
//!
//! Not modelled: option bytes as memory (OPTCR is a register that is lost in a reset), read
//! protection, the bus error that follows a wrong key, mass erase while a sector is protected is
//! refused as a whole, and parallelism against the supply voltage.

use std::collections::BTreeMap;

use super::{Bus, MmioModel, Registers, Reset, Width};
use crate::error::Error;

const INTERFACE: u32 = 0x4002_3c00;
/// The interrupt line of the interface (§12.2, table 62).
const LINE: u32 = 4;

/// FLASH_KEYR and FLASH_OPTKEYR (§3.6.1, §3.7.1).
const KEYS: [u32; 2] = [0x4567_0123, 0xcdef_89ab];
const OPTION_KEYS: [u32; 2] = [0x0819_2a3b, 0x4c5d_6e7f];

/// FLASH_SR (§3.9.4).
mod status {
    pub const END: u32 = 1 << 0;
    pub const OPERATION: u32 = 1 << 1;
    pub const PROTECTED: u32 = 1 << 4;
    pub const ALIGNMENT: u32 = 1 << 5;
    pub const PARALLELISM: u32 = 1 << 6;
    pub const SEQUENCE: u32 = 1 << 7;
    /// What is cleared by writing ones.
    pub const ALL: u32 = 0xf3;
}

/// FLASH_CR (§3.9.5).
mod control {
    pub const PROGRAM: u32 = 1 << 0;
    pub const ERASE_SECTOR: u32 = 1 << 1;
    pub const ERASE_ALL: u32 = 1 << 2;
    pub const START: u32 = 1 << 16;
    pub const END_INTERRUPT: u32 = 1 << 24;
    pub const ERROR_INTERRUPT: u32 = 1 << 25;
    pub const LOCK: u32 = 1 << 31;
    /// All bits that can be written and keep their value.
    pub const KEPT: u32 = 0x0300_037f;
}

/// FLASH_OPTCR (§3.9.6): bit 0 locks it, bits 16 to 27 let sectors be written.
const OPTION_LOCK: u32 = 1 << 0;
const OPTIONS_AT_RESET: u32 = 0x0fff_aaed;
const OPTIONS_KEPT: u32 = 0x0fff_ffec;

/// How far a row of keys has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lock {
    Closed,
    /// The first key was right.
    Half,
    Open,
    /// A key was wrong: until the next reset.
    Jammed,
}

impl Lock {
    fn key(self, key: u32, [first, second]: [u32; 2]) -> Self {
        match self {
            Self::Closed if key == first => Self::Half,
            Self::Half if key == second => Self::Open,
            Self::Open => Self::Open,
            _ => Self::Jammed,
        }
    }
}

/// The interface.
#[derive(Debug)]
pub struct Flash {
    /// First address and size in bytes of each sector, lowest first.
    sectors: Vec<(u32, u32)>,
    /// What changed sectors hold, by number: an emulator that ends takes its flash with it.
    changed: BTreeMap<usize, Vec<u8>>,
    lock: Lock,
    option_lock: Lock,
    access_control: u32,
    control: u32,
    status: u32,
    options: u32,
    line: bool,
}

impl Flash {
    /// The interface after a reset. Sectors are given by first address and size in bytes, lowest
    /// first, and touch.
    #[must_use]
    pub const fn new(sectors: Vec<(u32, u32)>) -> Self {
        Self {
            sectors,
            changed: BTreeMap::new(),
            lock: Lock::Closed,
            option_lock: Lock::Closed,
            access_control: 0,
            control: 0,
            status: 0,
            options: OPTIONS_AT_RESET,
            line: false,
        }
    }

    /// Number of the sector of an address.
    fn sector(&self, address: u32) -> Option<usize> {
        self.sectors.iter().position(|(start, size)| address.wrapping_sub(*start) < *size)
    }

    /// Whether nWRP lets a sector be written.
    const fn is_writable(&self, sector: usize) -> bool {
        sector >= 12 || self.options >> 16 & 1 << sector != 0
    }

    /// A store of the guest to flash memory (§3.6.4).
    fn program(
        &mut self,
        address: u32,
        width: Width,
        value: u32,
        bus: &mut dyn Bus,
    ) -> Result<(), Error> {
        let errors = self.errors(address, width);
        if errors != 0 {
            self.fail(errors);
            return Ok(());
        }
        let mut bytes = value.to_le_bytes();
        let bytes = bytes.get_mut(..width.bytes() as usize).unwrap_or_default();
        let mut old = vec![0; bytes.len()];
        bus.read(address, &mut old)?;
        // Programming clears bits and sets none.
        bytes.iter_mut().zip(old).for_each(|(byte, old)| *byte &= old);
        self.change(address, bytes, bus)?;
        self.succeed();
        Ok(())
    }

    fn errors(&self, address: u32, width: Width) -> u32 {
        let size = [Width::Byte, Width::Half, Width::Word].get((self.control >> 8 & 3) as usize);
        if self.lock != Lock::Open || self.control & control::PROGRAM == 0 {
            return status::SEQUENCE;
        }
        if size != Some(&width) {
            return status::PARALLELISM;
        }
        // A row has 128 bits.
        if (address ^ address.wrapping_add(width.bytes() - 1)) >> 4 != 0 {
            return status::ALIGNMENT;
        }
        match self.sector(address) {
            Some(sector) if self.is_writable(sector) => 0,
            _ => status::PROTECTED,
        }
    }

    /// STRT was written as one (§3.6.3).
    fn erase(&mut self, bus: &mut dyn Bus) -> Result<(), Error> {
        let all = 0..self.sectors.len();
        let number = (self.control >> 3 & 15) as usize;
        let chosen = match self.control & (control::ERASE_SECTOR | control::ERASE_ALL) {
            control::ERASE_SECTOR if all.contains(&number) => number..number + 1,
            control::ERASE_ALL => all,
            _ => {
                self.fail(status::SEQUENCE);
                return Ok(());
            }
        };
        if chosen.clone().any(|sector| !self.is_writable(sector)) {
            self.fail(status::PROTECTED);
            return Ok(());
        }
        for (start, size_bytes) in self.sectors.get(chosen).unwrap_or_default().to_vec() {
            self.change(start, &vec![0xff; size_bytes as usize], bus)?;
        }
        self.succeed();
        Ok(())
    }

    /// Writes memory of one sector, and remembers the sector.
    fn change(&mut self, address: u32, bytes: &[u8], bus: &mut dyn Bus) -> Result<(), Error> {
        let Some(number) = self.sector(address) else { return Ok(()) };
        let Some((start, size_bytes)) = self.sectors.get(number).copied() else { return Ok(()) };
        bus.program(address, bytes)?;
        let mut held = vec![0; size_bytes as usize];
        match self.changed.remove(&number) {
            Some(known) => held = known,
            None => bus.read(start, &mut held)?,
        }
        let offset = (address - start) as usize;
        if let Some(place) = held.get_mut(offset..offset + bytes.len()) {
            place.copy_from_slice(bytes);
        }
        self.changed.insert(number, held);
        Ok(())
    }

    /// EOP is only set with its interrupt enabled, and so is OPERR.
    fn succeed(&mut self) {
        if self.control & control::END_INTERRUPT != 0 {
            self.status |= status::END;
        }
    }

    fn fail(&mut self, errors: u32) {
        self.status |= errors;
        if self.control & control::ERROR_INTERRUPT != 0 {
            self.status |= status::OPERATION;
        }
    }

    fn write_register(&mut self, offset: u32, value: u32, bus: &mut dyn Bus) -> Result<(), Error> {
        match offset {
            0x00 => self.access_control = value & 0x1f07,
            0x04 => self.lock = self.lock.key(value, KEYS),
            0x08 => self.option_lock = self.option_lock.key(value, OPTION_KEYS),
            0x0c => self.status &= !(value & status::ALL),
            0x10 if self.lock == Lock::Open => {
                self.control = value & control::KEPT;
                if value & control::LOCK != 0 {
                    self.lock = Lock::Closed;
                } else if value & control::START != 0 {
                    self.erase(bus)?;
                }
            }
            0x14 if self.option_lock == Lock::Open => {
                self.options = value & OPTIONS_KEPT;
                if value & OPTION_LOCK != 0 {
                    self.option_lock = Lock::Closed;
                }
            }
            _ => {}
        }
        Ok(())
    }

    const fn interrupts(&self) -> bool {
        (self.status & status::END != 0 && self.control & control::END_INTERRUPT != 0)
            || (self.status & status::OPERATION != 0
                && self.control & control::ERROR_INTERRUPT != 0)
    }
}

impl MmioModel for Flash {
    fn registers(&self) -> Vec<Registers> {
        let start = self.sectors.first().map_or(0, |(start, _)| *start);
        let size_bytes = self.sectors.iter().map(|(_, size_bytes)| size_bytes).sum();
        vec![
            Registers { start: INTERFACE, size_bytes: 0x18, reads: true },
            Registers { start, size_bytes, reads: false },
        ]
    }

    fn attached(&mut self, bus: &mut dyn Bus) -> Result<(), Error> {
        for (number, held) in &self.changed {
            if let Some((start, _)) = self.sectors.get(*number) {
                bus.program(*start, held)?;
            }
        }
        Ok(())
    }

    fn read(&mut self, address: u32, width: Width, bus: &mut dyn Bus) -> Result<u32, Error> {
        let offset = address.wrapping_sub(INTERFACE);
        let locked = |lock, bit| if lock == Lock::Open { 0 } else { bit };
        let word = match offset & !3 {
            0x00 => self.access_control,
            0x0c => self.status,
            0x10 => self.control | locked(self.lock, control::LOCK),
            0x14 => self.options | locked(self.option_lock, OPTION_LOCK),
            // Of the registers that take keys nothing is read.
            0x04 | 0x08 => 0,
            _ => return bus.load(address, width),
        };
        Ok(word >> (8 * (offset & 3)) & width.mask())
    }

    /// A write to a register that is narrower than a word has no effect here.
    fn write(
        &mut self,
        address: u32,
        width: Width,
        value: u32,
        bus: &mut dyn Bus,
    ) -> Result<(), Error> {
        let offset = address.wrapping_sub(INTERFACE);
        if offset >= 0x18 {
            self.program(address, width, value, bus)?;
        } else if width == Width::Word {
            self.write_register(offset, value, bus)?;
        }
        if self.line != self.interrupts() {
            self.line = self.interrupts();
            bus.set_interrupt(LINE, self.line)?;
        }
        Ok(())
    }

    /// What was programmed without this interface, by a debugger.
    fn poke(&mut self, address: u32, bytes: &[u8]) -> bool {
        let mut is_ours = false;
        for (number, (start, size_bytes)) in self.sectors.iter().enumerate() {
            let held = self.changed.get_mut(&number);
            let places = held.into_iter().flatten().zip(*start..*start + *size_bytes);
            for (place, at) in places {
                let byte = at.checked_sub(address).and_then(|offset| bytes.get(offset as usize));
                if let Some(byte) = byte {
                    *place = *byte;
                    is_ours = true;
                }
            }
        }
        is_ours
    }

    fn event(&mut self) {}

    fn step(&mut self, _: &mut dyn Bus) -> Result<bool, Error> {
        Ok(false)
    }

    /// Memory keeps what it holds.
    fn reset(&mut self, _: Reset) {
        let changed = std::mem::take(&mut self.changed);
        *self = Self { changed, ..Self::new(std::mem::take(&mut self.sectors)) };
    }
}

#[cfg(test)]
#[path = "flash_tests.rs"]
mod tests;
