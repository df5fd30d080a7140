//! The serial wire debug port: what a probe talks to, one transfer and one acknowledge at a time.
//!
//! Reads of an access port are posted: each answers with the result of the one before, and RDBUFF
//! has the last. A bus error is sticky: the transfer that caused it was acknowledged long before,
//! so every later one is answered with FAULT until ABORT clears the flag. Registers and rules:
//! ARM IHI 0031 (ADIv5) chapters B2 and B4, from memory, not checked against its text.
//!
//! Must never happen here: a transfer carried out in part. Several that are handed over at once
//! end as they would one after the other.

use crate::probe::ap::MemoryAp;
use crate::probe::bus::{Bus, BusError};

/// The identification of the port of an STM32F4: a SW-DP of version 1, designed by ARM.
const IDENTIFICATION: u32 = 0x2BA0_1477;

/// Bits of ABORT: an access that hangs is given up, and the sticky flags are cleared.
const ABORT_CLEARS_ERROR: u32 = 1 << 2;
const ABORT_CLEARS_WRITE_ERROR: u32 = 1 << 3;
const ABORT_CLEARS_OVERRUN: u32 = 1 << 4;

/// Bits of CTRL/STAT.
const STICKY_OVERRUN: u32 = 1 << 1;
const STICKY_ERROR: u32 = 1 << 5;
const READ_OK: u32 = 1 << 6;
const WRITE_ERROR: u32 = 1 << 7;
const POWER_UP_REQUESTS: u32 = 0x5000_0000;
/// What can be written: requests, transfer mode and count, overrun detection.
const CONTROL_WRITABLE: u32 = 0x5400_0F01;

/// The register of an access port that data goes through.
const DRW: u8 = 0x0C;

/// An answer other than OK.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Busy: the same transfer may be tried again.
    Wait,
    /// A sticky flag is set: nothing was done.
    Fault,
    /// Nobody drives the wire.
    NoAnswer,
}

/// What a transfer is answered with.
pub type Answer<T> = Result<T, Refusal>;

/// The state of the port.
#[derive(Debug, Clone)]
pub(crate) struct DebugPort {
    control: u32,
    select: u32,
    status: u32,
    read_buffer: u32,
    ap: MemoryAp,
}

impl DebugPort {
    /// As after power-on.
    pub(crate) const fn new() -> Self {
        Self { control: 0, select: 0, status: 0, read_buffer: 0, ap: MemoryAp::new() }
    }

    /// Reads a register of the port itself, by the two address bits of a transfer.
    pub(crate) fn read_dp(&mut self, address: u8) -> Answer<u32> {
        match (address & 0xC, self.select & 0xF) {
            (0x0, _) => Ok(IDENTIFICATION),
            (0x4, 0) => Ok(self.control_and_status()),
            // DLCR and what else is banked: not there.
            (0x4, _) => Ok(0),
            _ if self.is_sticky() => Err(Refusal::Fault),
            _ => Ok(self.read_buffer),
        }
    }

    /// Writes a register of the port itself.
    pub(crate) fn write_dp(&mut self, address: u8, value: u32) -> Answer<()> {
        match (address & 0xC, self.select & 0xF) {
            (0x0, _) => {
                let clears = |bit: u32, flag: u32| if value & bit == 0 { 0 } else { flag };
                let cleared = clears(ABORT_CLEARS_ERROR, STICKY_ERROR)
                    | clears(ABORT_CLEARS_WRITE_ERROR, WRITE_ERROR)
                    | clears(ABORT_CLEARS_OVERRUN, STICKY_OVERRUN);
                self.status &= !cleared;
            }
            _ if self.is_sticky() => return Err(Refusal::Fault),
            (0x4, 0) => self.control = value & CONTROL_WRITABLE,
            (0x8, _) => self.select = value,
            _ => {}
        }
        Ok(())
    }

    /// Reads a register of the selected access port as often as there are values; each gets the
    /// result of the read before. The count is of those that were answered with OK.
    pub(crate) fn read_ap(
        &mut self,
        bus: &mut dyn Bus,
        address: u8,
        values: &mut [u32],
    ) -> (usize, Answer<()>) {
        let mut done = 0;
        while done < values.len() {
            if let Err(refusal) = self.check_access() {
                return (done, Err(refusal));
            }
            let register = self.register(address);
            let wanted = self.run_length(register).min(values.len() - done);
            let mut fresh = vec![0; wanted];
            let mut answer = self.fetch(bus, register, &mut fresh);
            if answer == Err(BusError::Refused) && wanted > 1 {
                // One of them fails: this shows which.
                fresh.truncate(1);
                answer = self.fetch(bus, register, &mut fresh);
            }
            let free = values.get_mut(done..).unwrap_or_default();
            for (place, value) in free.iter_mut().zip(&fresh) {
                *place = std::mem::replace(&mut self.read_buffer, *value);
            }
            done += fresh.len();
            match answer {
                Ok(()) => self.status |= READ_OK,
                Err(BusError::Refused) => self.fail(READ_OK),
                Err(BusError::Gone) => return (done, Err(Refusal::NoAnswer)),
            }
        }
        (done, Ok(()))
    }

    /// Writes a register of the selected access port with one value after the other.
    pub(crate) fn write_ap(
        &mut self,
        bus: &mut dyn Bus,
        address: u8,
        values: &[u32],
    ) -> (usize, Answer<()>) {
        let mut done = 0;
        while let Some(rest) = values.get(done..).filter(|rest| !rest.is_empty()) {
            if let Err(refusal) = self.check_access() {
                return (done, Err(refusal));
            }
            let register = self.register(address);
            let mut run = rest.get(..self.run_length(register)).unwrap_or(rest);
            let mut answer = self.put(bus, register, run);
            if answer == Err(BusError::Refused) && run.len() > 1 {
                run = run.get(..1).unwrap_or_default();
                answer = self.put(bus, register, run);
            }
            done += run.len();
            match answer {
                Ok(()) => {}
                Err(BusError::Refused) => self.fail(0),
                Err(BusError::Gone) => return (done, Err(Refusal::NoAnswer)),
            }
        }
        (done, Ok(()))
    }

    /// Sets the flag of a bus error, as an access that fails does.
    pub(crate) fn fail(&mut self, cleared: u32) {
        self.status = self.status & !cleared | STICKY_ERROR;
    }

    fn control_and_status(&self) -> u32 {
        let acknowledged = (self.control & POWER_UP_REQUESTS) << 1;
        self.control | acknowledged | self.status
    }

    const fn is_sticky(&self) -> bool {
        self.status & (STICKY_ERROR | STICKY_OVERRUN | WRITE_ERROR) != 0
    }

    /// Whether an access port can be reached now.
    fn check_access(&mut self) -> Answer<()> {
        if self.control & POWER_UP_REQUESTS != POWER_UP_REQUESTS {
            self.fail(0);
        }
        if self.is_sticky() { Err(Refusal::Fault) } else { Ok(()) }
    }

    /// The register that a transfer means; nothing where the selected port is not there.
    fn register(&self, address: u8) -> Option<u8> {
        let bank = u8::try_from(self.select & 0xF0).unwrap_or_default();
        (self.select >> 24 == 0).then_some(bank | address & 0xC)
    }

    fn run_length(&self, register: Option<u8>) -> usize {
        if register == Some(DRW) { self.ap.run_length() } else { 1 }
    }

    fn fetch(
        &mut self,
        bus: &mut dyn Bus,
        register: Option<u8>,
        values: &mut [u32],
    ) -> Result<(), BusError> {
        match (register, values) {
            (Some(DRW), values) => self.ap.read_run(bus, values),
            (Some(register), [value, ..]) => {
                *value = self.ap.read(bus, register)?;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn put(
        &mut self,
        bus: &mut dyn Bus,
        register: Option<u8>,
        values: &[u32],
    ) -> Result<(), BusError> {
        match (register, values) {
            (Some(DRW), values) => self.ap.write_run(bus, values),
            (Some(register), [value, ..]) => self.ap.write(bus, register, *value),
            _ => Ok(()),
        }
    }
}
