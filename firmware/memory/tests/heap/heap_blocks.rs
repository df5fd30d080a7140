//! Blocks of one region, as a user of `malloc` meets them: had, kept, given back, looked at.
//!
//! What ESP-IDF tests of its `multi_heap`, in our own words: `contract.toml` says which stands for
//! which. Memory is small, so that Miri runs all of it at each level.

use crate::ram::{MAIN, Ram, Random, at_each_level, fresh, one_bank};
use crashrig_layout::Capabilities;
use crashrig_memory::heap::{
    AddressError, Alignment, AllocationError, Block, Expected, Heap, Level, ReallocationError,
    Request, Totals,
};
use std::ops::ControlFlow;

const DMA: Capabilities = Capabilities::DMA;
const NONE: Capabilities = Capabilities::NONE;
const SIZE: u32 = if cfg!(miri) { 640 } else { 2048 };

mod at {
    use super::at_each_level;
    at_each_level!([Off, Light, Comprehensive]:
        what_is_given_back_is_had_again,
        free_memory_in_pieces_serves_no_large_request,
        freed_neighbours_are_one_block_at_the_old_place,
        the_smallest_blocks_fill_a_region_and_go_in_any_order,
        each_alignment_is_kept_or_refused,
        aligned_blocks_in_a_row_leave_nothing_behind,
        a_block_costs_what_its_level_says,
        null_is_no_block,
        a_byte_of_free_memory_is_found_where_it_is_filled,
    );
    at_each_level!([Light, Comprehensive]:
        any_address_of_a_block_names_it,
        a_walk_ends_at_a_damaged_header,
        damage_is_seen_until_it_is_repaired,
    );
    at_each_level!([Comprehensive]: what_was_written_to_free_memory_is_not_handed_out);
}

fn totals<L: Level>(heap: &Heap<Ram, L, 1>) -> Totals {
    heap.totals(DMA).unwrap()
}

/// Nothing is handed out, all of it is free and in one piece.
fn assert_empty<L: Level>(heap: &Heap<Ram, L, 1>) {
    let totals = totals(heap);
    let blocks = (totals.allocated_blocks, totals.free_blocks);
    assert_eq!((blocks, totals.free_bytes), ((0, 1), fresh::<L>(SIZE)));
    assert_eq!(heap.check_integrity(NONE), Ok(()));
}

/// Blocks of a size until there is no more.
fn fill<L: Level>(heap: &mut Heap<Ram, L, 1>, size_bytes: u32) -> Vec<u32> {
    std::iter::from_fn(|| heap.allocate(size_bytes, DMA).ok()).collect()
}

fn what_is_given_back_is_had_again<L: Level>() {
    let (mut heap, _) = one_bank::<L>(SIZE);
    let address = heap.allocate(SIZE / 2, DMA).unwrap();
    assert!(MAIN.0 < address && address + SIZE / 2 <= MAIN.0 + SIZE);
    let before = totals(&heap);
    assert!(heap.allocate(SIZE / 2, DMA).is_err(), "headers leave no room for another half");
    assert_eq!(Totals { failed_allocations: 1, ..before }, totals(&heap));
    heap.free(address).unwrap();
    let after = totals(&heap);
    assert!(after.free_bytes > after.minimum_free_bytes);
    assert_eq!(after.minimum_free_bytes, before.free_bytes);
    assert_eq!(heap.allocate(SIZE / 2, DMA), Ok(address));
}

fn free_memory_in_pieces_serves_no_large_request<L: Level>() {
    let (mut heap, _) = one_bank::<L>(SIZE);
    let owned = fill(&mut heap, 64);
    assert!(owned.len() >= 5);
    for address in owned.iter().step_by(2) {
        heap.free(*address).unwrap();
    }
    let Totals { free_bytes, largest_free_block, .. } = totals(&heap);
    assert!(free_bytes > 128 && largest_free_block < 128, "{free_bytes}, {largest_free_block}");
    let expected = AllocationError::OutOfMemory { size_bytes: 128, caps: DMA, largest_free_block };
    assert_eq!(heap.allocate(128, DMA), Err(expected));
    heap.free(owned[1]).unwrap();
    assert_eq!(heap.allocate(128, DMA), Ok(owned[0]), "three neighbours are one block");
}

fn freed_neighbours_are_one_block_at_the_old_place<L: Level>() {
    let (mut heap, _) = one_bank::<L>(SIZE);
    let [first, second, fence] = [80, 40, 8].map(|size| heap.allocate(size, DMA).unwrap());
    heap.free(first).unwrap();
    heap.free(second).unwrap();
    let pieces = |heap: &_| (totals::<L>(heap).free_blocks, totals::<L>(heap).allocated_blocks);
    assert_eq!(pieces(&heap), (2, 1));
    assert_eq!(heap.allocate(120, DMA), Ok(first), "neither piece alone would do");
    assert_eq!(pieces(&heap).1, 2);
    heap.free(first).unwrap();
    assert_eq!(pieces(&heap), (2, 1));
    heap.free(fence).unwrap();
    assert_empty(&heap);
}

fn the_smallest_blocks_fill_a_region_and_go_in_any_order<L: Level>() {
    let (mut heap, _) = one_bank::<L>(SIZE);
    let mut owned = fill(&mut heap, 1);
    assert_eq!(owned.len() as u32, (SIZE - 8) / L::SMALLEST_BYTES);
    let mut random = Random(0x51DE);
    while !owned.is_empty() {
        let address = owned.swap_remove(random.below(owned.len() as u32) as usize);
        heap.free(address).unwrap();
        if !cfg!(miri) {
            assert_eq!(heap.check_integrity(NONE), Ok(()));
        }
    }
    assert_empty(&heap);
}

fn each_alignment_is_kept_or_refused<L: Level>() {
    let (mut heap, ram) = one_bank::<L>(SIZE);
    let contents = ram.contents();
    for align_bytes in 0..=256_u32 {
        let alignment = Alignment { align_bytes, offset_bytes: 0 };
        let result = heap.allocate_aligned(24, alignment, DMA);
        if align_bytes.is_power_of_two() {
            let address = result.unwrap();
            assert!(address.is_multiple_of(align_bytes) && address.is_multiple_of(8));
            assert!(heap.size_of(address).unwrap() >= 24);
            let larger = Request { alignment, ..Request::new(40, DMA) };
            assert_eq!(heap.reallocate(address, &larger), Ok(address), "it lies well already");
            heap.free(address).unwrap();
            assert_empty(&heap);
        } else {
            assert_eq!(result, Err(AllocationError::Alignment(alignment)));
            let resized = heap.reallocate(4, &Request { alignment, ..Request::new(24, DMA) });
            assert!(matches!(resized, Err(ReallocationError::Allocation(_))), "{resized:?}");
            assert!(align_bytes != 0 || ram.contents() == contents);
        }
    }
    let zero = heap.allocate_aligned(0, Alignment { align_bytes: 64, offset_bytes: 0 }, DMA);
    assert_eq!(zero, Err(AllocationError::ZeroSize));
    assert_eq!(totals(&heap).failed_allocations, 0, "what cannot be is no failure of memory");
}

fn aligned_blocks_in_a_row_leave_nothing_behind<L: Level>() {
    for is_reversed in [false, true] {
        let (mut heap, _) = one_bank::<L>(SIZE);
        let alignment = Alignment { align_bytes: 64, offset_bytes: 0 };
        let mut owned = Vec::new();
        for size_bytes in [1, 64, 24, 63, 65, 8] {
            owned.extend(heap.allocate_aligned(size_bytes, alignment, DMA));
        }
        assert!(owned.len() >= 4 && owned.iter().all(|address| address.is_multiple_of(64)));
        if is_reversed {
            owned.reverse();
        }
        for address in owned {
            heap.free(address).unwrap();
            assert_eq!(heap.check_integrity(NONE), Ok(()));
        }
        assert_empty(&heap);
    }
}

fn a_block_costs_what_its_level_says<L: Level>() {
    let (mut heap, _) = one_bank::<L>(SIZE);
    assert!(L::OVERHEAD_BYTES >= 8);
    for size_bytes in [1, 8, 9, 16, 30, 64] {
        let before = totals(&heap).free_bytes;
        let address = heap.allocate(size_bytes, DMA).unwrap();
        let block_bytes = L::block_bytes(size_bytes).unwrap();
        assert_eq!(before - totals(&heap).free_bytes, block_bytes);
        assert!(block_bytes >= size_bytes + L::OVERHEAD_BYTES);
        let next = heap.allocate(8, DMA).unwrap();
        assert_eq!(next - address, block_bytes, "the next one lies right behind");
        heap.free(address).unwrap();
        heap.free(next).unwrap();
    }
    assert_empty(&heap);
}

fn null_is_no_block<L: Level>() {
    let (mut heap, ram) = one_bank::<L>(SIZE);
    let contents = ram.contents();
    let foreign = AddressError::Foreign { address: 0 };
    assert_eq!(heap.free(0), Err(foreign));
    assert_eq!(heap.size_of(0), Err(foreign));
    let resized = heap.reallocate(0, &Request::new(8, DMA));
    assert_eq!(resized, Err(ReallocationError::Address(foreign)));
    assert!(ram.contents() == contents);
    assert_empty(&heap);
}

/// Each byte of what is free: links are always looked at, the rest where it is filled.
fn a_byte_of_free_memory_is_found_where_it_is_filled<L: Level>() {
    let (mut heap, ram) = one_bank::<L>(SIZE);
    let fence = heap.allocate(200, DMA).unwrap();
    let block = heap.containing_block(MAIN.0 + SIZE - 24).unwrap();
    assert!(block.is_free && block.address > fence);
    let links = block.address - L::PAYLOAD_OFFSET_BYTES + 8;
    let fill = links + 8;
    let end = block.address + block.size_bytes + L::TAIL_BYTES;
    for byte in (links..end).step_by(if cfg!(miri) { 97 } else { 1 }) {
        let (place, bits) = (byte & !3, 0xFF << ((byte & 3) * 8));
        let word = ram.get(place);
        ram.set(place, word ^ bits);
        let found = heap.check_integrity(NONE);
        let is_seen = byte < fill || L::IS_FILLED;
        assert!(found.is_err() == is_seen, "{byte:#x}: {found:?}");
        if let Err(corruption) = found {
            assert_eq!(corruption.address, place);
            assert!(byte < fill || matches!(corruption.expected, Expected::Fill(_)));
        }
        ram.set(place, word);
        ram.take_accesses();
    }
    assert_eq!(heap.check_integrity(NONE), Ok(()));
}

fn any_address_of_a_block_names_it<L: Level>() {
    let (mut heap, _) = one_bank::<L>(SIZE);
    let [first, second] = [45, 24].map(|size| heap.allocate(size, DMA).unwrap());
    assert_eq!((heap.size_of(first), heap.size_of(second)), (Ok(45), Ok(24)));
    for address in first - L::PAYLOAD_OFFSET_BYTES..second - L::PAYLOAD_OFFSET_BYTES {
        let block = heap.containing_block(address).unwrap();
        assert_eq!((block.address, block.is_free, block.region), (first, false, 0));
        assert!(block.size_bytes >= 45);
    }
    let inside = AddressError::NotStartOfBlock { address: first + 8, block: first };
    assert_eq!(heap.size_of(first + 8), Err(inside));
    heap.free(second).unwrap();
    let free = AddressError::AlreadyFree { address: second, block: second };
    assert_eq!(heap.size_of(second), Err(free));
    assert!(heap.containing_block(second).unwrap().is_free);
}

fn a_walk_ends_at_a_damaged_header<L: Level>() {
    let (mut heap, ram) = one_bank::<L>(SIZE);
    let owned = [40, 40, 40].map(|size| heap.allocate(size, DMA).unwrap());
    let walk = |heap: &Heap<Ram, L, 1>| {
        let mut blocks: Vec<Block> = Vec::new();
        let visit = |block| {
            blocks.push(block);
            ControlFlow::Continue(())
        };
        let result = heap.walk(NONE, visit);
        (result, blocks.iter().map(|block| (block.address, block.is_free)).collect::<Vec<_>>())
    };
    let (result, blocks) = walk(&heap);
    assert_eq!((result, blocks.len()), (Ok(()), 4));
    assert_eq!(blocks[..3], owned.map(|address| (address, false)));
    assert!(blocks[3].1);
    let header = owned[1] - L::PAYLOAD_OFFSET_BYTES;
    let word = ram.get(header);
    ram.set(header, 0xFF00_0000);
    let (result, blocks) = walk(&heap);
    let corruption = result.unwrap_err();
    assert_eq!((corruption.address, corruption.found), (header, 0xFF00_0000));
    assert_eq!(blocks, [(owned[0], false)]);
    ram.set(header, word);
    assert_eq!(walk(&heap).0, Ok(()));
}

/// Both canaries of a block, and a header, written over with a word that is none of ours.
fn damage_is_seen_until_it_is_repaired<L: Level>() {
    let (mut heap, ram) = one_bank::<L>(SIZE);
    let [_, block, _] = [24, 40, 24].map(|size| heap.allocate(size, DMA).unwrap());
    for address in [block - L::PAYLOAD_OFFSET_BYTES, block - 4, block + 40] {
        let word = ram.get(address);
        ram.set(address, 0xDEAD_BEEF);
        for _ in 0..2 {
            let corruption = heap.check_integrity(NONE).unwrap_err();
            assert_eq!((corruption.address, corruption.found), (address, 0xDEAD_BEEF));
            let refused = heap.free(block).unwrap_err();
            assert_eq!(refused, AddressError::Corrupt(corruption), "and it is not given back");
        }
        ram.set(address, word);
        assert_eq!(heap.check_integrity(NONE), Ok(()));
    }
    assert_eq!(heap.free(block), Ok(40));
}

/// The last byte of what was free is looked at too, when it is about to be handed out.
fn what_was_written_to_free_memory_is_not_handed_out<L: Level>() {
    let (mut heap, ram) = one_bank::<L>(SIZE);
    let [block, _] = [40, 8].map(|size| heap.allocate(size, DMA).unwrap());
    assert_eq!(ram.get(block), 0xCECE_CECE, "the fill of what was handed out");
    heap.free(block).unwrap();
    assert_eq!(ram.get(block + 8), 0xFEFE_FEFE, "the fill of what is free");
    let last = block + 36;
    ram.set(last, 0x00FE_FEFE);
    let error = heap.allocate(40, DMA).unwrap_err();
    assert!(matches!(error, AllocationError::Corrupt(corruption) if corruption.address == last));
    ram.set(last, 0xFEFE_FEFE);
    assert_eq!(heap.allocate(40, DMA), Ok(block));
}
