//! The models of one emulator, and the bus as QEMU has it.

use std::collections::BTreeSet;

use crate::error::Error;
use crate::gdb::{Core, Hub, Token};
use crate::models::{Bus, MmioModel, Registers, Width};
use crate::qmp::Qmp;
use crate::qtest::Qtest;
use crate::thumb::{self, Transfer};

/// The models of one emulator.
#[derive(Debug)]
pub(crate) struct Models {
    pub(super) attached: Vec<Attached>,
    pub(super) lines: Lines,
    /// Whether one of them has work that can go on.
    pub(super) busy: bool,
}

#[derive(Debug)]
pub(super) struct Attached {
    pub model: Box<dyn MmioModel>,
    pub tokens: Vec<Token>,
    pub registers: Vec<Registers>,
}

impl Attached {
    pub fn answers_reads(&self, address: u32) -> bool {
        self.registers.iter().any(|range| range.reads && range.contains(address))
    }
}

/// The interrupt lines of all models.
#[derive(Debug)]
pub(super) struct Lines {
    pub controller: &'static str,
    pub high: BTreeSet<u32>,
}

/// The connections to QEMU that models work by.
pub(crate) struct Wires<'a> {
    pub qmp: &'a mut Qmp,
    pub qtest: &'a mut Qtest,
    pub hub: &'a mut Hub,
    /// Target time of an instruction, if they are counted.
    pub instruction_shift: Option<u8>,
}

impl Wires<'_> {
    /// See [`Bus::target_time_ns`].
    pub fn target_time_ns(&mut self) -> Result<u64, Error> {
        let shift = self.instruction_shift.ok_or_else(|| Error::State {
            doing: "read the target time",
            expected: "counted instructions",
            found: "none".into(),
        })?;
        Ok(self.qmp.instruction_count()? << shift)
    }
}

/// The bus as QEMU has it.
struct HostBus<'a, 'b> {
    wires: &'a mut Wires<'b>,
    lines: &'a mut Lines,
    /// Whether a line has become high.
    raised: bool,
}

impl Bus for HostBus<'_, '_> {
    fn read(&mut self, address: u32, bytes: &mut [u8]) -> Result<(), Error> {
        self.wires.qtest.read(address, bytes)
    }

    fn write(&mut self, address: u32, bytes: &[u8]) -> Result<(), Error> {
        self.wires.qtest.write(address, bytes)
    }

    fn program(&mut self, address: u32, bytes: &[u8]) -> Result<(), Error> {
        self.wires.hub.program(address, bytes)
    }

    fn load(&mut self, address: u32, width: Width) -> Result<u32, Error> {
        self.wires.qtest.load(address, width)
    }

    fn store(&mut self, address: u32, width: Width, value: u32) -> Result<(), Error> {
        self.wires.qtest.store(address, width, value)
    }

    fn set_interrupt(&mut self, line: u32, high: bool) -> Result<(), Error> {
        let changes =
            if high { self.lines.high.insert(line) } else { self.lines.high.remove(&line) };
        if changes {
            self.raised |= high;
            self.wires.qtest.set_input(self.lines.controller, line, high)?;
        }
        Ok(())
    }

    fn target_time_ns(&mut self) -> Result<u64, Error> {
        self.wires.target_time_ns()
    }
}

impl Models {
    /// Whether a watchpoint is one of theirs.
    pub fn own(&self, token: Token) -> bool {
        self.attached.iter().flat_map(|it| &it.tokens).any(|it| *it == token)
    }

    /// Adds a device, and lets it put its state where the emulator has to hold it.
    pub(super) fn attach(
        &mut self,
        mut device: Attached,
        wires: &mut Wires<'_>,
    ) -> Result<(), Error> {
        let mut bus = HostBus { wires, lines: &mut self.lines, raised: false };
        device.model.attached(&mut bus)?;
        self.attached.push(device);
        Ok(())
    }

    /// One piece of work of each model; true if an interrupt line has become high.
    pub fn step(&mut self, wires: &mut Wires<'_>) -> Result<bool, Error> {
        let mut bus = HostBus { wires, lines: &mut self.lines, raised: false };
        self.busy = false;
        for attached in &mut self.attached {
            self.busy |= attached.model.step(&mut bus)?;
        }
        Ok(bus.raised)
    }

    /// When the first of them resets the chip, in target time.
    pub fn reset_chip_at_ns(&self) -> Option<u64> {
        self.attached.iter().filter_map(|it| it.model.resets_chip_at_ns()).min()
    }

    pub fn event(&mut self) {
        for attached in &mut self.attached {
            attached.model.event();
        }
    }

    /// A read of somebody else's; nothing where no device answers.
    pub fn load(
        &mut self,
        address: u32,
        width: Width,
        wires: &mut Wires<'_>,
    ) -> Result<Option<u32>, Error> {
        let Self { attached, lines, .. } = self;
        let mut bus = HostBus { wires, lines, raised: false };
        let device = attached.iter_mut().find(|it| it.answers_reads(address));
        device.map(|it| it.model.read(address, width, &mut bus)).transpose()
    }

    /// A write of somebody else's to what answers reads; false where no device does.
    pub fn store(
        &mut self,
        address: u32,
        width: Width,
        value: u32,
        wires: &mut Wires<'_>,
    ) -> Result<bool, Error> {
        let Self { attached, lines, .. } = self;
        let mut bus = HostBus { wires, lines, raised: false };
        let device = attached.iter_mut().find(|it| it.answers_reads(address));
        let written = device.map(|it| it.model.write(address, width, value, &mut bus));
        written.transpose().map(|written| written.is_some())
    }

    /// Carries out what an instruction does. Returns the registers that change.
    pub fn access(
        &mut self,
        transfer: &Transfer,
        core: &Core,
        wires: &mut Wires<'_>,
    ) -> Result<Vec<(u8, u32)>, Error> {
        let mut bus = HostBus { wires, lines: &mut self.lines, raised: false };
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

/// Whether a model resets the chip now.
pub(crate) fn is_reset_due(models: &Models, wires: &mut Wires<'_>) -> Result<bool, Error> {
    match models.reset_chip_at_ns() {
        Some(at_ns) => Ok(wires.target_time_ns()? >= at_ns),
        None => Ok(false),
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
