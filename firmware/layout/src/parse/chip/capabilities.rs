//! Rules of what a region of a chip file can be used for.
//!
//! A region states it once: as one list if the heap keeps off it, or as three, in the order in
//! which the heap offers it.

use super::ChipRegion;
use crate::parse::problem::{Problems, quoted};
use crate::parse::raw::RawRegion;
use crate::{Capabilities, Master, PRIORITIES, RegionKind, Reset};

/// The capabilities of a region: all of them, and by priority if the heap uses it.
pub(super) fn check(
    raw: &RawRegion,
    kind: Option<RegionKind>,
    key: &dyn Fn(&str) -> String,
    problems: &mut Problems<'_>,
) -> (Capabilities, Option<[Capabilities; PRIORITIES]>) {
    let mut all = Capabilities::NONE;
    let (flat, priorities) = match (&raw.capabilities, &raw.heap_capabilities) {
        (Some(flat), None) => (flat, None),
        (None, Some(priorities)) => (&Vec::new(), Some(priorities)),
        (Some(_), Some(priorities)) => {
            let one = "one of the two, since the one follows from the other";
            problems.add(key("capabilities"), "`heap_capabilities` as well", one);
            (&Vec::new(), Some(priorities))
        }
        (None, None) => {
            problems.add(key("capabilities"), "nothing", "`capabilities` or `heap_capabilities`");
            return (all, None);
        }
    };
    for (index, name) in flat.iter().enumerate() {
        add(&mut all, name, key(&format!("capabilities[{index}]")), problems);
    }
    let Some(lists) = priorities else { return (all, None) };
    let ram = kind.is_none_or(|kind| kind == RegionKind::Ram);
    let only_ram = "no heap in anything but RAM";
    problems.require(ram, key("heap_capabilities"), quoted(&raw.kind), only_ram);
    let mut heap = [Capabilities::NONE; PRIORITIES];
    let found = format!("{} lists", lists.len());
    let expected = format!("{PRIORITIES}, one for each priority, of which some may be empty");
    problems.require(lists.len() == PRIORITIES, key("heap_capabilities"), found, expected);
    for (priority, (names, place)) in lists.iter().zip(&mut heap).enumerate() {
        for (index, name) in names.iter().enumerate() {
            let key = key(&format!("heap_capabilities[{priority}][{index}]"));
            *place = place.union(add(&mut all, name, key, problems));
        }
    }
    let none = lists.iter().all(Vec::is_empty);
    problems.require(!none, key("heap_capabilities"), "nothing", "at least one capability");
    (all, Some(heap))
}

/// Adds a capability by its name, and answers it; nothing if there is something wrong with it.
fn add(
    all: &mut Capabilities,
    name: &str,
    key: String,
    problems: &mut Problems<'_>,
) -> Capabilities {
    match Capabilities::from_name(name) {
        Ok(one) if all.contains(one) => {
            problems.add(key, quoted(name), "each name once, at one priority")
        }
        Ok(one) => {
            *all = all.union(one);
            return one;
        }
        Err(unknown) => problems.add(key, quoted(name), unknown),
    }
    Capabilities::NONE
}

/// Capabilities say the same as masters, kind and retention.
pub(super) fn check_meaning(
    region: &ChipRegion,
    system_bus_start: u32,
    key: &dyn Fn(&str) -> String,
    problems: &mut Problems<'_>,
) {
    let fetch = if region.range.start < system_bus_start {
        Master::CpuInstruction
    } else {
        Master::CpuSystem
    };
    let field = if region.heap.is_some() { "heap_capabilities" } else { "capabilities" };
    let is_ram = region.kind == RegionKind::Ram;
    let internal = region.capabilities.contains(Capabilities::INTERNAL);
    let dma = !region.masters.dma().is_empty();
    let kept = is_ram && region.retained_over.contains(Reset::Standby);
    let mut agree = |capability: Capabilities, holds: bool, both: bool, why: &str| {
        let name = capability.names().next().unwrap_or_default();
        let has = region.capabilities.contains(capability);
        if has && !holds {
            problems.add(key(field), quoted(name), format!("no `{name}` without {why}"));
        } else if both && holds && !has {
            problems.add(key(field), format!("no `{name}`"), format!("`{name}` with {why}"));
        }
    };
    agree(Capabilities::EXEC, region.masters.contains(fetch), false, "a bus that fetches from it");
    agree(Capabilities::DMA, dma, true, "a DMA engine that reaches it");
    let external = region.capabilities.contains(Capabilities::SPIRAM);
    let plain = is_ram && (dma || external);
    agree(Capabilities::DEFAULT, plain, false, "RAM that DMA reaches, or `spiram`");
    let heap = region.heap.is_some();
    agree(Capabilities::DEFAULT, heap, false, "`heap_capabilities`");
    agree(Capabilities::SPIRAM, !internal, false, "being off the chip: it has `internal`");
    agree(Capabilities::RETENTION, kept, true, "RAM that is kept over `standby`");
    problems.require(
        region.dma_alignment_bytes.is_power_of_two() && (dma || region.dma_alignment_bytes == 1),
        key("dma_alignment_bytes"),
        region.dma_alignment_bytes,
        "a power of two, where a DMA engine reaches the region",
    );
    problems.require(
        heap || !region.startup_stack,
        key("startup_stack"),
        "true",
        "a start-up stack only where the heap can have it later",
    );
}
