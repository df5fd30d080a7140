//! Steering from inside: the plug-in carries out commands in QEMU, on the thread of the CPU.
//!
//! Stops at exact instructions without GDB, snapshots in memory, and what is done to the guest
//! where it stands, a hundred times faster than through QEMU's sockets. It needs a QEMU that
//! exports its own functions (Debian's do) and counted instructions, on a machine with a Cortex-M;
//! where something is missing, QEMU says so at its start ([`crate::Error::EndedAtStart`]).
//!
//! Once taken over, the guest stands between two commands with QEMU's big lock held: QMP, qtest and
//! GDB do not answer any more, and devices of the host cannot be attached. So [`Steered`] takes the
//! emulator, and gives only its files and its end.

mod command;

pub use command::{Command, Reason, Reply, Restored, STORED_FIRST, Stopped, Until};

use std::io::{BufReader, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::channel::ANSWER_DEADLINE_MS;
use crate::emulator::Emulator;
use crate::error::Error;
use crate::guest_ram::RamRange;

/// The name of the socket in error messages.
pub(crate) const SOCKET: &str = "steering";

/// An emulator that is steered from inside.
#[derive(Debug)]
pub struct Steered {
    commands: Vec<u8>,
    replies: BufReader<UnixStream>,
    /// Keeps QEMU; closed by the end of the socket above.
    emulator: Emulator,
}

impl Emulator {
    /// Takes the guest over, which must stand before its first instruction since QEMU's start; it
    /// still stands there afterwards. `ram` is what snapshots keep.
    ///
    /// # Errors
    /// When it was not started for that ([`crate::Launch::steered`]), has run already, or when
    /// QEMU does not let itself be steered.
    pub fn steer(mut self, ram: &[RamRange]) -> Result<Steered, Error> {
        self.require_stopped("take the guest over", false)?;
        let stream = self.steering.take().ok_or_else(|| Error::State {
            doing: "take the guest over",
            expected: "started for that",
            found: "started without".into(),
        })?;
        let setting_up = |source| Error::system("set up the steering socket", source);
        let limit = Some(Duration::from_millis(ANSWER_DEADLINE_MS));
        stream.set_read_timeout(limit).map_err(setting_up)?;
        stream.set_write_timeout(limit).map_err(setting_up)?;
        // The last thing that QEMU's main thread does for us.
        self.qmp.command("cont", serde_json::Value::Null)?;
        let replies = BufReader::new(stream);
        let mut steered = Steered { commands: Vec::new(), replies, emulator: self };
        command::read_stop(&mut steered.replies)?;
        for range in ram {
            steered.one(&Command::Ram(*range))?;
        }
        Ok(steered)
    }
}

impl Steered {
    /// Carries out commands in their order. Together they must say or ask for less than 64 KiB,
    /// for everything is sent before a reply is read; a single one may take more.
    ///
    /// # Errors
    /// When one is refused, or QEMU has ended or hangs. What comes after is not carried out then,
    /// or in vain: the emulator is of no use any more.
    pub fn carry_out(&mut self, commands: &[Command]) -> Result<Vec<Reply>, Error> {
        self.commands.clear();
        for command in commands {
            command.write(&mut self.commands);
        }
        if self.replies.get_mut().write_all(&self.commands).is_err() {
            return Err(Error::Closed { socket: SOCKET });
        }
        commands.iter().map(|command| command.read_reply(&mut self.replies)).collect()
    }

    /// Carries out one command.
    ///
    /// # Errors
    /// See [`Steered::carry_out`].
    pub fn one(&mut self, command: &Command) -> Result<Reply, Error> {
        let replies = self.carry_out(std::slice::from_ref(command))?;
        Ok(replies.into_iter().next().unwrap_or(Reply::Done))
    }

    /// Lets the guest run, for at most so many instructions.
    ///
    /// # Errors
    /// See [`Steered::carry_out`].
    pub fn run(&mut self, limit: u64, until: Until) -> Result<Stopped, Error> {
        match self.one(&Command::Run { limit, until, skip: 0 })? {
            Reply::Stopped(stopped) => Ok(stopped),
            other => Err(other.unexpected()),
        }
    }

    /// Reads memory.
    ///
    /// # Errors
    /// See [`Steered::carry_out`].
    pub fn read(&mut self, address: u32, size_bytes: u32) -> Result<Vec<u8>, Error> {
        match self.one(&Command::Read { address, size_bytes })? {
            Reply::Bytes(bytes) => Ok(bytes),
            other => Err(other.unexpected()),
        }
    }

    /// Where the guest stands: the hash of its trace, the instructions it has begun while that was
    /// on, and its own time in nanoseconds.
    ///
    /// # Errors
    /// See [`Steered::carry_out`].
    pub fn state(&mut self) -> Result<(u64, u64, u64), Error> {
        match self.one(&Command::State)? {
            Reply::State { hash, begun, time_ns } => Ok((hash, begun, time_ns)),
            other => Err(other.unexpected()),
        }
    }

    /// The emulator, for its files and its process; its sockets do not answer.
    #[must_use]
    pub const fn emulator(&self) -> &Emulator {
        &self.emulator
    }
}
