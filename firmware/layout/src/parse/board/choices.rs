//! Rules of what a board file chooses: clock, crash region, stacks, the executable part of RAM.

use super::{CrashPlace, Executable, Stacks};
use crate::parse::chip::{Chip, ChipRegion};
use crate::parse::problem::{Problems, hex, listed, quoted};
use crate::parse::range::AddressRange;
use crate::parse::raw::{RawBootloader, RawCrashRegion, RawExecutable, RawStacks};
use crate::parse::static_layout::check_crash_size;
use crate::{Capabilities, RegionKind};
use std::collections::BTreeMap;

/// Smallest stack in bytes: two exception frames with floating-point state, and a little.
const SMALLEST_STACK: u32 = 256;
/// Smallest guard in bytes: an exception frame with floating-point state has 104.
const SMALLEST_GUARD: u32 = 128;

/// The highest core clock that is plausible for this kind of chip, in hertz.
const FASTEST_CLOCK_HZ: u32 = 1_000_000_000;
const SLOWEST_CLOCK_HZ: u32 = 1_000;

/// Checks the clock of the core.
pub(super) fn check_clock(core_clock_hz: u32, problems: &mut Problems<'_>) {
    problems.require(
        (SLOWEST_CLOCK_HZ..=FASTEST_CLOCK_HZ).contains(&core_clock_hz),
        "core_clock_hz",
        core_clock_hz,
        format!("{SLOWEST_CLOCK_HZ} to {FASTEST_CLOCK_HZ}"),
    );
}

/// The chip with as much of its RAM in use as the board file says; the rest is not used at all.
pub(super) fn use_ram(
    mut chip: Chip,
    used: &BTreeMap<String, u32>,
    problems: &mut Problems<'_>,
) -> Option<Chip> {
    let key = |name: &str| format!("ram_bytes.{name}");
    let mut right = true;
    for region in chip.regions.iter_mut().filter(|region| region.kind == RegionKind::Ram) {
        region.used_bytes = used.get(&region.name).copied().unwrap_or(0);
        right &= problems.require(
            region.used_bytes <= region.range.size_bytes && region.used_bytes.is_multiple_of(8),
            key(&region.name),
            hex(region.used_bytes),
            format!("a multiple of 8, up to {}", hex(region.range.size_bytes)),
        );
    }
    for name in used.keys() {
        let is_ram = |region: &&ChipRegion| region.kind == RegionKind::Ram;
        let known = chip.regions.iter().filter(is_ram).map(|region| region.name.as_str());
        let right_name = known.clone().any(|other| other == name);
        let expected = format!("a region of RAM, one of {}", listed(known));
        right &= problems.require(right_name, key(name), quoted(name), expected);
    }
    let main: Vec<_> = chip.main_ram.iter().filter_map(|name| chip.region(name)).collect();
    if let Some(first) = main.first() {
        let found = hex(first.used_bytes);
        let expected = "some bytes, since main RAM begins there";
        right &= problems.require(first.used_bytes > 0, key(&first.name), found, expected);
    }
    for (before, region) in main.iter().zip(main.iter().skip(1)) {
        let touches = before.used_bytes == before.range.size_bytes;
        let expected = format!("none, since not all of `{}` in front of it is used", before.name);
        let found = hex(region.used_bytes);
        right &=
            problems.require(touches || region.used_bytes == 0, key(&region.name), found, expected);
    }
    right.then_some(chip)
}

/// Checks the crash region by itself. Whether its place is retained is a rule of the layout.
pub(super) fn check_crash(
    raw: &RawCrashRegion,
    chip: Option<&Chip>,
    problems: &mut Problems<'_>,
) -> CrashPlace {
    check_crash_size(raw.size_bytes, problems);
    let place =
        problems.name("crash_region.place", &raw.place).unwrap_or(CrashPlace::AfterVectorTable);
    let Some(chip) = chip else { return place };
    let (there, needed) = match place {
        CrashPlace::AfterVectorTable => (true, ""),
        CrashPlace::EndOfSram2 => (
            chip.main_ram.last().is_some_and(|last| last == "sram2"),
            "a main RAM that ends with `sram2`",
        ),
        CrashPlace::EndOfCcm => (chip.region("ccm").is_some(), "a chip with a region `ccm`"),
    };
    problems.require(there, "crash_region.place", quoted(place.name()), needed);
    place
}

/// Checks sizes of stacks and guards.
pub(super) fn check_stacks(raw: &RawStacks, problems: &mut Problems<'_>) -> Stacks {
    for (key, bytes) in [
        ("stacks.main_bytes", raw.main_bytes),
        ("stacks.timer_bytes", raw.timer_bytes),
        ("stacks.idle_bytes", raw.idle_bytes),
        ("stacks.isr_bytes", raw.isr_bytes),
    ] {
        problems.require(
            bytes >= SMALLEST_STACK && bytes.is_multiple_of(8),
            key,
            bytes,
            format!("at least {SMALLEST_STACK} and a multiple of 8"),
        );
    }
    problems.require(
        raw.guard_bytes >= SMALLEST_GUARD && raw.guard_bytes.is_power_of_two(),
        "stacks.guard_bytes",
        raw.guard_bytes,
        format!("a power of two, at least {SMALLEST_GUARD}"),
    );
    Stacks {
        main_bytes: raw.main_bytes,
        timer_bytes: raw.timer_bytes,
        idle_bytes: raw.idle_bytes,
        isr_bytes: raw.isr_bytes,
        guard_bytes: raw.guard_bytes,
    }
}

/// Checks the executable part of RAM: it lies in a region that can fetch.
pub(super) fn check_executable(
    raw: &RawExecutable,
    chip: &Chip,
    problems: &mut Problems<'_>,
) -> Executable {
    let range = AddressRange { start: raw.start, size_bytes: raw.size_bytes };
    problems.require(raw.size_bytes > 0, "executable.size_bytes", "0", "a size above zero");
    match chip.region(&raw.region) {
        None => {
            let known = listed(chip.regions.iter().map(|region| region.name.as_str()));
            problems.add(
                "executable.region",
                quoted(&raw.region),
                format!("a region of the chip, one of {known}"),
            );
        }
        Some(region) => {
            problems.require(
                region.capabilities.contains(Capabilities::EXEC),
                "executable.region",
                quoted(&raw.region),
                "a region with the capability `exec`",
            );
            problems.require(
                region.range.encloses(&range),
                "executable.start",
                format!("{} from {}", hex(range.size_bytes), hex(range.start)),
                format!("a range inside of `{}` at {}", region.name, region.range),
            );
        }
    }
    Executable { region: raw.region.clone(), range }
}

/// Checks what a bootloader takes of flash: whole sectors, so that the application can be erased
/// without it, and not all of them.
pub(super) fn check_bootloader(
    raw: &RawBootloader,
    chip: &Chip,
    problems: &mut Problems<'_>,
) -> Option<AddressRange> {
    let key = "bootloader.bytes";
    let Some(flash) = chip.flash().filter(|flash| !flash.sectors.is_empty()) else {
        problems.add(key, hex(raw.bytes), "no bootloader, as the chip has no flash with sectors");
        return None;
    };
    let taken = AddressRange { start: flash.range.start, size_bytes: raw.bytes };
    let (last, others) = flash.sectors.split_last()?;
    let right = others.iter().any(|sector| sector.end() == taken.end());
    let first = flash.sectors.first().unwrap_or(last);
    let expected =
        format!("whole sectors, but not all: the first one has {}", hex(first.size_bytes));
    problems.require(right, key, hex(raw.bytes), expected).then_some(taken)
}
