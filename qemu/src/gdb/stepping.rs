//! Single steps in which interrupts are taken, and accesses that the host carries out itself.
//!
//! For the models of devices ([`crate::models`]); a step over a breakpoint stands in `hub.rs`.

use std::time::Instant;

use crate::error::Error;
use crate::gdb::hub::{Hub, Kind, TRAP_SIGNAL, Token};
use crate::gdb::packet;

/// Bytes in one packet, of which QEMU takes 4096 letters at most.
const BLOCK_BYTES: usize = 1024;

/// The registers of the core by which an instruction is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Core {
    /// r0 to r15.
    pub registers: [u32; 16],
    pub xpsr: u32,
}

/// How a single step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// One instruction was executed, or an exception was entered.
    Done,
    /// The instruction would make an access that is watched; nothing was executed.
    Watched(Token),
    /// It ended in something else, such as a reset.
    Elsewhere,
}

impl Hub {
    /// The registers of the core, in one answer.
    pub(crate) fn core(&mut self) -> Result<Core, Error> {
        let answer = self.client()?.ask("g")?;
        let bytes = packet::decode_hex(&answer).unwrap_or_default();
        let mut words = bytes
            .chunks_exact(4)
            .map(|word| word.iter().rev().fold(0_u32, |value, byte| value << 8 | u32::from(*byte)));
        let registers = std::array::from_fn(|_| words.next());
        let xpsr = words.next();
        match (registers.iter().flatten().count(), xpsr) {
            (16, Some(xpsr)) => {
                Ok(Core { registers: registers.map(Option::unwrap_or_default), xpsr })
            }
            _ => Err(Error::Malformed {
                socket: "GDB",
                expected: "r0 to r15 and xpsr",
                found: answer.chars().take(200).collect(),
            }),
        }
    }

    /// The two halfwords at an address.
    pub(crate) fn code(&mut self, address: u32) -> Result<[u16; 2], Error> {
        let answer = self.client()?.ask(&format!("m{address:x},4"))?;
        match packet::decode_hex(&answer).as_deref() {
            Some(&[a, b, c, d]) => Ok([u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d])]),
            _ => Err(Error::Malformed {
                socket: "GDB",
                expected: "four bytes of code",
                found: answer.chars().take(200).collect(),
            }),
        }
    }

    /// Writes core registers by GDB's names.
    pub(crate) fn write_registers(&mut self, values: &[(&str, u32)]) -> Result<(), Error> {
        self.client()?.write_registers(values)
    }

    /// Writes memory that is read-only to the core, too.
    pub(crate) fn program(&mut self, address: u32, bytes: &[u8]) -> Result<(), Error> {
        let client = self.client()?;
        for (block, address) in bytes.chunks(BLOCK_BYTES).zip((address..).step_by(BLOCK_BYTES)) {
            client.write_as_core(address, block)?;
        }
        Ok(())
    }

    /// Whether the guest was resumed through this connection and no stop of it was collected.
    pub(crate) fn is_running(&self) -> bool {
        self.running
    }

    /// Waits until the guest that was resumed through this connection has stopped; false when it
    /// has not in time.
    pub(crate) fn wait_stopped(&mut self, until: Instant) -> Result<bool, Error> {
        self.client()?.has_packet(until)
    }

    /// Whether interrupts are taken in single steps. They are not by default. Timers stand still in
    /// both cases: with them QEMU lets target time jump to the next timer at the end of each step,
    /// since it takes a stopped core for a sleeping one.
    pub(crate) fn set_interrupts_in_steps(&mut self, taken: bool) -> Result<(), Error> {
        // Bit 0 is the step itself, bit 1 keeps interrupts out of it, bit 2 stops the timers.
        self.client()?.ask_ok(if taken { "Qqemu.sstep=5" } else { "Qqemu.sstep=7" })
    }

    /// Executes one instruction, all points in force.
    pub(crate) fn step(&mut self) -> Result<Step, Error> {
        self.forget_position();
        let client = self.client()?;
        client.send("s")?;
        let reply = client.stop_reply()?;
        if reply.signal != TRAP_SIGNAL {
            return Ok(Step::Elsewhere);
        }
        let Some(token) = self.watch_token(&reply) else { return Ok(Step::Done) };
        self.stands_at_watch = Some(token);
        Ok(Step::Watched(token))
    }

    /// The oldest breakpoint at an address.
    pub(crate) fn breakpoint(&self, address: u32) -> Option<Token> {
        let hit = self.points.iter().find(|it| it.kind == Kind::Break && it.address == address);
        hit.map(|point| point.token)
    }
}
