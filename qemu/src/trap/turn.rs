//! A turn of the models: from a stop of the guest until it runs freely again.

use super::models::{Models, is_reset_due};
use crate::emulator::Emulator;
use crate::error::Error;
use crate::gdb::{Core, Step, Stepped};
use crate::registers::REGISTER_NAMES;
use crate::stop::Stop;
use crate::thumb;

/// Instructions in a row that the guest is stepped by at most: more than all streams of both DMA
/// controllers need for the longest transfers. Then it runs freely until its next access.
const STEP_LIMIT: usize = 16 * 1024;

/// Steps after which the events of QEMU are collected: each step causes two.
const STEPS_PER_SYNC: usize = 16;

/// AIRCR, by which software asks for a reset (DDI0403E B3.2.6).
const RESET_CONTROL: u32 = 0xe000_ed0c;

/// xPSR behind an instruction of an IT block (DDI0403E A7.3.3); unchanged outside of one.
const fn behind_it(xpsr: u32) -> u32 {
    let state = (xpsr >> 25 & 3) | (xpsr >> 8 & 0xfc);
    let next = if state & 7 == 0 { 0 } else { state & 0xe0 | state << 1 & 0x1f };
    xpsr & !(3 << 25 | 0xfc << 8) | (next & 3) << 25 | (next & 0xfc) << 8
}

/// How a turn of the models ends.
pub(super) enum End {
    /// Nothing is left to do.
    GoOn,
    /// The guest has stopped; QEMU can say why.
    Ask,
    /// The guest has stopped.
    Stop(Stop),
}

/// The time from a stop of the guest until it runs freely again.
pub(super) struct Turn<'a> {
    pub emulator: &'a mut Emulator,
    pub models: &'a mut Models,
    pub stepped: usize,
}

impl Turn<'_> {
    pub fn run(&mut self, at_access: bool) -> Result<End, Error> {
        self.models.event();
        let mut end = End::GoOn;
        if at_access {
            if let Some(other) = self.access()? {
                return Ok(other);
            }
        } else {
            self.models.step(&mut self.emulator.wires())?;
        }
        while self.models.busy && self.stepped < STEP_LIMIT {
            if let Some(other) = self.one()? {
                end = other;
                break;
            }
        }
        if self.stepped > 0 && matches!(end, End::GoOn | End::Stop(_)) {
            self.emulator.hub.set_interrupts_in_steps(false)?;
            end = self.sync()?.unwrap_or(end);
        }
        self.emulator.qmp.forget_events();
        Ok(end)
    }

    /// One instruction of the guest, past the points at which it stands, and one piece of work.
    pub fn past_here(&mut self) -> Result<(), Error> {
        let hub = &mut self.emulator.hub;
        let watch = match hub.step_over()? {
            Stepped::Hit(token) => Some(token),
            Stepped::Over | Stepped::Elsewhere => None,
            Stepped::Nowhere => match hub.step()? {
                Step::Watched(token) => Some(token),
                Step::Done | Step::Elsewhere => None,
            },
        };
        if watch.is_some_and(|token| self.models.own(token)) {
            self.models.event();
            // A step is made, also behind the time of a watchdog: who lets the guest run sees to
            // it.
            return self.carry_out_access();
        }
        self.models.step(&mut self.emulator.wires()).map(drop)
    }

    /// The access before which the guest stands, and one piece of work; unless the access comes too
    /// late for a watchdog.
    fn access(&mut self) -> Result<Option<End>, Error> {
        if is_reset_due(self.models, &mut self.emulator.wires())? {
            return Ok(Some(End::Stop(Stop::Watchdog)));
        }
        self.carry_out_access().map(|()| None)
    }

    fn carry_out_access(&mut self) -> Result<(), Error> {
        let hub = &mut self.emulator.hub;
        hub.forget_position();
        let core = hub.core()?;
        let [.., pc] = core.registers;
        let code = hub.code(pc)?;
        let transfer =
            thumb::decode(code, &core.registers).ok_or(Error::Instruction { pc, code })?;
        let changes = self.models.access(&transfer, &core, &mut self.emulator.wires())?;
        let named = |(register, value): (u8, u32)| {
            Some((*REGISTER_NAMES.get(usize::from(register))?, value))
        };
        self.pass(&core, transfer.length, changes.into_iter().filter_map(named).collect())?;
        self.models.step(&mut self.emulator.wires()).map(drop)
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
            self.emulator.hub.set_interrupts_in_steps(true)?;
        }
        self.stepped += 1;
        match self.emulator.hub.step()? {
            Step::Done => {}
            Step::Watched(token) if self.models.own(token) => {
                self.models.event();
                return self.access();
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
        self.models.step(&mut self.emulator.wires())?;
        Ok(None)
    }

    /// The guest waits for an interrupt: the models work until there is one, or nothing is left.
    fn wait(&mut self, core: &Core, code: [u16; 2]) -> Result<(), Error> {
        while self.models.busy {
            if self.models.step(&mut self.emulator.wires())? {
                let length = if thumb::is_wide(code[0]) { 4 } else { 2 };
                return self.pass(core, length, Vec::new());
            }
        }
        Ok(())
    }

    /// Puts the guest behind an instruction that was carried out here, with the registers that it
    /// has changed.
    fn pass(
        &mut self,
        core: &Core,
        length: u32,
        mut changes: Vec<(&'static str, u32)>,
    ) -> Result<(), Error> {
        let [.., pc] = core.registers;
        let xpsr = behind_it(core.xpsr);
        if xpsr != core.xpsr {
            changes.push(("xpsr", xpsr));
        }
        changes.push(("pc", pc.wrapping_add(length)));
        self.emulator.hub.write_registers(&changes)
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The eight bits of the state of an IT block, in xPSR.
    fn xpsr(state: u32) -> u32 {
        0x4100_0003 | (state & 3) << 25 | (state & 0xfc) << 8
    }

    #[test]
    fn an_it_block_goes_on_behind_the_instruction() {
        let check = |state, next| assert_eq!(behind_it(xpsr(state)), xpsr(next), "{state:#x}");
        check(0, 0);
        check(0x08, 0); // it eq, behind its only instruction
        check(0x04, 0x08); // itt eq
        check(0x0c, 0x18); // ite eq
        check(0xa1, 0xa2); // four instructions
    }
}
