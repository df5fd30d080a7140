//! Rules of the memory that a battery keeps.
//!
//! The registers hold the ledger once more, and the end of the region the history of records.
//! Nothing here knows how large those are: the port uses what is large enough.

use super::ChipRegion;
use super::start::{check_register, check_source};
use crate::RegionKind;
use crate::parse::problem::{Problems, hex, listed, quoted};
use crate::parse::range::AddressRange;
use crate::parse::raw::RawBackup;

/// The history begins and ends at multiples of this many bytes, as regions do.
const ALIGNMENT: u32 = 8;

/// More registers than this are none: they would be memory.
const MOST_REGISTERS: u32 = 256;

/// Memory that a battery keeps.
#[derive(Debug, Clone)]
pub struct ChipBackup {
    /// The region whose clock enables open all of it.
    pub region: String,
    /// The registers.
    pub registers: AddressRange,
    /// The part of the region that the history of records has: its end.
    pub history: AddressRange,
}

/// Checks the table: a region of RAM that is large enough, and registers outside of memory.
pub(super) fn check(
    raw: &RawBackup,
    regions: &[ChipRegion],
    problems: &mut Problems<'_>,
) -> ChipBackup {
    check_register(raw.registers, "backup.registers", regions, problems);
    check_source(&raw.source, "backup.source", problems);
    problems.require(
        (1..=MOST_REGISTERS).contains(&raw.register_count),
        "backup.register_count",
        raw.register_count,
        format!("1 to {MOST_REGISTERS}, of four bytes each"),
    );
    let rams = || regions.iter().filter(|region| region.kind == RegionKind::Ram);
    let region = rams().find(|region| region.name == raw.region);
    problems.require(
        region.is_some(),
        "backup.region",
        quoted(&raw.region),
        format!("a region of RAM, one of {}", listed(rams().map(|region| region.name.as_str()))),
    );
    let range = region.map_or(AddressRange { start: 0, size_bytes: 0 }, |region| region.range);
    problems.require(
        region.is_none() || raw.history_bytes <= range.size_bytes,
        "backup.history_bytes",
        hex(raw.history_bytes),
        format!("{} at most, the size of `{}`", hex(range.size_bytes), raw.region),
    );
    problems.require(
        raw.history_bytes.is_multiple_of(ALIGNMENT),
        "backup.history_bytes",
        hex(raw.history_bytes),
        format!("a multiple of {ALIGNMENT}"),
    );
    let rest = range.size_bytes.saturating_sub(raw.history_bytes);
    ChipBackup {
        region: raw.region.clone(),
        registers: AddressRange {
            start: raw.registers,
            size_bytes: raw.register_count.saturating_mul(4),
        },
        history: AddressRange {
            start: range.start.saturating_add(rest),
            size_bytes: raw.history_bytes,
        },
    }
}
