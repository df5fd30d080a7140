//! The memory map that runs against the one that the board file declares: any difference that is
//! not declared there is trouble of the bench, since a test on another map tests another device.

use std::fmt;

/// A range of addresses with what answers there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range {
    /// First address.
    pub start: u64,
    /// First address behind.
    pub end: u64,
    /// Memory that can be written, or only read.
    pub writable: bool,
    /// Name of the region or memory, for messages.
    pub name: String,
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// The board file declares memory that is not there.
    Missing(Range),
    /// Memory is there that the board file does not declare.
    Undeclared(Range),
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (range, text) = match self {
            Self::Missing(range) => (range, "is declared and not there"),
            Self::Undeclared(range) => (range, "is there and not declared"),
        };
        let kind = if range.writable { "RAM" } else { "ROM" };
        let last = range.end.saturating_sub(1);
        write!(f, "{kind} {} at {:#010x}..={last:#010x} {text}", range.name, range.start)
    }
}

/// Every difference between the declared and the running memory, lowest address first.
#[must_use]
pub fn differences(declared: &[Range], running: &[Range]) -> Vec<Difference> {
    let mut differences: Vec<_> = outside(declared, running)
        .into_iter()
        .map(Difference::Missing)
        .chain(outside(running, declared).into_iter().map(Difference::Undeclared))
        .collect();
    differences.sort_by_key(|difference| match difference {
        Difference::Missing(range) | Difference::Undeclared(range) => range.start,
    });
    differences
}

/// The parts of some ranges that no other range of the same kind covers.
fn outside(ranges: &[Range], others: &[Range]) -> Vec<Range> {
    let mut left = Vec::new();
    for range in ranges {
        let mut pieces = vec![(range.start, range.end)];
        for other in others.iter().filter(|other| other.writable == range.writable) {
            pieces = pieces
                .into_iter()
                .flat_map(|(start, end)| {
                    [(start, end.min(other.start)), (start.max(other.end), end)]
                })
                .filter(|(start, end)| start < end)
                .collect();
        }
        left.extend(pieces.into_iter().map(|(start, end)| Range { start, end, ..range.clone() }));
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(start: u64, end: u64, writable: bool, name: &str) -> Range {
        Range { start, end, writable, name: name.to_owned() }
    }

    fn check(declared: &[Range], running: &[Range], expected: &[&str]) {
        let found: Vec<_> =
            differences(declared, running).iter().map(ToString::to_string).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn neighbours_may_be_one_range_or_two() {
        let declared = [range(0x100, 0x200, true, "sram1"), range(0x200, 0x300, true, "sram2")];
        check(&declared, &[range(0x100, 0x300, true, "sram")], &[]);
    }

    #[test]
    fn what_is_missing_and_what_is_too_much_is_named() {
        let declared = [range(0x100, 0x200, true, "ccm"), range(0x400, 0x500, false, "flash")];
        let running = [range(0x400, 0x500, true, "flash"), range(0x150, 0x280, true, "sram")];
        check(
            &declared,
            &running,
            &[
                "RAM ccm at 0x00000100..=0x0000014f is declared and not there",
                "RAM sram at 0x00000200..=0x0000027f is there and not declared",
                "ROM flash at 0x00000400..=0x000004ff is declared and not there",
                "RAM flash at 0x00000400..=0x000004ff is there and not declared",
            ],
        );
    }
}
