//! A virtual board as a probe finds it: a chip, its debug port, its wires, and what troubles them.

use crate::command::Launch;
use crate::error::Error;
use crate::models::{MmioModel, Reset};
use crate::probe::chip::Chip;
use crate::probe::core::Life;
use crate::probe::dp::{Answer, DebugPort, Refusal};
use crate::probe::facts::ChipFacts;
use crate::probe::trouble::Trouble;

/// A chip behind a debug probe. Dropping it ends its emulator.
#[derive(Debug)]
pub struct VirtualBoard {
    chip: Chip,
    port: DebugPort,
    troubles: Vec<Trouble>,
    /// What the user of the probe does with the reset line.
    is_reset_wanted: bool,
    /// The probe has left its bus.
    is_dropped: bool,
    /// Transfers until a program takes the pins of the port, if it does.
    pins_left: u64,
}

impl VirtualBoard {
    /// A board without power whose flash is erased. The launch must be without an image and without
    /// semihosting: flash is programmed through the port, and calls are served by a debugger.
    #[must_use]
    pub fn new(launch: Launch, facts: ChipFacts) -> Self {
        Self {
            chip: Chip::new(launch, facts),
            port: DebugPort::new(),
            troubles: Vec::new(),
            is_reset_wanted: false,
            is_dropped: false,
            pins_left: 0,
        }
    }

    /// Power on, with these bytes in RAM, by [`ChipFacts::ram`]; zeros where nothing is given.
    ///
    /// # Errors
    /// When the emulator does not start, or fails at once.
    pub fn power_on(&mut self, ram: &[Vec<u8>]) -> Result<(), Error> {
        self.prepare_power();
        self.chip.power_on(ram, Reset::PowerOn)
    }

    /// Power off. Flash keeps its contents, and devices of the host what power-on leaves them.
    pub fn power_off(&mut self) {
        self.chip.power_off();
    }

    /// Power off and on again. With a battery, devices of the host keep what that keeps.
    ///
    /// # Errors
    /// As [`VirtualBoard::power_on`].
    pub fn power_cycle(&mut self, ram: &[Vec<u8>], battery: bool) -> Result<(), Error> {
        self.power_off();
        self.prepare_power();
        let reset = if battery { Reset::PowerOnWithBattery } else { Reset::PowerOn };
        self.chip.power_on(ram, reset)
    }

    /// Puts bytes into erased flash, as a maker does before power comes; false where flash does not
    /// have all of that range. A board with power does not see them until it loses it.
    pub fn program(&mut self, address: u32, bytes: &[u8]) -> bool {
        self.chip.flash.program(address, bytes).is_some()
    }

    /// Whether the board has power.
    #[must_use]
    pub fn has_power(&self) -> bool {
        self.chip.has_power()
    }

    /// Why the emulator behind the board has failed, if it has. The port is silent then.
    #[must_use]
    pub fn failure(&self) -> Option<&str> {
        self.chip.lost()
    }

    /// Instructions that the emulator has executed since it was started, where it counts them.
    pub fn instructions(&mut self) -> Option<u64> {
        self.chip.emulator().ok()?.instructions().ok()?
    }

    /// Says where breakpoint instructions stand in the program: QEMU does not stop at one by
    /// itself. As few as there are, because code near each runs slowly.
    pub fn set_breakpoint_sites(&mut self, addresses: Vec<u32>) {
        self.chip.breakpoint_sites = addresses;
    }

    /// Gives the chip these devices of the host, in place of those before, and resets it as power
    /// does. They outlive a lockup and a loss of power, as the chip's own would.
    ///
    /// # Errors
    /// When the emulator fails.
    pub fn set_devices(&mut self, devices: Vec<Box<dyn MmioModel>>) -> Result<(), Error> {
        self.chip.set_devices(devices)
    }

    /// Sets the troubles, in place of those before.
    ///
    /// # Errors
    /// When the reset line moves by that, and the emulator fails.
    pub fn set_troubles(&mut self, troubles: Vec<Trouble>) -> Result<(), Error> {
        self.chip.flash.is_weak = troubles.contains(&Trouble::FlashWeak);
        self.troubles = troubles;
        self.is_dropped = false;
        self.pins_left = 0;
        self.apply_troubles();
        self.move_reset_line()
    }

    /// Whether the probe can be opened now, or why not.
    ///
    /// # Errors
    /// The reason, as the trouble that it is.
    pub fn check_open(&self) -> Result<(), Trouble> {
        if self.is_dropped {
            return Err(Trouble::DropOff(0));
        }
        if self.troubles.contains(&Trouble::Busy) { Err(Trouble::Busy) } else { Ok(()) }
    }

    /// Drives the reset line low, or lets it go.
    ///
    /// # Errors
    /// When the emulator fails.
    pub fn set_reset(&mut self, is_low: bool) -> Result<(), Error> {
        self.is_reset_wanted = is_low;
        self.move_reset_line()
    }

    /// Whether the reset line is low, whoever holds it.
    #[must_use]
    pub fn is_reset_low(&self) -> bool {
        self.is_reset_wanted || self.troubles.contains(&Trouble::ResetLow)
    }

    /// Lets the chip go on where only a host can carry it on, such as over a reset. Whoever serves
    /// a board calls this now and then while nobody asks for anything.
    pub fn attend(&mut self) {
        // What goes wrong is told by the next transfer.
        let _ = self.chip.attempt(Chip::look);
    }

    /// Reads a register of the debug port, by the address bits of a transfer.
    ///
    /// # Errors
    /// What the transfer is answered with, when not with OK.
    pub fn read_dp(&mut self, address: u8) -> Answer<u32> {
        self.before_transfer()?;
        self.port.read_dp(address)
    }

    /// Writes a register of the debug port.
    ///
    /// # Errors
    /// As [`VirtualBoard::read_dp`].
    pub fn write_dp(&mut self, address: u8, value: u32) -> Answer<()> {
        self.before_transfer()?;
        self.port.write_dp(address, value)
    }

    /// Reads a register of the selected access port as often as there are values. Each gets the
    /// result of the read before: the last result is in RDBUFF. Returns how many transfers were
    /// answered with OK.
    ///
    /// # Errors
    /// What the transfer after those was answered with.
    pub fn read_ap(&mut self, address: u8, values: &mut [u32]) -> (usize, Answer<()>) {
        let mut done = 0;
        while let Some(rest) = values.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let count = match self.before_access(rest.len()) {
                Ok(count) => count,
                Err(refusal) => return (done, Err(refusal)),
            };
            let rest = rest.get_mut(..count).unwrap_or_default();
            let (read, answer) = self.port.read_ap(&mut self.chip, address, rest);
            done += read;
            if answer.is_err() {
                return (done, answer);
            }
        }
        (done, Ok(()))
    }

    /// Writes a register of the selected access port with one value after the other. Returns how
    /// many transfers were answered with OK.
    ///
    /// # Errors
    /// As [`VirtualBoard::read_ap`].
    pub fn write_ap(&mut self, address: u8, values: &[u32]) -> (usize, Answer<()>) {
        let mut done = 0;
        while let Some(rest) = values.get(done..).filter(|rest| !rest.is_empty()) {
            let count = match self.before_access(rest.len()) {
                Ok(count) => count,
                Err(refusal) => return (done, Err(refusal)),
            };
            let rest = rest.get(..count).unwrap_or(rest);
            let (written, answer) = self.port.write_ap(&mut self.chip, address, rest);
            done += written;
            if answer.is_err() {
                return (done, answer);
            }
        }
        (done, Ok(()))
    }

    /// What is outside of the chip when its power comes.
    fn prepare_power(&mut self) {
        self.troubles.retain(|trouble| !matches!(trouble, Trouble::PowerLost(_)));
        self.pins_left = u64::MAX;
        self.port = DebugPort::new();
        self.apply_troubles();
        self.chip.is_reset_low = self.is_reset_low();
    }

    fn apply_troubles(&mut self) {
        self.chip.flash.is_worn = self.troubles.contains(&Trouble::FlashWorn);
        self.chip.other_identification = self.troubles.iter().find_map(|trouble| match trouble {
            Trouble::ChipId(value) => Some(*value),
            _ => None,
        });
    }

    fn move_reset_line(&mut self) -> Result<(), Error> {
        let is_low = self.is_reset_low();
        let before = self.chip.is_reset_low;
        if self.chip.attempt(|chip| chip.set_reset_line(is_low)).is_err() && before != is_low {
            // Without power there is nothing to move; it is looked at when power comes back.
            self.chip.is_reset_low = is_low;
        }
        match self.failure() {
            Some(reason) => Err(Error::Keeper { reason: reason.to_owned() }),
            None => Ok(()),
        }
    }

    /// Whether anybody answers a transfer, which is counted.
    fn before_transfer(&mut self) -> Answer<()> {
        for trouble in &mut self.troubles {
            match trouble {
                Trouble::DropOff(0) => self.is_dropped = true,
                Trouble::PowerLost(0) => self.chip.power_off(),
                Trouble::DropOff(count) | Trouble::PowerLost(count) => *count -= 1,
                Trouble::DropOffRunning(count) if self.chip.runs_to_its_reset() => {
                    self.is_dropped |= *count == 0;
                    *count = count.saturating_sub(1);
                }
                _ => {}
            }
        }
        let is_silent = self.are_pins_taken();
        if is_silent || self.is_dropped || !self.chip.has_power() || self.chip.lost().is_some() {
            return Err(Refusal::NoAnswer);
        }
        Ok(())
    }

    /// Whether a program has taken the pins of the port.
    fn are_pins_taken(&mut self) -> bool {
        let taken = self.troubles.iter().position(|it| matches!(it, Trouble::PinsTaken(_)));
        let Some(number) = taken else { return false };
        match (self.chip.life, self.troubles.get(number)) {
            (Life::Halted, _) if self.pins_left > 0 => {
                self.troubles.remove(number);
                false
            }
            (Life::InReset, Some(Trouble::PinsTaken(count))) => {
                self.pins_left = *count;
                false
            }
            (_, Some(Trouble::PinsTaken(count))) => {
                let left = self.pins_left.min(*count);
                self.pins_left = left.saturating_sub(1);
                left == 0
            }
            _ => false,
        }
    }

    /// The same before some transfers to an access port: how many of them may be made at once.
    fn before_access(&mut self, count: usize) -> Answer<usize> {
        self.before_transfer()?;
        let counted = |trouble: &Trouble| {
            !matches!(
                trouble,
                Trouble::ChipId(_)
                    | Trouble::ResetLow
                    | Trouble::FlashWorn
                    | Trouble::FlashWeak
                    | Trouble::Busy
            )
        };
        for trouble in &mut self.troubles {
            match trouble {
                Trouble::Wait(left) if *left > 0 => {
                    *left -= 1;
                    return Err(Refusal::Wait);
                }
                Trouble::Fault(left) if *left > 0 => {
                    *left -= 1;
                    self.port.fail(0);
                    return Err(Refusal::Fault);
                }
                _ => {}
            }
        }
        Ok(if self.troubles.iter().any(counted) { 1 } else { count })
    }
}
