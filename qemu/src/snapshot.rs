//! States of the whole machine that are saved and come back: memory, core, devices and target time.
//!
//! QEMU keeps them in a disk that no device uses ([`crate::Launch::snapshots`]). Measured with 7.2
//! and 10.0, of a guest with 128 KiB of RAM, on one processor: saving takes 2 to 3 ms, restoring
//! 0.45 ms through GDB and 0.6 ms through QMP. QEMU forgets all translated code with each, so what
//! follows runs cold: about 1 µs for each instruction that was not met since.
//!
//! QEMU saves no CONTROL.FPCA of a core without security (it lies in a bank that only cores with
//! one have saved), and leaves it as it is when a state comes back: it is put right beforehand.
//!
//! Must never happen here: a state that comes back in part. Devices of the host keep memory of
//! their own that no snapshot has: with them both calls are refused.

use crate::emulator::{Emulator, State};
use crate::error::Error;
use crate::models::Reset;

/// A saved state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    name: String,
    instruction: u64,
    reset: Reset,
    has_live_float: bool,
}

impl Snapshot {
    /// Instructions executed since power-on when it was saved; 0 where they are not counted.
    #[must_use]
    pub fn instruction(&self) -> u64 {
        self.instruction
    }
}

impl Emulator {
    /// Saves the state of the stopped guest under a name of letters, digits and `-`; an older state
    /// of that name is gone.
    ///
    /// # Errors
    /// When the guest runs or stands at a reset, devices of the host are attached, the launch has
    /// no place for snapshots, or QEMU refuses.
    pub fn save(&mut self, name: &str) -> Result<Snapshot, Error> {
        self.require_stopped("save the state of the guest", false)?;
        self.require_no_models("save the state of the guest")?;
        let sound = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
        if name.is_empty() || !name.chars().all(sound) {
            return Err(Error::Malformed {
                socket: "GDB",
                expected: "a name of letters, digits and -",
                found: name.to_owned(),
            });
        }
        let has_live_float = self.has_live_float()? == Some(true);
        let instruction = self.instructions()?.unwrap_or(0);
        self.hub.monitor_quiet(&format!("savevm {name}"))?;
        Ok(Snapshot { name: name.to_owned(), instruction, reset: self.reset, has_live_float })
    }

    /// Brings a saved state back: the guest stands where it stood, and its instructions are counted
    /// from there. Breakpoints and watchpoints stay as they are now. A guest that stands at a reset
    /// is reset first, which takes some 0.3 ms more; so is one whose floating-point context is live
    /// where that of the state is not, or the other way round, and every one on a QEMU that does
    /// not say (7.2), on which the context of a state that comes back is never live.
    ///
    /// # Errors
    /// As [`Emulator::save`], and when the state is not there any more.
    pub fn restore(&mut self, snapshot: &Snapshot) -> Result<(), Error> {
        self.require_stopped("restore a state of the guest", true)?;
        self.require_no_models("restore a state of the guest")?;
        let is_like_it =
            self.state == State::Stopped && self.has_live_float()? == Some(snapshot.has_live_float);
        if !is_like_it {
            self.reset_system()?;
            if snapshot.has_live_float {
                self.make_float_live()?;
            }
        }
        self.hub.monitor_quiet(&format!("loadvm {}", snapshot.name))?;
        self.hub.forget_position();
        self.qmp.forget_events();
        self.pending = None;
        self.reset = snapshot.reset;
        self.state = State::Stopped;
        Ok(())
    }

    /// Whether the stopped guest has a live floating-point context: CONTROL.FPCA (DDI0403E B1.4.4).
    /// For a core without security QEMU keeps that bit where it saves none. Nothing on a QEMU whose
    /// GDB does not offer CONTROL.
    ///
    /// # Errors
    /// When the guest runs or stands at a reset, or QEMU fails.
    pub fn has_live_float(&mut self) -> Result<Option<bool>, Error> {
        const FPCA: u64 = 1 << 2;
        self.require_stopped("look at the guest", false)?;
        let control = self.gdb()?.read_register("control")?;
        Ok(control.map(|control| control & FPCA != 0))
    }

    /// Makes the floating-point context of a guest live that was just reset: it executes one such
    /// instruction. RAM and core are another's afterwards.
    fn make_float_live(&mut self) -> Result<(), Error> {
        /// Where SRAM begins, which can be executed until the guest says otherwise (DDI0403E B3.1).
        const SRAM: u32 = 0x2000_0000;
        /// CPACR, and full access to the floating-point unit (DDI0403E B3.2.20).
        const ACCESS: (u32, u32) = (0xE000_ED88, 0xF << 20);
        /// `vmov.f32 s0, s0`, as it lies in memory.
        const INSTRUCTION: [u8; 4] = [0xB0, 0xEE, 0x40, 0x0A];
        self.write(SRAM, &INSTRUCTION)?;
        self.write_core_word(ACCESS.0, ACCESS.1)?;
        self.gdb()?.write_register("pc", u64::from(SRAM))?;
        self.step(1)?;
        Ok(())
    }

    pub(crate) fn require_no_models(&self, doing: &'static str) -> Result<(), Error> {
        if self.models.is_none() {
            return Ok(());
        }
        let expected = "without devices of the host";
        Err(Error::State { doing, expected, found: "with some".into() })
    }
}
