//! One virtual chip: an emulator with power, flash, debug registers and a reset line.
//!
//! The emulator may end at a lockup of its guest; the chip does not. It then keeps what was read of
//! RAM and registers, and a reset starts another emulator with that RAM and the same flash. So do
//! devices of the chip that the host supplies: each emulator gets them from the one before.
//!
//! Must never happen here: trouble of the emulator that is taken for a value. The chip is gone
//! then, and says why.

use crate::command::Launch;
use crate::emulator::Emulator;
use crate::error::Error;
use crate::models::{MmioModel, Reset};
use crate::mtree::{MappedRange, RangeKind};
use crate::probe::bus::BusError;
use crate::probe::core::{Core, Life};
use crate::probe::facts::ChipFacts;
use crate::probe::flash::Flash;
use crate::probe::points::Points;
use crate::registers::Registers;
use crate::stop::Stop;

/// The chip.
#[derive(Debug)]
pub(crate) struct Chip {
    launch: Launch,
    pub(super) facts: ChipFacts,
    pub(super) flash: Flash,
    pub(super) core: Core,
    pub(super) life: Life,
    pub(super) points: Points,
    /// Addresses of breakpoint instructions in the program.
    pub(super) breakpoint_sites: Vec<u32>,
    pub(super) is_reset_low: bool,
    /// Another chip than it should be: what it says of itself.
    pub(super) other_identification: Option<u32>,
    pub(super) body: Body,
    /// Devices that the host supplies, while no emulator has them.
    devices: Vec<Box<dyn MmioModel>>,
    /// Instructions executed when DHCSR was last read.
    pub(super) seen_instructions: Option<u64>,
}

/// What stands behind the debug registers.
#[derive(Debug)]
pub(super) enum Body {
    /// An emulator, with the map of what answers in it.
    Alive(Box<Emulator>, Vec<MappedRange>),
    /// What an emulator left at a lockup that ended it.
    Remains(Box<Remains>),
    /// No power.
    Off,
    /// The emulator has failed, for this reason.
    Lost(String),
}

/// What is left of an emulator.
#[derive(Debug)]
pub(super) struct Remains {
    pub(super) registers: Registers,
    /// By the ranges of [`ChipFacts::ram`]; zeros where nothing could be read.
    pub(super) ram: Vec<Vec<u8>>,
    /// Whether it could be read.
    is_whole: bool,
}

impl Chip {
    /// A chip without power, its flash erased.
    pub(crate) fn new(launch: Launch, facts: ChipFacts) -> Self {
        Self {
            flash: Flash::new(facts.flash_start, &facts.sectors_bytes),
            launch,
            facts,
            core: Core::new(),
            life: Life::InReset,
            points: Points::default(),
            breakpoint_sites: Vec::new(),
            is_reset_low: false,
            other_identification: None,
            body: Body::Off,
            devices: Vec::new(),
            seen_instructions: None,
        }
    }

    /// Power on: RAM holds what is given, by [`ChipFacts::ram`], and zeros where nothing is. The
    /// core runs, unless its reset line is low.
    pub(crate) fn power_on(&mut self, ram: &[Vec<u8>], reset: Reset) -> Result<(), Error> {
        self.core = Core::new();
        self.start(ram, reset)
    }

    /// Takes the power away. Flash keeps its contents, and devices of the host what power-on leaves
    /// them; nothing else does.
    pub(crate) fn power_off(&mut self) {
        if self.quiet().and_then(|()| self.park()).is_err() {
            self.salvage();
        }
        self.body = Body::Off;
        self.points.forget();
        self.life = Life::InReset;
    }

    /// Gives the chip these devices of the host, in place of those before, and resets it.
    pub(crate) fn set_devices(&mut self, devices: Vec<Box<dyn MmioModel>>) -> Result<(), Error> {
        let is_bare = match &self.body {
            Body::Alive(emulator, _) => !emulator.has_devices(),
            _ => self.devices.is_empty(),
        };
        if is_bare && devices.is_empty() {
            return Ok(());
        }
        if matches!(self.body, Body::Remains(_)) && !self.devices.is_empty() {
            // What a program has written to flash by way of one of them is with that device alone.
            self.reset(Reset::PowerOn)?;
        }
        self.quiet()?;
        self.keep_flash()?;
        self.park()?;
        self.devices = devices;
        match self.body {
            Body::Alive(..) => self.attach_devices()?,
            Body::Remains(_) => {}
            Body::Off | Body::Lost(_) => return Ok(()),
        }
        self.reset(Reset::PowerOn)
    }

    /// Takes the devices off an emulator whose guest stands still, or which has ended.
    fn park(&mut self) -> Result<(), Error> {
        let Body::Alive(emulator, _) = &mut self.body else { return Ok(()) };
        if emulator.has_devices() {
            self.devices = emulator.detach_all()?;
        }
        Ok(())
    }

    /// Takes the devices off an emulator that has failed.
    fn salvage(&mut self) {
        let Body::Alive(emulator, _) = &mut self.body else { return };
        if emulator.has_devices() {
            self.devices = emulator.leave_devices();
        }
    }

    /// Takes over what a program has written to flash by way of a device that is taken off.
    fn keep_flash(&mut self) -> Result<(), Error> {
        let Body::Alive(emulator, _) = &mut self.body else { return Ok(()) };
        let mut bytes = vec![0; self.flash.bytes().len()];
        emulator.read(self.flash.start(), &mut bytes)?;
        self.flash.hold(bytes);
        Ok(())
    }

    fn attach_devices(&mut self) -> Result<(), Error> {
        for device in std::mem::take(&mut self.devices) {
            self.emulator()?.attach(device)?;
        }
        Ok(())
    }

    /// Whether there is power, whatever has become of the emulator.
    pub(crate) const fn has_power(&self) -> bool {
        !matches!(self.body, Body::Off)
    }

    /// Whether a program runs whose next reset halts the core.
    pub(crate) fn runs_to_its_reset(&self) -> bool {
        self.life == Life::Running && self.core.catches_reset()
    }

    /// Why the emulator has failed, if it has.
    pub(crate) fn lost(&self) -> Option<&str> {
        match &self.body {
            Body::Lost(reason) => Some(reason),
            _ => None,
        }
    }

    /// Starts an emulator with the chip's flash and some RAM, and the core from its reset.
    pub(super) fn start(&mut self, ram: &[Vec<u8>], reset: Reset) -> Result<(), Error> {
        self.points.forget();
        self.park()?;
        // The one before must be gone: both write into the same files.
        self.body = Body::Off;
        let mut emulator = Emulator::start(&self.launch)?;
        let map = emulator.memory_map()?;
        emulator.gdb()?.program(self.flash.start(), self.flash.bytes())?;
        for (range, bytes) in self.facts.ram.iter().zip(ram) {
            emulator.write(range.address, bytes)?;
        }
        self.body = Body::Alive(Box::new(emulator), map);
        self.attach_devices()?;
        // The first instruction comes from flash, which was empty until now.
        self.reset_emulator(reset)?;
        self.after_reset()
    }

    /// The emulator, where there is one.
    pub(super) fn emulator(&mut self) -> Result<&mut Emulator, Error> {
        match &mut self.body {
            Body::Alive(emulator, _) => Ok(emulator),
            _ => Err(Error::Closed { socket: "GDB" }),
        }
    }

    /// Carries something out that may meet the end of the emulator, and once more if it has.
    pub(super) fn attempt<T>(
        &mut self,
        mut action: impl FnMut(&mut Self) -> Result<T, Error>,
    ) -> Result<T, BusError> {
        match &self.body {
            Body::Off | Body::Lost(_) => return Err(BusError::Gone),
            Body::Alive(..) | Body::Remains(_) => {}
        }
        let mut result = action(self);
        if matches!(result, Err(Error::Closed { .. })) && self.meet_end().is_ok() {
            result = action(self);
        }
        result.map_err(|error| {
            self.salvage();
            self.body = Body::Lost(error.to_string());
            BusError::Gone
        })
    }

    /// The emulator has ended: finds out how.
    fn meet_end(&mut self) -> Result<(), Error> {
        let stop = self.emulator()?.ended()?;
        self.on_end(&stop)
    }

    /// What an end of the emulator means for the chip.
    pub(super) fn on_end(&mut self, stop: &Stop) -> Result<(), Error> {
        let (Stop::Killed { text, .. }, true) = (stop, stop.is_lockup()) else {
            return Err(Error::Keeper { reason: format!("the emulator ended: {stop:?}") });
        };
        let registers = Registers::parse(text)?;
        self.park()?;
        let kept = match self.emulator()?.lockup_ram() {
            Some(Ok(ram)) => ram.to_vec(),
            _ => Vec::new(),
        };
        let is_whole = !kept.is_empty();
        let mut kept = kept.into_iter();
        let sizes = self.facts.ram.iter().map(|range| range.size_bytes as usize);
        let ram = sizes.map(|size| kept.next().unwrap_or_else(|| vec![0; size])).collect();
        self.body = Body::Remains(Box::new(Remains { registers, ram, is_whole }));
        self.points.forget();
        self.life = Life::LockedUp;
        Ok(())
    }

    /// Whether the core has locked up and a watchdog will reset the chip: it has a clock of its
    /// own. Not where RAM could not be kept, which that reset would keep.
    pub(super) fn ends_in_watchdog(&self) -> bool {
        let is_kept = matches!(&self.body, Body::Remains(remains) if remains.is_whole);
        let is_counting = self.devices.iter().any(|it| it.resets_chip_at_ns().is_some());
        self.life == Life::LockedUp && is_kept && is_counting
    }

    /// What answers at an address, and how many bytes from there on do.
    pub(super) fn mapped(&self, address: u32) -> Option<(RangeKind, u64)> {
        let Body::Alive(_, map) = &self.body else { return None };
        map.iter().find_map(|range| {
            let offset = u64::from(address.checked_sub(range.start)?);
            (offset < range.size_bytes).then(|| (range.kind, range.size_bytes - offset))
        })
    }

    /// Whether code can be fetched from an address.
    pub(super) fn is_executable(&self, address: u32) -> bool {
        // The upper half of the address space is never executed (ARMv7-M).
        let kind = self.mapped(address).map(|(kind, _)| kind);
        address < 0x4000_0000 && matches!(kind, Some(RangeKind::Ram | RangeKind::Rom))
    }
}
