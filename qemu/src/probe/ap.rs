//! The memory access port: how a debugger reaches the bus of the chip.
//!
//! An AHB-AP as Cortex-M3 and M4 have it: transfer size and address increment in CSW, the address
//! in TAR, data through DRW or the four banked registers. What is narrower than a word travels in
//! the byte lanes that its address selects. TAR counts in its low ten bits only, so that it wraps
//! at each KiB. Registers and rules: ARM IHI 0031 (ADIv5) chapter C2, identification: the
//! Cortex-M4 manual (DDI 0439) §9.3; both from memory, not checked against their text.
//!
//! Must never happen here: a bus error that becomes a value. The port above makes it sticky.

use crate::models::Width;
use crate::probe::bus::{Bus, BusError};

/// CSW after power-on: word transfers, no increment, privileged data, the port enabled.
const CSW_AT_POWER_ON: u32 = 0x2300_0042;
/// Bits of CSW that cannot be written: the port is enabled, and says so.
const CSW_DEVICE_ENABLED: u32 = 1 << 6;
/// Bits of CSW that are kept as written, but for size and increment.
const CSW_KEPT: u32 = 0x7F00_0F00;
/// The identification of an AHB-AP of a Cortex-M4.
const IDENTIFICATION: u32 = 0x2477_0011;
/// Where the chip's ROM table is, with the bits for "present" and "of this format".
const ROM_TABLE: u32 = 0xE00F_F003;
/// Addresses that TAR can count through.
const WRAP_BYTES: u32 = 0x400;

/// Registers of the port, by address.
const CSW: u8 = 0x00;
const TAR: u8 = 0x04;
const DRW: u8 = 0x0C;
const BANKED: std::ops::RangeInclusive<u8> = 0x10..=0x1C;
const BASE: u8 = 0xF8;
const IDR: u8 = 0xFC;

/// The state of the port.
#[derive(Debug, Clone)]
pub(crate) struct MemoryAp {
    csw: u32,
    tar: u32,
}

impl MemoryAp {
    /// As after power-on.
    pub(crate) const fn new() -> Self {
        Self { csw: CSW_AT_POWER_ON, tar: 0 }
    }

    /// Reads a register.
    pub(crate) fn read(&mut self, bus: &mut dyn Bus, register: u8) -> Result<u32, BusError> {
        match register {
            CSW => Ok(self.csw),
            TAR => Ok(self.tar),
            DRW => {
                let mut value = [0];
                self.read_run(bus, &mut value)?;
                Ok(value[0])
            }
            _ if BANKED.contains(&register) => {
                let mut bytes = [0; 4];
                bus.read(self.banked(register), Width::Word, &mut bytes)?;
                Ok(u32::from_le_bytes(bytes))
            }
            BASE => Ok(ROM_TABLE),
            IDR => Ok(IDENTIFICATION),
            _ => Ok(0),
        }
    }

    /// Writes a register.
    pub(crate) fn write(
        &mut self,
        bus: &mut dyn Bus,
        register: u8,
        value: u32,
    ) -> Result<(), BusError> {
        match register {
            CSW => self.write_csw(value),
            TAR => self.tar = value,
            DRW => return self.write_run(bus, &[value]),
            _ if BANKED.contains(&register) => {
                return bus.write(self.banked(register), Width::Word, &value.to_le_bytes());
            }
            _ => {}
        }
        Ok(())
    }

    /// How many reads or writes of DRW may be handed over at once: those that TAR counts through
    /// before it wraps.
    pub(crate) fn run_length(&self) -> usize {
        if !self.counts() {
            return 1;
        }
        let width = self.width().bytes();
        (((WRAP_BYTES - self.address() % WRAP_BYTES) / width) as usize).max(1)
    }

    /// Reads DRW once for each value, at most [`MemoryAp::run_length`] of them. Nothing is counted
    /// when the bus refuses.
    pub(crate) fn read_run(
        &mut self,
        bus: &mut dyn Bus,
        values: &mut [u32],
    ) -> Result<(), BusError> {
        let width = self.width();
        let step = width.bytes() as usize;
        let mut bytes = vec![0; values.len() * step];
        bus.read(self.address(), width, &mut bytes)?;
        let addresses = (self.address()..).step_by(step);
        for ((value, bytes), address) in values.iter_mut().zip(bytes.chunks(step)).zip(addresses) {
            let plain = bytes.iter().rev().fold(0, |sum, byte| sum << 8 | u32::from(*byte));
            *value = plain << lane_bits(address);
        }
        self.count(values.len());
        Ok(())
    }

    /// Writes DRW once for each value, as [`MemoryAp::read_run`] reads it.
    pub(crate) fn write_run(&mut self, bus: &mut dyn Bus, values: &[u32]) -> Result<(), BusError> {
        let width = self.width();
        let step = width.bytes() as usize;
        let mut bytes = Vec::with_capacity(values.len() * step);
        for (value, address) in values.iter().zip((self.address()..).step_by(step)) {
            let lanes = (value >> lane_bits(address)).to_le_bytes();
            bytes.extend_from_slice(lanes.get(..step).unwrap_or_default());
        }
        bus.write(self.address(), width, &bytes)?;
        self.count(values.len());
        Ok(())
    }

    fn write_csw(&mut self, value: u32) {
        let size = (value & 7).min(2);
        // Packed transfers are not there: what was asked for reads back as another mode.
        let increment = if value >> 4 & 3 == 1 { 1 << 4 } else { 0 };
        self.csw = value & CSW_KEPT | CSW_DEVICE_ENABLED | increment | size;
    }

    fn width(&self) -> Width {
        match self.csw & 7 {
            0 => Width::Byte,
            1 => Width::Half,
            _ => Width::Word,
        }
    }

    /// TAR as the bus sees it: the bits below the size of a transfer are ignored.
    fn address(&self) -> u32 {
        self.tar & !(self.width().bytes() - 1)
    }

    fn banked(&self, register: u8) -> u32 {
        self.tar & !0xF | u32::from(register & 0xC)
    }

    const fn counts(&self) -> bool {
        self.csw >> 4 & 3 == 1
    }

    fn count(&mut self, transfers: usize) {
        if self.counts() {
            let steps = u32::try_from(transfers).unwrap_or_default() * self.width().bytes();
            let wrapped = self.tar.wrapping_add(steps) % WRAP_BYTES;
            self.tar = self.tar & !(WRAP_BYTES - 1) | wrapped;
        }
    }
}

/// How far the data of an address stands from bit 0 of DRW.
const fn lane_bits(address: u32) -> u32 {
    8 * (address & 3)
}
