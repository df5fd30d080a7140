//! The chip of a virtual board as probe-rs reads chips: a description in YAML, generated from the
//! chip file, with the flash algorithm of virtual chips.
//!
//! It needs no probe-rs, so that it can be printed for the unmodified command.

use crate::target::BenchError;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use crashrig_layout::RegionKind;
use crashrig_layout::parse::{Board, ChipRegion};
use crashrig_qemu::probe::{
    ERASED, STUB, STUB_ERASE_ALL, STUB_ERASE_SECTOR, STUB_INITIALISE, STUB_OFFSET,
    STUB_PROGRAM_PAGE,
};
use std::fmt::Write;

/// Bytes that the flash algorithm programs at once.
const PAGE_BYTES: u32 = 0x400;
/// Behind the name of a part. The part stands first: by it probe-rs finds the sequences of its
/// maker.
const VIRTUAL: &str = "-virtual";

/// The name of a board's chip in its description.
#[must_use]
pub fn chip_name(board: &Board) -> String {
    format!("{}{VIRTUAL}", board.part)
}

/// The description of the chip of a board.
///
/// # Errors
/// The chip has no flash that is erased by sectors.
pub fn description(board: &Board) -> Result<String, BenchError> {
    let chip = &board.chip;
    let flash = chip.flash().filter(|flash| !flash.sectors.is_empty());
    let flash = flash.ok_or_else(|| {
        BenchError(format!("describe the chip of {}: its flash has no sectors", board.name))
    })?;
    let mut text = format!(
        "# {name}, generated from the chip file. Its flash algorithm is carried out by the virtual \
         probe.\nname: {name}\nmanufacturer:\n  id: 0x20\n  cc: 0x0\ngenerated_from_pack: false\n\
         variants:\n- name: {name}\n  cores:\n  - name: main\n    type: armv7em\n    \
         core_access_options: !Arm\n      ap: !v1 0\n  memory_map:\n",
        name = chip_name(board)
    );
    for region in &chip.regions {
        memory(&mut text, region);
    }
    text.push_str("  flash_algorithms:\n  - virtual\n");
    algorithm(&mut text, flash, chip.main_ram_range().start);
    Ok(text)
}

/// One range of the memory map; nothing for what programs do not use. Main RAM stands in it as the
/// ranges it is made of.
fn memory(text: &mut String, region: &ChipRegion) {
    let kind = match region.kind {
        RegionKind::Flash => "Nvm",
        RegionKind::Ram if region.used_bytes > 0 => "Ram",
        _ => return,
    };
    let range = &region.range;
    // Writing to a string cannot fail.
    let _ = write!(
        text,
        "  - !{kind}\n    name: {}\n    range:\n      start: {:#x}\n      end: {:#x}\n    \
         cores:\n    - main\n",
        region.name,
        range.start,
        u64::from(range.start) + u64::from(range.size_bytes)
    );
    if region.kind == RegionKind::Flash {
        text.push_str("    access:\n      write: false\n      boot: true\n");
    }
}

fn algorithm(text: &mut String, flash: &ChipRegion, ram_start: u32) {
    let range = &flash.range;
    let code: Vec<u8> = STUB.iter().flat_map(|half| half.to_le_bytes()).collect();
    let _ = write!(
        text,
        "flash_algorithms:\n- name: virtual\n  description: carried out by the virtual probe\n  \
         default: true\n  instructions: {}\n  load_address: {:#x}\n  \
         pc_init: {STUB_INITIALISE:#x}\n  pc_uninit: {STUB_INITIALISE:#x}\n  \
         pc_program_page: {STUB_PROGRAM_PAGE:#x}\n  \
         pc_erase_sector: {STUB_ERASE_SECTOR:#x}\n  pc_erase_all: {STUB_ERASE_ALL:#x}\n  \
         data_section_offset: {:#x}\n  flash_properties:\n    address_range:\n      \
         start: {:#x}\n      end: {:#x}\n    page_size: {PAGE_BYTES:#x}\n    \
         erased_byte_value: {ERASED:#x}\n    program_page_timeout: 1000\n    \
         erase_sector_timeout: 6000\n    sectors:\n",
        STANDARD.encode(&code),
        ram_start + STUB_OFFSET,
        code.len(),
        range.start,
        u64::from(range.start) + u64::from(range.size_bytes)
    );
    let mut last = None;
    for sector in &flash.sectors {
        // Each entry holds from its address on.
        if last != Some(sector.size_bytes) {
            let offset = sector.start - range.start;
            let _ =
                write!(text, "    - size: {:#x}\n      address: {offset:#x}\n", sector.size_bytes);
        }
        last = Some(sector.size_bytes);
    }
}
