//! The virtual probe as a driver of probe-rs: the only file that names its raw debug traits.
//!
//! It is made known through probe-rs's plug-in interface, and found by selector:
//! `4352:5647:NAME`, where the name is that of a board that was plugged in here. The board keeps
//! its power and its memory when a session ends; a second one is told that the probe is busy.
//!
//! Those traits change with each release of probe-rs, which is why its version is pinned.

use super::driver_plug::{self, Plugged, lock};
pub use super::driver_plug::{PRODUCT, SharedBoard, VENDOR, selector, unplug};
use crashrig_qemu::probe::{Answer, Refusal, Trouble, VirtualBoard};
use probe_rs::architecture::arm::dp::DpAddress;
use probe_rs::architecture::arm::sequences::{ArmDebugSequence, DefaultArmSequence};
use probe_rs::architecture::arm::{
    ArmCommunicationInterface, ArmDebugInterface, ArmError, DapError, DapProbe,
    FullyQualifiedApAddress, RawDapAccess, RegisterAddress,
};
use probe_rs::plugin::{Plugin, register_plugin};
use probe_rs::probe::list::ProbeListItem;
use probe_rs::probe::{
    DebugProbe, DebugProbeError, DebugProbeInfo, DebugProbeSelector, Probe, ProbeCreationError,
    ProbeFactory, WireProtocol,
};
use std::fmt;
use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, Once};

/// The name in lists.
const NAME: &str = "Crashrig virtual probe";
/// Tries of a transfer that is answered with WAIT, as other probes make by default.
const WAIT_TRIES: u32 = 100;
/// RDBUFF and ABORT, by the address bits of a transfer.
const READ_BUFFER: u8 = 0xC;
const ABORT: u8 = 0x0;
/// Bits of ABORT that clear every sticky flag.
const CLEAR_ALL: u32 = 0x1E;
/// DHCSR, and its key with C_DEBUGEN (DDI0403E C1.6.2, from memory, not checked).
const HALTING_CONTROL: u64 = 0xE000_EDF0;
const DEBUGGING_ON: u32 = 0xA05F_0001;
/// The reset line among the pins of a probe.
const RESET_PIN: u32 = 1 << 7;

static FACTORY: Factory = Factory;
static REGISTERED: Once = Once::new();

/// Plugs a board in under a name, in place of an older one. [`selector`] leads to it.
pub fn plug_in(name: &str, board: VirtualBoard) -> SharedBoard {
    REGISTERED.call_once(|| {
        register_plugin(Plugin { probe_drivers: &[&FACTORY], ..Plugin::default() });
    });
    driver_plug::keep(name, board)
}

/// Whether the reset line of a chip is low while nobody here drives it; not, where a probe cannot
/// tell.
pub(super) fn is_reset_low(probe: &mut Probe) -> bool {
    let pins = probe.try_as_dap_probe().map(|probe| probe.swj_pins(0, 0, 0));
    matches!(pins, Some(Ok(pins)) if pins & RESET_PIN == 0)
}

/// Turns debugging of the core on and does nothing else, so that its reset line may be held.
pub(super) fn begin_debugging(mut probe: Probe) -> Result<Probe, probe_rs::Error> {
    probe.attach_to_unspecified()?;
    let port = probe.try_into_arm_debug_interface(DefaultArmSequence::create());
    let mut port = port.map_err(|(_, error)| error)?;
    port.select_debug_port(DpAddress::Default)?;
    let bus = FullyQualifiedApAddress::v1_with_default_dp(0);
    port.memory_interface(&bus)?.write_word_32(HALTING_CONTROL, DEBUGGING_ON)?;
    Ok(port.close())
}

#[derive(Debug)]
struct Factory;

impl fmt::Display for Factory {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(NAME)
    }
}

impl ProbeFactory for Factory {
    fn open(&self, selector: &DebugProbeSelector) -> Result<Box<dyn DebugProbe>, DebugProbeError> {
        let not_found = || DebugProbeError::from(ProbeCreationError::NotFound);
        if (selector.vendor_id, selector.product_id) != (VENDOR, PRODUCT) {
            return Err(not_found());
        }
        let name = selector.serial_number.as_deref().unwrap_or_default();
        let plugged = driver_plug::find(name).ok_or_else(not_found)?;
        let busy = || {
            let busy = io::Error::new(io::ErrorKind::ResourceBusy, "somebody else has the probe");
            DebugProbeError::from(ProbeCreationError::Usb(busy))
        };
        match lock(&plugged.board).check_open() {
            Ok(()) => {}
            Err(Trouble::Busy) => return Err(busy()),
            Err(_) => return Err(not_found()),
        }
        if plugged.is_open.swap(true, Ordering::SeqCst) {
            return Err(busy());
        }
        Ok(Box::new(VirtualProbe { plugged, speed_khz: 4_000 }))
    }

    fn list_probes(&self) -> Vec<ProbeListItem> {
        let boards = driver_plug::all();
        let present = boards.iter().filter(|(_, plugged)| {
            !matches!(lock(&plugged.board).check_open(), Err(Trouble::DropOff(_)))
        });
        let item = |name: &String| {
            let serial = Some(name.clone());
            DebugProbeInfo::new(NAME, VENDOR, PRODUCT, serial, &FACTORY, None, false)
        };
        present.map(|(name, _)| ProbeListItem::accessible(item(name))).collect()
    }
}

/// An open probe.
#[derive(Debug)]
struct VirtualProbe {
    plugged: Plugged,
    speed_khz: u32,
}

impl Drop for VirtualProbe {
    fn drop(&mut self) {
        // A probe that is let go drives no wire. What fails is told by the next transfer.
        drop(self.set_reset(false));
        self.plugged.is_open.store(false, Ordering::SeqCst);
    }
}

impl VirtualProbe {
    fn board(&self) -> MutexGuard<'_, VirtualBoard> {
        lock(&self.plugged.board)
    }

    /// The error of a refused transfer; sticky flags are cleared, as other drivers do.
    fn refused(board: &mut VirtualBoard, refusal: Refusal) -> ArmError {
        match refusal {
            Refusal::Wait => DapError::WaitResponse.into(),
            Refusal::Fault => {
                // If that fails, so does whatever comes next.
                let _ = board.write_dp(ABORT, CLEAR_ALL);
                DapError::FaultResponse.into()
            }
            Refusal::NoAnswer => match (board.failure(), board.check_open()) {
                (Some(reason), _) => {
                    DebugProbeError::Usb(io::Error::other(reason.to_owned())).into()
                }
                (None, Err(Trouble::DropOff(_))) => DebugProbeError::Usb(gone()).into(),
                _ => DapError::NoAcknowledge.into(),
            },
        }
    }

    /// Makes transfers until all are done; those that are answered with WAIT are tried again.
    fn transfer(
        &self,
        count: usize,
        mut action: impl FnMut(&mut VirtualBoard, usize) -> (usize, Answer<()>),
    ) -> Result<(), ArmError> {
        let mut board = self.board();
        let (mut done, mut tries) = (0, 0);
        while done < count {
            let (more, answer) = action(&mut board, done);
            done += more;
            tries = if more > 0 { 0 } else { tries + 1 };
            match answer {
                Ok(()) => {}
                Err(Refusal::Wait) if tries < WAIT_TRIES => {}
                Err(refusal) => return Err(Self::refused(&mut board, refusal)),
            }
        }
        Ok(())
    }

    /// Reads a register of the port, which also tells whether the transfer before has failed.
    fn read_dp(&self, address: u8) -> Result<u32, ArmError> {
        let mut board = self.board();
        board.read_dp(address).map_err(|refusal| Self::refused(&mut board, refusal))
    }

    fn set_reset(&self, is_low: bool) -> Result<(), DebugProbeError> {
        self.board()
            .set_reset(is_low)
            .map_err(|error| DebugProbeError::Usb(io::Error::other(error)))
    }
}

fn gone() -> io::Error {
    io::Error::new(io::ErrorKind::NotConnected, "the probe has left the bus")
}

impl DebugProbe for VirtualProbe {
    fn get_name(&self) -> &str {
        NAME
    }

    fn speed_khz(&self) -> u32 {
        self.speed_khz
    }

    fn set_speed(&mut self, speed_khz: u32) -> Result<u32, DebugProbeError> {
        self.speed_khz = speed_khz;
        Ok(speed_khz)
    }

    fn attach(&mut self) -> Result<(), DebugProbeError> {
        match self.board().check_open() {
            Err(Trouble::DropOff(_)) => Err(DebugProbeError::Usb(gone())),
            _ => Ok(()),
        }
    }

    fn detach(&mut self) -> Result<(), probe_rs::Error> {
        Ok(())
    }

    fn target_reset(&mut self) -> Result<(), DebugProbeError> {
        self.set_reset(true)?;
        self.set_reset(false)
    }

    fn target_reset_assert(&mut self) -> Result<(), DebugProbeError> {
        self.set_reset(true)
    }

    fn target_reset_deassert(&mut self) -> Result<(), DebugProbeError> {
        self.set_reset(false)
    }

    fn select_protocol(&mut self, protocol: WireProtocol) -> Result<(), DebugProbeError> {
        match protocol {
            WireProtocol::Swd => Ok(()),
            other => Err(DebugProbeError::UnsupportedProtocol(other)),
        }
    }

    fn active_protocol(&self) -> Option<WireProtocol> {
        Some(WireProtocol::Swd)
    }

    fn has_arm_interface(&self) -> bool {
        true
    }

    fn try_get_arm_debug_interface<'probe>(
        self: Box<Self>,
        sequence: Arc<dyn ArmDebugSequence>,
    ) -> Result<Box<dyn ArmDebugInterface + 'probe>, (Box<dyn DebugProbe>, ArmError)> {
        Ok(ArmCommunicationInterface::create(self, sequence, false))
    }

    fn into_probe(self: Box<Self>) -> Box<dyn DebugProbe> {
        self
    }

    fn try_as_dap_probe(&mut self) -> Option<&mut dyn DapProbe> {
        Some(self)
    }

    fn get_target_voltage(&mut self) -> Result<Option<f32>, DebugProbeError> {
        Ok(Some(if self.board().has_power() { 3.3 } else { 0.0 }))
    }
}

impl DapProbe for VirtualProbe {}

impl RawDapAccess for VirtualProbe {
    fn raw_read_register(&mut self, address: RegisterAddress) -> Result<u32, ArmError> {
        let mut value = [0];
        self.raw_read_block(address, &mut value)?;
        Ok(value[0])
    }

    fn raw_read_block(
        &mut self,
        address: RegisterAddress,
        values: &mut [u32],
    ) -> Result<(), ArmError> {
        let register = address.a2_and_3();
        if !address.is_ap() {
            for value in values {
                *value = self.read_dp(register)?;
            }
            return Ok(());
        }
        self.transfer(values.len(), |board, done| {
            board.read_ap(register, values.get_mut(done..).unwrap_or_default())
        })?;
        // Each holds the result of the read before; the last one is in RDBUFF.
        let last = self.read_dp(READ_BUFFER)?;
        values.rotate_left(1.min(values.len()));
        if let Some(value) = values.last_mut() {
            *value = last;
        }
        Ok(())
    }

    fn raw_write_register(&mut self, address: RegisterAddress, value: u32) -> Result<(), ArmError> {
        self.raw_write_block(address, &[value])
    }

    fn raw_write_block(
        &mut self,
        address: RegisterAddress,
        values: &[u32],
    ) -> Result<(), ArmError> {
        let register = address.a2_and_3();
        if !address.is_ap() {
            let mut board = self.board();
            for value in values {
                let answer = board.write_dp(register, *value);
                answer.map_err(|refusal| Self::refused(&mut board, refusal))?;
            }
            return Ok(());
        }
        self.transfer(values.len(), |board, done| {
            board.write_ap(register, values.get(done..).unwrap_or_default())
        })?;
        self.read_dp(READ_BUFFER).map(drop)
    }

    fn jtag_sequence(&mut self, _: u8, _: bool, _: u64) -> Result<(), DebugProbeError> {
        Err(DebugProbeError::CommandNotSupportedByProbe { command_name: "jtag_sequence" })
    }

    fn swj_sequence(&mut self, _: u8, _: u64) -> Result<(), DebugProbeError> {
        Ok(())
    }

    fn swj_pins(&mut self, out: u32, select: u32, _: u32) -> Result<u32, DebugProbeError> {
        if select & RESET_PIN != 0 {
            self.set_reset(out & RESET_PIN == 0)?;
        }
        let reset = if self.board().is_reset_low() { 0 } else { RESET_PIN };
        Ok(out & !RESET_PIN | reset)
    }

    fn into_probe(self: Box<Self>) -> Box<dyn DebugProbe> {
        self
    }

    fn core_status_notification(&mut self, _: probe_rs::CoreStatus) -> Result<(), DebugProbeError> {
        Ok(())
    }
}
