//! Flash as it is on a chip: erased by sectors to ones, programmed from one to zero only.
//!
//! A probe programs it through an algorithm that it loads into RAM and calls. The one for virtual
//! chips is [`STUB`]: breakpoint instructions, at which the chip carries the work out on the host.
//! So everything of a flasher is exercised but the registers of the flash interface.
//!
//! Must never happen here: a bit that programming sets. Who forgets to erase fails to verify.

use std::ops::Range;

/// A byte of erased flash.
pub const ERASED: u8 = 0xFF;

/// The algorithm: initialising does nothing; erasing a sector, programming a page and erasing all
/// are breakpoint instructions, each followed by the return.
pub const STUB: [u16; 8] = [
    0x2000, // movs r0, #0
    0x4770, // bx lr
    ERASE_SECTOR,
    0x4770,
    PROGRAM_PAGE,
    0x4770,
    ERASE_ALL,
    0x4770,
];
/// Offset of initialising in [`STUB`], in bytes; ending needs no more.
pub const STUB_INITIALISE: u32 = 0;
/// Offset of erasing the sector at r0.
pub const STUB_ERASE_SECTOR: u32 = 4;
/// Offset of programming r1 bytes at r0 with those at r2.
pub const STUB_PROGRAM_PAGE: u32 = 8;
/// Offset of erasing everything.
pub const STUB_ERASE_ALL: u32 = 12;
/// Bytes between the host's return point and [`STUB`], as probe-rs lays algorithms out.
pub const STUB_OFFSET: u32 = 4;

const ERASE_SECTOR: u16 = 0xBEE0;
const PROGRAM_PAGE: u16 = 0xBEE1;
const ERASE_ALL: u16 = 0xBEE2;

/// What an instruction of the algorithm asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    EraseSector,
    ProgramPage,
    EraseAll,
}

impl Work {
    /// What a halfword of code asks for, if it is one of the algorithm's.
    pub(crate) const fn of(code: u16) -> Option<Self> {
        match code {
            ERASE_SECTOR => Some(Self::EraseSector),
            PROGRAM_PAGE => Some(Self::ProgramPage),
            ERASE_ALL => Some(Self::EraseAll),
            _ => None,
        }
    }
}

/// The flash of one chip. It keeps its contents without power.
#[derive(Debug, Clone)]
pub(crate) struct Flash {
    start: u32,
    bytes: Vec<u8>,
    sectors: Vec<Range<usize>>,
    /// Programming leaves a bit as it was: worn out, on purpose.
    pub(crate) is_worn: bool,
    /// The core reads the address of its first instruction wrong until the sector is erased.
    pub(crate) is_weak: bool,
}

impl Flash {
    /// Erased flash with sectors of these sizes.
    pub(crate) fn new(start: u32, sectors_bytes: &[u32]) -> Self {
        let mut sectors = Vec::new();
        let mut end = 0;
        for size in sectors_bytes {
            sectors.push(end..end + *size as usize);
            end += *size as usize;
        }
        Self { start, bytes: vec![ERASED; end], sectors, is_worn: false, is_weak: false }
    }

    /// Its first address.
    pub(crate) const fn start(&self) -> u32 {
        self.start
    }

    /// All of it.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Takes over what the core reads of all of it, but for cells that it reads wrong.
    pub(crate) fn hold(&mut self, mut bytes: Vec<u8>) {
        if self.is_weak
            && let (Some(read), Some(cells)) = (bytes.get_mut(4..8), self.bytes.get(4..8))
        {
            read.copy_from_slice(cells);
        }
        if bytes.len() == self.bytes.len() {
            self.bytes = bytes;
        }
    }

    /// The bytes at an address, if flash has all of them.
    pub(crate) fn get(&self, address: u32, length: usize) -> Option<&[u8]> {
        self.bytes.get(self.range(address, length)?)
    }

    /// Erases the sector that begins at an address; nothing where none does. Returns what changed.
    pub(crate) fn erase_sector(&mut self, address: u32) -> Option<(u32, &[u8])> {
        let start = address.checked_sub(self.start)? as usize;
        let sector = self.sectors.iter().find(|sector| sector.start == start)?.clone();
        let bytes = self.bytes.get_mut(sector)?;
        bytes.fill(ERASED);
        self.is_weak &= start > 0;
        Some((address, bytes))
    }

    /// Erases everything. Returns what changed.
    pub(crate) fn erase_all(&mut self) -> (u32, &[u8]) {
        self.bytes.fill(ERASED);
        self.is_weak = false;
        (self.start, &self.bytes)
    }

    /// Programs bytes at an address; nothing where flash has not all of them. Returns what changed.
    pub(crate) fn program(&mut self, address: u32, bytes: &[u8]) -> Option<(u32, &[u8])> {
        let range = self.range(address, bytes.len())?;
        let cells = self.bytes.get_mut(range)?;
        for (cell, byte) in cells.iter_mut().zip(bytes) {
            *cell &= *byte;
        }
        if let (true, Some(cell)) = (self.is_worn, cells.first_mut()) {
            *cell |= 1;
            *cell ^= u8::from(bytes.first().is_some_and(|byte| byte & 1 == 1));
        }
        Some((address, cells))
    }

    /// What the core reads in place of the address of its first instruction, and where, if those
    /// cells are weak.
    pub(crate) fn weak_vector(&self) -> Option<(u32, [u8; 4])> {
        let [low, rest @ ..] = *self.bytes.get(4..8)?.first_chunk::<4>()?;
        let [second, third, last] = rest;
        self.is_weak.then_some((self.start + 4, [low ^ 0x40, second, third, last]))
    }

    fn range(&self, address: u32, length: usize) -> Option<Range<usize>> {
        let start = address.checked_sub(self.start)? as usize;
        let end = start.checked_add(length)?;
        (end <= self.bytes.len()).then_some(start..end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: u32 = 0x0800_0000;

    fn flash() -> Flash {
        Flash::new(START, &[4, 8])
    }

    #[test]
    fn programming_clears_bits_and_sets_none() {
        let mut flash = flash();
        assert_eq!(flash.program(START + 2, &[0xF0, 0x0F]), Some((START + 2, &[0xF0, 0x0F][..])));
        assert_eq!(flash.program(START + 2, &[0x3C, 0xFF]), Some((START + 2, &[0x30, 0x0F][..])));
        assert_eq!(flash.get(START, 6), Some(&[0xFF, 0xFF, 0x30, 0x0F, 0xFF, 0xFF][..]));
    }

    #[test]
    fn a_sector_is_erased_as_a_whole_and_alone() {
        let mut flash = flash();
        flash.program(START, &[0; 12]);
        assert_eq!(flash.erase_sector(START + 4), Some((START + 4, &[ERASED; 8][..])));
        assert_eq!(flash.bytes(), [0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255]);
        assert_eq!(flash.erase_sector(START + 2), None);
        assert_eq!(flash.erase_sector(START + 12), None);
        assert_eq!(flash.erase_all(), (START, &[ERASED; 12][..]));
    }

    #[test]
    fn nothing_outside_is_programmed() {
        let mut flash = flash();
        assert_eq!(flash.program(START + 11, &[0, 0]), None);
        assert_eq!(flash.program(START - 1, &[0, 0]), None);
        assert_eq!(flash.bytes(), [ERASED; 12]);
    }

    #[test]
    fn worn_flash_is_never_what_was_asked_for() {
        for wanted in [0x00, 0xFF, 0x55] {
            let mut flash = flash();
            flash.is_worn = true;
            flash.program(START, &[wanted, 0]);
            assert_ne!(flash.get(START, 2), Some(&[wanted, 0][..]));
        }
    }

    #[test]
    fn the_algorithm_stands_where_its_offsets_say() {
        let at = |offset: u32| Work::of(STUB[offset as usize / 2]);
        assert_eq!(at(STUB_INITIALISE), None);
        assert_eq!(at(STUB_ERASE_SECTOR), Some(Work::EraseSector));
        assert_eq!(at(STUB_PROGRAM_PAGE), Some(Work::ProgramPage));
        assert_eq!(at(STUB_ERASE_ALL), Some(Work::EraseAll));
    }
}
