//! What one call leaves for the next: the region that served last, the least that was ever free,
//! and what new memory holds.
//!
//! Each of these tests fails where one line of the heap is left out that all others do without.

use crate::ram::{CORE, MAIN, Ram, at_each_level, fresh, one_bank};
use crashrig_layout::Capabilities as C;
use crashrig_memory::heap::{AllocationError, Heap, Level, Request};

const DMA: C = C::DMA;
const NONE: C = C::NONE;
const SIZE: u32 = 512;

mod at {
    use super::at_each_level;
    at_each_level!([Off, Light, Comprehensive]:
        a_new_region_is_asked_first_where_it_comes_first,
        growth_where_a_block_is_counts_for_the_minimum,
        a_second_window_forgets_no_minimum,
    );
    at_each_level!([Light, Comprehensive]:
        memory_for_words_is_given_in_words_each_time,
        what_forbids_memory_for_code_forbids_it_each_time,
        a_refusal_tells_of_damage,
    );
    at_each_level!([Comprehensive, TrackedComprehensive]: bytes_that_are_new_are_filled);
}

/// What was asked for last goes there too.
fn a_new_region_is_asked_first_where_it_comes_first<L: Level>() {
    let mut heap: Heap<Ram, L, 2> = Heap::new(Ram::new(&[(MAIN.0, SIZE), (CORE.0, SIZE)]));
    heap.add_region(MAIN.0, SIZE, [NONE, DMA, NONE]).unwrap();
    let region = |heap: &mut Heap<Ram, L, 2>| {
        let address = heap.allocate(16, DMA).unwrap();
        heap.containing_block(address).unwrap().region
    };
    assert_eq!(region(&mut heap), 0);
    heap.add_region(CORE.0, SIZE, [DMA, NONE, NONE]).unwrap();
    assert_eq!(region(&mut heap), 1);
}

fn growth_where_a_block_is_counts_for_the_minimum<L: Level>() {
    let (mut heap, _) = one_bank::<L>(SIZE);
    let address = heap.allocate(16, DMA).unwrap();
    for size_bytes in [300, 16] {
        assert_eq!(heap.reallocate(address, &Request::new(size_bytes, DMA)), Ok(address));
    }
    let minimum_free_bytes = heap.totals(DMA).unwrap().minimum_free_bytes;
    assert_eq!(minimum_free_bytes, fresh::<L>(SIZE) - L::block_bytes(300).unwrap());
}

fn a_second_window_forgets_no_minimum<L: Level>() {
    let (mut heap, _) = one_bank::<L>(SIZE);
    let use_once = |heap: &mut Heap<Ram, L, 1>, size_bytes| {
        let address = heap.allocate(size_bytes, DMA).unwrap();
        heap.free(address).unwrap();
        fresh::<L>(SIZE) - L::block_bytes(size_bytes).unwrap()
    };
    let minimum = |heap: &Heap<Ram, L, 1>| heap.totals(DMA).unwrap().minimum_free_bytes;
    // From before the first window, and from within it.
    for (before, within) in [(300, 100), (100, 300)] {
        let lowest = use_once(&mut heap, before);
        heap.start_monitoring();
        let lowest = lowest.min(use_once(&mut heap, within));
        heap.start_monitoring();
        assert_eq!(minimum(&heap), fresh::<L>(SIZE), "a window of its own");
        assert_eq!(heap.stop_monitoring(), Ok(()));
        assert_eq!(minimum(&heap), lowest);
        heap = one_bank::<L>(SIZE).0;
    }
}

/// Rounding up shows in the size: where canaries stand, it is known to the byte.
fn memory_for_words_is_given_in_words_each_time<L: Level>() {
    let mut heap: Heap<Ram, L, 1> = Heap::new(Ram::new(&[(MAIN.0, SIZE)]));
    heap.add_region(MAIN.0, SIZE, [C::WORD.union(C::EXEC), C::BYTE, NONE]).unwrap();
    for (caps, held_bytes) in [(C::WORD, 8), (C::EXEC, 8), (C::BYTE, 5)] {
        for time in ["first", "second"] {
            let address = heap.allocate(5, caps).unwrap();
            assert_eq!(heap.size_of(address), Ok(held_bytes), "{caps:?}, {time}");
        }
    }
}

fn what_forbids_memory_for_code_forbids_it_each_time<L: Level>() {
    let mut heap: Heap<Ram, L, 1> = Heap::new(Ram::new(&[(MAIN.0, SIZE)]));
    let caps = C::EXEC.union(C::BYTE);
    heap.add_region(MAIN.0, SIZE, [caps, NONE, NONE]).unwrap();
    for _ in 0..2 {
        assert_eq!(heap.allocate(8, caps), Err(AllocationError::Contradiction { caps }));
        assert!(heap.allocate(8, C::EXEC).is_ok());
    }
}

/// No list holds a block that large, so none is looked at, until the largest is to be named.
fn a_refusal_tells_of_damage<L: Level>() {
    let (mut heap, ram) = one_bank::<L>(SIZE);
    let word = ram.get(MAIN.0);
    let out = AllocationError::OutOfMemory {
        size_bytes: u32::MAX,
        caps: DMA,
        largest_free_block: fresh::<L>(SIZE),
    };
    assert_eq!(heap.allocate(u32::MAX, DMA), Err(out));
    ram.set(MAIN.0, word ^ 0x40);
    let refused = heap.allocate(u32::MAX, DMA);
    let Err(AllocationError::Corrupt(corruption)) = refused else { panic!("{refused:?}") };
    assert_eq!((corruption.address, corruption.found), (MAIN.0, word ^ 0x40));
}

/// Where a block grows, over what was free and over what its own canary and rest were.
fn bytes_that_are_new_are_filled<L: Level>() {
    let (mut heap, ram) = one_bank::<L>(SIZE);
    let address = heap.allocate(40, DMA).unwrap();
    (0..10).for_each(|word| ram.set(address + 4 * word, word));
    let mut kept = 10;
    for size_bytes in [44, 200, 20, 60] {
        assert_eq!(heap.reallocate(address, &Request::new(size_bytes, DMA)), Ok(address));
        kept = kept.min(size_bytes / 4);
        for word in 0..size_bytes / 4 {
            let expected = if word < kept { word } else { 0xCECE_CECE };
            assert_eq!(ram.get(address + 4 * word), expected, "{size_bytes}: {word}");
        }
    }
}
