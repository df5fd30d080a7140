//! RAM that a lockup has left, read before a new emulator has it.
//!
//! Must never happen here: bytes of anything else that is at such an address.

use super::BenchError;

/// Reads from what was kept of ranges of RAM, `(start, size in bytes)`, in their order.
///
/// # Errors
/// Something of it lies outside of all ranges, or in more than one.
pub(super) fn read(
    ranges: &[(u32, u32)],
    kept: &[Vec<u8>],
    address: u32,
    bytes: &mut [u8],
) -> Result<(), BenchError> {
    let found = ranges.iter().zip(kept).find_map(|((start, _), kept)| {
        let from = address.checked_sub(*start)? as usize;
        kept.get(from..from.checked_add(bytes.len())?)
    });
    let found = found.ok_or_else(|| {
        BenchError(format!("read {address:#010x}: after a lockup there is nothing but RAM"))
    })?;
    bytes.copy_from_slice(found);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_kept_is_read() {
        let ranges = [(0x1000_0000, 4), (0x2000_0000, 4)];
        let kept = [vec![1, 2, 3, 4], vec![5, 6, 7, 8]];
        let check = |address, expected: Option<[u8; 2]>| {
            let mut bytes = [0; 2];
            let found = read(&ranges, &kept, address, &mut bytes).ok().map(|()| bytes);
            assert_eq!(found, expected, "{address:#x}");
        };
        check(0x1000_0000, Some([1, 2]));
        check(0x2000_0002, Some([7, 8]));
        check(0x2000_0003, None);
        check(0x1000_0004, None);
        check(0x0fff_ffff, None);
        check(0xffff_ffff, None);
    }
}
