//! States of the whole machine that are saved and come back: memory, core, devices and target time.
//!
//! QEMU keeps them in a disk that no device uses ([`crate::Launch::snapshots`]). Measured with 7.2
//! and 10.0, of a guest with 128 KiB of RAM, on one processor: saving takes 2 to 3 ms, restoring
//! 0.45 ms through GDB and 0.6 ms through QMP. QEMU forgets all translated code with each, so what
//! follows runs cold: about 1 µs for each instruction that was not met since.
//!
//! What does not come back: CONTROL.FPCA of a core without security, which QEMU 10.0 does not save
//! and which is clear in every state that comes back (measured). Where a floating-point context was
//! live, an exception that is taken next pushes a frame without its registers.
//!
//! Must never happen here: a state of which more than that is lost. Devices of the host keep memory
//! of their own that no snapshot has: with them both calls are refused.

use crate::emulator::{Emulator, State};
use crate::error::Error;
use crate::models::Reset;

/// A saved state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    name: String,
    instruction: u64,
    reset: Reset,
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
        let instruction = self.instructions()?.unwrap_or(0);
        self.hub.monitor_quiet(&format!("savevm {name}"))?;
        Ok(Snapshot { name: name.to_owned(), instruction, reset: self.reset })
    }

    /// Brings a saved state back: the guest stands where it stood, and its instructions are counted
    /// from there. Breakpoints and watchpoints stay as they are now. A guest that stands at a reset
    /// is reset first, which takes some 0.3 ms more.
    ///
    /// # Errors
    /// As [`Emulator::save`], and when the state is not there any more.
    pub fn restore(&mut self, snapshot: &Snapshot) -> Result<(), Error> {
        self.require_stopped("restore a state of the guest", true)?;
        self.require_no_models("restore a state of the guest")?;
        if self.state == State::AtReset {
            self.reset_system()?;
        }
        self.hub.monitor_quiet(&format!("loadvm {}", snapshot.name))?;
        self.hub.forget_position();
        self.qmp.forget_events();
        self.pending = None;
        self.reset = snapshot.reset;
        self.state = State::Stopped;
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
