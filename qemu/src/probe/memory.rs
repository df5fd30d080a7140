//! The bus of a virtual chip: debug registers here, everything else in the emulator.
//!
//! Memory is read and written without stopping the guest. What nothing answers to is a bus error,
//! which the emulator alone would not tell; flash cannot be written, as on silicon.

use crate::error::Error;
use crate::models::{Reset, Width};
use crate::mtree::RangeKind;
use crate::probe::bus::{Bus, BusError};
use crate::probe::chip::{Body, Chip};
use crate::probe::core::{AIRCR, Control, DCRDR, DCRSR, DEMCR, DFSR, DHCSR, Life, asks_for_reset};
use crate::probe::units::{BREAKPOINT_UNIT, WATCH_UNIT};
use crate::stop::Stop;

/// The ROM table of the chip, and what stands in it: SCS, DWT and FPB, by their offsets.
const ROM_TABLE: std::ops::Range<u32> = 0xE00F_F000..0xE010_0000;
const ROM_TABLE_ENTRIES: [u32; 3] = [0xFFF0_F003, 0xFFF0_2003, 0xFFF0_3003];
/// What the identification registers of the table hold, from offset 0xFD0 on: a table of ST's
/// (JEP106 bank 0, 0x20), whose part number is the chip's.
const ROM_TABLE_IDENTIFICATION: u32 = 0xFD0;
/// The debug registers of a core, all of them.
const PRIVATE_BUS: u32 = 0xE000_0000;

impl Bus for Chip {
    fn read(&mut self, address: u32, width: Width, bytes: &mut [u8]) -> Result<(), BusError> {
        let is_there = self.attempt(|chip| chip.read_memory(address, width, bytes))?;
        if is_there { Ok(()) } else { Err(BusError::Refused) }
    }

    fn write(&mut self, address: u32, width: Width, bytes: &[u8]) -> Result<(), BusError> {
        let is_there = self.attempt(|chip| chip.write_memory(address, width, bytes))?;
        if is_there { Ok(()) } else { Err(BusError::Refused) }
    }
}

impl Chip {
    /// False when nothing answers.
    fn read_memory(&mut self, address: u32, width: Width, bytes: &mut [u8]) -> Result<bool, Error> {
        self.look()?;
        if address >= PRIVATE_BUS {
            for (place, at) in bytes.chunks_mut(width.bytes() as usize).zip(steps(address, width)) {
                let Some(value) = self.read_register(at, width)? else { return Ok(false) };
                for (byte, from) in place.iter_mut().zip(value.to_le_bytes()) {
                    *byte = from;
                }
            }
            return Ok(true);
        }
        if let Body::Remains(_) = self.body {
            let kept = self.kept(address, bytes.len());
            return Ok(kept.map(|kept| bytes.copy_from_slice(kept)).is_some());
        }
        if !self.answers(address, bytes.len()) {
            return Ok(false);
        }
        if let Some(cells) = self.flash.get(address, bytes.len()).filter(|_| self.flash.is_weak) {
            bytes.copy_from_slice(cells);
            return Ok(true);
        }
        if !self.is_device(address) {
            return self.emulator()?.read(address, bytes).map(|()| true);
        }
        for (place, at) in bytes.chunks_mut(width.bytes() as usize).zip(steps(address, width)) {
            let emulator = self.emulator()?;
            let value = match emulator.load_device(at, width)? {
                Some(value) => value,
                None => emulator.memory().load(at, width)?,
            };
            for (byte, from) in place.iter_mut().zip(value.to_le_bytes()) {
                *byte = from;
            }
        }
        Ok(true)
    }

    fn write_memory(&mut self, address: u32, width: Width, bytes: &[u8]) -> Result<bool, Error> {
        self.look()?;
        let step = width.bytes() as usize;
        let values = bytes.chunks(step).zip(steps(address, width)).map(|(bytes, at)| {
            (at, bytes.iter().rev().fold(0, |sum, byte| sum << 8 | u32::from(*byte)))
        });
        if address >= PRIVATE_BUS {
            for (at, value) in values {
                if !self.write_register(at, width, value)? {
                    return Ok(false);
                }
            }
            return Ok(true);
        }
        if let Body::Remains(_) = self.body {
            return Ok(self.keep(address, bytes));
        }
        if !self.answers(address, bytes.len()) {
            return Ok(false);
        }
        if !self.is_device(address) {
            return self.emulator()?.write(address, bytes).map(|()| true);
        }
        if self.is_supplied(address) {
            let values: Vec<(u32, u32)> = values.collect();
            return self.write_supplied(width, &values).map(|()| true);
        }
        for (at, value) in values {
            self.emulator()?.memory().store(at, width, value)?;
        }
        Ok(true)
    }

    /// Writes registers of a device of the host, which may work on flash: the guest stands still
    /// meanwhile.
    fn write_supplied(&mut self, width: Width, values: &[(u32, u32)]) -> Result<(), Error> {
        while self.life == Life::Running {
            match self.emulator()?.interrupt()? {
                Stop::WallLimit => break,
                stop => self.on_stop(&stop)?,
            }
        }
        for (at, value) in values {
            self.emulator()?.store_device(*at, width, *value)?;
        }
        if self.life == Life::Running { self.go() } else { Ok(()) }
    }

    /// A register of the private bus; `None` where none is.
    fn read_register(&mut self, address: u32, width: Width) -> Result<Option<u32>, Error> {
        let (identification, value) = self.facts.identification;
        let value = match address {
            _ if address == identification => self.other_identification.unwrap_or(value),
            _ if self.facts.debug_unit.contains(&address) => {
                self.core.kept.get(&address).copied().unwrap_or_default()
            }
            DHCSR => {
                let life = self.observed_life()?;
                self.core.read_status(life)
            }
            DCRSR => 0,
            DCRDR => self.core.dcrdr,
            DEMCR => self.core.demcr,
            DFSR => self.core.dfsr,
            _ if BREAKPOINT_UNIT.contains(&address) => self.core.breakpoints.read(address),
            _ if WATCH_UNIT.contains(&address) => self.core.watches.read(address),
            _ if ROM_TABLE.contains(&address) => self.rom_table(address - ROM_TABLE.start),
            // The emulator is gone, and what its core knew of the fault with it.
            _ if matches!(self.body, Body::Remains(_)) => 0,
            _ if self.mapped(address).is_some() => {
                self.emulator()?.memory().load(address, width)?
            }
            _ => return Ok(None),
        };
        Ok(Some(value))
    }

    fn write_register(&mut self, address: u32, width: Width, value: u32) -> Result<bool, Error> {
        match address {
            DHCSR => {
                if let Some(control) = Control::of(value) {
                    self.control(control)?;
                }
            }
            DCRSR => self.move_register(value)?,
            DCRDR => self.core.dcrdr = value,
            DEMCR => {
                let before = std::mem::replace(&mut self.core.demcr, value);
                if before != value && self.core.is_enabled {
                    self.renew_points()?;
                }
            }
            DFSR => self.core.dfsr &= !value,
            AIRCR if asks_for_reset(value) => self.reset(Reset::SystemReset)?,
            _ if self.facts.debug_unit.contains(&address) => {
                self.core.kept.insert(address, value);
            }
            _ if BREAKPOINT_UNIT.contains(&address) => {
                self.core.breakpoints.write(address, value);
                self.renew_points()?;
            }
            _ if WATCH_UNIT.contains(&address) => {
                self.core.watches.write(address, value);
                self.renew_points()?;
            }
            _ if ROM_TABLE.contains(&address) => {}
            _ if matches!(self.body, Body::Remains(_)) => {}
            _ if self.mapped(address).is_some() => {
                self.emulator()?.memory().store(address, width, value)?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Whether the core runs, or sleeps: then no instruction is executed, and the last one waits.
    fn observed_life(&mut self) -> Result<Life, Error> {
        if self.life != Life::Running {
            return Ok(self.life);
        }
        let count = self.emulator()?.instructions()?;
        let is_still = count.is_some() && count == self.seen_instructions;
        // Only the program counter of a core that has executed nothing for a while can be believed.
        let sleeps = is_still && {
            let pc = self.emulator()?.registers()?.pc;
            self.is_behind_wait(pc)?
        };
        self.seen_instructions = count;
        Ok(if sleeps { Life::Sleeping } else { Life::Running })
    }

    fn rom_table(&self, offset: u32) -> u32 {
        let part = u32::from(self.facts.part_number);
        match offset.checked_sub(ROM_TABLE_IDENTIFICATION) {
            None => ROM_TABLE_ENTRIES.get((offset / 4) as usize).copied().unwrap_or_default(),
            Some(0x10) => part & 0xFF,
            Some(0x14) => part >> 8 & 0xF,
            Some(0x18) => 0x0A,
            Some(0x20) => 0x0D,
            Some(0x24) => 0x10,
            Some(0x28) => 0x05,
            Some(0x2C) => 0xB1,
            Some(_) => 0,
        }
    }

    /// Whether a device answers there, which sees each access by itself.
    fn is_device(&self, address: u32) -> bool {
        let kind = self.mapped(address).map(|(kind, _)| kind);
        matches!(kind, Some(RangeKind::Device | RangeKind::Stub)) || self.is_supplied(address)
    }

    /// Whether it is a device of the host.
    fn is_supplied(&self, address: u32) -> bool {
        matches!(&self.body, Body::Alive(emulator, _) if emulator.has_device_at(address))
    }

    /// Whether all of a range answers.
    fn answers(&self, address: u32, length: usize) -> bool {
        if self.is_supplied(address) {
            return true;
        }
        let mut left = length as u64;
        let mut at = address;
        while let Some((_, size)) = self.mapped(at) {
            if size >= left {
                return true;
            }
            left -= size;
            let Some(next) = u32::try_from(size).ok().and_then(|size| at.checked_add(size)) else {
                return false;
            };
            at = next;
        }
        false
    }

    /// Memory that outlived the emulator.
    fn kept(&self, address: u32, length: usize) -> Option<&[u8]> {
        let Body::Remains(remains) = &self.body else { return None };
        if let Some(flash) = self.flash.get(address, length) {
            return Some(flash);
        }
        self.facts.ram.iter().zip(&remains.ram).find_map(|(range, bytes)| {
            let start = address.checked_sub(range.address)? as usize;
            bytes.get(start..start.checked_add(length)?)
        })
    }

    /// Writes such memory. Flash answers and stays as it is.
    fn keep(&mut self, address: u32, bytes: &[u8]) -> bool {
        if self.flash.get(address, bytes.len()).is_some() {
            return true;
        }
        let Body::Remains(remains) = &mut self.body else { return false };
        let mut ranges = self.facts.ram.iter().zip(&mut remains.ram);
        ranges.any(|(range, kept)| {
            let Some(start) = address.checked_sub(range.address).map(|start| start as usize) else {
                return false;
            };
            let end = start.saturating_add(bytes.len());
            kept.get_mut(start..end).map(|place| place.copy_from_slice(bytes)).is_some()
        })
    }
}

/// The addresses of accesses, one after the other.
fn steps(address: u32, width: Width) -> impl Iterator<Item = u32> {
    let step = width.bytes();
    (0..).map(move |number: u32| address.wrapping_add(number.wrapping_mul(step)))
}
