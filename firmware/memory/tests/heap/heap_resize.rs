//! Blocks that change their size, and the ways to ask that build on a plain request.

use crate::ram::{CORE, MAIN, Ram, Random, at_each_level, fresh, one_bank, two_banks};
use crashrig_layout::Capabilities;
use crashrig_memory::heap::{
    AddressError, Alignment, AllocationError, Heap, Level, NotMonitoring, Origin,
    ReallocationError, Request,
};

const DMA: Capabilities = Capabilities::DMA;
const BYTE: Capabilities = Capabilities::BYTE;
const NONE: Capabilities = Capabilities::NONE;

mod at {
    use super::at_each_level;
    at_each_level!([Off, Light, Comprehensive]:
        a_block_grows_and_shrinks_where_it_is,
        a_block_moves_when_its_memory_does_not_suit,
        what_cannot_be_resized_stays,
        random_sizes_keep_contents_and_leave_no_rest,
        zeroed_memory_is_zero_to_the_last_byte,
        preferences_are_tried_in_their_order,
        plain_requests_follow_the_limit_for_external_memory,
        a_plain_block_moves_only_where_a_plain_request_goes,
        wishes_that_exclude_each_other_are_told,
        a_window_has_a_minimum_of_its_own,
    );
}

/// Writes a pattern that tells the place of each word.
fn paint(ram: &Ram, address: u32, size_bytes: u32, fill: u32) {
    for offset in (0..size_bytes & !3).step_by(4) {
        ram.set(address + offset, fill.wrapping_mul(offset | 1));
    }
}

fn assert_painted(ram: &Ram, address: u32, size_bytes: u32, fill: u32) {
    for offset in (0..size_bytes & !3).step_by(4) {
        assert_eq!(ram.get(address + offset), fill.wrapping_mul(offset | 1), "{offset}");
    }
}

fn a_block_grows_and_shrinks_where_it_is<L: Level>() {
    let (mut heap, ram) = one_bank::<L>(4096);
    let address = heap.allocate(100, DMA).unwrap();
    let fence = heap.allocate(8, DMA).unwrap();
    paint(&ram, address, 100, 7);
    for size_bytes in [60, 8, 100, 1, 99] {
        assert_eq!(heap.reallocate(address, &Request::new(size_bytes, DMA)), Ok(address));
        assert!(heap.size_of(address).unwrap() >= size_bytes);
        assert_eq!(heap.check_integrity(NONE), Ok(()));
    }
    heap.free(fence).unwrap();
    let rest = fresh::<L>(4096);
    assert_eq!(heap.reallocate(address, &Request::new(rest, DMA)), Ok(address));
    assert_eq!(heap.totals(DMA).unwrap().free_bytes, 0);
    assert_eq!(heap.reallocate(address, &Request::new(1, DMA)), Ok(address));
    assert_eq!(heap.check_integrity(NONE), Ok(()));
    heap.free(address).unwrap();
    let totals = heap.totals(DMA).unwrap();
    assert_eq!((totals.free_blocks, totals.free_bytes), (1, rest));
}

fn a_block_moves_when_its_memory_does_not_suit<L: Level>() {
    let (mut heap, ram) = two_banks::<L>();
    let core = heap.allocate(40, BYTE).unwrap();
    assert!(CORE.0 <= core && core < CORE.0 + CORE.1);
    paint(&ram, core, 40, 11);
    let main = heap.reallocate(core, &Request::new(48, DMA)).unwrap();
    assert!(MAIN.0 <= main && main < MAIN.0 + MAIN.1);
    assert_painted(&ram, main, 40, 11);
    assert_eq!(heap.region_totals(1).unwrap().unwrap().allocated_blocks, 0);
    // Its memory suits as it is: ESP-IDF leaves it there too.
    assert_eq!(heap.reallocate(main, &Request::new(40, BYTE)), Ok(main));
    // Room is found in another region.
    let large = heap.allocate(3000, BYTE).unwrap();
    paint(&ram, large, 3000, 3);
    let moved = heap.reallocate(large, &Request::new(5000, BYTE)).unwrap();
    assert!(MAIN.0 <= moved);
    assert_painted(&ram, moved, 3000, 3);
    // An alignment that the address does not have.
    let alignment = Alignment { align_bytes: 2048, offset_bytes: 0 };
    let request = Request { alignment, ..Request::new(40, DMA) };
    let round = heap.reallocate(main, &request).unwrap();
    assert!(round.is_multiple_of(2048));
    assert_painted(&ram, round, 40, 11);
    assert_eq!(heap.check_integrity(NONE), Ok(()));
}

fn what_cannot_be_resized_stays<L: Level>() {
    let (mut heap, ram) = one_bank::<L>(1024);
    let address = heap.allocate(200, DMA).unwrap();
    paint(&ram, address, 200, 5);
    let contents = ram.contents();
    let largest_free_block = heap.totals(DMA).unwrap().largest_free_block;
    let out = AllocationError::OutOfMemory { size_bytes: 1024, caps: DMA, largest_free_block };
    let check = |heap: &mut Heap<Ram, L, 1>, address, request: &Request, expected| {
        assert_eq!(heap.reallocate(address, request), Err(expected));
        assert!(contents == ram.contents(), "a refusal changes nothing");
    };
    check(&mut heap, address, &Request::new(1024, DMA), ReallocationError::Allocation(out));
    let zero = ReallocationError::Allocation(AllocationError::ZeroSize);
    check(&mut heap, address, &Request::new(0, DMA), zero);
    let foreign = ReallocationError::Address(AddressError::Foreign { address: 4 });
    check(&mut heap, 4, &Request::new(8, DMA), foreign);
}

fn random_sizes_keep_contents_and_leave_no_rest<L: Level>() {
    let (mut heap, ram) = two_banks::<L>();
    let mut random = Random(0xB10C);
    let mut owned: Vec<(u32, u32, u32)> = Vec::new();
    for _ in 0..if cfg!(miri) { 24 } else { 3000 } {
        let caps = if random.below(3) == 0 { DMA } else { BYTE };
        let limit = 1 << (3 + random.below(8));
        let size_bytes = 1 + random.below(limit);
        let fill = random.next() | 1;
        if owned.len() < 4 || owned.len() < 40 && random.below(3) == 0 {
            if let Ok(address) = heap.allocate(size_bytes, caps) {
                paint(&ram, address, size_bytes, fill);
                owned.push((address, size_bytes, fill));
            }
        } else {
            let index = random.below(owned.len() as u32) as usize;
            let (address, held_bytes, was) = owned[index];
            let request = Request::new(size_bytes, caps);
            if let Ok(moved) = heap.reallocate(address, &request) {
                assert_painted(&ram, moved, held_bytes.min(size_bytes), was);
                paint(&ram, moved, size_bytes, fill);
                owned[index] = (moved, size_bytes, fill);
            } else {
                assert_painted(&ram, address, held_bytes, was);
            }
        }
        ram.take_accesses();
        assert_eq!(heap.check_integrity(NONE), Ok(()));
    }
    for (address, size_bytes, fill) in owned {
        assert_painted(&ram, address, size_bytes, fill);
        heap.free(address).unwrap();
    }
    let totals = heap.totals(NONE).unwrap();
    assert_eq!((totals.free_blocks, totals.allocated_blocks), (2, 0));
    assert_eq!(totals.free_bytes, totals.total_bytes);
}

fn zeroed_memory_is_zero_to_the_last_byte<L: Level>() {
    let (mut heap, ram) = one_bank::<L>(2048);
    for (size_bytes, count) in [(1, 3), (8, 8), (7, 5), (100, 1)] {
        let request = Request::new(size_bytes, DMA).zeroed(count).unwrap();
        let address = heap.request(&request).unwrap();
        for offset in (0..(size_bytes * count) & !3).step_by(4) {
            assert_eq!(ram.get(address + offset), 0);
        }
        let last = size_bytes * count % 4;
        let word = ram.get(address + ((size_bytes * count) & !3));
        assert!(last == 0 || word & ((1 << (8 * last)) - 1) == 0, "{word:#x}");
        heap.free(address).unwrap();
    }
    assert_eq!(Request::new(1 << 16, DMA).zeroed(1 << 16), Err(AllocationError::Overflow));
    let none = heap.request(&Request::new(8, DMA).zeroed(0).unwrap());
    assert_eq!(none, Err(AllocationError::ZeroSize));
}

fn preferences_are_tried_in_their_order<L: Level>() {
    let (mut heap, _) = two_banks::<L>();
    let request = Request::new(64, NONE);
    let check = |heap: &mut Heap<Ram, L, 4>, preferred: &[Capabilities], region| {
        let address = heap.request_prefer(&request, preferred).unwrap();
        assert_eq!(heap.containing_block(address).unwrap().region, region);
    };
    check(&mut heap, &[Capabilities::SPIRAM, DMA, BYTE], 0);
    check(&mut heap, &[BYTE, DMA], 1);
    let last =
        heap.request_prefer(&request, &[BYTE.union(Capabilities::SPIRAM), Capabilities::SPIRAM]);
    let caps = Capabilities::SPIRAM;
    let expected = AllocationError::OutOfMemory { size_bytes: 64, caps, largest_free_block: 0 };
    assert_eq!(last, Err(expected), "the error of the last");
    assert!(heap.request_prefer(&request, &[]).is_err());
}

fn plain_requests_follow_the_limit_for_external_memory<L: Level>() {
    let external = Capabilities::SPIRAM.union(Capabilities::DEFAULT);
    let internal = Capabilities::INTERNAL.union(Capabilities::DEFAULT);
    let ram = Ram::new(&[(MAIN.0, 1024), (0x6000_0000, 4096)]);
    let mut heap: Heap<Ram, L, 2> = Heap::new(ram);
    heap.add_region(MAIN.0, 1024, [internal, NONE, NONE]).unwrap();
    heap.add_region(0x6000_0000, 4096, [external, NONE, NONE]).unwrap();
    let region = |heap: &mut Heap<Ram, L, 2>, size_bytes| {
        let address = heap.request_default(&Request::new(size_bytes, NONE)).ok()?;
        let region = heap.containing_block(address).unwrap().region;
        heap.free(address).unwrap();
        Some(region)
    };
    assert_eq!(region(&mut heap, 600), Some(0));
    assert_eq!(region(&mut heap, 2000), None, "external memory is closed to plain requests");
    heap.set_external_limit(Some(256));
    assert_eq!(region(&mut heap, 256), Some(0));
    assert_eq!(region(&mut heap, 257), Some(1));
    assert_eq!(region(&mut heap, 2000), Some(1));
    heap.set_external_limit(Some(4096));
    assert_eq!(region(&mut heap, 2000), Some(1), "each stands in for the other");
}

/// External memory comes first here, so only the policy keeps a block out of it.
fn a_plain_block_moves_only_where_a_plain_request_goes<L: Level>() {
    const EXTERNAL: u32 = 0x6000_0000;
    let ram = Ram::new(&[(EXTERNAL, 4096), (MAIN.0, 1024)]);
    let mut heap: Heap<Ram, L, 2> = Heap::new(ram.clone());
    let kinds = [Capabilities::SPIRAM, Capabilities::INTERNAL];
    for (kind, (start, size_bytes)) in kinds.into_iter().zip([(EXTERNAL, 4096), (MAIN.0, 1024)]) {
        let caps = [kind.union(Capabilities::DEFAULT), NONE, NONE];
        heap.add_region(start, size_bytes, caps).unwrap();
    }
    let region = |heap: &Heap<Ram, L, 2>, at| heap.containing_block(at).unwrap().region;
    let [address, _fence] = [100, 8].map(|size| {
        let address = heap.request_default(&Request::new(size, NONE)).unwrap();
        assert_eq!(region(&heap, address), 1);
        address
    });
    paint(&ram, address, 100, 13);
    let moved = heap.reallocate_default(address, &Request::new(300, NONE)).unwrap();
    assert_ne!(moved, address);
    assert_eq!(region(&heap, moved), 1, "external memory is closed");
    let refused = heap.reallocate_default(moved, &Request::new(2000, NONE));
    let caps = Capabilities::INTERNAL.union(Capabilities::DEFAULT);
    assert!(matches!(
        refused,
        Err(ReallocationError::Allocation(AllocationError::OutOfMemory { caps: named, .. }))
            if named == caps
    ));
    assert_painted(&ram, moved, 100, 13);
    heap.set_external_limit(Some(4096));
    let outside = heap.reallocate_default(moved, &Request::new(2000, NONE)).unwrap();
    assert_eq!(region(&heap, outside), 0, "each stands in for the other");
    heap.set_external_limit(Some(256));
    let small = heap.reallocate_default(outside, &Request::new(200, NONE)).unwrap();
    assert_eq!(region(&heap, small), 1, "below the limit, memory on the chip is preferred");
    let large = heap.reallocate_default(small, &Request::new(257, NONE)).unwrap();
    assert_eq!(region(&heap, large), 0);
    assert_painted(&ram, large, 100, 13);
    heap.set_external_limit(None);
    let home = heap.reallocate_default(large, &Request::new(120, NONE)).unwrap();
    assert_eq!(region(&heap, home), 1, "closed again");
    assert_eq!(heap.check_integrity(NONE), Ok(()));
}

fn wishes_that_exclude_each_other_are_told<L: Level>() {
    let caps = Capabilities::EXEC.union(Capabilities::WORD);
    let ram = Ram::new(&[MAIN]);
    let mut heap: Heap<Ram, L, 1> = Heap::new(ram);
    heap.add_region(MAIN.0, MAIN.1, [caps, BYTE.union(DMA), NONE]).unwrap();
    for other in [BYTE, DMA, BYTE.union(DMA)] {
        let caps = Capabilities::EXEC.union(other);
        assert_eq!(heap.allocate(8, caps), Err(AllocationError::Contradiction { caps }));
    }
    let address = heap.allocate(13, Capabilities::EXEC).unwrap();
    assert!(heap.size_of(address).unwrap() >= 16, "memory for words is given in words");
}

fn a_window_has_a_minimum_of_its_own<L: Level>() {
    let (mut heap, _) = one_bank::<L>(4096);
    let whole = fresh::<L>(4096);
    let minimum = |heap: &Heap<Ram, L, 1>| heap.totals(DMA).unwrap().minimum_free_bytes;
    let used = |heap: &mut Heap<Ram, L, 1>, size_bytes| {
        let address = heap.allocate(size_bytes, DMA).unwrap();
        heap.free(address).unwrap();
        whole - L::block_bytes(size_bytes).unwrap()
    };
    let least = used(&mut heap, 1000);
    assert_eq!(heap.stop_monitoring(), Err(NotMonitoring));
    heap.start_monitoring();
    assert_eq!(minimum(&heap), whole);
    let window = used(&mut heap, 200);
    assert_eq!(minimum(&heap), window);
    assert_eq!(heap.stop_monitoring(), Ok(()));
    assert_eq!(minimum(&heap), least);
    heap.start_monitoring();
    let lower = used(&mut heap, 2000);
    assert_eq!(heap.stop_monitoring(), Ok(()));
    assert_eq!(minimum(&heap), lower, "what happened in a window counts");
}

/// What a block knows of its owner follows it.
#[test]
fn a_tracked_block_names_who_asked() {
    use crashrig_memory::heap::{Light, Tracked};
    let (mut heap, _) = one_bank::<Tracked<Light>>(4096);
    let origin = Origin { owner: 3, caller: 0x0800_1235 };
    let address = heap.request(&Request { origin, ..Request::new(20, DMA) }).unwrap();
    let fence = heap.allocate(8, DMA).unwrap();
    assert_eq!(heap.containing_block(address).unwrap().origin, origin);
    assert_eq!(heap.containing_block(fence).unwrap().origin, Origin::default());
    let heir = Origin { owner: 4, caller: 0x0800_2001 };
    let request = Request { origin: heir, ..Request::new(200, DMA) };
    let moved = heap.reallocate(address, &request).unwrap();
    assert_eq!(heap.containing_block(moved).unwrap().origin, heir, "who asked last");
    assert_eq!(heap.check_integrity(NONE), Ok(()));
}
