//! Rules of what a chip does at start: boot modes, the remap register, clocks of memory regions.

use super::{BootMode, ChipAlias, ChipClockEnable, ChipRegion};
use crate::AliasKind;
use crate::parse::problem::{Problems, hex, listed, quoted};
use crate::parse::raw::{RawBootMode, RawChip, RawClockEnable};

const PIN_LEVELS: [(bool, bool); 4] = [(false, false), (false, true), (true, false), (true, true)];

/// The mode of one entry.
pub(super) fn boot_mode(raw: &RawBootMode) -> BootMode {
    BootMode {
        boot0: raw.boot0,
        boot1: raw.boot1,
        region: raw.region.clone(),
        mem_mode: raw.mem_mode,
    }
}

/// Boot modes cover every level of the pins once and show what the boot alias can show.
pub(super) fn check_boot(
    raw: &RawChip,
    regions: &[ChipRegion],
    aliases: &[ChipAlias],
    problems: &mut Problems<'_>,
) {
    if aliases.len() < raw.alias.len() {
        // An alias is wrong and noted as such; what it can show is not known.
        return;
    }
    let boot = aliases.iter().find(|alias| alias.kind == AliasKind::Boot);
    if let Some(remap) = &raw.boot_remap {
        problems.require(
            boot.is_some_and(|alias| alias.name == remap.alias),
            "boot_remap.alias",
            quoted(&remap.alias),
            "the name of the alias of kind `boot`",
        );
        check_register(remap.register, "boot_remap.register", regions, problems);
        check_source(&remap.source, "boot_remap.source", problems);
    }
    for (index, mode) in raw.boot_mode.iter().enumerate() {
        let targets = boot.map(|alias| alias.target_names.as_slice()).unwrap_or_default();
        problems.require(
            targets.contains(&mode.region),
            format!("boot_mode[{index}].region"),
            quoted(&mode.region),
            format!("what the boot alias can show, {}", listed(targets.iter().map(String::as_str))),
        );
        problems.require(
            raw.boot_mode.iter().filter(|other| other.mem_mode == mode.mem_mode).count() == 1,
            format!("boot_mode[{index}].mem_mode"),
            mode.mem_mode,
            "a value that no other mode has",
        );
        check_source(&mode.source, &format!("boot_mode[{index}].source"), problems);
    }
    if raw.boot_mode.is_empty() {
        return;
    }
    for (boot0, boot1) in PIN_LEVELS {
        let fits = |level: Option<bool>, pin: bool| level.is_none_or(|level| level == pin);
        let modes = raw
            .boot_mode
            .iter()
            .filter(|mode| fits(mode.boot0, boot0) && fits(mode.boot1, boot1))
            .count();
        problems.require(
            modes == 1,
            "boot_mode",
            format!(
                "{modes} modes for BOOT0 = {} and BOOT1 = {}",
                u8::from(boot0),
                u8::from(boot1)
            ),
            "one for each level of the pins",
        );
    }
    let default = raw.boot_mode.first().map(|mode| &mode.region);
    problems.require(
        boot.and_then(|alias| alias.target_names.first()) == default,
        "boot_mode[0].region",
        default.map(|name| quoted(name)).unwrap_or_default(),
        "the first target of the boot alias",
    );
}

/// Clock enables name real regions, aligned registers outside of memory, and bits of a word.
pub(super) fn check_clock_enables(
    raw: &[RawClockEnable],
    regions: &[ChipRegion],
    problems: &mut Problems<'_>,
) -> Vec<ChipClockEnable> {
    let mut enables = Vec::new();
    for (index, raw) in raw.iter().enumerate() {
        let key = |field: &str| format!("clock_enable[{index}].{field}");
        let known = listed(regions.iter().map(|region| region.name.as_str()));
        problems.require(
            regions.iter().any(|region| region.name == raw.region),
            key("region"),
            quoted(&raw.region),
            format!("a region, one of {known}"),
        );
        check_register(raw.register, &key("register"), regions, problems);
        check_bit(raw.bit, &key("bit"), problems);
        check_source(&raw.source, &key("source"), problems);
        if let Some(ready) = raw.ready {
            check_register(ready.register, &key("ready.register"), regions, problems);
            check_bit(ready.bit, &key("ready.bit"), problems);
        }
        let (ready_register, ready_bit) =
            raw.ready.map_or((raw.register, raw.bit), |ready| (ready.register, ready.bit));
        enables.push(ChipClockEnable {
            name: raw.name.clone(),
            region: raw.region.clone(),
            register: raw.register,
            bit: raw.bit,
            ready_register,
            ready_bit,
            at_boot: raw.at_boot,
        });
    }
    enables
}

pub(super) fn check_bit(bit: u8, key: &str, problems: &mut Problems<'_>) {
    problems.require(bit < 32, key, bit, "a bit of a word, 0 to 31");
}

pub(super) fn check_source(source: &str, key: &str, problems: &mut Problems<'_>) {
    problems.require(!source.is_empty(), key, "nothing", "where the fact is from");
}

pub(super) fn check_register(
    register: u32,
    key: &str,
    regions: &[ChipRegion],
    problems: &mut Problems<'_>,
) {
    problems.require(register.is_multiple_of(4), key, hex(register), "a multiple of 4");
    let at = crate::parse::range::AddressRange { start: register, size_bytes: 4 };
    for region in regions.iter().filter(|region| region.range.overlaps(&at)) {
        problems.add(
            key,
            hex(register),
            format!("an address outside of `{}` at {}", region.name, region.range),
        );
    }
}
