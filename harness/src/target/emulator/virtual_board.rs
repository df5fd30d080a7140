//! A board under QEMU behind a virtual debug probe: its launch, the facts of its chip, and where
//! breakpoint instructions stand in an image.
//!
//! Must never happen here: a fact of the chip that its file has. What that has not is stated here,
//! with its source.

use super::{EmulatorTarget, key};
use crate::target::BenchError;
use crashrig_layout::parse::Board;
use crashrig_qemu::probe::{ChipFacts, VirtualBoard};
use crashrig_qemu::{Launch, RamRange, is_wide};
use object::read::elf::ElfFile32;
use object::{LittleEndian, Object, ObjectSection, ObjectSymbol};
use std::ops::Range;
use std::path::Path;

/// What the debug unit of a family says and has.
struct DebugUnit {
    family: &'static str,
    identification: (u32, u32),
    registers: Range<u32>,
    part_number: u16,
}

/// DBGMCU_IDCODE of revision Y, and DBGMCU_CR to APB2_FZ behind it (RM0090 §38.6 and §38.16, from
/// memory, not checked). The part number of the ROM table is the device's.
const DEBUG_UNITS: &[DebugUnit] = &[DebugUnit {
    family: "stm32f405-407",
    identification: (0xE004_2000, 0x1000_6413),
    registers: 0xE004_2004..0xE004_2010,
    part_number: 0x413,
}];

/// Where the chip of a board says which one it is, and what it says; nothing for a family whose
/// debug unit is not known.
#[must_use]
pub fn identification(board: &Board) -> Option<(u32, u32)> {
    let unit = DEBUG_UNITS.iter().find(|unit| unit.family == board.chip.family);
    unit.map(|unit| unit.identification)
}

impl EmulatorTarget {
    /// The board behind a virtual probe, without power, its flash erased. `folder` receives what
    /// the emulator writes.
    ///
    /// # Errors
    /// The chip's debug unit is not known, or the chip has no flash that is erased by sectors.
    pub fn virtual_board(&self, folder: &Path) -> Result<VirtualBoard, BenchError> {
        let ram = self.ram();
        let ranges =
            || ram.iter().map(|(address, size)| RamRange { address: *address, size_bytes: *size });
        let facts = chip_facts(&self.board, ranges().collect())?;
        let mut launch = Launch::new(self.program.clone(), &self.machine, folder);
        launch.keeper = self.keeper.clone();
        launch.instruction_shift = Some(self.shift);
        launch.host_processor = self.host_processor;
        // Calls to a host are served by who debugs, as on a board.
        launch.semihosting = None;
        if let Ok(observer) = self.observer() {
            launch.observer = Some(observer.to_owned());
            launch.ram = ranges().collect();
        }
        Ok(VirtualBoard::new(launch, facts))
    }

    /// The version of the emulator as `(major, minor)`.
    #[must_use]
    pub const fn emulator_version(&self) -> (u32, u32) {
        key(&self.program)
    }
}

fn chip_facts(board: &Board, ram: Vec<RamRange>) -> Result<ChipFacts, BenchError> {
    let chip = &board.chip;
    let unit = DEBUG_UNITS.iter().find(|unit| unit.family == chip.family);
    let unit = unit.ok_or_else(|| {
        let known: Vec<_> = DEBUG_UNITS.iter().map(|unit| unit.family).collect();
        BenchError(format!(
            "put a virtual probe on board {}: found chip family {:?}, expected one of {}",
            board.name,
            chip.family,
            known.join(", ")
        ))
    })?;
    let flash = chip.flash().filter(|flash| !flash.sectors.is_empty());
    let flash = flash.ok_or_else(|| {
        BenchError(format!("put a virtual probe on {}: its flash has no sectors", board.name))
    })?;
    let main_ram = chip.main_ram_range();
    Ok(ChipFacts {
        flash_start: flash.range.start,
        sectors_bytes: flash.sectors.iter().map(|sector| sector.size_bytes).collect(),
        ram,
        algorithm_address: main_ram.start,
        identification: unit.identification,
        debug_unit: unit.registers.clone(),
        part_number: unit.part_number,
    })
}

/// Where breakpoint instructions stand in the code of an ELF file, as its mapping symbols mark it
/// (`$t` for code and `$d` for data, ARM ELF §4.5.5). Nothing in a file that cannot be read.
#[must_use]
pub fn breakpoint_sites(elf: &[u8]) -> Vec<u32> {
    let Ok(file) = ElfFile32::<LittleEndian>::parse(elf) else { return Vec::new() };
    let mut sites = Vec::new();
    for section in file.sections() {
        let (Ok(bytes), Ok(start)) = (section.data(), u32::try_from(section.address())) else {
            continue;
        };
        let index = Some(section.index());
        let marks = file.symbols().filter(|symbol| symbol.section_index() == index);
        let mut marks: Vec<(u32, bool)> = marks
            .filter_map(|symbol| {
                let is_code = match symbol.name().ok()?.split('.').next()? {
                    "$t" => true,
                    "$d" | "$a" => false,
                    _ => return None,
                };
                Some((u32::try_from(symbol.address()).ok()?, is_code))
            })
            .collect();
        marks.sort_unstable();
        let ends = marks.iter().skip(1).map(|(address, _)| *address);
        let ends = ends.chain([start.saturating_add(u32::try_from(bytes.len()).unwrap_or(0))]);
        for ((from, is_code), to) in marks.iter().zip(ends) {
            let range = (from.wrapping_sub(start) as usize)..(to.wrapping_sub(start) as usize);
            if let (true, Some(code)) = (is_code, bytes.get(range)) {
                sites.extend(breakpoints(code).map(|offset| from + offset));
            }
        }
    }
    sites.sort_unstable();
    sites
}

/// Offsets of breakpoint instructions in a piece of code.
fn breakpoints(code: &[u8]) -> impl Iterator<Item = u32> {
    let mut is_second = false;
    let halves = code.chunks_exact(2).zip((0..).step_by(2));
    halves.filter_map(move |(half, offset)| {
        let value = half.iter().rev().fold(0, |sum: u16, byte| sum << 8 | u16::from(*byte));
        let is_first = !std::mem::take(&mut is_second);
        is_second = is_first && is_wide(value);
        (is_first && value >> 8 == 0xBE).then_some(offset)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_instructions_are_breakpoints() {
        // bkpt 0xab; a wide instruction whose second half looks like one; bkpt 0; nop
        let code = [0xAB, 0xBE, 0x00, 0xF0, 0x01, 0xBE, 0x00, 0xBE, 0x00, 0xBF];
        assert_eq!(breakpoints(&code).collect::<Vec<_>>(), [0, 6]);
    }
}
