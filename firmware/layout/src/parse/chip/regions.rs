//! Rules of the regions of a chip file.

use super::{ChipRegion, capabilities};
use crate::parse::problem::{Problems, hex, quoted};
use crate::parse::range::AddressRange;
use crate::parse::raw::RawRegion;
use crate::{Master, Masters, RegionKind};

/// Regions start and end at multiples of this many bytes, as stacks and frames do.
const ALIGNMENT: u32 = 8;
/// From here on the core uses its system bus for everything (DDI0439 §2.3.1).
const SYSTEM_BUS_START: u32 = 0x2000_0000;

/// Checks every region by itself, then all against each other.
pub(super) fn check(raw: &[RawRegion], problems: &mut Problems<'_>) -> Vec<ChipRegion> {
    let mut regions: Vec<ChipRegion> = Vec::new();
    for (index, raw) in raw.iter().enumerate() {
        let key = |field: &str| format!("region[{index}].{field}");
        let region = check_one(raw, &key, problems);
        check_name(&region.name, &key("name"), &regions, problems);
        for other in regions.iter().filter(|other| other.range.overlaps(&region.range)) {
            problems.add(
                key("start"),
                format!("`{}` at {}", region.name, region.range),
                format!("no overlap with `{}` at {}", other.name, other.range),
            );
        }
        regions.push(region);
    }
    let flashes = regions.iter().filter(|region| region.kind.holds_code()).count();
    problems.require(
        flashes == 1,
        "region",
        format!("{flashes} of kind `flash` or `code-ram`"),
        "one, which holds the program",
    );
    regions
}

fn check_name(name: &str, key: &str, before: &[ChipRegion], problems: &mut Problems<'_>) {
    if problems.require(is_kebab_case(name), key, quoted(name), "a name in kebab case") {
        let unique = before.iter().all(|other| other.name != name);
        problems.require(unique, key, quoted(name), "a name that no other region has");
    }
}

/// Small letters, digits and single hyphens, a letter first: names become parts of identifiers.
pub(super) fn is_kebab_case(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.split('-').all(|word| {
            !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
        })
}

fn check_one(
    raw: &RawRegion,
    key: &dyn Fn(&str) -> String,
    problems: &mut Problems<'_>,
) -> ChipRegion {
    let range = AddressRange { start: raw.start, size_bytes: raw.size_bytes };
    check_range(range, key, problems);
    let kind = problems.name(key("kind"), &raw.kind);
    let masters: Masters = problems.names(&key("masters"), &raw.masters).into_iter().collect();
    let (capabilities, heap) = capabilities::check(raw, kind, key, problems);
    let retained_over =
        problems.names(&key("retained_over"), &raw.retained_over).into_iter().collect();
    for (name, source) in [
        ("source", &raw.source),
        ("reach_source", &raw.reach_source),
        ("retention_source", &raw.retention_source),
    ] {
        problems.require(!source.is_empty(), key(name), "nothing", "where the fact is from");
    }
    let sectors = check_sectors(raw, kind, range, key, problems);
    let region = ChipRegion {
        name: raw.name.clone(),
        range,
        used_bytes: range.size_bytes,
        kind: kind.unwrap_or(RegionKind::Rom),
        capabilities,
        heap,
        startup_stack: raw.startup_stack,
        dma_alignment_bytes: raw.dma_alignment_bytes.unwrap_or(1),
        masters,
        retained_over,
        sectors,
        source: raw.source.clone(),
    };
    check_masters(&region, key, problems);
    capabilities::check_meaning(&region, SYSTEM_BUS_START, key, problems);
    region
}

fn check_range(range: AddressRange, key: &dyn Fn(&str) -> String, problems: &mut Problems<'_>) {
    let aligned = |value: u32| value.is_multiple_of(ALIGNMENT);
    let multiple = format!("a multiple of {ALIGNMENT}");
    problems.require(aligned(range.start), key("start"), hex(range.start), &multiple);
    if problems.require(range.size_bytes > 0, key("size_bytes"), "0", "a size above zero") {
        let size = hex(range.size_bytes);
        problems.require(aligned(range.size_bytes), key("size_bytes"), size, &multiple);
        problems.require(
            range.end() <= 1 << 32,
            key("size_bytes"),
            format!("{} from {}", hex(range.size_bytes), hex(range.start)),
            "an end inside of 4 GiB",
        );
    }
}

fn check_sectors(
    raw: &RawRegion,
    kind: Option<RegionKind>,
    range: AddressRange,
    key: &dyn Fn(&str) -> String,
    problems: &mut Problems<'_>,
) -> Vec<AddressRange> {
    if kind != Some(RegionKind::Flash) {
        problems.require(
            raw.sectors.is_empty(),
            key("sectors"),
            "sectors",
            "none, as only flash is erased by sectors",
        );
        return Vec::new();
    }
    let sum = raw
        .sectors
        .iter()
        .map(|sectors| u64::from(sectors.count) * u64::from(sectors.size_bytes))
        .fold(0, u64::saturating_add);
    let tiles = problems.require(
        sum == u64::from(range.size_bytes),
        key("sectors"),
        format!("{} bytes in sum", hex(sum)),
        format!("{}, the size of the region", hex(range.size_bytes)),
    );
    let mut sectors = Vec::new();
    let mut start = range.start;
    for (index, group) in raw.sectors.iter().enumerate() {
        let sensible = problems.require(
            group.count > 0 && group.size_bytes.is_power_of_two(),
            key(&format!("sectors[{index}]")),
            format!("{} of {}", group.count, hex(group.size_bytes)),
            "at least one, of a size that is a power of two",
        );
        if !(tiles && sensible) {
            continue;
        }
        for _ in 0..group.count {
            sectors.push(AddressRange { start, size_bytes: group.size_bytes });
            start = start.saturating_add(group.size_bytes);
        }
    }
    sectors
}

/// Which buses of the core can reach an address follows from the address.
fn check_masters(region: &ChipRegion, key: &dyn Fn(&str) -> String, problems: &mut Problems<'_>) {
    let below = region.range.start < SYSTEM_BUS_START;
    let (data, never): (_, &[Master]) = if below {
        (Master::CpuData, &[Master::CpuSystem])
    } else {
        (Master::CpuSystem, &[Master::CpuData, Master::CpuInstruction])
    };
    let side = if below { "below" } else { "from" };
    for master in never.iter().filter(|master| region.masters.contains(**master)) {
        problems.add(
            key("masters"),
            quoted(master.name()),
            format!("only buses that exist {side} {}", hex(SYSTEM_BUS_START)),
        );
    }
    problems.require(
        region.masters.contains(data),
        key("masters"),
        format!("no `{data}`"),
        format!("`{data}`, which carries data {side} {}", hex(SYSTEM_BUS_START)),
    );
}
