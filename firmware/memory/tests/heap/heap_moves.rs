//! Contents that are moved or zeroed while nobody holds the heap: whoever comes in between finds it
//! whole.

use crate::ram::{Ram, at_each_level, one_bank, two_banks};
use crashrig_layout::Capabilities;
use crashrig_memory::heap::{
    Accounts, AddressError, Alignment, Heap, Level, Move, Request, Resizing, Tracked,
};
use crashrig_memory::words::Words;

const DMA: Capabilities = Capabilities::DMA;
const NONE: Capabilities = Capabilities::NONE;
/// Every place that the last byte can have in its word, and a block of several words.
const SIZES: [u32; 6] = [1, 2, 3, 4, 23, 64];

mod at {
    use super::at_each_level;
    at_each_level!([Off, Light, Comprehensive]:
        the_heap_is_whole_at_each_word_of_a_move,
        the_heap_is_whole_at_each_word_of_zeroing,
        others_use_the_heap_while_a_block_moves,
        a_move_that_cannot_end_leaves_the_old_block,
        an_account_of_a_move_that_cannot_end_is_exact,
    );
}

/// Memory whose every change is followed by somebody who looks at the heap.
struct Watched<'a, L> {
    heap: &'a Heap<Ram, L, 1>,
    ram: Ram,
    changes: u32,
}

impl<L: Level> Words for Watched<'_, L> {
    fn read(&self, address: u32) -> u32 {
        self.ram.get(address)
    }

    fn write(&mut self, address: u32, word: u32) {
        self.ram.set(address, word);
        self.ram.take_accesses();
        assert_eq!(self.heap.check_integrity(NONE), Ok(()), "after {address:#x}");
        self.changes += 1;
    }
}

fn bytes(ram: &Ram, address: u32, size_bytes: u32) -> Vec<u8> {
    let byte = |at: u32| ram.get(at & !3).to_le_bytes()[at as usize % 4];
    (address..address + size_bytes).map(byte).collect()
}

fn set_byte(ram: &Ram, address: u32, byte: u8) {
    let mut word = ram.get(address & !3).to_le_bytes();
    word[address as usize % 4] = byte;
    ram.set(address & !3, u32::from_le_bytes(word));
}

/// A block that cannot stay, and how it moves.
fn begin<L: Level>(heap: &mut Heap<Ram, L, 1>, size_bytes: u32, new_bytes: u32) -> Move {
    let [address, _fence] = [size_bytes, 8].map(|size| heap.allocate(size, DMA).unwrap());
    // Where a block can shrink, only its alignment has it move.
    let alignment = Alignment { align_bytes: 2048, offset_bytes: 0 };
    let request = Request { alignment, ..Request::new(new_bytes, DMA) };
    match heap.begin_reallocation(address, &request).unwrap() {
        Resizing::Moves(moving) => moving,
        Resizing::InPlace(address) => panic!("{address:#x} stays"),
    }
}

fn the_heap_is_whole_at_each_word_of_a_move<L: Level>() {
    for (size_bytes, new_bytes) in SIZES.iter().flat_map(|one| SIZES.map(|other| (*one, other))) {
        let (mut heap, ram) = one_bank::<L>(0x3000);
        let moving = begin(&mut heap, size_bytes, new_bytes);
        let kept_bytes = size_bytes.min(new_bytes);
        assert!(moving.kept_bytes >= kept_bytes);
        (0..size_bytes).for_each(|at| set_byte(&ram, moving.from + at, 1 + at as u8));
        let contents = bytes(&ram, moving.from, kept_bytes);
        assert_eq!(heap.check_integrity(NONE), Ok(()), "two blocks are handed out");
        let mut watched = Watched { heap: &heap, ram: ram.clone(), changes: 0 };
        moving.copy(&mut watched);
        assert!(watched.changes >= kept_bytes.div_ceil(4));
        assert_eq!(heap.end_reallocation(moving), Ok(moving.to));
        assert_eq!(bytes(&ram, moving.to, kept_bytes), contents);
        assert_eq!(heap.check_integrity(NONE), Ok(()));
        assert_eq!(heap.totals(NONE).unwrap().allocated_blocks, 2);
    }
}

fn the_heap_is_whole_at_each_word_of_zeroing<L: Level>() {
    for size_bytes in SIZES {
        let (mut heap, ram) = one_bank::<L>(0x1000);
        let request = Request::new(size_bytes, DMA);
        let address = heap.request(&request).unwrap();
        (0..size_bytes).for_each(|at| set_byte(&ram, address + at, 0xA5));
        let mut watched = Watched { heap: &heap, ram: ram.clone(), changes: 0 };
        request.zero(&mut watched, address);
        assert_eq!(watched.changes, size_bytes.div_ceil(4));
        assert_eq!(bytes(&ram, address, size_bytes), vec![0; size_bytes as usize]);
        assert!(heap.free(address).is_ok());
    }
}

/// They may even release what lies around both blocks.
fn others_use_the_heap_while_a_block_moves<L: Level>() {
    let (mut heap, ram) = one_bank::<L>(0x3000);
    let others: Vec<_> = [40, 200, 24].map(|size| heap.allocate(size, DMA).unwrap()).into();
    let moving = begin(&mut heap, 64, 300);
    (0..64).for_each(|at| set_byte(&ram, moving.from + at, at as u8));
    others.iter().for_each(|address| assert!(heap.free(*address).is_ok()));
    let fresh = heap.allocate(100, DMA).unwrap();
    moving.copy(&mut ram.clone());
    assert!(heap.free(fresh).is_ok());
    assert_eq!(heap.end_reallocation(moving), Ok(moving.to));
    assert!(bytes(&ram, moving.to, 64).into_iter().eq(0..64));
    assert_eq!(heap.check_integrity(NONE), Ok(()));
}

/// Somebody has given the old block away meanwhile, as a region of its own.
fn a_move_that_cannot_end_leaves_the_old_block<L: Level>() {
    let (mut heap, _) = two_banks::<L>();
    let block = heap.allocate(1024, DMA).unwrap();
    let before = heap.region_totals(1).unwrap();
    let request = Request::new(8192, DMA);
    heap.allocate(8, DMA).unwrap();
    let Resizing::Moves(moving) = heap.begin_reallocation(block, &request).unwrap() else {
        panic!("the block stays");
    };
    heap.add_region(block, 1024, [Capabilities::RETENTION, NONE, NONE]).unwrap();
    let lent = AddressError::Lent { address: block, region: 2 };
    assert_eq!(heap.end_reallocation(moving), Err(lent));
    assert!(heap.size_of(moving.to).is_err(), "the copy is nobody's");
    assert_eq!(heap.region_totals(0).unwrap().unwrap().allocated_blocks, 2);
    assert_eq!(heap.region_totals(1).unwrap(), before);
    assert_eq!(heap.check_integrity(NONE), Ok(()));
}

fn an_account_of_a_move_that_cannot_end_is_exact<L: Level>() {
    let (mut heap, _) = one_bank::<Tracked<L>>(0x3000);
    let mut accounts = Accounts::<2>::new();
    let serve = |heap: &mut Heap<_, _, 1>, it: &Request| heap.request(it);
    let request = Request::new(64, DMA);
    let [block, _fence] =
        [0, 1].map(|_| accounts.allocate(&mut heap, &request, |_| true, serve).unwrap());
    let before = *accounts.of(0).unwrap();
    let begin =
        |heap: &mut Heap<_, _, 1>, address, it: &Request| heap.begin_reallocation(address, it);
    let larger = Request::new(400, DMA);
    let begun = accounts.begin_reallocation(&mut heap, block, &larger, |_| true, begin).unwrap();
    let Resizing::Moves(moving) = begun else { panic!("the block stays") };
    // A second release of the block, by whoever should not.
    heap.free(block).unwrap();
    assert!(accounts.end_reallocation(&mut heap, moving).is_err());
    let after = *accounts.of(0).unwrap();
    assert_eq!(after.current_bytes, before.current_bytes, "of the release nobody was told");
    assert_eq!((after.blocks, after.allocations, after.frees), (2, 3, 1));
    assert!(heap.size_of(moving.to).is_err());
}
