//! Devices of a chip that QEMU does not have, as register models on the host.
//!
//! A model is pure: registers in, registers out, and a [`Bus`] for what it does as a bus master. It
//! knows no socket, no emulator and no clock of the host; what makes it go on is only ever an event
//! of the guest, so two runs of the same guest find the same values. How the guest reaches a model
//! stands in [`crate::Emulator::attach`].
//!
//! Must never happen here: a model that answers where the chip would not. What a manual does not
//! say is written down where it was decided.

pub mod backup;
pub mod dma;
pub mod flash;
pub mod reset_cause;
pub mod watchdog;

use crate::error::Error;
pub use crashrig_layout::{Reset, Width};

/// Addresses that a model answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Registers {
    /// The first one.
    pub start: u32,
    /// Size in bytes.
    pub size_bytes: u32,
    /// Whether reads are answered as well; otherwise only writes, and QEMU answers reads.
    pub reads: bool,
}

impl Registers {
    /// Whether an address is one of them.
    #[must_use]
    pub const fn contains(&self, address: u32) -> bool {
        address.wrapping_sub(self.start) < self.size_bytes
    }
}

/// What a model does outside of its registers. The guest does not run meanwhile.
pub trait Bus {
    /// Reads memory, in any order and in accesses of any width.
    ///
    /// # Errors
    /// Only of the bench. Whether the chip could read there is for the model to know.
    fn read(&mut self, address: u32, bytes: &mut [u8]) -> Result<(), Error>;

    /// Writes memory, as [`Bus::read`].
    ///
    /// # Errors
    /// As [`Bus::read`].
    fn write(&mut self, address: u32, bytes: &[u8]) -> Result<(), Error>;

    /// Writes memory that the guest can only read: flash.
    ///
    /// # Errors
    /// As [`Bus::read`].
    fn program(&mut self, address: u32, bytes: &[u8]) -> Result<(), Error>;

    /// Reads a register of another device, with one access.
    ///
    /// # Errors
    /// As [`Bus::read`].
    fn load(&mut self, address: u32, width: Width) -> Result<u32, Error>;

    /// Writes a register of another device, with one access.
    ///
    /// # Errors
    /// As [`Bus::read`].
    fn store(&mut self, address: u32, width: Width, value: u32) -> Result<(), Error>;

    /// Sets the level of an interrupt line, numbered as in the NVIC. The model calls it whenever
    /// the level may have changed.
    ///
    /// # Errors
    /// As [`Bus::read`].
    fn set_interrupt(&mut self, line: u32, high: bool) -> Result<(), Error>;

    /// Target time in nanoseconds, as the executed instructions give it. It stands still while the
    /// guest sleeps.
    ///
    /// # Errors
    /// As [`Bus::read`], and where instructions are not counted.
    fn target_time_ns(&mut self) -> Result<u64, Error>;
}

/// What a device wrote as a bus master, without a gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BusWrite {
    /// Its stream: controller, counted from 1, in bits 4 to 7, and number in bits 0 to 3.
    pub stream: u8,
    /// First address.
    pub start: u32,
    /// First address behind it.
    pub end: u32,
    /// Target time of the first access; 0 where it is not known.
    pub since_ns: u64,
}

/// A device of the chip.
pub trait MmioModel: std::fmt::Debug + Send {
    /// Where its registers are. Never changes.
    fn registers(&self) -> Vec<Registers>;

    /// The model was attached to an emulator, perhaps in place of another one: what the emulator
    /// itself has to hold of its state is put there.
    ///
    /// # Errors
    /// Those of the bus.
    fn attached(&mut self, _bus: &mut dyn Bus) -> Result<(), Error> {
        Ok(())
    }

    /// An access that reads, of the guest or of its debugger. The answer stands in the low bits.
    ///
    /// # Errors
    /// Those of the bus.
    fn read(&mut self, address: u32, width: Width, bus: &mut dyn Bus) -> Result<u32, Error>;

    /// An access that writes, of the guest or of its debugger.
    ///
    /// # Errors
    /// Those of the bus.
    fn write(
        &mut self,
        address: u32,
        width: Width,
        value: u32,
        bus: &mut dyn Bus,
    ) -> Result<(), Error>;

    /// Something happened that lets work go on which repeats for ever: an access of the guest to
    /// these registers, or a stop of the guest for another reason.
    fn event(&mut self);

    /// Does a bounded piece of the work there is. Says whether there is more that can go on now.
    ///
    /// # Errors
    /// Those of the bus.
    fn step(&mut self, bus: &mut dyn Bus) -> Result<bool, Error>;

    /// The chip was reset. All interrupt lines of the model are low then.
    fn reset(&mut self, reset: Reset);

    /// Memory of the device as it is, whatever keeps the guest from it, for the host to see. False,
    /// and the bytes as they were, where it has none there.
    fn peek(&self, _address: u32, _bytes: &mut [u8]) -> bool {
        false
    }

    /// Changes such memory, as a fault of it would.
    fn poke(&mut self, _address: u32, _bytes: &[u8]) -> bool {
        false
    }

    /// What it wrote since this was last asked, oldest first; what is too much for its log gives
    /// way.
    fn take_writes(&mut self) -> Vec<BusWrite> {
        Vec::new()
    }

    /// When the model resets the chip if nothing is done about it, in target time.
    fn resets_chip_at_ns(&self) -> Option<u64> {
        None
    }
}

/// A bus for tests of models that are no bus masters.
#[cfg(test)]
#[derive(Default)]
pub(crate) struct NoBus {
    pub now_ns: u64,
}

#[cfg(test)]
impl Bus for NoBus {
    fn read(&mut self, _: u32, bytes: &mut [u8]) -> Result<(), Error> {
        bytes.fill(0);
        Ok(())
    }

    fn write(&mut self, _: u32, _: &[u8]) -> Result<(), Error> {
        Ok(())
    }

    fn program(&mut self, _: u32, _: &[u8]) -> Result<(), Error> {
        Ok(())
    }

    fn load(&mut self, _: u32, _: Width) -> Result<u32, Error> {
        Ok(0)
    }

    fn store(&mut self, _: u32, _: Width, _: u32) -> Result<(), Error> {
        Ok(())
    }

    fn set_interrupt(&mut self, _: u32, _: bool) -> Result<(), Error> {
        Ok(())
    }

    fn target_time_ns(&mut self) -> Result<u64, Error> {
        Ok(self.now_ns)
    }
}
