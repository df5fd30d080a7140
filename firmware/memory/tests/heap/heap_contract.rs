//! What the heap promises, case by case.

use crate::ram::{
    CORE, CORE_CAPS, MAIN, MAIN_CAPS, Ram, at_each_level, fresh, one_bank, two_banks,
};
use crashrig_layout::Capabilities;
use crashrig_memory::heap::{
    AddressError, Alignment, AllocationError, Corruption, Expected, Heap, Level, Off, RegionError,
};
use crashrig_memory::words::Words;

const DMA: Capabilities = Capabilities::DMA;
const BYTE: Capabilities = Capabilities::BYTE;

mod at {
    use super::at_each_level;
    at_each_level!([Off, Light, Comprehensive]:
        priorities_decide_before_the_order_of_regions,
        a_region_is_asked_once_though_two_priorities_suit,
        totals_count_the_regions_that_have_everything,
        every_size_fills_the_region_and_gives_all_back,
        neighbours_merge_in_every_order,
        a_stack_ends_its_guard_on_a_round_address,
        an_aligned_request_takes_a_block_that_just_does,
        requests_that_cannot_be_are_told,
    );
    at_each_level!([Light, Comprehensive]:
        headers_of_old_are_wiped,
        wrong_addresses_are_told_apart,
    );
}

fn priorities_decide_before_the_order_of_regions<L: Level>() {
    let (mut heap, _) = two_banks::<L>();
    // The core's bank has BYTE first, the main bank second; DMA has only the main bank.
    let check = |heap: &mut Heap<Ram, L, 4>, caps, size, region| {
        let address = heap.allocate(size, caps).unwrap();
        assert_eq!(heap.containing_block(address).unwrap().region, region, "{caps:?}");
    };
    check(&mut heap, BYTE, 16, 1);
    check(&mut heap, DMA, 16, 0);
    check(&mut heap, DMA.union(BYTE), 16, 0);
    check(&mut heap, BYTE, CORE.1, 0);
    let none = |caps| AllocationError::OutOfMemory { size_bytes: 8, caps, largest_free_block: 0 };
    for caps in [Capabilities::EXEC, Capabilities::SPIRAM.union(DMA), Capabilities::NONE] {
        assert_eq!(heap.allocate(8, caps), Err(none(caps)));
    }
    let failed = |region| heap.region_totals(region).unwrap().unwrap().failed_allocations;
    assert_eq!((failed(0), failed(1)), (0, 1), "the core's bank passed one request on");
    assert_eq!(heap.region_totals(2), Ok(None));
}

fn a_region_is_asked_once_though_two_priorities_suit<L: Level>() {
    let (mut heap, _) = two_banks::<L>();
    assert!(heap.allocate(MAIN.1, DMA.union(BYTE)).is_err());
    assert_eq!(heap.totals(DMA).unwrap().failed_allocations, 1);
}

fn totals_count_the_regions_that_have_everything<L: Level>() {
    let (mut heap, _) = two_banks::<L>();
    let total = |heap: &Heap<Ram, L, 4>, caps| heap.totals(caps).unwrap().total_bytes;
    let (main, core) = (fresh::<L>(MAIN.1), fresh::<L>(CORE.1));
    for (caps, expected) in [(DMA, main), (BYTE, main + core), (Capabilities::NONE, main + core)] {
        assert_eq!(total(&heap, caps), expected);
    }
    assert_eq!(total(&heap, Capabilities::EXEC), 0);
    let address = heap.allocate(1000, DMA).unwrap();
    heap.free(address).unwrap();
    let totals = heap.totals(BYTE).unwrap();
    let block = L::block_bytes(1000).unwrap();
    assert_eq!(totals.minimum_free_bytes, main + core - block, "the block and its header");
    assert_eq!((totals.free_bytes, totals.largest_free_block), (main + core, main));
}

fn every_size_fills_the_region_and_gives_all_back<L: Level>() {
    let size_bytes = if cfg!(miri) { 512 } else { 2048 };
    for size in (1..size_bytes + 8).step_by(if cfg!(miri) { 131 } else { 1 }) {
        let (mut heap, _) = one_bank::<L>(size_bytes);
        let mut owned = Vec::new();
        let error = loop {
            match heap.allocate(size, DMA) {
                Ok(address) => owned.push(address),
                Err(error) => break error,
            }
        };
        let block = L::block_bytes(size).unwrap();
        assert_eq!(owned.len() as u32, (size_bytes - 8) / block, "{size}");
        let largest_free_block = heap.totals(DMA).unwrap().largest_free_block;
        let expected =
            AllocationError::OutOfMemory { size_bytes: size, caps: DMA, largest_free_block };
        assert_eq!(error, expected);
        if largest_free_block > 0 {
            owned.push(heap.allocate(largest_free_block, DMA).unwrap());
        }
        // Odd ones first, so that merging goes both ways.
        let (odd, even): (Vec<_>, Vec<_>) = (0..owned.len()).partition(|index| index % 2 == 1);
        for index in odd.into_iter().chain(even) {
            heap.free(owned[index]).unwrap();
        }
        let totals = heap.totals(DMA).unwrap();
        assert_eq!((totals.free_blocks, totals.free_bytes), (1, fresh::<L>(size_bytes)), "{size}");
        assert_eq!(heap.check_integrity(Capabilities::NONE), Ok(()));
    }
}

fn neighbours_merge_in_every_order<L: Level>() {
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let (mut heap, _) = one_bank::<L>(4096);
        let owned = [24, 200, 72].map(|size| heap.allocate(size, DMA).unwrap());
        let fence = heap.allocate(8, DMA).unwrap();
        for index in order {
            heap.free(owned[index]).unwrap();
            assert_eq!(heap.check_integrity(Capabilities::NONE), Ok(()));
        }
        let merged = heap.containing_block(owned[2]).unwrap();
        let blocks: u32 = [24, 200, 72].iter().map(|size| L::block_bytes(*size).unwrap()).sum();
        let expected = (owned[0], blocks - L::OVERHEAD_BYTES);
        assert_eq!((merged.address, merged.size_bytes), expected);
        assert!(heap.free(fence).is_ok_and(|held_bytes| held_bytes >= 8));
        assert_eq!(heap.totals(DMA).unwrap().free_blocks, 1);
    }
}

fn a_stack_ends_its_guard_on_a_round_address<L: Level>() {
    let (mut heap, _) = one_bank::<L>(MAIN.1);
    let alignment = Alignment { align_bytes: 1024, offset_bytes: 128 };
    let mut owned = Vec::new();
    while let Ok(address) = heap.allocate_aligned(900, alignment, DMA) {
        assert!((address + 128).is_multiple_of(1024));
        owned.push(address);
    }
    assert!(owned.len() >= 14, "{}", owned.len());
    for address in owned {
        heap.free(address).unwrap();
    }
    assert_eq!(heap.totals(DMA).unwrap().free_blocks, 1);
}

/// A block that lies well is used to the last byte, though there is nothing to spare.
fn an_aligned_request_takes_a_block_that_just_does<L: Level>() {
    let (mut heap, _) = one_bank::<L>(4096);
    let payload = L::PAYLOAD_OFFSET_BYTES;
    let alignment = Alignment { align_bytes: 1024, offset_bytes: 1024 - payload };
    let address = heap.allocate_aligned(fresh::<L>(4096), alignment, DMA);
    assert_eq!(address, Ok(MAIN.0 + payload));
}

fn requests_that_cannot_be_are_told<L: Level>() {
    let (mut heap, _) = one_bank::<L>(4096);
    let odd = Alignment { align_bytes: 48, offset_bytes: 0 };
    assert_eq!(heap.allocate(0, DMA), Err(AllocationError::ZeroSize));
    assert_eq!(heap.allocate_aligned(8, odd, DMA), Err(AllocationError::Alignment(odd)));
    let largest = Alignment { align_bytes: 1 << 31, offset_bytes: 8 };
    let largest_free_block = fresh::<L>(4096);
    for size_bytes in [largest_free_block + 1, 1 << 25, u32::MAX - 8, u32::MAX - 7, u32::MAX] {
        let expected = AllocationError::OutOfMemory { size_bytes, caps: DMA, largest_free_block };
        assert_eq!(heap.allocate(size_bytes, DMA), Err(expected));
        assert_eq!(heap.allocate_aligned(size_bytes, largest, DMA), Err(expected));
    }
    assert!(heap.allocate(largest_free_block, DMA).is_ok(), "a fresh region can be had in one");
}

fn wrong_addresses_are_told_apart<L: Level>() {
    let (mut heap, ram) = one_bank::<L>(4096);
    let [first, second, third] = [64, 64, 64].map(|size| heap.allocate(size, DMA).unwrap());
    heap.free(second).unwrap();
    heap.free(first).unwrap();
    let contents = ram.contents();
    let check = |heap: &mut Heap<Ram, L, 1>, address, expected| {
        assert_eq!(heap.size_of(address), Err(expected));
        assert_eq!(heap.free(address), Err(expected));
    };
    let free = |address| AddressError::AlreadyFree { address, block: first };
    check(&mut heap, first, free(first));
    check(&mut heap, second, free(second));
    for address in [third - 8, third - 1, third + 1, third + 8, third + 63] {
        check(&mut heap, address, AddressError::NotStartOfBlock { address, block: third });
    }
    for address in [0, 7, MAIN.0 - 1, MAIN.0 + 4096 - 8, MAIN.0 + 4096, u32::MAX] {
        check(&mut heap, address, AddressError::Foreign { address });
        assert_eq!(heap.containing_block(address), Err(AddressError::Foreign { address }));
    }
    assert_eq!(ram.contents(), contents);
    assert_eq!(heap.free(third), Ok(64));
}

/// A header of old that lies in a block today is no block: `free` of an address from before.
fn headers_of_old_are_wiped<L: Level>() {
    let (mut heap, _) = one_bank::<L>(4096);
    let old = [40, 40, 40, 40].map(|size| heap.allocate(size, DMA).unwrap());
    for index in [1, 0, 3, 2] {
        heap.free(old[index]).unwrap();
    }
    let whole = heap.allocate(fresh::<L>(4096), DMA).unwrap();
    assert_eq!(whole, old[0]);
    for address in &old[1..] {
        let expected = AddressError::NotStartOfBlock { address: *address, block: whole };
        assert_eq!(heap.free(*address), Err(expected));
    }
}

#[test]
fn regions_are_checked_when_they_are_added() {
    let ram = Ram::new(&[(0, 64), (0x1000, 4096), (0xFFFF_FF00, 0x100)]);
    let mut heap: Heap<Ram, Off, 3> = Heap::new(ram);
    let mut check = |start, size, expected| {
        assert_eq!(heap.add_region(start, size, MAIN_CAPS), expected, "{start:#x}");
    };
    let size = |size_bytes| {
        Err(RegionError::Size { size_bytes, smallest_bytes: 24, largest_bytes: 1 << 25 })
    };
    check(0x1000, 0, size(0));
    check(0x1000, 23, size(23));
    check(0x1001, 24, size(24));
    check(0x1000, (1 << 25) + 8, size((1 << 25) + 8));
    check(0xFFFF_FF00, 0x101, size(0x101));
    check(0x1001, 4095, Ok(0));
    let overlap = Err(RegionError::Overlap { region: 0 });
    check(0x0FF0, 0x19, overlap);
    check(0x1FFF, 64, overlap);
    check(0x1800, 64, overlap);
    check(0, 64, Ok(1));
    check(0xFFFF_FF00, 0x100, Ok(2));
    check(0x8000, 64, Err(RegionError::Full { capacity: 3 }));
    let totals = heap.totals(DMA).unwrap();
    assert_eq!(totals.total_bytes, (4088 - 16) + (64 - 16) + (256 - 16));
    let owned = [4072, 240, 48].map(|size| heap.allocate(size, DMA).unwrap());
    assert_eq!(owned, [0x1010, 0xFFFF_FF08, 8], "memory may lie at both ends");
    assert_eq!(owned.map(|address| heap.free(address)), [Ok(4072), Ok(240), Ok(48)]);
}

#[test]
fn what_keeps_nothing_is_no_region() {
    /// Addresses where nothing answers.
    struct Nothing;
    impl Words for Nothing {
        fn read(&self, _address: u32) -> u32 {
            0
        }
        fn write(&mut self, _address: u32, _word: u32) {}
    }
    let mut heap: Heap<Nothing, Off, 1> = Heap::new(Nothing);
    let address = CORE.0 + CORE.1 - 8;
    let corruption = Corruption { address, expected: Expected::Word(8), found: 0 };
    let expected = Err(RegionError::NotMemory(corruption));
    assert_eq!(heap.add_region(CORE.0, CORE.1, CORE_CAPS), expected);
    assert_eq!(heap.totals(Capabilities::NONE).unwrap().total_bytes, 0);
}
