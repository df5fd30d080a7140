//! Devices that the host supplies: each access of the guest to their registers is carried out here.
//!
//! One watchpoint covers the registers of a model. QEMU stops before the access; the load or store
//! at the program counter is decoded, the model is asked, and the guest goes on behind the
//! instruction. What waits for a stop of the guest sees nothing of it.
//!
//! **What makes a model go on** is only ever the guest. While a model has work that can go on,
//! the guest is stepped by single instructions, interrupts taken, and each instruction is
//! followed by one [`MmioModel::step`]; so the core and a transfer race for memory, the same way
//! in every run. A guest that waits (WFI, WFE) while there is work: the model works until it
//! raises an interrupt or has nothing left to do, and in the first case the wait is over, which
//! the architecture allows for any reason. No work: the guest runs at full speed.
//!
//! **Target time.** In such steps it passes by instructions, but timers fire only afterwards. At
//! each stop at a watchpoint QEMU lets it jump to the next timer of the guest (measured with 7.2
//! and 10.0: ticks came with accesses, not with instructions). So a guest that measures how long
//! its accesses take measures too much, by up to one tick for each, and by the same in each run.
//!
//! **A watchdog** ([`MmioModel::resets_chip_at_ns`]) is compared with the instructions executed
//! until then: before each access to a device, at each stop, and every few milliseconds of the
//! host. Too late is too late in every run, by the instruction; but a guest that neither stops nor
//! reaches for a device runs on until the next look, some millions of instructions. What it does
//! in that time is not equal in two runs, unless it is nothing. Time in which it sleeps does not
//! count: of a guest that will do nothing more somebody else has to say so
//! ([`Emulator::run_watchdog_out`]).
//!
//! Must never happen here: time of the host that decides what the guest sees, but for that.

mod models;
mod turn;

use std::collections::BTreeSet;

use self::models::{Attached, Lines};
pub(crate) use self::models::{Models, Wires, is_reset_due};
use self::turn::{End, Turn};
use crate::emulator::{Emulator, State};
use crate::error::Error;
use crate::gdb::{Access, Token};
use crate::models::{BusWrite, MmioModel, Reset, Width};
use crate::stop::Stop;

impl Emulator {
    /// Supplies a device from now on: the registers of the model answer in place of what QEMU has
    /// there. For each access the guest is stopped for some hundred microseconds of the host's
    /// time, of which it notices nothing.
    ///
    /// # Errors
    /// When the guest runs, or QEMU refuses.
    pub fn attach(&mut self, model: Box<dyn MmioModel>) -> Result<(), Error> {
        let registers = model.registers();
        let mut tokens = Vec::new();
        for range in &registers {
            let access = if range.reads { Access::Any } else { Access::Write };
            let hub = self.stopped_hub("attach a model")?;
            tokens.push(hub.watch(range.start, range.size_bytes, access)?);
        }
        if self.models.is_none() {
            let lines = Lines { controller: self.controller()?.path, high: BTreeSet::new() };
            self.models = Some(Models { attached: Vec::new(), lines, busy: false });
        }
        let Some(mut models) = self.models.take() else { return Ok(()) };
        let attached = models.attach(Attached { model, tokens, registers }, &mut self.wires());
        self.models = Some(models);
        attached
    }

    /// What models work by.
    pub(crate) fn wires(&mut self) -> Wires<'_> {
        let Self { qmp, qtest, hub, instruction_shift, .. } = self;
        Wires { qmp, qtest, hub, instruction_shift: *instruction_shift }
    }

    /// Whether a watchdog of the host has run out.
    pub(crate) fn is_reset_due(&mut self) -> Result<bool, Error> {
        let Some(models) = self.models.take() else { return Ok(false) };
        let is_due = is_reset_due(&models, &mut self.wires());
        self.models = Some(models);
        is_due
    }

    /// Whether a watchdog of the host was started, and so will reset the chip unless it is fed.
    #[must_use]
    pub fn is_watchdog_armed(&self) -> bool {
        self.models.as_ref().is_some_and(|models| models.reset_chip_at_ns().is_some())
    }

    /// Lets the watchdog run out on a stopped guest that would do nothing more before: the reset
    /// that comes next is the watchdog's.
    ///
    /// # Errors
    /// When the guest runs or QEMU has ended.
    pub fn run_watchdog_out(&mut self) -> Result<(), Error> {
        self.require_stopped("let the watchdog run out", true)?;
        self.state = State::AtReset;
        self.reset = Reset::Watchdog;
        Ok(())
    }

    /// Refuses while a device of the host has work that each instruction takes part in.
    pub(crate) fn require_idle_models(&self, doing: &'static str) -> Result<(), Error> {
        if !self.models.as_ref().is_some_and(|models| models.busy) {
            return Ok(());
        }
        let expected = "with no device of the host at work";
        Err(Error::State { doing, expected, found: "with one".into() })
    }

    /// Takes the devices of the host back, so that another emulator can go on in place of this
    /// one: what they keep is not lost with it.
    ///
    /// # Errors
    /// When the guest runs, or QEMU refuses.
    pub fn detach_all(&mut self) -> Result<Vec<Box<dyn MmioModel>>, Error> {
        let attached = self.models.iter().flat_map(|models| &models.attached);
        let tokens: Vec<_> = attached.flat_map(|attached| &attached.tokens).copied().collect();
        if self.state != State::Ended {
            for token in tokens {
                self.stopped_hub("take a device back")?.remove(token)?;
            }
        }
        Ok(self.leave_devices())
    }

    /// The devices of an emulator that nobody uses any more, whatever has become of it.
    pub(crate) fn leave_devices(&mut self) -> Vec<Box<dyn MmioModel>> {
        let attached = self.models.take().into_iter().flat_map(|models| models.attached);
        attached.map(|attached| attached.model).collect()
    }

    /// Whether devices of the host are attached.
    pub(crate) const fn has_devices(&self) -> bool {
        self.models.is_some()
    }

    /// Reads memory of a supplied device, see [`MmioModel::peek`].
    #[must_use]
    pub fn peek(&self, address: u32, bytes: &mut [u8]) -> bool {
        let mut devices = self.models.iter().flat_map(|models| &models.attached);
        devices.any(|device| device.model.peek(address, bytes))
    }

    /// What supplied devices wrote as bus masters, see [`MmioModel::take_writes`].
    pub fn take_bus_writes(&mut self) -> Vec<BusWrite> {
        let devices = self.models.iter_mut().flat_map(|models| &mut models.attached);
        devices.flat_map(|device| device.model.take_writes()).collect()
    }

    /// Writes memory of a supplied device, see [`MmioModel::poke`].
    #[must_use]
    pub fn poke(&mut self, address: u32, bytes: &[u8]) -> bool {
        let mut devices = self.models.iter_mut().flat_map(|models| &mut models.attached);
        devices.any(|device| device.model.poke(address, bytes))
    }

    /// Whether a watchpoint is that of a model.
    pub(crate) fn is_model(&self, token: Token) -> bool {
        self.models.as_ref().is_some_and(|models| models.own(token))
    }

    /// Resets the devices that the host supplies, and lowers their interrupt lines. A warm reset of
    /// the guest does it by itself, as of a reset that software has asked for; whoever means
    /// another one says so here, afterwards.
    ///
    /// # Errors
    /// When QEMU has ended or does not answer.
    pub fn reset_models(&mut self, reset: Reset) -> Result<(), Error> {
        let Some(models) = &mut self.models else { return Ok(()) };
        for attached in &mut models.attached {
            attached.model.reset(reset);
        }
        models.busy = false;
        for line in std::mem::take(&mut models.lines.high) {
            self.qtest.set_input(models.lines.controller, line, false)?;
        }
        Ok(())
    }

    /// Executes one instruction of the stopped guest, past points and perhaps with an access to a
    /// device, and lets the devices do one piece of work; false, and nothing, without devices.
    pub(crate) fn step_served(&mut self) -> Result<bool, Error> {
        let Some(mut models) = self.models.take() else { return Ok(false) };
        let done = Turn { emulator: self, models: &mut models, stepped: 0 }.past_here();
        self.models = Some(models);
        done.map(|()| true)
    }

    /// Whether a supplied device answers at an address, reads included.
    pub(crate) fn has_device_at(&self, address: u32) -> bool {
        let mut devices = self.models.iter().flat_map(|models| &models.attached);
        devices.any(|device| device.answers_reads(address))
    }

    /// Reads a register of a supplied device as another bus master than the core does; nothing
    /// where none of them answers.
    pub(crate) fn load_device(&mut self, address: u32, width: Width) -> Result<Option<u32>, Error> {
        let Some(mut models) = self.models.take() else { return Ok(None) };
        let value = models.load(address, width, &mut self.wires());
        self.models = Some(models);
        value
    }

    /// Writes a register, as [`Emulator::load_device`] reads; false where none answers. What work
    /// that begins goes on with the guest.
    pub(crate) fn store_device(
        &mut self,
        address: u32,
        width: Width,
        value: u32,
    ) -> Result<bool, Error> {
        let Some(mut models) = self.models.take() else { return Ok(false) };
        let is_done = models.store(address, width, value, &mut self.wires());
        self.models = Some(models);
        is_done
    }

    /// Lets the models work, and the guest go on: a stop is one that is not theirs. `at_access`
    /// says that the guest stands before an access to a model.
    pub(crate) fn serve(&mut self, at_access: bool) -> Result<Option<Stop>, Error> {
        let Some(mut models) = self.models.take() else { return Ok(None) };
        let mut turn = Turn { emulator: self, models: &mut models, stepped: 0 };
        let end = turn.run(at_access);
        self.models = Some(models);
        match end? {
            End::GoOn if self.due.is_some() => Ok(self.due.take()),
            End::GoOn => self.hub.go_on().map(|()| None),
            End::Ask => Ok(None),
            End::Stop(stop) => Ok(Some(stop)),
        }
    }
}
