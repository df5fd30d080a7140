//! What a debug port reaches: the bus of a chip, as one trait.
//!
//! It exists so that the port can be tested on an array, and knows nothing of QEMU.

use crate::models::Width;

/// Why the bus did not answer with data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BusError {
    /// Nothing answers there, or what does refuses: a bus error on the chip.
    Refused,
    /// The chip itself is gone: no power, or its emulator has ended.
    Gone,
}

/// The bus of a chip as its debug port sees it.
pub(crate) trait Bus {
    /// Reads accesses of one width, one after the other, until `bytes` is full. Its length is a
    /// multiple of the width, the address aligned to it.
    fn read(&mut self, address: u32, width: Width, bytes: &mut [u8]) -> Result<(), BusError>;

    /// Writes accordingly.
    fn write(&mut self, address: u32, width: Width, bytes: &[u8]) -> Result<(), BusError>;
}
