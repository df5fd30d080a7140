//! A virtual chip that runs, halts and is reset.
//!
//! A running guest is looked at through QMP, which does not stop it; whoever asks for something of
//! the chip looks first ([`Chip::look`]). What the emulator stops for is then turned into what
//! hardware does: a reset goes on by itself, a watched access is carried out before the core halts,
//! a breakpoint instruction halts where it stands.

use crate::error::Error;
use crate::gdb::Token;
use crate::models::Reset;
use crate::probe::chip::{Body, Chip};
use crate::probe::core::{BREAKPOINT, Control, HALTED, Life, VECTOR_CATCH, WATCHPOINT, is_caught};
use crate::probe::points::Point;
use crate::probe::stand::Here;
use crate::stop::Stop;

/// Fault status registers.
const CFSR: u32 = 0xE000_ED28;
const HFSR: u32 = 0xE000_ED2C;
/// Interrupt control: what makes PendSV pending, and what takes that back.
const ICSR: u32 = 0xE000_ED04;
const PENDSV_SET: u32 = 1 << 28;
const PENDSV_CLEAR: u32 = 1 << 27;

impl Chip {
    /// Notices what the guest has come to since anybody looked.
    pub(super) fn look(&mut self) -> Result<(), Error> {
        if self.life == Life::Running
            && let Some(stop) = self.emulator()?.poll()?
        {
            self.on_stop(&stop)?;
        }
        if self.ends_in_watchdog() { self.reset(Reset::Watchdog) } else { Ok(()) }
    }

    /// What a debugger asks for with DHCSR.
    pub(super) fn control(&mut self, control: Control) -> Result<(), Error> {
        self.look()?;
        let was_enabled = std::mem::replace(&mut self.core.is_enabled, control.enables);
        self.core.masks_interrupts = control.masks_interrupts;
        match self.life {
            Life::Halted if control.steps && !control.halts => self.step(),
            Life::Halted if !control.halts => self.go(),
            Life::Running if control.halts => self.halt(),
            Life::Running if was_enabled != control.enables => self.renew_points(),
            Life::LockedUp if control.halts => {
                self.stop_at(HALTED);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Sets points anew, whatever the guest does.
    pub(super) fn renew_points(&mut self) -> Result<(), Error> {
        if self.life != Life::Running {
            return Ok(());
        }
        match self.emulator()?.interrupt()? {
            Stop::WallLimit => self.go(),
            stop => self.on_stop(&stop),
        }
    }

    fn halt(&mut self) -> Result<(), Error> {
        // What the guest came to in the same moment is served first, and may go on by itself.
        while self.life == Life::Running {
            match self.emulator()?.interrupt()? {
                Stop::WallLimit => self.stop_at(HALTED),
                stop => self.on_stop(&stop)?,
            }
        }
        if self.life == Life::LockedUp {
            self.stop_at(HALTED);
        }
        Ok(())
    }

    /// The core is halted, for a reason of DFSR.
    fn stop_at(&mut self, reason: u32) {
        self.core.dfsr |= reason;
        self.core.has_retired = true;
        self.life = Life::Halted;
    }

    /// Lets the core run from where it stands.
    pub(super) fn go(&mut self) -> Result<(), Error> {
        if matches!(self.body, Body::Remains(_)) || self.would_lock_up()? {
            self.life = Life::LockedUp;
            return Ok(());
        }
        self.set_points()?;
        loop {
            match self.here()? {
                Here::Nothing if self.is_asleep()? => {
                    if !self.step_awake()? {
                        return self.on_stop(&Stop::Reset);
                    }
                }
                Here::Nothing => break,
                Here::Breakpoint => {
                    self.stop_at(BREAKPOINT);
                    return Ok(());
                }
                Here::Flash(work) => self.work(work)?,
            }
        }
        self.life = Life::Running;
        self.emulator()?.resume()
    }

    fn step(&mut self) -> Result<(), Error> {
        if matches!(self.body, Body::Remains(_)) || self.would_lock_up()? {
            self.life = Life::LockedUp;
            return Ok(());
        }
        self.set_points()?;
        match self.here()? {
            Here::Breakpoint => self.stop_at(BREAKPOINT),
            Here::Flash(work) => {
                self.work(work)?;
                self.stop_at(HALTED);
            }
            Here::Nothing => {
                let is_stopped = if self.is_at_wait()? {
                    // A wait may end at any time; QEMU would not come back from it.
                    self.skip(2).map(|()| true)
                } else if self.is_asleep()? {
                    self.step_awake()
                } else {
                    let takes_interrupts = !self.core.masks_interrupts;
                    self.emulator()?.step_one(takes_interrupts)
                };
                if is_stopped? {
                    self.stop_at(HALTED);
                } else {
                    self.on_stop(&Stop::Reset)?;
                }
            }
        }
        Ok(())
    }

    /// Executes one instruction of a core that sleeps, which QEMU would not do before an interrupt:
    /// on hardware, being halted wakes it. So one is pending meanwhile, and not taken. False when
    /// the guest asked for its reset in it.
    fn step_awake(&mut self) -> Result<bool, Error> {
        let emulator = self.emulator()?;
        let was_pending = emulator.memory().read_word(ICSR)? & PENDSV_SET != 0;
        emulator.memory().write_word(ICSR, PENDSV_SET)?;
        let is_stopped = emulator.step_one(false)?;
        if !was_pending {
            emulator.memory().write_word(ICSR, PENDSV_CLEAR)?;
        }
        Ok(is_stopped)
    }

    /// What the emulator has stopped for.
    pub(super) fn on_stop(&mut self, stop: &Stop) -> Result<(), Error> {
        match stop {
            Stop::Reset => {
                self.emulator()?.reset_warm()?;
                self.after_reset()
            }
            Stop::Watchdog => {
                self.emulator()?.reset_warm_by(Reset::Watchdog)?;
                self.after_reset()
            }
            Stop::Breakpoint { token } => self.at_point(*token),
            Stop::Killed { .. } | Stop::Exit { .. } => self.on_end(stop),
            _ => self.go(),
        }
    }

    /// The guest stands before its first instruction.
    pub(super) fn after_reset(&mut self) -> Result<(), Error> {
        self.core.was_reset = true;
        self.core.masks_interrupts = false;
        if self.is_reset_low {
            self.life = Life::InReset;
            return Ok(());
        }
        if self.core.catches_reset() {
            self.stop_at(VECTOR_CATCH);
            return Ok(());
        }
        self.go()
    }

    /// A reset from outside, of whatever there is.
    pub(super) fn reset(&mut self, reset: Reset) -> Result<(), Error> {
        self.quiet()?;
        if let Body::Remains(remains) = &mut self.body {
            let ram = std::mem::take(&mut remains.ram);
            return self.start(&ram, reset);
        }
        self.reset_emulator(reset)?;
        self.after_reset()
    }

    /// Resets the emulator, which reads the vector table anew. The guest must be stopped.
    pub(super) fn reset_emulator(&mut self, reset: Reset) -> Result<(), Error> {
        if let Some((address, bytes)) = self.flash.weak_vector() {
            self.emulator()?.gdb()?.program(address, &bytes)?;
        }
        self.emulator()?.reset_warm_by(reset)
    }

    /// Moves the reset line.
    pub(super) fn set_reset_line(&mut self, is_low: bool) -> Result<(), Error> {
        if std::mem::replace(&mut self.is_reset_low, is_low) == is_low {
            return Ok(());
        }
        if is_low {
            self.quiet()?;
            self.core.was_reset = true;
            self.life = Life::InReset;
            return Ok(());
        }
        self.reset(Reset::Pin)
    }

    /// Stops the guest, whatever becomes of it: a reset, or its end.
    pub(super) fn quiet(&mut self) -> Result<(), Error> {
        if self.life == Life::Running {
            let stop = self.emulator()?.interrupt()?;
            // What it stands at is not looked at again.
            self.life = Life::InReset;
            if matches!(stop, Stop::Killed { .. } | Stop::Exit { .. }) {
                self.on_end(&stop)?;
            }
        }
        Ok(())
    }

    fn at_point(&mut self, token: Token) -> Result<(), Error> {
        match self.points.of(token) {
            Some(Point::Data(watch)) => {
                // Hardware halts after the access.
                if !self.emulator()?.pass()? {
                    return self.on_stop(&Stop::Reset);
                }
                self.core.watches.note(watch.number);
                self.stop_at(WATCHPOINT);
                Ok(())
            }
            Some(Point::VectorTable) => {
                if !self.emulator()?.pass()? {
                    return self.on_stop(&Stop::Reset);
                }
                self.go()
            }
            Some(Point::Code(address)) => {
                if self.core.watches.addresses().contains(&address) {
                    self.stop_at(WATCHPOINT);
                } else if self.is_at_caught_exception()? {
                    self.stop_at(VECTOR_CATCH);
                } else {
                    return self.go();
                }
                Ok(())
            }
            None => self.go(),
        }
    }

    /// Whether a handler was just entered for an exception that is to be caught.
    fn is_at_caught_exception(&mut self) -> Result<bool, Error> {
        let catches = self.core.fault_catches();
        if catches == 0 {
            return Ok(false);
        }
        let core = self.emulator()?.gdb()?.core()?;
        let exception = core.xpsr & 0x1FF;
        let [.., pc] = core.registers;
        if pc != self.vector(exception)? {
            return Ok(false);
        }
        let memory = self.emulator()?.memory();
        let (cfsr, hfsr) = (memory.read_word(CFSR)?, memory.read_word(HFSR)?);
        Ok(is_caught(catches, exception, cfsr, hfsr))
    }
}
