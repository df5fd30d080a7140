//! What a running emulator says of itself: its memory, what of it a run uses, and how it was
//! started.

use crate::agree::Range;
use crashrig_layout::RegionKind;
use crashrig_layout::parse::{Board, ChipRegion};
use crashrig_qemu::Launch;
use crashrig_qemu::mtree::{MappedRange, RangeKind};
use std::path::Path;

/// Memory as the core sees it.
pub(super) fn running_map(map: &[MappedRange]) -> Vec<Range> {
    map.iter()
        .filter(|range| matches!(range.kind, RangeKind::Ram | RangeKind::Rom))
        .map(|range| Range {
            start: u64::from(range.start),
            end: u64::from(range.start) + range.size_bytes,
            writable: range.kind == RangeKind::Ram,
            name: range.name.clone(),
        })
        .collect()
}

/// The command line, but for the folder of the sockets.
pub(super) fn command_line(launch: &Launch) -> Vec<String> {
    let sockets = crashrig_qemu::command::Sockets::new(Path::new("SOCKETS"));
    let files = crashrig_qemu::OutputFiles::new(Path::new(""));
    let options = crashrig_qemu::command::options(launch, &sockets, &files);
    std::iter::once(launch.program.path.as_os_str().to_owned())
        .chain(options)
        .map(|word| word.to_string_lossy().into_owned())
        .collect()
}

/// RAM that programs of a board use and this emulator has, as `(start, size in bytes)`: what a
/// power-on fills and a boundary keeps.
pub(super) fn used_ram(board: &Board, declared: &[Range]) -> Vec<(u32, u32)> {
    let mut ram: Vec<(u32, u32)> = Vec::new();
    let used = |region: &&ChipRegion| region.kind == RegionKind::Ram && region.used_bytes > 0;
    let regions = board.chip.regions.iter().filter(used);
    let mut ranges: Vec<_> =
        regions.map(|region| (region.range.start, region.used_bytes)).collect();
    ranges.sort_unstable();
    for (start, size) in ranges {
        let end = u64::from(start) + u64::from(size);
        let there = declared
            .iter()
            .any(|range| range.writable && range.start <= u64::from(start) && end <= range.end);
        if !there {
            continue;
        }
        match ram.last_mut() {
            Some((last_start, last_size)) if *last_start + *last_size == start => {
                *last_size += size;
            }
            _ => ram.push((start, size)),
        }
    }
    ram
}
