//! What a boot left in memory: all RAM at its boundary, and what is cut out of that.

use super::places::Places;
use crate::evidence::{Blob, RamEvidence};
use crate::target::BenchError;
use crashrig_wire::marker::MARKER_LENGTH;

/// Memory at a boundary; all of it empty where RAM is gone.
#[derive(Default)]
pub(super) struct Left {
    /// The crash region.
    pub region: Vec<u8>,
    /// The end marker's bytes.
    pub marker: Vec<u8>,
    /// All RAM.
    pub ram: Vec<RamEvidence>,
}

impl Left {
    /// Takes the parts out of the ranges of RAM.
    ///
    /// # Errors
    /// One of them lies in none of the ranges.
    pub(super) fn of(ram: Vec<RamEvidence>, places: &Places) -> Result<Self, BenchError> {
        let region = cut(&ram, places.crash_start, places.crash_size as usize)?;
        let marker = cut(&ram, places.marker, MARKER_LENGTH)?;
        Ok(Self { region, marker, ram })
    }
}

/// Names the bytes of ranges, `(start, size in bytes)`, for the bundle.
pub(super) fn named(ranges: &[(u32, u32)], bytes: Vec<Vec<u8>>, file: &str) -> Vec<RamEvidence> {
    let range = |(&(start, _), bytes): (&(u32, u32), _)| RamEvidence {
        start,
        bytes: Blob::new(format!("{file}-{start:08x}.bin"), bytes),
    };
    ranges.iter().zip(bytes).map(range).collect()
}

fn cut(ram: &[RamEvidence], start: u32, size_bytes: usize) -> Result<Vec<u8>, BenchError> {
    let within = |range: &RamEvidence| {
        let first = start.checked_sub(range.start)? as usize;
        let end = first.checked_add(size_bytes)?;
        range.bytes.bytes().get(first..end).map(<[u8]>::to_vec)
    };
    ram.iter().find_map(within).ok_or_else(|| {
        BenchError(format!("read {size_bytes} bytes at {start:#010x}: no RAM of the board"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_cut_out_of_one_range() {
        let ram = named(&[(0x100, 4), (0x200, 4)], vec![vec![1, 2, 3, 4], vec![5, 6, 7, 8]], "ram");
        let check = |start, size_bytes, expected: Option<&[u8]>| {
            let found = cut(&ram, start, size_bytes).ok();
            assert_eq!(found.as_deref(), expected, "{size_bytes} bytes at {start:#x}");
        };
        check(0x100, 4, Some(&[1, 2, 3, 4]));
        check(0x202, 2, Some(&[7, 8]));
        check(0x202, 3, None);
        check(0xff, 2, None);
        check(0x104, 1, None);
    }
}
