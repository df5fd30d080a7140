//! Memory for tests of the crash region: noise at power-on, shared by boots, and a power that can
//! be cut after any word.

use crashrig_memory::retain::{CrashRegion, Store};
use std::cell::RefCell;
use std::rc::Rc;

const SIZE: usize = 4096;

/// Memory that several "boots" share, and that stops taking writes after a number of words.
#[derive(Clone)]
pub struct Ram {
    /// What it holds.
    pub bytes: Rc<RefCell<Vec<u8>>>,
    /// How many words it still takes.
    pub writes_left: Rc<RefCell<usize>>,
}

impl Ram {
    pub fn of_noise(seed: u32) -> Self {
        Self::of_size(SIZE, seed)
    }

    pub fn of_size(size: usize, seed: u32) -> Self {
        let mut state = seed;
        let bytes = (0..size)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            })
            .collect();
        Self { bytes: Rc::new(RefCell::new(bytes)), writes_left: Rc::new(RefCell::new(usize::MAX)) }
    }

    pub fn copy(&self) -> Self {
        let bytes = self.bytes.borrow().clone();
        Self { bytes: Rc::new(RefCell::new(bytes)), writes_left: Rc::new(RefCell::new(usize::MAX)) }
    }

    pub fn open(&self) -> CrashRegion<Self> {
        CrashRegion::open(self.clone())
    }
}

impl Store for Ram {
    fn size(&self) -> usize {
        self.bytes.borrow().len()
    }
    fn read(&self, offset: usize, out: &mut [u8]) {
        out.copy_from_slice(&self.bytes.borrow()[offset..offset + out.len()]);
    }
    fn write_word(&mut self, offset: usize, word: u32) {
        let mut left = self.writes_left.borrow_mut();
        if *left > 0 {
            *left -= 1;
            self.bytes.borrow_mut()[offset..offset + 4].copy_from_slice(&word.to_le_bytes());
        }
    }
}
