//! What a virtual chip is told about itself: facts that no emulator has.

use std::ops::Range;

use crate::guest_ram::RamRange;

/// The facts of one chip. They come from whoever knows chips: this crate does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChipFacts {
    /// Where flash begins.
    pub flash_start: u32,
    /// Sizes of its sectors in bytes, lowest first: what is erased at once.
    pub sectors_bytes: Vec<u32>,
    /// RAM that programs use. It outlives a reset and a lockup.
    pub ram: Vec<RamRange>,
    /// Where a flash algorithm is loaded: the host's return point stands there, and
    /// [`crate::probe::STUB`] behind it.
    pub algorithm_address: u32,
    /// The address and the value of the register that says which chip it is.
    pub identification: (u32, u32),
    /// Further registers of the debug unit, which keep what is written to them.
    pub debug_unit: Range<u32>,
    /// The number of the part in the ROM table, 12 bits.
    pub part_number: u16,
}
