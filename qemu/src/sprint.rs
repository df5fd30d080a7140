//! Running the guest with nothing around it, for those who let it run thousands of times a second.
//!
//! [`Emulator::resume`] and [`Emulator::wait`] ask QEMU six times for each stop, over QMP. Here the
//! guest is let go and met again through GDB alone, and its output has no limit: two packets for a
//! run. What a stop is stays the same.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::emulator::{Emulator, State};
use crate::error::Error;
use crate::gdb::{Halt, Stepped};
use crate::stop::Stop;
use crate::thumb::is_wait;
use crate::wait::QUIET;

/// Steps after which events are read.
const STEPS_PER_LOOK: u64 = 1_000;

/// Time between two looks at the count of instructions, in milliseconds.
const LOOK_INTERVAL_MS: u64 = 2;

/// Time of the host without an instruction after which a guest is stopped.
const STILL: Duration = Duration::from_secs(2);

/// How stepping goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// By one instruction.
    Step,
    /// By one instruction, after which the guest may stand at its reset.
    StepAndLook,
    /// Not at all.
    Stop,
}

impl Emulator {
    /// Lets the stopped guest run to its next stop. A breakpoint where it stands stops it at once:
    /// nothing is stepped over. From `end_instruction` on, counted from power-on, it is stopped
    /// with [`Stop::InstructionLimit`], late by up to a second and what it executes in that, since
    /// it is not asked before; one that stops by itself meanwhile was not asked at all, so its
    /// count has to be looked at. A guest that has executed nothing for two seconds of the host is
    /// stopped with [`Stop::WallLimit`] before `wall` is over: it sleeps for ever, or the host does
    /// not let it run; [`Emulator::is_waiting`] says which.
    ///
    /// # Errors
    /// When the guest does not stand still, devices of the host are attached, or QEMU fails.
    pub fn sprint(&mut self, end_instruction: u64, wall: Duration) -> Result<Stop, Error> {
        self.require_stopped("let the guest run", false)?;
        self.require_no_models("let the guest run")?;
        self.pending = None;
        let wall_end = Instant::now() + wall;
        match self.sprint_until(end_instruction, wall_end) {
            Err(Error::Closed { .. }) => self.ended(),
            other => other,
        }
    }

    fn sprint_until(&mut self, end_instruction: u64, wall_end: Instant) -> Result<Stop, Error> {
        self.state = State::Running;
        self.hub.start_running()?;
        let interval = Duration::from_millis(LOOK_INTERVAL_MS);
        let mut asked = None;
        let mut seen = (None, Instant::now());
        let mut deadline = wall_end.min(Instant::now() + QUIET);
        while !self.hub.wait_stopped(deadline)? {
            let now = Instant::now();
            deadline = now + interval;
            if asked.is_some() {
                continue;
            }
            let count = self.instructions()?;
            if count != seen.0 {
                seen = (count, now);
            }
            let is_still = count.is_some() && now - seen.1 >= STILL;
            asked = if count.is_some_and(|count| count >= end_instruction) {
                Some(Stop::InstructionLimit)
            } else {
                (is_still || now >= wall_end).then_some(Stop::WallLimit)
            };
            if asked.is_some() {
                self.qmp.command("stop", Value::Null)?;
            }
        }
        let halt = self.hub.halted()?;
        self.state = State::Stopped;
        match (halt, asked) {
            (Halt::Point(token), _) => Ok(Stop::Breakpoint { token }),
            (Halt::Asked, Some(limit)) => Ok(limit),
            (Halt::Shutdown, _) => {
                self.state = State::AtReset;
                Ok(Stop::Reset)
            }
            (found, _) => Err(Error::State {
                doing: "let the guest run",
                expected: "stopped for a known reason",
                found: format!("{found:?}"),
            }),
        }
    }

    /// Reads ranges of memory of the stopped guest and [`Emulator::instructions`], all at once.
    ///
    /// # Errors
    /// When instructions are not counted, a range leaves the address space, or QEMU fails.
    pub fn read_and_count(&mut self, ranges: &mut [(u32, &mut [u8])]) -> Result<u64, Error> {
        self.require_stopped("read what the guest has left", true)?;
        self.qmp.ask_instruction_count()?;
        let read = self.qtest.read_many(ranges);
        let count = self.qmp.asked_instruction_count()?;
        read.map(|()| count)
    }

    /// Whether the stopped guest sleeps: the instruction before the next waits for an interrupt.
    ///
    /// # Errors
    /// When the guest does not stand still, or QEMU fails.
    pub fn is_waiting(&mut self) -> Result<bool, Error> {
        self.require_stopped("look at the guest", false)?;
        let pc = self.hub.program_counter()?;
        let [first, second] = self.hub.code(pc.wrapping_sub(4))?;
        Ok(is_wait([second, 0]) || is_wait([first, second]))
    }

    /// Executes the instruction at whose breakpoint or watchpoint the stopped guest stands, its
    /// points left out. False when the guest asked for its reset in it: then it can only be reset.
    ///
    /// # Errors
    /// When the guest does not stand still, or QEMU fails; also when the guest has ended QEMU.
    pub fn pass(&mut self) -> Result<bool, Error> {
        self.require_stopped("step the guest", false)?;
        self.qmp.forget_events();
        if !self.step_served()? {
            self.hub.step_over()?;
        }
        self.note_reset()?;
        Ok(self.state == State::Stopped)
    }

    /// Executes so many instructions of the stopped guest, interrupts taken: entering a handler is
    /// part of its first instruction. Timers stand still meanwhile. False when the guest asked for
    /// its reset in one of them: then it can only be reset.
    ///
    /// # Errors
    /// When the guest does not stand still, or QEMU fails; also when the guest has ended QEMU. When
    /// a device of the host is at work, or the guest reaches for one: that is not carried out here.
    pub fn step(&mut self, count: u64) -> Result<bool, Error> {
        self.require_stopped("step the guest", false)?;
        self.require_idle_models("step the guest")?;
        if count == 0 {
            return Ok(true);
        }
        self.hub.set_interrupts_in_steps(true)?;
        self.qmp.forget_events();
        let mut left = count;
        while left > 0 && self.state == State::Stopped && self.step_once()? {
            left -= 1;
            self.read_events_of(left)?;
        }
        self.hub.set_interrupts_in_steps(false)?;
        self.note_reset()?;
        Ok(self.state == State::Stopped)
    }

    /// Executes one instruction of the stopped guest, past a breakpoint or watchpoint there.
    /// Devices of the host answer, and do one piece of work. False when the guest asked for its
    /// reset in it: then it can only be reset.
    ///
    /// # Errors
    /// When the guest does not stand still, or QEMU fails; also when the guest has ended QEMU.
    pub(crate) fn step_one(&mut self, takes_interrupts: bool) -> Result<bool, Error> {
        self.require_stopped("step the guest", false)?;
        self.qmp.forget_events();
        self.hub.set_interrupts_in_steps(takes_interrupts)?;
        if !self.step_served()? && self.hub.step_over()? == Stepped::Nowhere {
            self.step_once()?;
        }
        self.hub.set_interrupts_in_steps(false)?;
        self.note_reset()?;
        Ok(self.state == State::Stopped)
    }

    /// Executes instructions of the stopped guest, as [`Emulator::step`] does, and shows it to
    /// `visit` before each, which says how to go on. False when the guest asked for its reset in
    /// the last of them; that is only noticed where it is looked for.
    ///
    /// # Errors
    /// As [`Emulator::step`], and what `visit` returns.
    pub fn step_each(
        &mut self,
        mut visit: impl FnMut(&mut Self) -> Result<Next, Error>,
    ) -> Result<bool, Error> {
        self.require_stopped("step the guest", false)?;
        self.require_no_models("step the guest")?;
        self.hub.set_interrupts_in_steps(true)?;
        self.qmp.forget_events();
        let mut steps = 0;
        while self.state == State::Stopped {
            steps += 1;
            self.read_events_of(steps)?;
            let next = visit(self)?;
            if next == Next::Stop {
                break;
            }
            if self.step_once()? && next == Next::StepAndLook {
                self.note_reset()?;
            }
        }
        self.hub.set_interrupts_in_steps(false)?;
        Ok(self.state == State::Stopped)
    }

    /// Each step leaves events, of which a connection keeps some thousands: now and then they are
    /// read.
    fn read_events_of(&mut self, steps: u64) -> Result<(), Error> {
        if !steps.is_multiple_of(STEPS_PER_LOOK) {
            return Ok(());
        }
        self.note_reset()?;
        self.qmp.forget_events();
        Ok(())
    }

    /// One step; false when QEMU says that the guest asked for its reset in it.
    fn step_once(&mut self) -> Result<bool, Error> {
        match self.hub.step_once()? {
            Halt::Point(token) if self.is_model(token) => Err(Error::State {
                doing: "step the guest",
                expected: "no access to a device of the host",
                found: "one".into(),
            }),
            Halt::Stepped | Halt::Point(_) => Ok(true),
            Halt::Shutdown => {
                self.state = State::AtReset;
                Ok(false)
            }
            found => Err(Error::State {
                doing: "step the guest",
                expected: "stepped",
                found: format!("{found:?}"),
            }),
        }
    }

    /// A guest that asks for its reset in a single step mostly stays in the state "debug", and only
    /// the event tells. The answer to any question comes after it.
    fn note_reset(&mut self) -> Result<(), Error> {
        self.qmp.status()?;
        if self.qmp.has_event("SHUTDOWN") {
            self.state = State::AtReset;
        }
        Ok(())
    }
}
