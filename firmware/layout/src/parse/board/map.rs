//! The memory map that an emulator must show: the chip's memory after the deviations of a version.

use super::emulator::{Deviation, DeviationKind};
use crate::parse::chip::Chip;
use crate::parse::problem::Problems;
use crate::parse::range::AddressRange;
use crate::{AliasKind, RegionKind};

/// One range of an emulator's memory map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectedRange {
    /// Names of the regions in it, joined by `+`.
    pub name: String,
    /// First address.
    pub start: u32,
    /// Size in bytes.
    pub size_bytes: u32,
    /// What the map must call it.
    pub kind: ExpectedKind,
}

/// What a memory map calls a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ExpectedKind {
    /// Memory that programs write.
    Ram,
    /// Memory that programs cannot write.
    Rom,
    /// A device that keeps nothing.
    Stub,
}

/// One region as an emulator has it.
struct Piece {
    name: String,
    range: AddressRange,
    kind: ExpectedKind,
}

const fn expected_kind(kind: RegionKind) -> ExpectedKind {
    match kind {
        RegionKind::Ram | RegionKind::CodeRam => ExpectedKind::Ram,
        RegionKind::Flash | RegionKind::Rom => ExpectedKind::Rom,
    }
}

/// What is there, lowest address first.
fn pieces(chip: &Chip, deviations: &[Deviation]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for region in &chip.regions {
        let name = region.name.clone();
        let kind = expected_kind(region.kind);
        let deviation = deviations.iter().find(|it| it.region == region.name);
        match deviation.map(|it| (it.kind, it.actual)) {
            None => pieces.push(Piece { name, range: region.range, kind }),
            Some((DeviationKind::Absent, _)) => {}
            Some((DeviationKind::Stub, range)) => {
                pieces.push(Piece { name, range, kind: ExpectedKind::Stub });
            }
            Some((DeviationKind::Size | DeviationKind::Extra, range)) => {
                pieces.push(Piece { name, range, kind });
            }
        }
    }
    for it in deviations.iter().filter(|it| it.kind == DeviationKind::Extra) {
        let name = it.region.clone();
        pieces.push(Piece { name, range: it.actual, kind: ExpectedKind::Ram });
    }
    for alias in &chip.aliases {
        let shown = alias.target_names.first().and_then(|name| chip.region(name));
        let kind = match alias.kind {
            AliasKind::Boot => ExpectedKind::Rom,
            AliasKind::Mirror => {
                shown.map_or(ExpectedKind::Ram, |region| expected_kind(region.kind))
            }
            // A device to an emulator, not memory.
            AliasKind::BitBand => continue,
        };
        pieces.push(Piece { name: alias.name.clone(), range: alias.range, kind });
    }
    pieces.sort_by_key(|piece| piece.range.start);
    pieces
}

/// The map, with ranges of the same kind that touch as one: that is how emulators show them.
pub(super) fn expected(chip: &Chip, deviations: &[Deviation]) -> Vec<ExpectedRange> {
    let mut map: Vec<ExpectedRange> = Vec::new();
    for Piece { name, range, kind } in pieces(chip, deviations) {
        let AddressRange { start, size_bytes } = range;
        let touches = |last: &ExpectedRange| {
            last.kind == kind && u64::from(last.start) + u64::from(last.size_bytes) == start.into()
        };
        match map.last_mut() {
            Some(last) if touches(last) => {
                last.size_bytes = last.size_bytes.saturating_add(size_bytes);
                last.name = format!("{}+{name}", last.name);
            }
            _ => map.push(ExpectedRange { name, start, size_bytes, kind }),
        }
    }
    map
}

/// What an emulator has ends inside of 4 GiB and does not overlap.
pub(super) fn check(chip: &Chip, deviations: &[Deviation], key: &str, problems: &mut Problems<'_>) {
    let pieces = pieces(chip, deviations);
    for piece in pieces.iter().filter(|piece| piece.range.end() > 1 << 32) {
        let found = format!("`{}` at {}", piece.name, piece.range);
        problems.add(key, found, "an end inside of 4 GiB");
    }
    for (low, high) in pieces.iter().zip(pieces.iter().skip(1)) {
        problems.require(
            !low.range.overlaps(&high.range),
            key,
            format!("`{}` at {}", low.name, low.range),
            format!("no overlap with `{}` at {}", high.name, high.range),
        );
    }
}
