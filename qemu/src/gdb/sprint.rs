//! The guest let go and met again through this connection alone: see [`crate::Emulator::sprint`].

use crate::error::Error;
use crate::gdb::client::StopReply;
use crate::gdb::hub::{Hub, Kind, TRAP_SIGNAL, Token};

/// The signal of a stop that QMP asked for.
const ASKED_SIGNAL: u8 = 2;
/// The signal of a guest that asked for its reset, where QEMU stops at it.
const SHUTDOWN_SIGNAL: u8 = 3;

/// Why the guest stands, by GDB alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Halt {
    /// At a breakpoint or watchpoint.
    Point(Token),
    /// After a step.
    Stepped,
    /// This side has stopped it.
    Asked,
    /// It asked for its reset.
    Shutdown,
    /// For something else, with the signal of GDB.
    Other(u8),
}

impl Hub {
    /// Runs a line of the human monitor that says nothing when all is well.
    pub(crate) fn monitor_quiet(&mut self, line: &str) -> Result<(), Error> {
        let answer = self.client()?.monitor(line)?.trim().to_owned();
        if answer.is_empty() {
            return Ok(());
        }
        Err(Error::Refused { socket: "GDB", command: line.to_owned(), answer })
    }

    /// Lets the guest run, a breakpoint where it stands in force.
    pub(crate) fn start_running(&mut self) -> Result<(), Error> {
        self.forget_position();
        self.running = true;
        self.client()?.send("c")
    }

    /// Collects the stop reply that is owed.
    pub(crate) fn halted(&mut self) -> Result<Halt, Error> {
        let reply = self.client()?.stop_reply()?;
        self.running = false;
        match self.halt(&reply)? {
            Halt::Stepped => {
                let token = self
                    .only_breakpoint()
                    .map_or_else(|| self.breakpoint_here(), |it| Ok(Some(it)))?;
                Ok(token.map_or(Halt::Other(reply.signal), Halt::Point))
            }
            other => Ok(other),
        }
    }

    /// Executes one instruction.
    pub(crate) fn step_once(&mut self) -> Result<Halt, Error> {
        self.forget_position();
        let client = self.client()?;
        client.send("s")?;
        let reply = client.stop_reply()?;
        self.halt(&reply)
    }

    /// The only breakpoint there is: a stop that is no watchpoint's is at this one.
    fn only_breakpoint(&self) -> Option<Token> {
        let mut all = self.points.iter().filter(|point| point.kind == Kind::Break);
        let first = all.next()?;
        all.next().is_none().then_some(first.token)
    }

    fn breakpoint_here(&mut self) -> Result<Option<Token>, Error> {
        let pc = self.program_counter()?;
        Ok(self.breakpoint(pc))
    }

    fn halt(&mut self, reply: &StopReply) -> Result<Halt, Error> {
        let watch = self.watch_token(reply);
        self.stands_at_watch = watch;
        Ok(match (reply.signal, watch) {
            (TRAP_SIGNAL, Some(token)) => Halt::Point(token),
            (TRAP_SIGNAL, None) => Halt::Stepped,
            (ASKED_SIGNAL, _) => Halt::Asked,
            (SHUTDOWN_SIGNAL, _) => Halt::Shutdown,
            (other, _) => Halt::Other(other),
        })
    }
}
