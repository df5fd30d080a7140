//! Words of the core's own devices, read and written as the core would in its present state.

use crate::emulator::Emulator;
use crate::error::Error;

/// The first version whose GDB writes devices of the core. 7.2 says that it has, and has not.
const FIRST_TO_WRITE: u32 = 8;

impl Emulator {
    /// Reads a word as the stopped core would, the System Control Space included.
    ///
    /// # Errors
    /// When the core itself could not read there, or QEMU fails.
    pub fn core_word(&mut self, address: u32) -> Result<u32, Error> {
        self.gdb()?.read_word_as_core(address)
    }

    /// Writes a word as the stopped core would, the System Control Space included. On old versions
    /// over qtest, which sees no secure state: there, a core with one is written in the other.
    ///
    /// # Errors
    /// When the core itself could not write there, or QEMU fails.
    pub fn write_core_word(&mut self, address: u32, value: u32) -> Result<(), Error> {
        if self.version().major >= FIRST_TO_WRITE {
            return self.gdb()?.write_word_as_core(address, value);
        }
        self.memory().write_word(address, value)
    }
}
