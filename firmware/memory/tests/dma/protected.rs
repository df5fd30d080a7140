//! Blocks of protected memory at the ends of ranges, and refused bytes seen through aliases.

use crate::chip::AN505;
use crashrig_memory::dma::protected::{Blocks, seen_from};

const BLOCKS: Blocks = Blocks { start: 0x3800_0000, count: 2048, block_bytes: 1024 };

#[test]
fn a_block_counts_if_one_byte_lies_in_it() {
    let check = |start, size_bytes, expected| {
        assert_eq!(BLOCKS.of(start, size_bytes), expected, "{size_bytes} from {start:#x}");
    };
    check(0x3800_0000, 1, 0..1);
    check(0x3800_0000, 1024, 0..1);
    check(0x3800_0000, 1025, 0..2);
    check(0x3800_03FF, 1, 0..1);
    check(0x3800_03FF, 2, 0..2);
    check(0x3801_0400, 1024, 65..66);
    check(0x381F_FFFF, 1, 2047..2048);
}

#[test]
fn what_lies_elsewhere_does_not_count() {
    let check = |start, size_bytes, expected| {
        assert_eq!(BLOCKS.of(start, size_bytes), expected, "{size_bytes} from {start:#x}");
    };
    check(0x3800_0000, 0, 0..0);
    check(0x37FF_FFFF, 1, 0..0);
    check(0x3820_0000, 1024, 0..0);
    check(0x2801_0400, 1024, 0..0);
    // Into the memory, out of it, and all around.
    check(0x37FF_FFFF, 2, 0..1);
    check(0x381F_FFFF, 1024, 2047..2048);
    check(0, u32::MAX, 0..2048);
    check(0xFFFF_FFFF, u32::MAX, 0..0);
    let last = Blocks { start: 0xFFFF_F800, count: 2, block_bytes: 1024 };
    assert_eq!((last.of(0xFFFF_FFFF, 1), last.of(0, 0xFFFF_F800)), (1..2, 0..0));
    assert_eq!((last.start_of(1), BLOCKS.start_of(65)), (0xFFFF_FC00, 0x3801_0400));
}

#[test]
fn a_refused_byte_has_the_address_that_the_transfer_used() {
    let check = |address, start, expected| {
        let found = seen_from(&AN505.memory, address, start, 256);
        assert_eq!(found, expected, "{address:#x} from {start:#x}");
    };
    check(0x3801_0400, 0x3801_0400, Some(0x3801_0400));
    check(0x3801_04FF, 0x3801_0400, Some(0x3801_04FF));
    check(0x3801_0500, 0x3801_0400, None);
    check(0x3801_03FF, 0x3801_0400, None);
    check(0x3801_0410, 0x2801_0400, Some(0x2801_0410));
    check(0x1000_0000, 0x0000_0000, Some(0));
    check(0x3801_0410, 0x8000_0000, None);
}
