//! Running the guest, and following it until it stops.
//!
//! What QEMU says with `query-status` decides; events only say when to ask. So an event that is
//! late, or that belongs to a step over a breakpoint, can never be taken for a stop. Output is
//! looked at every few milliseconds. For its instructions a guest is not asked until it has run for
//! long, but for one with an armed watchdog of the host.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::emulator::{Emulator, State};
use crate::error::Error;
use crate::gdb::{Stepped, Token};
use crate::models::Reset;
use crate::stop::{Limits, Stop};

/// Time between two looks at the counters, in milliseconds. A guest executes some ten million
/// instructions in it.
const LOOK_INTERVAL_MS: u64 = 4;

/// How long a guest runs before it is asked how many instructions it has executed. The question
/// wakes QEMU's main loop, which lets time pass for a guest that is just about to sleep: with a
/// question every 2 to 4 ms, about one of 300 runs of 9.5 million instructions was not equal to the
/// others; without, none of 1,064 beside them (QEMU 10; that this is how it comes about is
/// inferred). Guests that come to an end by themselves mostly do so before.
pub(crate) const QUIET: Duration = Duration::from_secs(1);

/// The limits of a guest that somebody else ends.
const WITHOUT_END: Limits =
    Limits { instructions: None, wall: Duration::MAX, output_bytes: u64::MAX, log_bytes: u64::MAX };

/// For how long a guest is served that nobody waits for, and within what time it must reach for a
/// device again.
const SERVE: Duration = Duration::from_millis(5);
const REACH: Duration = Duration::from_micros(200);

/// How long a guest with devices of the host is given to reach for one before it is stopped, in
/// milliseconds.
const GRACE_MS: u64 = 20;

impl Emulator {
    /// Lets the guest run from where it stands, past a breakpoint or watchpoint there. The limits
    /// of [`Emulator::wait`] count from here.
    ///
    /// # Errors
    /// When the guest already runs, stands at a reset (see [`Emulator::reset_warm`]), or QEMU has
    /// ended.
    pub fn resume(&mut self) -> Result<(), Error> {
        self.require_stopped("resume the guest", false)?;
        self.resumed_at_instruction = self.instructions()?.unwrap_or(0);
        self.resumed_at_mark = self.mark()?;
        self.resumed_at = Instant::now();
        self.pending = None;
        self.qmp.forget_events();
        self.state = State::Running;
        match self.go() {
            // The guest may have ended QEMU before the answer was sent. Waiting will say how.
            Err(Error::Closed { .. }) => Ok(()),
            other => other,
        }
    }

    fn go(&mut self) -> Result<(), Error> {
        if !self.hub.is_connected() {
            return self.qmp.command("cont", Value::Null).map(drop);
        }
        match self.hub.step_over()? {
            Stepped::Nowhere => {}
            Stepped::Hit(token) if self.is_model(token) => {
                self.pending = self.serve(true)?;
                return Ok(());
            }
            Stepped::Hit(token) => {
                self.pending = Some(Stop::Breakpoint { token });
                return Ok(());
            }
            Stepped::Elsewhere => return Ok(()),
            // A guest that asks for its reset in a single step stays in the state "debug", and only
            // the event tells. The answer to any question comes after it.
            Stepped::Over => {
                self.qmp.status()?;
                if self.qmp.has_event("SHUTDOWN") {
                    self.pending = Some(Stop::Reset);
                    return Ok(());
                }
            }
        }
        if self.models.is_none() {
            return self.hub.go_on();
        }
        self.pending = self.serve(false)?;
        Ok(())
    }

    /// Waits until the guest stops, or stops it when it has used up one of the limits.
    ///
    /// # Errors
    /// When the guest was not resumed, or QEMU itself fails.
    pub fn wait(&mut self, limits: &Limits) -> Result<Stop, Error> {
        if self.state != State::Running {
            self.require_stopped("wait for the guest", true)?;
            return Err(Error::State {
                doing: "wait for the guest",
                expected: "running",
                found: "stopped".into(),
            });
        }
        let stop = match self.pending.take() {
            Some(stop) => {
                self.state = if stop == Stop::Reset { State::AtReset } else { State::Stopped };
                stop
            }
            None => match self.follow(limits) {
                Err(Error::Closed { .. }) => return self.ended(),
                other => other?,
            },
        };
        // Whatever else the guest came to, a watchdog that ran out before was first.
        if stop == Stop::Watchdog || self.is_reset_due()? {
            self.state = State::AtReset;
            self.reset = Reset::Watchdog;
            return Ok(Stop::Watchdog);
        }
        // A limit counts that was used up by then, whenever the guest was looked at.
        let is_late = self.state != State::Ended && self.has_used_up(limits)?;
        Ok(if is_late { Stop::InstructionLimit } else { stop })
    }

    /// Whether the guest has executed all instructions that it may.
    fn has_used_up(&mut self, limits: &Limits) -> Result<bool, Error> {
        let Some(allowed) = limits.instructions else { return Ok(false) };
        let count = self.instructions()?;
        let since = count.map(|count| count.saturating_sub(self.resumed_at_instruction));
        Ok(since.is_some_and(|since| since >= allowed))
    }

    /// What the running guest has come to, without waiting for it; `None` while it runs on. While
    /// it keeps reaching for devices of the host it is served, for some milliseconds.
    ///
    /// # Errors
    /// When QEMU itself fails.
    pub(crate) fn poll(&mut self) -> Result<Option<Stop>, Error> {
        if self.pending.is_none() {
            match self.look_and_serve() {
                Ok(None) => return Ok(None),
                Ok(stop) => self.pending = stop,
                Err(Error::Closed { .. }) => return self.ended().map(Some),
                Err(error) => return Err(error),
            }
            self.state = State::Running;
        }
        self.wait(&WITHOUT_END).map(Some)
    }

    fn look_and_serve(&mut self) -> Result<Option<Stop>, Error> {
        let end = Instant::now() + SERVE;
        let mut stop = self.look(None)?;
        while stop.is_none() && self.models.is_some() && self.hub.is_running() {
            let until = end.min(Instant::now() + REACH);
            if !self.hub.wait_stopped(until)? {
                break;
            }
            stop = self.next(until)?;
        }
        if stop.is_none() && self.is_reset_due()? {
            stop = self.stop_for(Stop::Watchdog)?;
        }
        Ok(stop)
    }

    /// Stops the running guest, with [`Stop::WallLimit`] unless it came to something else first.
    ///
    /// # Errors
    /// When QEMU itself fails.
    pub(crate) fn interrupt(&mut self) -> Result<Stop, Error> {
        if self.pending.is_some() {
            return self.wait(&WITHOUT_END);
        }
        loop {
            match self.stop_for(Stop::WallLimit) {
                Ok(Some(stop)) => return Ok(stop),
                // It reached for a device in that moment, and goes on.
                Ok(None) => {}
                Err(Error::Closed { .. }) => return self.ended(),
                Err(error) => return Err(error),
            }
        }
    }

    /// Lets devices of the host answer a running guest for which nobody waits now, without waiting.
    /// A stop that is found is kept for [`Emulator::wait`]. Does nothing without such devices.
    ///
    /// # Errors
    /// When QEMU itself fails; that it has ended is for [`Emulator::wait`] to say.
    pub fn attend(&mut self) -> Result<(), Error> {
        if self.models.is_none() || self.state != State::Running || self.pending.is_some() {
            return Ok(());
        }
        match self.look(None) {
            Ok(stop) => {
                self.pending = stop;
                self.state = State::Running;
                Ok(())
            }
            Err(Error::Closed { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// [`Emulator::wait`], with the end of QEMU as an error.
    fn follow(&mut self, limits: &Limits) -> Result<Stop, Error> {
        let wall_end = self.resumed_at + limits.wall;
        if let Some(stop) = self.look(None)? {
            return Ok(stop);
        }
        let interval = Duration::from_millis(LOOK_INTERVAL_MS);
        let mut next_look = Instant::now() + interval;
        loop {
            if let Some(stop) = self.next(next_look.min(wall_end))? {
                return Ok(stop);
            }
            // Also while events keep coming: each access to a modelled device is one.
            if Instant::now() < next_look.min(wall_end) {
                continue;
            }
            next_look = Instant::now() + interval;
            let Some(limit) = self.limit(limits, wall_end)? else {
                continue;
            };
            if let Some(stop) = self.stop_for(limit)? {
                return Ok(stop);
            }
        }
    }

    /// Follows the guest until something has happened, or `until`. A stop is of interest.
    fn next(&mut self, until: Instant) -> Result<Option<Stop>, Error> {
        if self.models.is_none() || !self.hub.is_running() {
            let event = self.qmp.next_event(until)?;
            let is_stop = event.is_some_and(|event| event.name == "STOP");
            return if is_stop { self.look(None) } else { Ok(None) };
        }
        // A guest with devices of the host stops often, and GDB's answer says all of such a stop.
        if !self.hub.wait_stopped(until)? {
            return Ok(None);
        }
        match self.hub.stopped()? {
            Some(token) => self.at_point(token),
            None => self.look(None),
        }
    }

    /// The guest stands at a point: a stop, unless it is a device of the host that it reaches for.
    fn at_point(&mut self, token: Token) -> Result<Option<Stop>, Error> {
        let stop =
            if self.is_model(token) { self.serve(true)? } else { Some(Stop::Breakpoint { token }) };
        self.state = match stop {
            None => State::Running,
            Some(Stop::Reset) => State::AtReset,
            Some(_) => State::Stopped,
        };
        if stop.is_none() && !self.hub.is_running() {
            return self.look(None);
        }
        Ok(stop)
    }

    /// Stops a guest that has used up a limit; nothing if it was about to do something else.
    ///
    /// A guest that reaches for a device of the host in the same moment is let down by QEMU: it
    /// does not tell of the watchpoint, and aborts at the next one ("Raised interrupt while not in
    /// I/O function", seen with 10.0). So a guest that does it often is stopped where it has just
    /// done it. One that does it rarely can still be met in that moment.
    fn stop_for(&mut self, limit: Stop) -> Result<Option<Stop>, Error> {
        let grace_end = Instant::now() + Duration::from_millis(GRACE_MS);
        if self.models.is_some() && self.hub.is_running() && self.hub.wait_stopped(grace_end)? {
            self.due = Some(limit);
            let stop = self.next(grace_end);
            self.due = None;
            return stop;
        }
        self.qmp.command("stop", Value::Null)?;
        self.look(Some(limit))
    }

    /// The limit that is used up, if one is.
    fn limit(&mut self, limits: &Limits, wall_end: Instant) -> Result<Option<Stop>, Error> {
        let mark = self.mark()?;
        if self.is_reset_due()? {
            return Ok(Some(Stop::Watchdog));
        }
        let before = self.resumed_at_mark;
        let output_bytes = mark.stdout_bytes.saturating_sub(before.stdout_bytes)
            + mark.console_bytes.saturating_sub(before.console_bytes)
            + mark.stderr_bytes.saturating_sub(before.stderr_bytes);
        let log_bytes = mark.log_bytes.saturating_sub(before.log_bytes);
        if output_bytes > limits.output_bytes || log_bytes > limits.log_bytes {
            return Ok(Some(Stop::OutputLimit));
        }
        if self.resumed_at.elapsed() >= QUIET && self.has_used_up(limits)? {
            return Ok(Some(Stop::InstructionLimit));
        }
        Ok((Instant::now() >= wall_end).then_some(Stop::WallLimit))
    }

    /// Asks QEMU what it is doing. `None` while the guest runs; `asked` is the reason if this side
    /// has stopped it.
    fn look(&mut self, asked: Option<Stop>) -> Result<Option<Stop>, Error> {
        let status = self.qmp.status()?;
        let (state, stop) = match (status.as_str(), asked) {
            ("running", _) => return Ok(None),
            // Only a reset leads here: other requests of a guest to shut down do not exist on these
            // cores, and this side never asks for one without ending QEMU.
            ("shutdown", _) => (State::AtReset, Stop::Reset),
            // A guest that asked for its reset in the moment of the stop stays in the state
            // "paused", and only the event tells (measured with 10.0: left alone, the reset never
            // comes). The answer about the status comes after it.
            ("paused", Some(_)) if self.qmp.has_event("SHUTDOWN") => (State::AtReset, Stop::Reset),
            ("paused", Some(limit)) => (State::Stopped, limit),
            ("debug", _) => {
                let token = self.hub.stopped()?;
                let token = token.ok_or(Error::State {
                    doing: "find the breakpoint at which the guest stopped",
                    expected: "at a registered one",
                    found: status,
                })?;
                return self.at_point(token);
            }
            _ => {
                return Err(Error::State {
                    doing: "follow the guest",
                    expected: "running, or stopped for a known reason",
                    found: status,
                });
            }
        };
        self.hub.stopped()?;
        self.state = state;
        Ok(Some(stop))
    }
}
