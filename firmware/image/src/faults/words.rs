//! Single words of memory, loaded and stored as they are, whosever they are.
//!
//! Faults know memory by addresses: of blocks that they were given, of places of the board, and of
//! words that are the heap's own and are damaged on purpose. What is passed here is aligned memory,
//! as each caller says of its own; never the place of a variable of Rust, which nothing may change
//! behind its back. In line, since some callers stand on the last bytes of their stack.

use crate::board;
use crashrig_layout::Region;

const WORDS: [u32; 4] = [0xC0DE_F00D, 0, 0x5A5A_0FF0, 0xFFFF_FFFE];

/// The word at an address.
#[inline(always)]
pub fn read(address: u32) -> u32 {
    let pointer = core::ptr::with_exposed_provenance::<u32>(address as usize);
    // SAFETY: an aligned word of memory, as the module says; reading it changes nothing.
    unsafe { pointer.read_volatile() }
}

/// Changes the word at an address.
#[inline(always)]
pub fn write(address: u32, word: u32) {
    let pointer = core::ptr::with_exposed_provenance_mut::<u32>(address as usize);
    // SAFETY: as the module says; where the word is the heap's, that is what the fault is about.
    unsafe { pointer.write_volatile(word) }
}

/// A region of the chip by its name.
pub fn region(name: &str) -> Option<&'static Region> {
    board::REGIONS.iter().find(|region| region.name == name)
}

/// Words that are unlike each other, and where each goes from an address on.
pub fn places(start: u32) -> impl Iterator<Item = (u32, u32)> {
    (start..).step_by(4).zip(WORDS)
}
