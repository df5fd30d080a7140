//! Two traits: [`Target`] answers questions without touching a device; [`Session`] is one
//! powered-up device. Neither knows a scenario. A crash of the firmware is evidence; [`BenchError`]
//! means that the bench failed and nothing else.

mod boundary;
mod deadline;
pub mod emulator;
mod facts;
pub mod heap_bench;
pub mod observer;
pub mod probe;

pub use self::boundary::{Boundary, TARGET_TIME, Wait};
pub use self::deadline::Deadline;

use self::probe::ladder::Recovery;
use crate::image::{Flash, Image};
use crate::scenario::Fill;
use crashrig_layout::Need;
use crashrig_layout::parse::Board;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::Path;

/// The bench failed: no emulator, no answer, a memory map that the board file does not declare.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct BenchError(pub String);

impl BenchError {
    /// A bench error of anything that says what went wrong.
    pub fn of(error: impl fmt::Display) -> Self {
        Self(error.to_string())
    }
}

/// Why a target cannot do what a scenario needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lack {
    /// A phrase for the list of ignored scenarios.
    pub reason: String,
}

/// Facts about one kind of device; no I/O, but for what answers a need from outside of the device.
pub trait Target: Send + Sync {
    /// The first part of a test's name, e.g. `qemu`.
    fn name(&self) -> &str;
    /// Version of whatever stands behind it, e.g. `10.0.2`.
    fn version(&self) -> &str;
    /// The board it is.
    fn board(&self) -> &Board;
    /// Whether it has what a scenario needs.
    ///
    /// # Errors
    /// The reason why not.
    fn has(&self, need: Need) -> Result<(), Lack>;
    /// Whether its sessions keep a record of exceptions of their own ([`Logs::witness`]).
    fn has_witness(&self) -> bool;
    /// The same board without what stands between it and the host, where there is such a thing:
    /// what the board does must be the same there.
    fn beside(&self) -> Option<&dyn Target> {
        None
    }
    /// Why nothing is to be run on it any more, if it has come to that.
    fn broken(&self) -> Option<String> {
        None
    }
    /// Powers one device up with an image, halted before its first instruction. `folder` receives
    /// the raw streams. With an `application`, the image's bootloader is what starts, and that
    /// stands in flash behind it. `needs` are those of the scenario: what costs speed is there
    /// only where it is needed.
    ///
    /// # Errors
    /// The bench failed.
    fn open(
        &self,
        image: &Image,
        application: Option<&Flash>,
        needs: &[Need],
        folder: &Path,
    ) -> Result<Box<dyn Session>, BenchError>;
}

/// What a device said since it was last asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Logs {
    /// Raw bytes of the log channel: defmt frames.
    pub frames: Vec<u8>,
    /// Raw bytes of the console.
    pub console: Vec<u8>,
    /// The emulator's own messages.
    pub messages: Vec<u8>,
    /// The emulator's own record of exceptions and of accesses to what it does not model.
    pub witness: Vec<u8>,
}

/// One store of an instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Store {
    /// The number of the instruction since power-on, from 1.
    pub instruction: u64,
    /// The address of the instruction.
    pub pc: u32,
    /// First address that was written.
    pub address: u32,
}

/// What a bus master other than the core wrote, without a gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BusWrite {
    /// Its stream, as in a record.
    pub stream: u8,
    /// First address.
    pub start: u32,
    /// First address behind it.
    pub end: u32,
    /// How many instructions had been executed when it began; 0 where it is not known.
    pub instruction: u64,
}

impl BusWrite {
    /// Controller and stream, as `2.0`.
    #[must_use]
    pub fn stream_name(&self) -> String {
        format!("{}.{}", self.stream >> 4, self.stream & 0xF)
    }
}

/// One powered-up device.
pub trait Session {
    /// Power-on: all RAM filled, the device halted before its first instruction. With a battery
    /// devices that the host supplies keep what that keeps; there is no other battery.
    ///
    /// # Errors
    /// The bench failed.
    fn power_on(&mut self, fill: Fill, seed: u64, battery: bool) -> Result<(), BenchError>;
    /// A reset that keeps RAM, the device halted before its first instruction. After a lockup it
    /// is one from outside, and only there where [`Session::lockup_ram`] has that RAM.
    ///
    /// # Errors
    /// The bench failed.
    fn reset_warm(&mut self) -> Result<(), BenchError>;
    /// Lets the device run.
    ///
    /// # Errors
    /// The bench failed.
    fn resume(&mut self) -> Result<(), BenchError>;
    /// Waits for the end of the boot, a breakpoint, or the deadline (which is a boundary: hang).
    ///
    /// # Errors
    /// The bench failed.
    fn wait(&mut self, deadline: &Deadline) -> Result<Wait, BenchError>;
    /// Lets the running device run on for some target time, or until its boot ends.
    ///
    /// # Errors
    /// The bench failed.
    fn pause(&mut self, target_ms: u64, deadline: &Deadline) -> Result<Wait, BenchError>;
    /// Lets a stopped device that sleeps for ever sleep on: until its watchdog runs out, which ends
    /// the boot. False where none was started, and nothing will ever come.
    ///
    /// # Errors
    /// The bench failed.
    fn sleep_on(&mut self) -> Result<bool, BenchError> {
        Ok(false)
    }
    /// Reads memory by physical address.
    ///
    /// # Errors
    /// The bench failed.
    fn read(&mut self, address: u32, bytes: &mut [u8]) -> Result<(), BenchError>;
    /// Writes memory by physical address.
    ///
    /// # Errors
    /// The bench failed.
    fn write(&mut self, address: u32, bytes: &[u8]) -> Result<(), BenchError>;
    /// Reads memory on a battery; nothing where there is none, or where it cannot be reached now.
    ///
    /// # Errors
    /// The bench failed.
    fn read_backup(&mut self, address: u32, size: u32) -> Result<Option<Vec<u8>>, BenchError>;
    /// Writes such memory.
    ///
    /// # Errors
    /// The bench failed, or there is none.
    fn write_backup(&mut self, address: u32, bytes: &[u8]) -> Result<(), BenchError>;
    /// Stops the device whenever it reaches an address, until the breakpoint is cleared.
    ///
    /// # Errors
    /// The bench failed.
    fn set_breakpoint(&mut self, address: u32) -> Result<(), BenchError>;
    /// Stops the device before a store to a range, as at a breakpoint at its first address. What
    /// the core itself pushes when it takes an exception is no store.
    ///
    /// # Errors
    /// The bench failed.
    fn watch_stores(&mut self, address: u32, size_bytes: u32) -> Result<(), BenchError>;
    /// As [`Session::watch_stores`], for loads.
    ///
    /// # Errors
    /// The bench failed.
    fn watch_loads(&mut self, address: u32, size_bytes: u32) -> Result<(), BenchError>;
    /// Executes so many instructions of the stopped device, interrupts taken; timers may stand
    /// still meanwhile. There must be no breakpoint. False when one of them ended the boot with a
    /// reset.
    ///
    /// # Errors
    /// The bench failed, or the core locked up.
    fn step(&mut self, instructions: u64) -> Result<bool, BenchError>;
    /// Logs from now on what instructions store to a range, without stopping, where the session is
    /// observed ([`Need::StoreLog`]). The device must not have run yet. What the core itself
    /// pushes when it takes an exception is in no log.
    ///
    /// # Errors
    /// The bench failed, or nobody observes.
    fn log_stores(&mut self, address: u32, size_bytes: u32) -> Result<(), BenchError>;
    /// Takes what was logged, oldest first: the newest 4,096 or more.
    ///
    /// # Errors
    /// The bench failed, or nobody observes.
    fn stores(&mut self) -> Result<Vec<Store>, BenchError>;
    /// What bus masters that the host supplies wrote since this was last asked, oldest first.
    ///
    /// # Errors
    /// The bench failed.
    fn bus_writes(&mut self) -> Result<Vec<BusWrite>, BenchError>;
    /// Clears all breakpoints and watched ranges of the stopped device.
    ///
    /// # Errors
    /// The bench failed.
    fn clear_breakpoints(&mut self) -> Result<(), BenchError>;
    /// Reads a register of the stopped core by GDB's name for it (`r0`, `sp`, `psp`), or nothing
    /// where the target has no such register.
    ///
    /// # Errors
    /// The bench failed.
    fn register(&mut self, name: &str) -> Result<Option<u32>, BenchError>;
    /// Writes a register of the stopped core by GDB's name for it; false where the target has no
    /// such register.
    ///
    /// # Errors
    /// The bench failed.
    fn write_register(&mut self, name: &str, value: u32) -> Result<bool, BenchError>;
    /// Makes an external interrupt pending, 0 for the first after the core's own exceptions.
    ///
    /// # Errors
    /// The bench failed, or the chip has no such interrupt.
    fn raise_interrupt(&mut self, number: u16) -> Result<(), BenchError>;
    /// Makes the non-maskable interrupt pending.
    ///
    /// # Errors
    /// The bench failed.
    fn raise_nmi(&mut self) -> Result<(), BenchError>;
    /// Reads a word as the stopped core would, its System Control Block included.
    ///
    /// # Errors
    /// The bench failed.
    fn core_word(&mut self, address: u32) -> Result<u32, BenchError>;
    /// Writes a word as the stopped core would, its System Control Space included.
    ///
    /// # Errors
    /// The bench failed.
    fn write_core_word(&mut self, address: u32, value: u32) -> Result<(), BenchError>;
    /// Writes memory of the stopped device as a debugger does, flash included.
    ///
    /// # Errors
    /// The bench failed, or the target has no such way.
    fn write_program(&mut self, address: u32, _bytes: &[u8]) -> Result<(), BenchError> {
        Err(BenchError(format!("write {address:#010x}: this target does not write flash")))
    }
    /// What the device said since this was last called.
    ///
    /// # Errors
    /// The bench failed.
    fn logs(&mut self) -> Result<Logs, BenchError>;
    /// RAM as it was when the core locked up, in the order of [`Session::ram`]. `None` when it did
    /// not, or where nobody observed it ([`Need::LockupRam`]).
    ///
    /// # Errors
    /// It was to be read, and the bench failed.
    fn lockup_ram(&self) -> Result<Option<Vec<Vec<u8>>>, BenchError>;
    /// Instructions executed since the device was opened, or since the last lockup, where the
    /// target counts them.
    ///
    /// # Errors
    /// The bench failed.
    fn instructions(&mut self) -> Result<Option<u64>, BenchError>;
    /// RAM ranges that exist on this device, as `(start, size in bytes)`, lowest first.
    fn ram(&self) -> &[(u32, u32)];
    /// Whether faults stop the device as they are entered; false where the core cannot be asked to.
    fn catch_faults(&mut self, _are_caught: bool) -> Result<bool, BenchError> {
        Ok(false)
    }
    /// How the device was started, for the bundle.
    fn command_line(&self) -> Vec<String>;
    /// What has helped the board at the start, if it was in trouble.
    fn recovery(&self) -> Option<Recovery> {
        None
    }
}
