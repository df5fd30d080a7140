//! Every single bit of what a heap keeps outside of its region, changed: no memory is lost in
//! silence, and none is handed out twice.
//!
//! Tests only; in here, because nobody outside reaches these words: the map of lists, their heads
//! and the sums. What lies in memory is damaged in the same way in `tests/heap/heap_bits.rs`.
//! Another answer than a whole heap gives is right here as long as it keeps every promise: what is
//! hidden by a bit that was lost cannot be seen in passing.

use super::{
    AddressError, AllocationError, Comprehensive, Corruption, Heap, Level, Light,
    ReallocationError, Request,
};
use crate::words::Words;
use crashrig_layout::Capabilities;
use std::vec::Vec;

const START: u32 = 0x2000_0000;
const SIZE: u32 = 1024;
const CAPS: Capabilities = Capabilities::DMA;
/// Lists of blocks up to this region's size, and some above.
const LISTS: usize = 48;
/// Words of the map.
const MAP: usize = 6;

/// Memory that fails the test where the heap leaves it.
struct Ram(Vec<u32>);

impl Ram {
    fn index(address: u32) -> usize {
        assert_eq!(address % 4, 0, "{address:#x}");
        address.checked_sub(START).unwrap() as usize / 4
    }
}

impl Words for Ram {
    fn read(&self, address: u32) -> u32 {
        self.0[Self::index(address)]
    }

    fn write(&mut self, address: u32, word: u32) {
        self.0[Self::index(address)] = word;
    }
}

/// A block of the user, all words of which hold its number.
#[derive(Clone, Copy)]
struct Owned {
    address: u32,
    size_bytes: u32,
    number: u32,
}

struct Bench<L> {
    heap: Heap<Ram, L, 1>,
    owned: Vec<Owned>,
    numbers: u32,
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Free(usize),
    Allocate(u32),
    Resize(usize, u32),
}

const STEPS: [Step; 14] = [
    Step::Allocate(20),
    Step::Free(0),
    Step::Allocate(40),
    Step::Free(1),
    Step::Resize(0, 60),
    Step::Allocate(100),
    Step::Free(2),
    Step::Resize(1, 8),
    Step::Allocate(300),
    Step::Free(0),
    Step::Allocate(24),
    Step::Resize(2, 120),
    Step::Free(1),
    Step::Allocate(400),
];

impl<L: Level> Bench<L> {
    /// Six blocks in use and three free ones, two of them in one list, and the rest.
    fn scarred() -> Self {
        let mut heap = Heap::new(Ram(std::vec![0xEEEE_EEEE; SIZE as usize / 4]));
        heap.add_region(START, SIZE, [CAPS, Capabilities::NONE, Capabilities::NONE]).unwrap();
        let mut bench = Self { heap, owned: Vec::new(), numbers: 0 };
        for size_bytes in [24, 52, 24, 40, 56, 8, 24, 72, 40] {
            let address = bench.heap.allocate(size_bytes, CAPS).unwrap();
            bench.own(address, size_bytes);
        }
        for index in [7, 2, 0] {
            bench.heap.free(bench.owned.remove(index).address).unwrap();
        }
        bench
    }

    /// Every word of the heap's own that can be damaged here, in an order that stays.
    fn state(&mut self) -> impl Iterator<Item = &mut u32> {
        let super::tlsf::Tlsf { lists, free_sum_bytes, free_blocks, allocated_blocks, .. } =
            &mut self.heap.regions[0].tlsf;
        let sums = [free_sum_bytes, free_blocks, allocated_blocks];
        lists.words_mut().take(MAP + LISTS).chain(sums)
    }

    fn flip(&mut self, (word, bit): (usize, u32)) {
        *self.state().nth(word).unwrap() ^= 1 << bit;
    }

    /// The user fills a new block; no other one may have any of it.
    fn own(&mut self, address: u32, size_bytes: u32) {
        self.numbers += 1;
        let block = Owned { address, size_bytes, number: self.numbers };
        self.words_of(block).for_each(|word| self.heap.words.write(word, block.number));
        self.owned.push(block);
    }

    fn words_of(&self, block: Owned) -> impl Iterator<Item = u32> + use<L> {
        (block.address..block.address + block.size_bytes).step_by(4)
    }

    /// One step. Answers what was reported, and holds the heap to its promises.
    fn run(&mut self, step: Step) -> Result<(), Corruption> {
        let before = self.heap.words.0.clone();
        let done = match step {
            Step::Allocate(size_bytes) => self.allocate(size_bytes),
            Step::Free(index) => self.free(index),
            Step::Resize(index, size_bytes) => self.resize(index, size_bytes),
        };
        let may_change = done.is_ok() || matches!(step, Step::Resize(..));
        assert!(may_change || before == self.heap.words.0, "a report changes nothing");
        for block in &self.owned {
            let mut words = self.words_of(*block);
            assert!(words.all(|word| self.heap.words.read(word) == block.number), "contents");
        }
        done
    }

    fn allocate(&mut self, size_bytes: u32) -> Result<(), Corruption> {
        match self.heap.allocate(size_bytes, CAPS) {
            Ok(address) => self.own(address, size_bytes),
            Err(AllocationError::Corrupt(corruption)) => return Err(corruption),
            Err(_) => self.assert_full(size_bytes),
        }
        Ok(())
    }

    fn free(&mut self, index: usize) -> Result<(), Corruption> {
        match self.heap.free(self.owned[index].address) {
            Err(AddressError::Corrupt(corruption)) => return Err(corruption),
            other => assert!(other.is_ok(), "a right address is taken"),
        }
        self.owned.remove(index);
        Ok(())
    }

    fn resize(&mut self, index: usize, size_bytes: u32) -> Result<(), Corruption> {
        let address = self.owned[index].address;
        match self.heap.reallocate(address, &Request::new(size_bytes, CAPS)) {
            Ok(address) => {
                let Owned { size_bytes: held_bytes, number, .. } = self.owned.remove(index);
                let kept = Owned { address, size_bytes: held_bytes.min(size_bytes), number };
                let mut words = self.words_of(kept);
                assert!(words.all(|word| self.heap.words.read(word) == number), "kept");
                self.own(address, size_bytes);
            }
            Err(
                ReallocationError::Address(AddressError::Corrupt(corruption))
                | ReallocationError::Allocation(AllocationError::Corrupt(corruption)),
            ) => return Err(corruption),
            Err(error) => {
                assert!(matches!(error, ReallocationError::Allocation(_)), "{error:?}");
                self.assert_full(size_bytes);
            }
        }
        Ok(())
    }

    /// A refusal is right: no block that is free would surely do.
    fn assert_full(&self, size_bytes: u32) {
        let blocks = self.heap.regions[0].tlsf.extent.blocks(&self.heap.words);
        let free = blocks.map(Result::unwrap).filter(|block| block.is_free);
        let largest = free.map(|block| L::usable_bytes(block.size_bytes)).max();
        assert!(largest.unwrap_or(0) < 2 * size_bytes, "{size_bytes} of {largest:?} refused");
    }
}

/// All bits of the state, as the number of a word and of a bit in it; for Miri, some.
fn bits() -> impl Iterator<Item = (usize, u32)> {
    let words = 0..MAP + LISTS + 3;
    let all = words.flat_map(|word| (0..32).map(move |bit| (word, bit)));
    all.step_by(if cfg!(miri) { 331 } else { 1 })
}

fn no_bit_is_silent<L: Level>() {
    let (mut reported, mut unused, mut harmless) = (0, 0, 0);
    for (word, bit) in bits() {
        std::println!("word {word}, bit {bit}");
        for first in 0..STEPS.len() {
            let mut bench = Bench::<L>::scarred();
            bench.flip((word, bit));
            let mut steps = STEPS.iter().cycle().skip(first).take(STEPS.len());
            // What is not there any more is left out, where the sequence does not begin with 0.
            let is_there = |step: &Step, count| match *step {
                Step::Free(index) | Step::Resize(index, _) => index < count,
                Step::Allocate(_) => true,
            };
            let report = steps.find_map(|step| {
                is_there(step, bench.owned.len()).then(|| bench.run(*step).err()).flatten()
            });
            match report {
                Some(_) => reported += 1,
                None if bench.heap.check_integrity(CAPS).is_err() => unused += 1,
                None => harmless += 1,
            }
        }
    }
    std::println!("reported {reported}, unused {unused}, harmless {harmless}");
    assert!(reported > 0 && unused > 0 && harmless > 0);
}

#[test]
#[cfg_attr(miri, ignore = "every bit is tried in fourteen sequences")]
fn no_bit_of_the_state_is_silent_at_light() {
    no_bit_is_silent::<Light>();
}

#[test]
#[cfg_attr(miri, ignore = "every bit is tried in fourteen sequences")]
fn no_bit_of_the_state_is_silent_at_comprehensive() {
    no_bit_is_silent::<Comprehensive>();
}

#[test]
fn the_check_finds_every_bit_of_the_state() {
    let mut bench = Bench::<Light>::scarred();
    for (word, bit) in bits() {
        bench.flip((word, bit));
        let damaged = *bench.state().nth(word).unwrap();
        let place = core::ptr::from_mut(bench.state().nth(word).unwrap()).addr() as u32;
        let Corruption { address, found, .. } = bench.heap.check_integrity(CAPS).unwrap_err();
        // A head is named by where it leads, unless it leads to a block that is sound otherwise.
        if !(MAP..MAP + LISTS).contains(&word) {
            assert_eq!((address, found), (place, damaged), "word {word}, bit {bit}");
        }
        bench.flip((word, bit));
        assert_eq!(bench.heap.check_integrity(CAPS), Ok(()), "repaired");
    }
}

/// What the map promises and no list keeps ends the search at once: no other region is asked.
#[test]
fn a_bit_of_an_empty_list_is_told() {
    let mut heap = Heap::<Ram, Light, 2>::new(Ram(std::vec![0; SIZE as usize / 2]));
    for start in [START, START + SIZE] {
        heap.add_region(start, SIZE, [CAPS, Capabilities::NONE, Capabilities::NONE]).unwrap();
    }
    let map = heap.regions[0].tlsf.lists.words_mut().nth(1).unwrap();
    // The list for blocks of 48 bytes, as this request needs one.
    *map |= 1 << 6;
    let address = core::ptr::from_mut(map).addr() as u32;
    let expected = super::Expected::Word(*map & !(1 << 6));
    let corruption = Corruption { address, expected, found: *map };
    assert_eq!(heap.allocate(24, CAPS), Err(AllocationError::Corrupt(corruption)));
}

/// Neither the block that nothing leads to any more nor the map is wrong, but the head.
#[test]
fn a_head_that_was_wiped_is_named() {
    let mut wiped = 0;
    for word in MAP..MAP + LISTS {
        let mut bench = Bench::<Light>::scarred();
        let head = bench.state().nth(word).unwrap();
        let (block, place) = (*head, core::ptr::from_mut(head).addr() as u32);
        if block == super::block::NO_LINK {
            continue;
        }
        *head = super::block::NO_LINK;
        let expected = super::Expected::Word(block);
        let corruption = Corruption { address: place, expected, found: super::block::NO_LINK };
        assert_eq!(bench.heap.check_integrity(CAPS), Err(corruption));
        wiped += 1;
    }
    assert!(wiped >= 3);
}
