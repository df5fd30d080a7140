//! What probe-rs itself knows of the chip, from its maker's packs, against our chip file.

use crate::bench::{Bench, registry};
use crashrig_harness::target::probe::driver_chip::chip_name;
use crashrig_layout::RegionKind;
use probe_rs::config::{MemoryRegion, Registry};
use std::collections::BTreeSet;

/// Its name there.
const CHIP: &str = "STM32F405RGTx";

/// Kind, first address and end of the memory that programs use.
type Range = (&'static str, u64, u64);

fn known(registry: &Registry, name: &str) -> BTreeSet<Range> {
    let target = registry.get_target_by_name(name).unwrap();
    let range = |region: &MemoryRegion| {
        let range = region.address_range();
        let kind = match region {
            MemoryRegion::Nvm(_) => "flash",
            MemoryRegion::Ram(_) => "ram",
            _ => return None,
        };
        Some((kind, range.start, range.end))
    };
    target.memory_map.iter().filter_map(range).collect()
}

/// Ranges that meet, as one.
fn joined(ranges: &BTreeSet<Range>) -> Vec<Range> {
    let mut whole: Vec<Range> = Vec::new();
    for (kind, start, end) in ranges {
        match whole.last_mut() {
            Some((last, _, last_end)) if last == kind && last_end == start => *last_end = *end,
            _ => whole.push((kind, *start, *end)),
        }
    }
    whole
}

#[test]
fn the_chip_is_the_one_that_probe_rs_knows() {
    let bench = Bench::blank();
    let chip = &bench.board.chip;
    let ours: BTreeSet<Range> = chip
        .regions
        .iter()
        .filter_map(|region| {
            let kind = match region.kind {
                RegionKind::Flash => "flash",
                RegionKind::Ram => "ram",
                _ => return None,
            };
            let start = u64::from(region.range.start);
            Some((kind, start, start + u64::from(region.range.size_bytes)))
        })
        .collect();
    let theirs = joined(&known(&Registry::from_builtin_families(), CHIP));
    let ours = joined(&ours);
    // One-time programmable bytes are flash to probe-rs, and the memory on a battery is unknown to
    // it; everything that programs are put into is the same.
    let backup = chip.region("backup-sram").unwrap().range.start;
    let ours: Vec<_> = ours.into_iter().filter(|it| it.1 != u64::from(backup)).collect();
    let theirs: Vec<_> = theirs.into_iter().filter(|it| it.1 >> 16 != 0x1FFF).collect();
    assert_eq!(ours, theirs);
}

#[test]
fn the_description_says_what_the_chip_file_says() {
    let bench = Bench::blank();
    let registry = registry(&bench.board);
    let described = joined(&known(&registry, &chip_name(&bench.board)));
    let real = joined(&known(&registry, CHIP));
    let flash = |ranges: &[Range]| ranges.iter().find(|it| it.0 == "flash").copied();
    assert_eq!(flash(&described), flash(&real));
    let target = registry.get_target_by_name(chip_name(&bench.board)).unwrap();
    let sectors = &target.flash_algorithms[0].flash_properties.sectors;
    let ours: Vec<_> = bench.board.chip.flash().unwrap().sectors.iter().collect();
    // Each entry of a description holds until the next one.
    for sector in &ours {
        let offset = u64::from(sector.start) - 0x0800_0000;
        let entry = sectors.iter().rev().find(|entry| entry.address <= offset).unwrap();
        assert_eq!(entry.size, u64::from(sector.size_bytes), "{offset:#x}");
    }
}
