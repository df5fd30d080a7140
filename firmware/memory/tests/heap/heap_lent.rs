//! Regions inside of blocks: what they may cover, and that the block stays as long as they do.

use crate::ram::{CORE, CORE_CAPS, MAIN, Ram, at_each_level};
use crashrig_layout::Capabilities;
use crashrig_memory::heap::{AddressError, Heap, Level, ReallocationError, RegionError, Request};

const DMA: Capabilities = Capabilities::DMA;
const NONE: Capabilities = Capabilities::NONE;
const SPECIAL: Capabilities = Capabilities::RETENTION;

mod at {
    use super::at_each_level;
    at_each_level!([Off, Light, Comprehensive]:
        a_region_may_lie_in_a_block_of_another,
        a_region_ends_where_the_block_does,
        a_block_that_holds_a_region_stays,
        a_block_goes_back_to_where_it_lies_whatever_came_last,
    );
}

fn a_region_may_lie_in_a_block_of_another<L: Level>() {
    let ram = Ram::new(&[MAIN]);
    let mut heap: Heap<Ram, L, 2> = Heap::new(ram);
    heap.add_region(MAIN.0, MAIN.1, [DMA, NONE, NONE]).unwrap();
    let block = heap.allocate(1024, DMA).unwrap();
    assert!(heap.add_region(block - 8, 1024, [SPECIAL, NONE, NONE]).is_err());
    assert!(heap.add_region(block + 1000, 64, [SPECIAL, NONE, NONE]).is_err());
    assert_eq!(heap.add_region(block, 1024, [SPECIAL, NONE, NONE]), Ok(1));
    let inner = heap.allocate(100, SPECIAL).unwrap();
    assert!(block <= inner && inner < block + 1024);
    assert_eq!(heap.containing_block(inner).unwrap().region, 1);
    assert_eq!(heap.check_integrity(NONE), Ok(()));
    assert!(heap.free(inner).is_ok());
}

/// With canaries that is behind the last byte that was asked for, or the region would cover one.
fn a_region_ends_where_the_block_does<L: Level>() {
    let ram = Ram::new(&[MAIN]);
    let mut heap: Heap<Ram, L, 3> = Heap::new(ram);
    heap.add_region(MAIN.0, MAIN.1, [DMA, NONE, NONE]).unwrap();
    let block = heap.allocate(1020, DMA).unwrap();
    let held_bytes = if L::IS_CHECKED { 1020 } else { 1024 };
    let overlap = Err(RegionError::Overlap { region: 0 });
    for size_bytes in [held_bytes + 1, held_bytes + 4, 2048, u32::MAX] {
        assert_eq!(heap.add_region(block, size_bytes, [SPECIAL, NONE, NONE]), overlap);
    }
    assert_eq!(heap.add_region(block - 1, 64, [SPECIAL, NONE, NONE]), overlap);
    let free = heap.allocate(200, DMA).unwrap();
    heap.free(free).unwrap();
    assert_eq!(heap.add_region(free, 64, [SPECIAL, NONE, NONE]), overlap, "nobody has it");
    assert_eq!(heap.check_integrity(NONE), Ok(()), "a refusal writes nothing");
    assert_eq!(heap.add_region(block, held_bytes, [SPECIAL, NONE, NONE]), Ok(1));
    while heap.allocate(8, SPECIAL).is_ok() {}
    assert_eq!(heap.check_integrity(NONE), Ok(()));
}

/// From the first byte on or further in, and one region within another's block in turn.
fn a_block_that_holds_a_region_stays<L: Level>() {
    for offset in [0, 8, 100] {
        let ram = Ram::new(&[MAIN]);
        let mut heap: Heap<Ram, L, 3> = Heap::new(ram.clone());
        heap.add_region(MAIN.0, MAIN.1, [DMA, NONE, NONE]).unwrap();
        let [before, block, behind] = [40, 2048, 40].map(|size| heap.allocate(size, DMA).unwrap());
        heap.add_region(block + offset, 1900, [SPECIAL, NONE, NONE]).unwrap();
        let [first, inner, last] = [24, 800, 24].map(|size| heap.allocate(size, SPECIAL).unwrap());
        let deepest = Capabilities::EXEC;
        heap.add_region(inner + offset, 512, [deepest, NONE, NONE]).unwrap();
        let word = heap.allocate(16, deepest).unwrap();
        let contents = ram.contents();
        for (address, region) in [(block, 1), (inner, 2)] {
            let lent = AddressError::Lent { address, region };
            assert_eq!(heap.free(address), Err(lent), "{offset}");
            for size_bytes in [8, 4000] {
                let resized = heap.reallocate(address, &Request::new(size_bytes, DMA));
                assert_eq!(resized, Err(ReallocationError::Address(lent)));
            }
        }
        assert!(ram.contents() == contents, "a refusal changes nothing");
        for address in [word, first, last, before, behind] {
            assert!(heap.free(address).is_ok(), "{offset}: {address:#x}");
        }
        assert_eq!(heap.totals(NONE).unwrap().allocated_blocks, 2);
        assert_eq!(heap.check_integrity(NONE), Ok(()));
    }
}

/// The region that served last is not believed to be the one where regions lie in each other.
fn a_block_goes_back_to_where_it_lies_whatever_came_last<L: Level>() {
    let ram = Ram::new(&[MAIN, CORE]);
    let mut heap: Heap<Ram, L, 3> = Heap::new(ram);
    heap.add_region(MAIN.0, MAIN.1, [DMA, NONE, NONE]).unwrap();
    heap.add_region(CORE.0, CORE.1, CORE_CAPS).unwrap();
    let block = heap.allocate(1024, DMA).unwrap();
    heap.add_region(block, 1024, [SPECIAL, NONE, NONE]).unwrap();
    let inner = heap.allocate(24, SPECIAL).unwrap();
    heap.allocate(24, DMA).unwrap();
    let blocks = |heap: &Heap<Ram, L, 3>| {
        [0, 1, 2].map(|index| heap.region_totals(index).unwrap().unwrap().allocated_blocks)
    };
    assert_eq!(blocks(&heap), [2, 0, 1]);
    assert!(heap.free(inner).is_ok());
    assert_eq!(blocks(&heap), [2, 0, 0]);
    assert_eq!(heap.check_integrity(NONE), Ok(()));
}
