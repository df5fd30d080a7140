//! Several regions at once: which of them serves, when each has run out, and what is told of all.
//!
//! What ESP-IDF tests of `heap_caps_malloc` and its like, in our own words: `contract.toml` says
//! which stands for which.

use crate::ram::{CORE, MAIN, Ram, at_each_level, fresh};
use crashrig_layout::Capabilities as C;
use crashrig_memory::heap::{AllocationError, Heap, Level, Light, RegionError, Request, Tracked};
use std::ops::ControlFlow;

const NONE: C = C::NONE;
/// Size of each region.
const SIZE: u32 = 512;
/// Memory that is reached by words only.
const WORDS: u32 = 0x3000_0000;
/// Indices of the regions.
const OF_WORDS: usize = 0;
const OF_CORE: usize = 1;
const OF_ALL: usize = 2;

mod at {
    use super::at_each_level;
    at_each_level!([Off, Light, Comprehensive]:
        memory_runs_out_in_the_order_of_need,
        all_memory_can_be_had_again,
        contents_follow_a_block_into_memory_for_code_and_back,
        what_no_memory_had_is_had_once_a_region_is_added,
        a_region_has_its_place_beside_another,
        the_minimum_is_the_sum_of_each_regions_own,
        a_region_added_late_counts_in_full,
        a_visitor_that_breaks_skips_to_the_next_region,
        numbers_agree_with_a_walk,
        preferences_fail_with_the_last_whatever_it_is,
    );
    at_each_level!([Light, Comprehensive]:
        a_check_looks_at_what_it_is_asked_for,
        damage_is_not_passed_over_for_another_set,
    );
}

/// Memory for words only, the core's own, and memory for everything, as few as can be told apart.
fn three<L: Level>() -> (Heap<Ram, L, 4>, Ram) {
    let ram = Ram::new(&[(WORDS, SIZE), (CORE.0, SIZE), (MAIN.0, SIZE)]);
    let mut heap = Heap::new(ram.clone());
    let plain = C::BYTE.union(C::DEFAULT);
    assert_eq!(heap.add_region(WORDS, SIZE, [C::WORD, NONE, NONE]), Ok(OF_WORDS));
    assert_eq!(heap.add_region(CORE.0, SIZE, [plain, C::WORD, NONE]), Ok(OF_CORE));
    assert_eq!(heap.add_region(MAIN.0, SIZE, [C::DMA, plain, C::WORD]), Ok(OF_ALL));
    (heap, ram)
}

/// The regions that serve one request after the other, each named once, until there is no more.
fn until_none<L: Level>(heap: &mut Heap<Ram, L, 4>, caps: C) -> (Vec<usize>, AllocationError) {
    let mut regions = Vec::new();
    loop {
        match heap.allocate(40, caps) {
            Ok(address) => regions.push(heap.containing_block(address).unwrap().region),
            Err(error) => {
                regions.dedup();
                return (regions, error);
            }
        }
    }
}

fn memory_runs_out_in_the_order_of_need<L: Level>() {
    let check = |caps: C, expected: &[usize]| {
        let (mut heap, _) = three::<L>();
        let (regions, error) = until_none(&mut heap, caps);
        assert_eq!(regions, expected, "{caps:?}");
        let largest_free_block = heap.totals(caps).unwrap().largest_free_block;
        let out = AllocationError::OutOfMemory { size_bytes: 40, caps, largest_free_block };
        assert_eq!(error, out);
        assert!(largest_free_block < 40);
        assert_eq!(heap.check_integrity(NONE), Ok(()));
        heap
    };
    check(C::WORD, &[OF_WORDS, OF_CORE, OF_ALL]);
    check(C::DMA, &[OF_ALL]);
    check(C::DMA.union(C::WORD), &[OF_ALL]);
    check(C::EXEC, &[]);
    let mut heap = check(C::BYTE, &[OF_CORE, OF_ALL]);
    assert_eq!(until_none(&mut heap, C::DMA).0, [], "memory for bytes took that for DMA last");
    assert_eq!(until_none(&mut heap, C::WORD).0, [OF_WORDS]);
}

fn all_memory_can_be_had_again<L: Level>() {
    let (mut heap, _) = three::<L>();
    let take = |heap: &mut Heap<Ram, L, 4>| {
        let mut owned = Vec::new();
        loop {
            let size_bytes = heap.totals(C::DEFAULT).unwrap().largest_free_block;
            if size_bytes == 0 {
                return owned;
            }
            owned.push((heap.allocate(size_bytes, C::DEFAULT).unwrap(), size_bytes));
        }
    };
    let first = take(&mut heap);
    assert_eq!(first.iter().map(|(_, bytes)| bytes).sum::<u32>(), 2 * fresh::<L>(SIZE));
    first.iter().for_each(|(address, _)| assert!(heap.free(*address).is_ok()));
    assert_eq!(take(&mut heap), first, "nothing is lost");
}

fn contents_follow_a_block_into_memory_for_code_and_back<L: Level>() {
    let ram = Ram::new(&[(MAIN.0, SIZE), (CORE.0, SIZE)]);
    let mut heap: Heap<Ram, L, 2> = Heap::new(ram.clone());
    heap.add_region(MAIN.0, SIZE, [C::BYTE.union(C::DMA), NONE, NONE]).unwrap();
    heap.add_region(CORE.0, SIZE, [C::EXEC, NONE, NONE]).unwrap();
    let mut address = heap.allocate(64, C::BYTE).unwrap();
    (0..16).for_each(|word| ram.set(address + 4 * word, word ^ 0xC0DE));
    for (caps, size_bytes, region) in [(C::EXEC, 62, 1), (C::DMA, 80, 0), (C::EXEC, 100, 1)] {
        address = heap.reallocate(address, &Request::new(size_bytes, caps)).unwrap();
        assert_eq!(heap.containing_block(address).unwrap().region, region);
        assert!((0..15).all(|word| ram.get(address + 4 * word) == word ^ 0xC0DE));
        assert_eq!(heap.totals(NONE).unwrap().allocated_blocks, 1, "the old one is free");
        assert_eq!(heap.check_integrity(NONE), Ok(()));
    }
    let none = heap.reallocate(address, &Request::new(8, C::SPIRAM));
    assert!(none.is_err() && heap.size_of(address).unwrap() >= 100, "it stays where it is");
}

fn what_no_memory_had_is_had_once_a_region_is_added<L: Level>() {
    let ram = Ram::new(&[(MAIN.0, SIZE), (CORE.0, SIZE)]);
    let mut heap: Heap<Ram, L, 2> = Heap::new(ram);
    let refused =
        |caps| AllocationError::OutOfMemory { size_bytes: 8, caps, largest_free_block: 0 };
    assert_eq!(heap.allocate(8, C::DMA), Err(refused(C::DMA)), "no region at all");
    heap.add_region(MAIN.0, SIZE, [C::DMA, NONE, NONE]).unwrap();
    assert!(heap.allocate(8, C::DMA).is_ok());
    for caps in [C::PID2, C::PID2.union(C::BYTE), C::INVALID] {
        assert_eq!(heap.allocate(8, caps), Err(refused(caps)));
    }
    heap.add_region(CORE.0, SIZE, [C::PID2, C::BYTE, NONE]).unwrap();
    for caps in [C::PID2, C::PID2.union(C::BYTE)] {
        let address = heap.allocate(8, caps).unwrap();
        assert_eq!(heap.containing_block(address).unwrap().region, 1);
    }
    assert_eq!(heap.allocate(8, C::PID2.union(C::DMA)), Err(refused(C::PID2.union(C::DMA))));
}

fn a_region_has_its_place_beside_another<L: Level>() {
    const OLD: (u32, u32) = (0x1000, 0x1200);
    let overlap = Err(RegionError::Overlap { region: 0 });
    for (what, start, end, expected) in [
        ("below", 0x0C00, 0x0F00, Ok(1)),
        ("right below", 0x0F00, 0x1000, Ok(1)),
        ("across the start", 0x0F00, 0x1080, overlap),
        ("the first part", 0x1000, 0x1100, overlap),
        ("the same", 0x1000, 0x1200, overlap),
        ("inside", 0x1080, 0x1100, overlap),
        ("the last part", 0x1100, 0x1200, overlap),
        ("across the end", 0x1180, 0x1280, overlap),
        ("all around", 0x0F00, 0x1300, overlap),
        ("right above", 0x1200, 0x1300, Ok(1)),
        ("above", 0x1400, 0x1500, Ok(1)),
    ] {
        let ram = Ram::new(&[(0x0C00, 0xA00)]);
        let mut heap: Heap<Ram, L, 2> = Heap::new(ram.clone());
        heap.add_region(OLD.0, OLD.1 - OLD.0, [C::DMA, NONE, NONE]).unwrap();
        let contents = ram.contents();
        assert_eq!(heap.add_region(start, end - start, [C::PID2, NONE, NONE]), expected, "{what}");
        let served = heap.allocate(24, C::PID2);
        assert_eq!(served.is_ok(), expected.is_ok(), "{what}");
        assert!(expected.is_ok() || ram.contents() == contents, "{what}: a refusal writes nothing");
        assert!(served.is_err() || served.is_ok_and(|at| start < at && at + 24 <= end), "{what}");
        assert_eq!(heap.check_integrity(NONE), Ok(()));
    }
}

/// Each region was nearly full once, but never both together: the sum is lower than ever was free.
fn the_minimum_is_the_sum_of_each_regions_own<L: Level>() {
    let (mut heap, _) = three::<L>();
    let block_bytes = L::block_bytes(300).unwrap();
    for caps in [C::DMA, C::BYTE] {
        let address = heap.allocate(300, caps).unwrap();
        heap.free(address).unwrap();
    }
    let each = fresh::<L>(SIZE) - block_bytes;
    for region in [OF_CORE, OF_ALL] {
        let totals = heap.region_totals(region).unwrap().unwrap();
        assert_eq!((totals.minimum_free_bytes, totals.free_bytes), (each, fresh::<L>(SIZE)));
    }
    assert_eq!(heap.totals(C::BYTE).unwrap().minimum_free_bytes, 2 * each);
    assert_eq!(heap.totals(C::DMA).unwrap().minimum_free_bytes, each);
    assert_eq!(heap.totals(NONE).unwrap().minimum_free_bytes, 2 * each + fresh::<L>(SIZE));
}

fn a_region_added_late_counts_in_full<L: Level>() {
    let ram = Ram::new(&[(MAIN.0, SIZE), (CORE.0, SIZE)]);
    let mut heap: Heap<Ram, L, 2> = Heap::new(ram);
    heap.add_region(MAIN.0, SIZE, [C::DMA, NONE, NONE]).unwrap();
    heap.allocate(300, C::DMA).unwrap();
    let least = heap.totals(NONE).unwrap().minimum_free_bytes;
    assert_eq!(least, fresh::<L>(SIZE) - L::block_bytes(300).unwrap());
    heap.add_region(CORE.0, SIZE, [C::DMA, NONE, NONE]).unwrap();
    assert_eq!(heap.totals(NONE).unwrap().minimum_free_bytes, least + fresh::<L>(SIZE));
}

fn a_visitor_that_breaks_skips_to_the_next_region<L: Level>() {
    let (mut heap, _) = three::<L>();
    let owned = [C::WORD, C::BYTE, C::DMA].map(|caps| heap.allocate(16, caps).unwrap());
    let walk = |caps, flow| {
        let mut seen = Vec::new();
        let visit = |block: crashrig_memory::heap::Block| {
            seen.push((block.region, block.address, block.is_free));
            flow
        };
        heap.walk(caps, visit).unwrap();
        seen
    };
    let firsts = [0, 1, 2].map(|region| (region, owned[region], false));
    assert_eq!(walk(NONE, ControlFlow::Break(())), firsts);
    assert_eq!(walk(C::BYTE, ControlFlow::Break(())), firsts[1..]);
    assert_eq!(walk(C::EXEC, ControlFlow::Continue(())), []);
    let all = walk(NONE, ControlFlow::Continue(()));
    assert_eq!(all.len(), 6, "a block and the rest of each region");
    assert!(firsts.iter().all(|first| all.contains(first)));
}

fn numbers_agree_with_a_walk<L: Level>() {
    let (mut heap, _) = three::<L>();
    let [_, second, _] = [24, 50, 8].map(|size| heap.allocate(size, C::BYTE).unwrap());
    heap.allocate(100, C::DMA).unwrap();
    heap.free(second).unwrap();
    for caps in [NONE, C::WORD, C::BYTE, C::DMA, C::EXEC] {
        let (mut free, mut used) = (Vec::new(), 0);
        heap.walk(caps, |block| {
            if block.is_free {
                free.push(block.size_bytes)
            } else {
                used += 1
            }
            ControlFlow::Continue(())
        })
        .unwrap();
        let totals = heap.totals(caps).unwrap();
        assert_eq!(totals.free_bytes, free.iter().sum::<u32>(), "{caps:?}");
        assert_eq!((totals.free_blocks as usize, totals.allocated_blocks), (free.len(), used));
        assert!(totals.largest_free_block <= free.iter().copied().max().unwrap_or(0));
        assert!(totals.free_bytes <= totals.total_bytes && totals.total_bytes <= 3 * SIZE);
        if totals.largest_free_block > 0 && caps != NONE {
            let address = heap.allocate(totals.largest_free_block, caps).unwrap();
            heap.free(address).unwrap();
        }
    }
}

fn preferences_fail_with_the_last_whatever_it_is<L: Level>() {
    let (mut heap, ram) = three::<L>();
    let none = heap.request_prefer(&Request::new(0, NONE), &[C::DMA, C::BYTE]);
    assert_eq!(none, Err(AllocationError::ZeroSize));
    let wrong = C::EXEC.union(C::DMA);
    let last = heap.request_prefer(&Request::new(SIZE, NONE), &[C::DMA, wrong]);
    assert_eq!(last, Err(AllocationError::Contradiction { caps: wrong }));
    let zeroed = Request::new(5, NONE).zeroed(8).unwrap();
    let address = heap.request_prefer(&zeroed, &[wrong, C::SPIRAM, C::BYTE]).unwrap();
    assert!((0..10).all(|word| ram.get(address + 4 * word) == 0));
    assert_eq!(heap.containing_block(address).unwrap().region, OF_CORE);
    assert!(heap.size_of(address).unwrap() >= 40);
}

/// Another set would be served, but whoever asks must hear of the damage.
fn damage_is_not_passed_over_for_another_set<L: Level>() {
    let (mut heap, ram) = three::<L>();
    let word = ram.get(MAIN.0);
    ram.set(MAIN.0, word ^ 0x100);
    let corrupt = heap.allocate(8, C::DMA).unwrap_err();
    assert!(matches!(corrupt, AllocationError::Corrupt(_)));
    let preferred = heap.request_prefer(&Request::new(8, NONE), &[C::DMA, C::BYTE]);
    assert_eq!(preferred, Err(corrupt));
    assert!(heap.allocate(8, C::BYTE).is_ok());
}

/// What is served costs no look at the memory that would not do.
#[test]
fn a_preference_that_is_served_is_as_cheap_as_a_request() {
    let cost = |serve: fn(&mut Heap<Ram, Light, 4>) -> u32| {
        let (mut heap, ram) = three::<Light>();
        ram.take_accesses();
        serve(&mut heap);
        ram.take_accesses()
    };
    let plain = cost(|heap| heap.allocate(8, C::DMA).unwrap());
    let preferred = |heap: &mut Heap<Ram, Light, 4>| {
        heap.request_prefer(&Request::new(8, C::DMA), &[C::DMA, C::BYTE]).unwrap()
    };
    assert_eq!(cost(preferred), plain);
}

fn a_check_looks_at_what_it_is_asked_for<L: Level>() {
    let (mut heap, ram) = three::<L>();
    let [core, main] = [C::BYTE, C::DMA].map(|caps| heap.allocate(40, caps).unwrap());
    let other = heap.allocate(40, C::DMA).unwrap();
    ram.set(main + 40, 0);
    let found = heap.check_integrity(C::DMA).unwrap_err();
    assert_eq!((found.address, found.found), (main + 40, 0));
    assert_eq!(heap.check_integrity(NONE), Err(found));
    assert_eq!(heap.check_integrity(C::BYTE), Err(found));
    assert_eq!(heap.check_integrity(C::EXEC), Ok(()));
    assert_eq!(heap.check_integrity_at(other), Err(found.into()), "all of the region");
    assert_eq!(heap.check_integrity_at(core), Ok(()));
    assert_eq!(heap.check_integrity_at(WORDS), Ok(()));
    assert!(heap.check_integrity_at(WORDS + SIZE).is_err(), "no region lies there");
}

/// What a block knows of its owner is paid for once, however many regions there are.
#[test]
fn a_tracked_heap_hands_out_what_it_says_is_free() {
    let (mut heap, _) = three::<Tracked<Light>>();
    let totals = heap.totals(C::WORD).unwrap();
    assert_eq!(totals.largest_free_block, fresh::<Tracked<Light>>(SIZE));
    assert_eq!(totals.free_bytes, 3 * totals.largest_free_block);
    for _ in 0..3 {
        assert!(heap.allocate(totals.largest_free_block, C::WORD).is_ok());
    }
    assert_eq!(heap.totals(C::WORD).unwrap().free_bytes, 0);
}
