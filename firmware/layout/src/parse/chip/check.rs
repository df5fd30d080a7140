//! A chip file as a whole: core, parts, main RAM. Regions, aliases and start-up have files of
//! their own.

use super::{Chip, Core, Part, aliases, backup, devices, regions, reset_cause, start};
use crate::RegionKind;
use crate::parse::problem::{Problems, hex, listed, quoted};
use crate::parse::raw::{RawChip, RawPart};

/// Most device interrupts that the architecture allows (DDI0403E B3.4).
const MOST_INTERRUPTS: u32 = 496;

/// Checks a chip file. Every broken rule is noted; the chip handed back is only good without any.
pub(crate) fn check(name: &str, raw: RawChip, problems: &mut Problems<'_>) -> Chip {
    problems.require(!raw.family.is_empty(), "family", "nothing", "the name of a chip family");
    let core = problems.name("core", &raw.core).unwrap_or(Core::CortexM3);
    problems.require(
        (1..=MOST_INTERRUPTS).contains(&raw.interrupts),
        "interrupts",
        raw.interrupts,
        format!("1 to {MOST_INTERRUPTS}"),
    );
    problems.require(
        matches!(raw.mpu_regions, 0 | 8 | 16),
        "mpu_regions",
        raw.mpu_regions,
        "0, 8 or 16",
    );
    let regions = regions::check(&raw.region, problems);
    let aliases = aliases::check(&raw.alias, &regions, problems);
    start::check_boot(&raw, &regions, &aliases, problems);
    let clock_enables = start::check_clock_enables(&raw.clock_enable, &regions, problems);
    let reset_cause =
        raw.reset_cause.as_ref().map(|raw| reset_cause::check(raw, &regions, problems));
    let backup = raw.backup.as_ref().map(|raw| backup::check(raw, &regions, problems));
    let devices = devices::check(&raw.device, &regions, problems);
    let boot_modes = raw.boot_mode.iter().map(start::boot_mode).collect();
    let mut chip = Chip {
        name: name.to_owned(),
        family: raw.family,
        core,
        interrupts: raw.interrupts,
        mpu_regions: raw.mpu_regions,
        unmapped_address: raw.unmapped_address,
        main_ram: raw.main_ram,
        parts: Vec::new(),
        regions,
        aliases,
        boot_remap_register: raw.boot_remap.map(|remap| remap.register),
        boot_modes,
        clock_enables,
        reset_cause,
        backup,
        devices,
    };
    chip.parts = check_parts(&raw.part, &chip, problems);
    check_main_ram(&chip, problems);
    check_unmapped(&chip, problems);
    chip
}

fn check_parts(raw: &[RawPart], chip: &Chip, problems: &mut Problems<'_>) -> Vec<Part> {
    problems.require(!raw.is_empty(), "part", "nothing", "at least one part");
    let mut parts: Vec<Part> = Vec::new();
    for (index, part) in raw.iter().enumerate() {
        let known = parts.iter().any(|other| other.name == part.name);
        problems.require(
            !known && !part.name.is_empty(),
            format!("part[{index}].name"),
            quoted(&part.name),
            "a name that no other part has",
        );
        let key = format!("part[{index}].lacks_masters");
        let lacks_masters = problems.names(&key, &part.lacks_masters).into_iter().collect();
        if let Some(flash) = chip.flash().filter(|flash| !flash.sectors.is_empty()) {
            let end = u64::from(flash.range.start) + u64::from(part.flash_bytes);
            problems.require(
                flash.sectors.iter().any(|sector| sector.end() == end),
                format!("part[{index}].flash_bytes"),
                hex(part.flash_bytes),
                format!("a size at which a sector of `{}` ends", flash.name),
            );
        }
        if let Some(ram) = chip.flash().filter(|region| region.kind == RegionKind::CodeRam) {
            problems.require(
                (1..=ram.range.size_bytes).contains(&part.flash_bytes),
                format!("part[{index}].flash_bytes"),
                hex(part.flash_bytes),
                format!("1 to {}, the size of `{}`", hex(ram.range.size_bytes), ram.name),
            );
        }
        parts.push(Part { name: part.name.clone(), flash_bytes: part.flash_bytes, lacks_masters });
    }
    parts
}

fn check_main_ram(chip: &Chip, problems: &mut Problems<'_>) {
    problems.require(!chip.main_ram.is_empty(), "main_ram", "nothing", "at least one region");
    let mut end = None;
    for (index, name) in chip.main_ram.iter().enumerate() {
        let key = format!("main_ram[{index}]");
        let is_ram = |region: &&super::ChipRegion| region.kind == RegionKind::Ram;
        let Some(region) = chip.region(name).filter(is_ram) else {
            let known = chip.regions.iter().filter(is_ram).map(|region| region.name.as_str());
            problems.add(key, quoted(name), format!("a region of RAM, one of {}", listed(known)));
            return;
        };
        problems.require(
            region.heap.is_some(),
            &*key,
            format!("`{name}` with `capabilities`"),
            "a region with `heap_capabilities`: static data leave it to the heap",
        );
        if let Some(end) = end {
            problems.require(
                u64::from(region.range.start) == end,
                key,
                format!("`{name}` at {}", hex(region.range.start)),
                format!("a region that starts where the one before ends, at {}", hex(end)),
            );
        }
        end = Some(region.range.end());
    }
    let start = chip.main_ram_range().start;
    let alignment = chip.vector_table_alignment();
    problems.require(
        start.is_multiple_of(alignment),
        "main_ram[0]",
        format!("a region at {}", hex(start)),
        format!(
            "a multiple of {alignment}, because a vector table of {} bytes lies at its start",
            chip.vector_table_bytes()
        ),
    );
}

fn check_unmapped(chip: &Chip, problems: &mut Problems<'_>) {
    let address = crate::parse::range::AddressRange { start: chip.unmapped_address, size_bytes: 1 };
    let ranges = chip.regions.iter().map(|region| (&region.name, region.range));
    let aliases = chip.aliases.iter().map(|alias| (&alias.name, alias.range));
    for (name, range) in ranges.chain(aliases).filter(|(_, range)| range.overlaps(&address)) {
        problems.add(
            "unmapped_address",
            hex(chip.unmapped_address),
            format!("an address outside of `{name}`, {range}"),
        );
    }
}
