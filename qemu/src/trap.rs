//! Devices that the host supplies: each access of the guest to their registers is carried out here.
//!
//! One watchpoint covers the registers of a model. QEMU stops before the access; the load or store
//! at the program counter is decoded, the model is asked, and the guest goes on behind the
//! instruction. What waits for a stop of the guest sees nothing of it.
//!
//! **What makes a model go on** is only ever the guest. While a model has work that can go on, the
//! guest is stepped by single instructions, interrupts and timers alive, and each instruction is
//! followed by one [`MmioModel::step`]; so the core and a transfer race for memory, and both run
//! the same in every run. A guest that waits (WFI, WFE) while there is work: the model works until
//! it raises an interrupt or has nothing left to do, and in the first case the wait is over, which
//! the architecture allows for any reason. No work: the guest runs at full speed.
//!
//! Must never happen here: time of the host that decides what the guest sees.

use std::collections::BTreeSet;

use serde_json::json;

use crate::emulator::Emulator;
use crate::error::Error;
use crate::gdb::{Access, Core, Step, Token};
use crate::models::{Bus, MmioModel, Registers, Width};
use crate::qtest::Qtest;
use crate::stop::Stop;
use crate::thumb::{self, Transfer};

/// Instructions in a row that the guest is stepped by at most: more than all streams of both DMA
/// controllers need for the longest transfers. Then it runs freely until its next access.
const STEP_LIMIT: usize = 16 * 1024;

/// Steps after which the events of QEMU are collected: each step causes two.
const STEPS_PER_SYNC: usize = 16;

/// AIRCR, by which software asks for a reset (DDI0403E B3.2.6).
const RESET_CONTROL: u32 = 0xe000_ed0c;

/// Where the interrupt controller stands in QEMU's tree of objects: in 10.0, and in 7.2.
const CONTROLLERS: [&str; 2] = ["/machine/soc/armv7m", "/machine/unattached/device[0]/armv7m"];

/// The models of one emulator.
#[derive(Debug)]
pub(crate) struct Models {
    attached: Vec<Attached>,
    lines: Lines,
    /// Whether one of them has work that can go on.
    busy: bool,
}

#[derive(Debug)]
struct Attached {
    model: Box<dyn MmioModel>,
    tokens: Vec<Token>,
    registers: Vec<Registers>,
}

/// The interrupt lines of all models.
#[derive(Debug)]
struct Lines {
    controller: &'static str,
    high: BTreeSet<u32>,
}

/// The bus as QEMU has it.
struct HostBus<'a> {
    qtest: &'a mut Qtest,
    lines: &'a mut Lines,
    /// Whether a line has become high.
    raised: bool,
}

impl Bus for HostBus<'_> {
    fn read(&mut self, address: u32, bytes: &mut [u8]) -> Result<(), Error> {
        self.qtest.read(address, bytes)
    }

    fn write(&mut self, address: u32, bytes: &[u8]) -> Result<(), Error> {
        self.qtest.write(address, bytes)
    }

    fn load(&mut self, address: u32, width: Width) -> Result<u32, Error> {
        self.qtest.load(address, width)
    }

    fn store(&mut self, address: u32, width: Width, value: u32) -> Result<(), Error> {
        self.qtest.store(address, width, value)
    }

    fn set_interrupt(&mut self, line: u32, high: bool) -> Result<(), Error> {
        let changes =
            if high { self.lines.high.insert(line) } else { self.lines.high.remove(&line) };
        if changes {
            self.raised |= high;
            self.qtest.set_input(self.lines.controller, line, high)?;
        }
        Ok(())
    }
}

impl Models {
    /// One piece of work of each model; true if an interrupt line has become high.
    fn step(&mut self, qtest: &mut Qtest) -> Result<bool, Error> {
        let mut bus = HostBus { qtest, lines: &mut self.lines, raised: false };
        self.busy = false;
        for attached in &mut self.attached {
            self.busy |= attached.model.step(&mut bus)?;
        }
        Ok(bus.raised)
    }

    fn event(&mut self) {
        for attached in &mut self.attached {
            attached.model.event();
        }
    }

    /// Carries out what an instruction does. Returns the registers that change.
    fn access(
        &mut self,
        transfer: &Transfer,
        core: &Core,
        qtest: &mut Qtest,
    ) -> Result<Vec<(u8, u32)>, Error> {
        let mut bus = HostBus { qtest, lines: &mut self.lines, raised: false };
        let mut changes: Vec<(u8, u32)> = transfer.writeback.into_iter().collect();
        for access in &transfer.accesses {
            let thumb::Access { address, width, register, .. } = *access;
            let model = self
                .attached
                .iter_mut()
                .find(|it| it.registers.iter().any(|range| range.contains(address)))
                .map(|it| &mut it.model);
            if !access.loads {
                let value = core.registers.get(usize::from(register)).copied().unwrap_or_default();
                let value = value & width.mask();
                match model {
                    Some(model) => model.write(address, width, value, &mut bus)?,
                    None => bus.store(address, width, value)?,
                }
                continue;
            }
            let value = match model {
                Some(model) => model.read(address, width, &mut bus)?,
                None => bus.load(address, width)?,
            };
            changes.push((register, extended(value, width, access.signed)));
        }
        Ok(changes)
    }
}

/// What a load leaves in its register.
const fn extended(value: u32, width: Width, signed: bool) -> u32 {
    match (width, signed) {
        (Width::Byte, true) => value as u8 as i8 as i32 as u32,
        (Width::Half, true) => value as u16 as i16 as i32 as u32,
        _ => value,
    }
}

/// xPSR behind an instruction of an IT block (DDI0403E A7.3.3); unchanged outside of one.
const fn behind_it(xpsr: u32) -> u32 {
    let state = (xpsr >> 25 & 3) | (xpsr >> 8 & 0xfc);
    let next = if state & 7 == 0 { 0 } else { state & 0xe0 | state << 1 & 0x1f };
    xpsr & !(3 << 25 | 0xfc << 8) | (next & 3) << 25 | (next & 0xfc) << 8
}

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
            let hub = self.stopped_hub("attach a model")?;
            tokens.push(hub.watch(range.start, range.size_bytes, Access::Any)?);
        }
        if self.models.is_none() {
            let lines = Lines { controller: self.interrupt_controller()?, high: BTreeSet::new() };
            self.models = Some(Models { attached: Vec::new(), lines, busy: false });
        }
        if let Some(models) = &mut self.models {
            models.attached.push(Attached { model, tokens, registers });
        }
        Ok(())
    }

    fn interrupt_controller(&mut self) -> Result<&'static str, Error> {
        for path in CONTROLLERS {
            match self.qmp.command("qom-list", json!({ "path": path })) {
                Ok(_) => return Ok(path),
                Err(Error::Refused { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::Malformed {
            socket: "QMP",
            expected: "the interrupt controller of an STM32",
            found: CONTROLLERS.join(" and ") + " missing",
        })
    }

    /// Whether a watchpoint is that of a model.
    pub(crate) fn is_model(&self, token: Token) -> bool {
        let models = self.models.iter().flat_map(|models| &models.attached);
        models.flat_map(|attached| &attached.tokens).any(|it| *it == token)
    }

    /// All models after a reset of the chip, which has cleared what was pending.
    pub(crate) fn reset_models(&mut self) -> Result<(), Error> {
        let Some(models) = &mut self.models else { return Ok(()) };
        for attached in &mut models.attached {
            attached.model.reset();
        }
        models.busy = false;
        for line in std::mem::take(&mut models.lines.high) {
            self.qtest.set_input(models.lines.controller, line, false)?;
        }
        Ok(())
    }

    /// Lets the models work, and the guest go on: a stop is one that is not theirs. `at_access`
    /// says that the guest stands before an access to a model.
    pub(crate) fn serve(&mut self, at_access: bool) -> Result<Option<Stop>, Error> {
        let Some(mut models) = self.models.take() else { return Ok(None) };
        let mut turn = Turn { emulator: self, models: &mut models, stepped: 0 };
        let end = turn.run(at_access);
        self.models = Some(models);
        match end? {
            End::GoOn => self.hub.go_on().map(|()| None),
            End::Ask => Ok(None),
            End::Stop(stop) => Ok(Some(stop)),
        }
    }
}

/// How a turn of the models ends.
enum End {
    /// Nothing is left to do.
    GoOn,
    /// The guest has stopped; QEMU can say why.
    Ask,
    /// The guest has stopped.
    Stop(Stop),
}

/// The time from a stop of the guest until it runs freely again.
struct Turn<'a> {
    emulator: &'a mut Emulator,
    models: &'a mut Models,
    stepped: usize,
}

impl Turn<'_> {
    fn run(&mut self, at_access: bool) -> Result<End, Error> {
        self.models.event();
        if at_access {
            self.access()?;
        } else {
            self.models.step(&mut self.emulator.qtest)?;
        }
        let mut end = End::GoOn;
        while self.models.busy && self.stepped < STEP_LIMIT {
            if let Some(other) = self.one()? {
                end = other;
                break;
            }
        }
        if self.stepped > 0 && matches!(end, End::GoOn | End::Stop(_)) {
            self.emulator.hub.set_steps_live(false)?;
            end = self.sync()?.unwrap_or(end);
        }
        self.emulator.qmp.forget_events();
        Ok(end)
    }

    /// The access before which the guest stands, and one piece of work.
    fn access(&mut self) -> Result<(), Error> {
        let hub = &mut self.emulator.hub;
        hub.forget_position();
        let core = hub.core()?;
        let [.., pc] = core.registers;
        let code = hub.code(pc)?;
        let transfer =
            thumb::decode(code, &core.registers).ok_or(Error::Instruction { pc, code })?;
        let changes = self.models.access(&transfer, &core, &mut self.emulator.qtest)?;
        let hub = &mut self.emulator.hub;
        for (register, value) in changes {
            // The names of GDB for the last ones of them.
            let name = match register {
                13 => "sp".to_owned(),
                14 => "lr".to_owned(),
                number => format!("r{number}"),
            };
            hub.write_register(&name, u64::from(value))?;
        }
        let xpsr = behind_it(core.xpsr);
        if xpsr != core.xpsr {
            hub.write_register("xpsr", u64::from(xpsr))?;
        }
        hub.write_register("pc", u64::from(pc.wrapping_add(transfer.length)))?;
        self.models.step(&mut self.emulator.qtest)?;
        Ok(())
    }

    /// One instruction of the guest, and one piece of work.
    fn one(&mut self) -> Result<Option<End>, Error> {
        let core = self.emulator.hub.core()?;
        let [.., pc] = core.registers;
        if let Some(token) = self.emulator.hub.breakpoint(pc) {
            return Ok(Some(End::Stop(Stop::Breakpoint { token })));
        }
        let code = self.emulator.hub.code(pc)?;
        if thumb::is_wait(code) {
            return self.wait(&core, code).map(|()| None);
        }
        if self.stepped == 0 {
            self.emulator.hub.set_steps_live(true)?;
        }
        self.stepped += 1;
        match self.emulator.hub.step()? {
            Step::Done => {}
            Step::Watched(token) if self.is_ours(token) => {
                self.models.event();
                return self.access().map(|()| None);
            }
            Step::Watched(token) => return Ok(Some(End::Stop(Stop::Breakpoint { token }))),
            Step::Elsewhere => return Ok(Some(End::Ask)),
        }
        let asks_for_reset = thumb::decode(code, &core.registers).is_some_and(|transfer| {
            transfer.accesses.iter().any(|it| !it.loads && it.address == RESET_CONTROL)
        });
        if (asks_for_reset || self.stepped.is_multiple_of(STEPS_PER_SYNC))
            && let Some(end) = self.sync()?
        {
            return Ok(Some(end));
        }
        self.models.step(&mut self.emulator.qtest)?;
        Ok(None)
    }

    /// The guest waits for an interrupt: the models work until there is one, or nothing is left.
    fn wait(&mut self, core: &Core, code: [u16; 2]) -> Result<(), Error> {
        while self.models.busy {
            if self.models.step(&mut self.emulator.qtest)? {
                let length = if thumb::is_wide(code[0]) { 4 } else { 2 };
                let [.., pc] = core.registers;
                let hub = &mut self.emulator.hub;
                hub.write_register("pc", u64::from(pc.wrapping_add(length)))?;
                let xpsr = behind_it(core.xpsr);
                if xpsr != core.xpsr {
                    hub.write_register("xpsr", u64::from(xpsr))?;
                }
                break;
            }
        }
        Ok(())
    }

    fn is_ours(&self, token: Token) -> bool {
        self.models.attached.iter().flat_map(|it| &it.tokens).any(|it| *it == token)
    }

    /// Collects events. A guest that asks for its reset in a single step stays in the state
    /// "debug", and only the event tells. The answer to any question comes after it.
    fn sync(&mut self) -> Result<Option<End>, Error> {
        self.emulator.qmp.status()?;
        let is_reset = self.emulator.qmp.has_event("SHUTDOWN");
        self.emulator.qmp.forget_events();
        Ok(is_reset.then_some(End::Stop(Stop::Reset)))
    }
}
