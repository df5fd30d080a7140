//! Contents of blocks are judged: a heap that loses a word of what a block held, of whatever it
//! does to give the block another size, is told as one that lost contents.

use crashrig_layout::Capabilities;
use crashrig_memory::heap::Light;
use crashrig_memory::words::Words;
use crashrig_script::{Answers, Desk};
use crashrig_wire::script::{ARENA_BYTES, Outcome, Request, Response};
use std::cell::Cell;
use std::rc::Rc;

const START: u32 = 0x2000_0000;
const CAPS: u32 = Capabilities::DMA.bits();
/// What the block holds before, in words, and in bytes.
const WORDS: usize = 25;
const BYTES: u32 = 4 * WORDS as u32;

/// Memory that loses one store of the heap: which one, counted from when it is set.
#[derive(Clone)]
struct Ram {
    words: Rc<[Cell<u32>]>,
    lost: Rc<Cell<usize>>,
    is_heap: bool,
}

const NOTHING: usize = usize::MAX;

impl Words for Ram {
    fn read(&self, address: u32) -> u32 {
        self.words.get((address.wrapping_sub(START) / 4) as usize).map_or(0, Cell::get)
    }

    fn write(&mut self, address: u32, word: u32) {
        let left = self.lost.get();
        if self.is_heap && left != NOTHING {
            self.lost.set(left.checked_sub(1).unwrap_or(NOTHING));
            if left == 0 {
                return;
            }
        }
        if let Some(place) = self.words.get((address.wrapping_sub(START) / 4) as usize) {
            place.set(word);
        }
    }
}

fn reallocate(size: u32) -> Request {
    Request::Reallocate { slot: 0, size, caps: CAPS, alignment: 8 }
}

/// A block with another one behind it is asked to have a size, and one store of the heap is lost.
fn resized(size: u32, lost: usize) -> Response {
    let ram = Ram {
        words: (0..ARENA_BYTES / 4).map(|_| Cell::new(0)).collect(),
        lost: Rc::new(Cell::new(NOTHING)),
        is_heap: true,
    };
    let mut desk: Desk<Ram, Light> = Desk::new(ram.clone(), Ram { is_heap: false, ..ram.clone() });
    desk.begin(START);
    let allocate = |slot, size| Request::Allocate { slot, size, caps: CAPS, alignment: 8 };
    let region = Request::Region { offset: 0, size: 0x1000, caps: [CAPS, 0, 0] };
    for request in [region, allocate(0, BYTES), allocate(1, 8)] {
        assert_eq!(desk.answer(&request).outcome, Outcome::Done);
    }
    ram.lost.set(lost);
    desk.answer(&reallocate(size))
}

#[test]
fn a_word_that_is_lost_while_a_block_moves_is_found() {
    let size = 4 * BYTES;
    assert_eq!(resized(size, NOTHING).outcome, Outcome::Done);
    let answers: Vec<_> = (0..200).map(|lost| resized(size, lost)).collect();
    let found = answers.iter().filter(|answer| answer.outcome == Outcome::ContentsLost);
    let mut places: Vec<_> = found.map(|answer| answer.values[0]).collect();
    places.sort_unstable();
    places.dedup();
    assert_eq!(places.len(), WORDS, "each word that the block held in both sizes");
}

#[test]
fn what_no_longer_belongs_to_a_block_is_not_asked_for() {
    for size in [1, 2, 3, 5, BYTES - 1] {
        assert_eq!(resized(size, NOTHING).outcome, Outcome::Done, "{size}");
    }
}
