//! Rules of the aliases of a chip file: targets exist, bit-band addresses follow their formula.

use super::ChipRegion;
use super::regions::is_kebab_case;
use crate::AliasKind;
use crate::parse::chip::ChipAlias;
use crate::parse::problem::{Problems, hex, listed, quoted};
use crate::parse::range::AddressRange;
use crate::parse::raw::RawAlias;

/// Each bit becomes one word.
const BIT_BAND_FACTOR: u32 = 32;
/// First addresses of what has bit-band aliases and of the aliases (DDI0403E B3.1, table B3-1).
const BIT_BANDS: [(u32, u32); 2] = [(0x2000_0000, 0x2200_0000), (0x4000_0000, 0x4200_0000)];
/// Size of what has bit-band aliases.
const BIT_BAND_BYTES: u32 = 0x10_0000;

/// Checks every alias.
pub(super) fn check(
    raw: &[RawAlias],
    regions: &[ChipRegion],
    problems: &mut Problems<'_>,
) -> Vec<ChipAlias> {
    let mut aliases: Vec<ChipAlias> = Vec::new();
    for (index, raw) in raw.iter().enumerate() {
        let key = |field: &str| format!("alias[{index}].{field}");
        let taken = regions.iter().any(|region| region.name == raw.name)
            || aliases.iter().any(|alias| alias.name == raw.name);
        problems.require(
            is_kebab_case(&raw.name) && !taken,
            key("name"),
            quoted(&raw.name),
            "a name in kebab case that no region and no other alias has",
        );
        problems.require(
            !raw.source.is_empty(),
            key("source"),
            "nothing",
            "where the fact is from",
        );
        let kind = problems.name(key("kind"), &raw.kind);
        let target = check_target(raw, kind, regions, &key, problems);
        let (Some(kind), Some(target)) = (kind, target) else { continue };
        let size_bytes = match kind {
            AliasKind::Boot | AliasKind::Mirror => target.size_bytes,
            AliasKind::BitBand => {
                check_bit_band(raw.start, target, &key, problems);
                target.size_bytes.saturating_mul(BIT_BAND_FACTOR)
            }
        };
        let range = AddressRange { start: raw.start, size_bytes };
        check_free(range, regions, &aliases, &key, problems);
        aliases.push(ChipAlias {
            name: raw.name.clone(),
            kind,
            range,
            target,
            target_names: raw.targets.clone(),
        });
    }
    aliases
}

fn check_target(
    raw: &RawAlias,
    kind: Option<AliasKind>,
    regions: &[ChipRegion],
    key: &dyn Fn(&str) -> String,
    problems: &mut Problems<'_>,
) -> Option<AddressRange> {
    let mut ranges = Vec::new();
    for (index, name) in raw.targets.iter().enumerate() {
        match regions.iter().find(|region| region.name == *name) {
            Some(region) => ranges.push(region.range),
            None => {
                let known = listed(regions.iter().map(|region| region.name.as_str()));
                let key = key(&format!("targets[{index}]"));
                problems.add(key, quoted(name), format!("a region, one of {known}"));
            }
        }
    }
    if kind == Some(AliasKind::BitBand) {
        let shown = raw.targets.len() + usize::from(raw.covers.is_some());
        problems.require(
            shown == 1,
            key("targets"),
            format!("{shown} targets"),
            "one region in `targets`, or a range of registers in `covers`",
        );
    } else {
        problems.require(raw.covers.is_none(), key("covers"), "a range", "regions in `targets`");
        problems.require(
            kind != Some(AliasKind::Mirror) || raw.targets.len() <= 1,
            key("targets"),
            format!("{} targets", raw.targets.len()),
            "one region, as a mirror shows the same one always",
        );
        problems.require(
            !raw.targets.is_empty(),
            key("targets"),
            "nothing",
            "at least one region, the default first",
        );
    }
    let covers =
        raw.covers.map(|range| AddressRange { start: range.start, size_bytes: range.size_bytes });
    ranges.first().copied().or(covers)
}

fn check_bit_band(
    start: u32,
    target: AddressRange,
    key: &dyn Fn(&str) -> String,
    problems: &mut Problems<'_>,
) {
    let band = BIT_BANDS.iter().find(|(first, _)| {
        AddressRange { start: *first, size_bytes: BIT_BAND_BYTES }.encloses(&target)
    });
    let Some((first, alias)) = band else {
        problems.add(
            key("targets"),
            target,
            "a range inside of the first MiB from 0x2000_0000 or from 0x4000_0000",
        );
        return;
    };
    let expected = alias + (target.start - first) * BIT_BAND_FACTOR;
    problems.require(
        start == expected,
        key("start"),
        hex(start),
        format!("{}, the bit-band address of {}", hex(expected), hex(target.start)),
    );
}

fn check_free(
    range: AddressRange,
    regions: &[ChipRegion],
    aliases: &[ChipAlias],
    key: &dyn Fn(&str) -> String,
    problems: &mut Problems<'_>,
) {
    let regions = regions.iter().map(|region| (&region.name, region.range));
    let others = aliases.iter().map(|alias| (&alias.name, alias.range));
    for (name, other) in regions.chain(others).filter(|(_, other)| other.overlaps(&range)) {
        problems.add(key("start"), range, format!("no overlap with `{name}` at {other}"));
    }
}
