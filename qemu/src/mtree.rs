//! The memory map of a running emulator, read from the monitor's `info mtree -f`.
//!
//! The text holds one flat view for each distinct address space; the one wanted is what the first
//! CPU sees, `cpu-memory-0`. Overlaps are resolved in it already. The two supported versions model
//! the same machine differently, so this is checked against the board file at each start.

use crate::error::Error;
use crate::qmp::Qmp;

/// The address space of the first CPU. On a core with TrustZone: of its non-secure accesses.
pub const CPU_ADDRESS_SPACE: &str = "cpu-memory-0";

/// The address space of the secure accesses of a core with TrustZone, which boots secure.
pub const SECURE_ADDRESS_SPACE: &str = "cpu-secure-memory-0";

/// The priority that QEMU gives to devices which it only names.
const UNIMPLEMENTED_PRIORITY: &str = "-1000";

/// The name of what stands in front of memory on machines with a TrustZone memory protection
/// controller. On all of them it is memory that stands behind it, and which one is not shown.
const BEHIND_PROTECTION: &str = "tz-mpc-upstream";

/// What answers in a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RangeKind {
    /// Memory that can be read and written.
    Ram,
    /// Memory that guests can only read; their writes are ignored without a fault.
    Rom,
    /// A modelled device.
    Device,
    /// A device that is only named: it reads as zero, ignores writes, and both are logged.
    Stub,
}

/// One range of addresses.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MappedRange {
    /// First address.
    pub start: u32,
    /// Size in bytes, up to 2^32.
    pub size_bytes: u64,
    /// What answers there.
    pub kind: RangeKind,
    /// QEMU's name of what answers. Aliases of one memory carry the same name.
    pub name: String,
}

/// Asks a QEMU for the map of its first CPU.
///
/// # Errors
/// When QEMU does not answer, or the answer cannot be read.
pub fn read(qmp: &mut Qmp) -> Result<Vec<MappedRange>, Error> {
    parse(&qmp.human("info mtree -f")?, CPU_ADDRESS_SPACE)
}

/// Reads the flat view of one address space, in the order of addresses.
///
/// # Errors
/// [`Error::MemoryMap`] with all lines that could not be read, or when the view is missing or
/// empty.
pub fn parse(text: &str, address_space: &str) -> Result<Vec<MappedRange>, Error> {
    let heading = format!(" AS \"{address_space}\",");
    let mut problems = Vec::new();
    let mut ranges = Vec::new();
    let mut inside = false;
    for (index, line) in text.lines().enumerate() {
        if line.starts_with("FlatView #") {
            inside = false;
        } else if line.starts_with(&heading) {
            inside = true;
        } else if inside && line.starts_with("  ") && line.trim() != "No rendered FlatView" {
            match parse_range(line.trim()) {
                Some(range) => ranges.push(range),
                None => problems.push(format!("line {}: found {line:?}", index + 1)),
            }
        }
    }
    if problems.is_empty() && ranges.is_empty() {
        problems.push(format!("expected a flat view of {address_space:?} with a range in it"));
    }
    if problems.is_empty() {
        Ok(ranges)
    } else {
        Err(Error::MemoryMap { problems: problems.join("; ") })
    }
}

/// Reads `0000000020000000-000000002001ffff (prio 0, ram): STM32F405.sram @0000000000000010`.
fn parse_range(line: &str) -> Option<MappedRange> {
    let (addresses, rest) = line.split_once(" (prio ")?;
    let (first, last) = addresses.split_once('-')?;
    let start = u32::try_from(u64::from_str_radix(first, 16).ok()?).ok()?;
    let last = u32::try_from(u64::from_str_radix(last, 16).ok()?).ok()?;
    let (properties, name) = rest.split_once("): ")?;
    let (priority, kind) = properties.split_once(", ")?;
    // What follows an at sign is the place inside a region that is covered in part.
    let name = name.split(" @").next()?.to_owned();
    let kind = match kind {
        "ram" | "nv-ram" => RangeKind::Ram,
        "rom" | "romd" => RangeKind::Rom,
        "i/o" if name == BEHIND_PROTECTION => RangeKind::Ram,
        "i/o" if priority == UNIMPLEMENTED_PRIORITY => RangeKind::Stub,
        "i/o" => RangeKind::Device,
        _ => return None,
    };
    let size_bytes = u64::from(last.checked_sub(start)?) + 1;
    Some(MappedRange { start, size_bytes, kind, name })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: Option<(u32, u64, RangeKind, &str)>) {
        let expected = expected.map(|(start, size_bytes, kind, name)| MappedRange {
            start,
            size_bytes,
            kind,
            name: name.to_owned(),
        });
        assert_eq!(parse_range(line), expected, "{line}");
    }

    #[test]
    fn one_range_is_read() {
        check(
            "0000000020000000-000000002001ffff (prio 0, ram): STM32F405.sram",
            Some((0x2000_0000, 0x2_0000, RangeKind::Ram, "STM32F405.sram")),
        );
        check(
            "0000000040024000-00000000400243ff (prio -1000, i/o): BKPSRAM",
            Some((0x4002_4000, 0x400, RangeKind::Stub, "BKPSRAM")),
        );
        check(
            "0000000038000000-00000000381fffff (prio 0, i/o): tz-mpc-upstream",
            Some((0x3800_0000, 0x20_0000, RangeKind::Ram, "tz-mpc-upstream")),
        );
        check(
            "00000000e000e0f0-00000000e000efff (prio 0, i/o): nvic_sysregs @00000000000000f0",
            Some((0xe000_e0f0, 0xf10, RangeKind::Device, "nvic_sysregs")),
        );
        check(
            "0000000000000000-00000000ffffffff (prio 0, rom): all of it",
            Some((0, 1 << 32, RangeKind::Rom, "all of it")),
        );
        check("0000000100000000-00000001000000ff (prio 0, ram): above 4 GiB", None);
        check("0000000000000000-00000000000000ff (prio 0, strange): kind", None);
        check("0000000000000010-000000000000000f (prio 0, ram): turned round", None);
        check("", None);
    }

    #[test]
    fn every_line_that_cannot_be_read_is_reported() {
        let text = " AS \"cpu-memory-0\", root: x\n  one\n  two\n";
        let message = parse(text, CPU_ADDRESS_SPACE).unwrap_err().to_string();
        assert!(message.contains("line 2") && message.contains("line 3"), "{message}");
        let message = parse("", CPU_ADDRESS_SPACE).unwrap_err().to_string();
        assert!(message.contains("cpu-memory-0"), "{message}");
    }
}
