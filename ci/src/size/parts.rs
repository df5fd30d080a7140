//! The parts of an image: which code and data of its ELF file belong to what.
//!
//! A symbol belongs to the part whose prefix its path begins with. What the compiler has inlined
//! counts where it ended up. Flash that no symbol covers (strings, padding) is a part of its own.

use anyhow::{Context as _, Result};
use object::{Object as _, ObjectSection as _, ObjectSymbol as _, SectionFlags, SectionKind};
use std::collections::BTreeMap;

/// Parts, each with the beginnings of the paths of what belongs to it; the first that fits counts.
const PARTS: &[(&str, &[&str])] = &[
    ("injection", &["crashrig_port::detectors"]),
    (
        "crash record",
        &[
            "crashrig_memory::capture",
            "crashrig_memory::classify",
            "crashrig_memory::retain",
            "crashrig_memory::map",
            "crashrig_memory::raw",
            "crashrig_port::fault",
            "crashrig_port::entry",
            "crashrig_fault_entry",
            "crashrig_found_entry",
            "crashrig_notice_entry",
            "crashrig_sealed",
            "crashrig_wire",
        ],
    ),
    (
        "stack checks",
        &[
            "crashrig_memory::check",
            "crashrig_memory::stack",
            "crashrig_port::mpu",
            "crashrig_port::limits",
            "crashrig_port::systick",
            "crashrig_check_stacks",
            "crashrig_systick_entry",
        ],
    ),
    ("heap", &["crashrig_memory::heap", "crashrig_port::heap"]),
    (
        "kernel",
        &[
            "crashrig_memory::kernel",
            "crashrig_port::kernel",
            "crashrig_pendsv_entry",
            "crashrig_supervisor_entry",
            "crashrig_thread_end",
        ],
    ),
    (
        "errors and reboots",
        &[
            "crashrig_memory::errors",
            "crashrig_memory::misuse",
            "crashrig_memory::reboot",
            "crashrig_port::errors",
        ],
    ),
    ("log", &["crashrig_port::channel", "defmt", "_defmt"]),
    ("start", &["crashrig_port", "crashrig_reset", "crashrig_memory"]),
    ("test image", &["crashrig_image", "crashrig_", "CRASHRIG_"]),
];
/// Everything else that has a symbol.
const LIBRARIES: &str = "core and libraries";
/// Flash without a symbol.
const UNNAMED: &str = "constants without a name";
/// All of the image.
pub(super) const TOTAL: &str = "all";

/// Bytes of one part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Size {
    /// In flash, initial values of data included.
    pub(super) flash_bytes: u64,
    /// In RAM, without stacks, heap, crash region and the vector table.
    pub(super) ram_bytes: u64,
}

/// The size of every part of an image, by name.
pub(super) fn sizes(elf: &[u8]) -> Result<BTreeMap<String, Size>> {
    let file = object::File::parse(elf).context("cannot read the image")?;
    let mut sizes: BTreeMap<String, Size> = BTreeMap::new();
    for name in PARTS.iter().map(|(name, _)| *name).chain([LIBRARIES, UNNAMED, TOTAL]) {
        sizes.insert(name.to_owned(), Size::default());
    }
    let mut add = |part: &str, flash_bytes, ram_bytes| {
        let size = sizes.entry(part.to_owned()).or_default();
        size.flash_bytes += flash_bytes;
        size.ram_bytes += ram_bytes;
    };
    let (mut named, mut seen) = (0, std::collections::BTreeSet::new());
    for symbol in file.symbols().filter(|symbol| symbol.size() > 0) {
        let Some(section) = symbol.section_index() else { continue };
        let Ok(section) = file.section_by_index(section) else { continue };
        // Two names of the same bytes are one thing.
        if !seen.insert((symbol.address() & !1, section.index().0)) {
            continue;
        }
        let name = symbol.name().unwrap_or_default();
        let path = format!("{:#}", rustc_demangle::demangle(name));
        let (flash, ram) = places(&section);
        let size = symbol.size();
        named += if flash { size } else { 0 };
        add(part_of(&path), u64::from(flash) * size, u64::from(ram) * size);
    }
    let mut total = Size::default();
    for section in file.sections() {
        let (flash, ram) = places(&section);
        total.flash_bytes += u64::from(flash) * section.size();
        total.ram_bytes += u64::from(ram) * section.size();
    }
    add(UNNAMED, total.flash_bytes.saturating_sub(named), 0);
    add(TOTAL, total.flash_bytes, total.ram_bytes);
    Ok(sizes)
}

/// Whether a section takes flash, and whether it takes RAM.
fn places(section: &object::Section<'_, '_>) -> (bool, bool) {
    const ALLOCATED: u64 = 2;
    let SectionFlags::Elf { sh_flags, .. } = section.flags() else { return (false, false) };
    // Ranges whose size the board file gives: they say nothing of the code.
    let is_given = section.name().is_ok_and(|name| {
        name.contains("stack")
            || name.contains("heap")
            || name == ".ram_vectors"
            || name == ".crash_region"
    });
    if sh_flags.0 & ALLOCATED == 0 || is_given {
        return (false, false);
    }
    match section.kind() {
        SectionKind::Data => (true, true),
        SectionKind::UninitializedData => (false, true),
        _ => (true, false),
    }
}

fn part_of(path: &str) -> &'static str {
    // `<crashrig_memory::heap::Heap as core::fmt::Debug>::fmt` belongs to the type.
    let path = path.trim_start_matches(['<', '&', '(', '[']);
    let fits =
        |(_, prefixes): &&(&str, &[&str])| prefixes.iter().any(|prefix| path.starts_with(prefix));
    PARTS.iter().find(fits).map_or(LIBRARIES, |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_symbol_belongs_to_the_first_part_that_fits() {
        for (path, expected) in [
            ("crashrig_memory::heap::Heap<W,_>::allocate", "heap"),
            ("<crashrig_memory::kernel::Kernel as core::fmt::Debug>::fmt", "kernel"),
            ("crashrig_port::start::main_thread", "start"),
            ("crashrig_fault_entry", "crash record"),
            ("crashrig_main", "test image"),
            ("core::fmt::write", LIBRARIES),
            ("__aeabi_memcpy", LIBRARIES),
        ] {
            assert_eq!(part_of(path), expected, "{path}");
        }
    }
}
