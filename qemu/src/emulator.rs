//! One emulator from its start to its end: memory, running, and what steers both.
//!
//! The states are few: stopped before the first instruction, running, stopped for a [`Stop`],
//! ended. Starting stands in `start.rs`, following the guest while it runs in `wait.rs`.

use std::os::unix::net::UnixStream;
use std::time::Instant;

use serde_json::{Value, json};

use crate::channel::answer_deadline;
use crate::discover::Version;
use crate::error::Error;
use crate::gdb::{Access, Hub, Token};
use crate::interrupts::Controller;
use crate::models::Reset;
use crate::mtree::MappedRange;
use crate::observer::Observer;
use crate::output::{Mark, OutputFiles, read_from};
use crate::process::{End, Process};
use crate::qmp::Qmp;
use crate::qtest::Qtest;
use crate::registers::Registers;
use crate::stop::Stop;
use crate::trap::Models;

/// Most of QEMU's own words that are kept with its end, in bytes.
const TEXT_LIMIT_BYTES: u64 = 16 * 1024;

/// What the emulator is doing, as far as this side knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// The guest does not run and can be resumed.
    Stopped,
    /// The guest asked for a reset; it can be resumed only after [`Emulator::reset_warm`].
    AtReset,
    /// The guest runs, or has stopped and nobody has looked yet.
    Running,
    /// QEMU is gone.
    Ended,
}

impl State {
    const fn name(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::AtReset => "stopped at a reset",
            Self::Running => "running",
            Self::Ended => "ended",
        }
    }
}

/// One QEMU. Dropping it ends it, together with everything it started.
#[derive(Debug)]
pub struct Emulator {
    pub(crate) qmp: Qmp,
    pub(crate) qtest: Qtest,
    pub(crate) hub: Hub,
    pub(crate) observer: Option<Observer>,
    /// Leads to the plug-in, until the guest is taken over.
    pub(crate) steering: Option<UnixStream>,
    /// Devices that the host supplies; nothing while they are at work.
    pub(crate) models: Option<Models>,
    /// A limit that is used up: the guest stops with it once a device has answered.
    pub(crate) due: Option<Stop>,
    pub(crate) state: State,
    /// A stop that was noticed before anybody waited for it.
    pub(crate) pending: Option<Stop>,
    /// Instructions executed when the guest was last resumed.
    pub(crate) resumed_at_instruction: u64,
    /// The output when the guest was last resumed.
    pub(crate) resumed_at_mark: Mark,
    /// When the guest was last resumed.
    pub(crate) resumed_at: Instant,
    /// Target time of an instruction as a power of two nanoseconds, if they are counted.
    pub(crate) instruction_shift: Option<u8>,
    /// The reset at which the guest stands, or that comes next.
    pub(crate) reset: Reset,
    /// The interrupt controller, once it was looked for.
    pub(crate) controller: Option<Controller>,
    pub(crate) files: OutputFiles,
    pub(crate) version: Version,
    pub(crate) process: Process,
    /// The sockets' folder, removed with everything in it at the end.
    pub(crate) _folder: tempfile::TempDir,
}

impl Emulator {
    /// The version of this QEMU.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// The process id of QEMU, for tools that look at it.
    #[must_use]
    pub fn process_id(&self) -> u32 {
        self.process.pid
    }

    /// The files QEMU writes into.
    #[must_use]
    pub fn files(&self) -> &OutputFiles {
        &self.files
    }

    /// How long the output is now. While the guest is stopped, nothing of it is on its way.
    ///
    /// # Errors
    /// When a file cannot be looked at.
    pub fn mark(&self) -> Result<Mark, Error> {
        self.files.mark()
    }

    /// Reads target memory into `bytes`, whether the guest runs or not. See [`Qtest::read`].
    ///
    /// # Errors
    /// When the range leaves the address space, or QEMU has ended.
    pub fn read(&mut self, address: u32, bytes: &mut [u8]) -> Result<(), Error> {
        self.qtest.read(address, bytes)
    }

    /// Writes target memory, whether the guest runs or not. See [`Qtest::write`]: read-only memory
    /// does not change.
    ///
    /// # Errors
    /// As [`Emulator::read`].
    pub fn write(&mut self, address: u32, bytes: &[u8]) -> Result<(), Error> {
        self.qtest.write(address, bytes)
    }

    /// The memory connection, for fills and for device registers.
    pub fn memory(&mut self) -> &mut Qtest {
        &mut self.qtest
    }

    /// The control connection, for what has no method here. Events belong to [`Emulator::wait`].
    pub fn qmp(&mut self) -> &mut Qmp {
        &mut self.qmp
    }

    /// The map of what the first CPU sees.
    ///
    /// # Errors
    /// When QEMU does not answer, or the answer cannot be read.
    pub fn memory_map(&mut self) -> Result<Vec<MappedRange>, Error> {
        crate::mtree::read(&mut self.qmp)
    }

    /// The core registers.
    ///
    /// # Errors
    /// When QEMU does not answer.
    pub fn registers(&mut self) -> Result<Registers, Error> {
        Registers::parse(&self.qmp.human("info registers")?)
    }

    /// Instructions executed since power-on, over all boots; `None` when they are not counted.
    ///
    /// # Errors
    /// When QEMU does not answer.
    pub fn instructions(&mut self) -> Result<Option<u64>, Error> {
        self.instruction_shift.map(|_| self.qmp.instruction_count()).transpose()
    }

    /// Stops the guest before the instruction at an address. See [`Hub::break_at`].
    ///
    /// # Errors
    /// When the guest runs, or QEMU refuses.
    pub fn break_at(&mut self, address: u32) -> Result<Token, Error> {
        self.stopped_hub("set a breakpoint")?.break_at(address)
    }

    /// Stops the guest before an access to a range. See [`Hub::watch`].
    ///
    /// # Errors
    /// When the guest runs, or QEMU refuses.
    pub fn watch(&mut self, address: u32, size_bytes: u32, access: Access) -> Result<Token, Error> {
        self.stopped_hub("set a watchpoint")?.watch(address, size_bytes, access)
    }

    /// Takes a breakpoint or watchpoint back.
    ///
    /// # Errors
    /// When the guest runs, or QEMU refuses.
    pub fn remove(&mut self, token: Token) -> Result<(), Error> {
        self.stopped_hub("remove a breakpoint")?.remove(token)
    }

    /// The GDB connection of the stopped guest, for registers by name.
    ///
    /// # Errors
    /// When the guest runs or QEMU has ended.
    pub fn gdb(&mut self) -> Result<&mut Hub, Error> {
        self.stopped_hub("use GDB")
    }

    /// Resets the guest after it stopped for a reset, at a watchdog or at a limit: it stands before
    /// its first instruction again, memory kept. What the image places in memory is put there
    /// again.
    ///
    /// # Errors
    /// When the guest runs or QEMU has ended.
    pub fn reset_warm(&mut self) -> Result<(), Error> {
        self.require_stopped("reset the guest", true)?;
        self.reset_system()?;
        let reset = std::mem::replace(&mut self.reset, Reset::SystemReset);
        self.reset_models(reset)
    }

    /// [`Emulator::reset_warm`], of another kind than that which software asks for.
    pub(crate) fn reset_warm_by(&mut self, reset: Reset) -> Result<(), Error> {
        self.reset = reset;
        self.reset_warm()
    }

    /// The reset itself, of what is inside of QEMU.
    pub(crate) fn reset_system(&mut self) -> Result<(), Error> {
        self.qmp.forget_events();
        // What a reset does is decided when it is asked for, so nothing has to be waited for
        // between these three.
        self.qmp.commands([
            ("set-action", json!({ "reboot": "reset" })),
            ("system_reset", Value::Null),
            ("set-action", json!({ "reboot": "shutdown" })),
        ])?;
        self.qmp.wait_event("RESET")?;
        self.hub.forget_position();
        self.pending = None;
        self.state = State::Stopped;
        Ok(())
    }

    /// Ends QEMU in an orderly way.
    ///
    /// # Errors
    /// When it does not end by itself before a deadline; it is ended all the same.
    pub fn stop(mut self) -> Result<(), Error> {
        if self.state == State::Ended {
            return Ok(());
        }
        // QEMU may close the socket before its answer is read; how it ends is what counts.
        match self.qmp.command("quit", Value::Null) {
            Ok(_) | Err(Error::Closed { .. }) => {}
            Err(error) => return Err(error),
        }
        match self.process.end(answer_deadline())? {
            Some(End::Exit(0)) => Ok(()),
            Some(end) => Err(Error::Keeper { reason: format!("QEMU did not quit: {end}") }),
            None => Err(Error::Deadline { socket: "QMP", doing: "quit".into() }),
        }
    }

    /// How the ended QEMU ended, as a stop of the guest.
    pub(crate) fn ended(&mut self) -> Result<Stop, Error> {
        self.state = State::Ended;
        let end = self.process.end(answer_deadline())?;
        if let Some(observer) = &mut self.observer {
            observer.finish();
        }
        match end {
            Some(End::Exit(code)) => Ok(Stop::Exit { code }),
            Some(End::Signal(signal)) => {
                let from = self.resumed_at_mark.stderr_bytes;
                Ok(Stop::Killed { signal, text: last_words(&self.files, from)? })
            }
            None => Err(Error::Keeper { reason: "QEMU closed its socket and lives on".into() }),
        }
    }

    pub(crate) fn require_stopped(
        &self,
        doing: &'static str,
        at_reset_too: bool,
    ) -> Result<(), Error> {
        let fits = self.state == State::Stopped || (at_reset_too && self.state == State::AtReset);
        if fits {
            return Ok(());
        }
        Err(Error::State { doing, expected: "stopped", found: self.state.name().to_owned() })
    }

    pub(crate) fn stopped_hub(&mut self, doing: &'static str) -> Result<&mut Hub, Error> {
        self.require_stopped(doing, true)?;
        Ok(&mut self.hub)
    }
}

/// The end of what QEMU wrote to standard error after an offset.
pub(crate) fn last_words(files: &OutputFiles, from: u64) -> Result<String, Error> {
    let length = files.mark()?.stderr_bytes;
    let from = from.max(length.saturating_sub(TEXT_LIMIT_BYTES));
    let bytes = read_from(&files.stderr, from, TEXT_LIMIT_BYTES)?;
    Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
}
