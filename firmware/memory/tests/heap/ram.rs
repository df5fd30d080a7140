//! Memory as a test needs it: it stops the test where the heap strays, and counts what it does.

use crashrig_layout::Capabilities;
use crashrig_memory::heap::{Heap, Level};
use crashrig_memory::words::Words;
use std::cell::Cell;
use std::rc::Rc;

/// Two banks as on an STM32F4: one for everything, one out of reach of DMA.
pub const MAIN: (u32, u32) = (0x2000_0000, 0x4000);
pub const CORE: (u32, u32) = (0x1000_0000, 0x1000);
/// Capabilities by priority.
pub const MAIN_CAPS: [Capabilities; 3] =
    [Capabilities::DMA, Capabilities::BYTE.union(Capabilities::DEFAULT), Capabilities::NONE];
pub const CORE_CAPS: [Capabilities; 3] =
    [Capabilities::BYTE.union(Capabilities::DEFAULT), Capabilities::NONE, Capabilities::NONE];

/// More accesses than any operation needs on memory of this size.
const ENDLESS: usize = 1_000_000;

/// Memory that a heap and a test share. Every access outside of a bank, every access that is not
/// aligned, and every operation that does not end fails the test.
#[derive(Clone, Debug)]
pub struct Ram {
    banks: Rc<Vec<Bank>>,
    accesses: Rc<Cell<usize>>,
}

#[derive(Debug)]
#[expect(clippy::vec_box, reason = "Miri looks at all of a slice whenever it is referred to")]
struct Bank {
    start: u32,
    size_bytes: u32,
    pages: Vec<Box<Cell<Page>>>,
}

const PAGE_WORDS: usize = 32;
type Page = [u32; PAGE_WORDS];

impl Ram {
    /// Banks full of noise; under Miri, to which each word is an effort, always the same word.
    pub fn new(banks: &[(u32, u32)]) -> Self {
        let mut random = Random(0x5EED);
        let mut page = || {
            let mut words = [0x5EED_5EED; PAGE_WORDS];
            if !cfg!(miri) {
                words.fill_with(|| random.next());
            }
            Box::new(Cell::new(words))
        };
        let mut bank = |&(start, size_bytes): &(u32, u32)| {
            let pages = (0..size_bytes.div_ceil(4 * PAGE_WORDS as u32)).map(|_| page()).collect();
            Bank { start, size_bytes, pages }
        };
        Self { banks: Rc::new(banks.iter().map(&mut bank).collect()), accesses: Rc::default() }
    }

    /// Every access of every test comes here, and Miri interprets each step of it: the loop calls
    /// next to nothing.
    fn place(&self, address: u32) -> (&Cell<Page>, usize) {
        assert!(address & 3 == 0, "{address:#010x} is not aligned");
        self.accesses.set(self.accesses.get() + 1);
        assert!(self.accesses.get() < ENDLESS, "the operation does not end");
        for bank in self.banks.as_slice() {
            let offset = address.wrapping_sub(bank.start);
            if offset < bank.size_bytes {
                let index = (offset >> 2) as usize;
                return (&bank.pages[index / PAGE_WORDS], index % PAGE_WORDS);
            }
        }
        panic!("{address:#010x} lies in no bank");
    }

    pub fn get(&self, address: u32) -> u32 {
        let (page, index) = self.place(address);
        page.get()[index]
    }

    pub fn set(&self, address: u32, word: u32) {
        let (page, index) = self.place(address);
        let mut words = page.get();
        words[index] = word;
        page.set(words);
    }

    /// How many accesses there were since this was asked last.
    pub fn take_accesses(&self) -> usize {
        self.accesses.take()
    }

    /// All words of each bank, and of the rest of its last page.
    pub fn contents(&self) -> Vec<Vec<u32>> {
        let words = |bank: &Bank| {
            let mut words = Vec::new();
            bank.pages.iter().for_each(|page| words.extend_from_slice(&page.get()));
            words
        };
        self.banks.iter().map(words).collect()
    }
}

impl Words for Ram {
    fn read(&self, address: u32) -> u32 {
        self.get(address)
    }
    fn write(&mut self, address: u32, word: u32) {
        self.set(address, word);
    }
}

/// A heap over both banks, and its memory.
pub fn two_banks<L: Level>() -> (Heap<Ram, L, 4>, Ram) {
    let ram = Ram::new(&[MAIN, CORE]);
    let mut heap = Heap::new(ram.clone());
    assert_eq!(heap.add_region(MAIN.0, MAIN.1, MAIN_CAPS), Ok(0));
    assert_eq!(heap.add_region(CORE.0, CORE.1, CORE_CAPS), Ok(1));
    (heap, ram)
}

/// A heap over one bank of a size.
pub fn one_bank<L: Level>(size_bytes: u32) -> (Heap<Ram, L, 1>, Ram) {
    let ram = Ram::new(&[(MAIN.0, size_bytes)]);
    let mut heap = Heap::new(ram.clone());
    assert_eq!(heap.add_region(MAIN.0, size_bytes, MAIN_CAPS), Ok(0));
    (heap, ram)
}

/// What a fresh region of a size can hand out in one: the end mark and one block's overhead less.
pub const fn fresh<L: Level>(size_bytes: u32) -> u32 {
    size_bytes - 8 - L::OVERHEAD_BYTES
}

/// The levels by the names of tests.
pub mod levels {
    use crashrig_memory::heap::Tracked;
    pub use crashrig_memory::heap::{Comprehensive, Light, Off};
    pub type TrackedLight = Tracked<Light>;
    pub type TrackedComprehensive = Tracked<Comprehensive>;
}

/// Runs checks at each level, each as a test of its own. Miri runs those at `Light`: it looks at
/// how memory is used, not at answers, and no level has code of its own that could use it wrongly.
macro_rules! at_each_level {
    ($levels:tt: $($check:ident),+ $(,)?) => {
        $(mod $check { $crate::ram::at_each_level!(@each $levels $check); })+
    };
    (@each [$($level:ident),+] $check:ident) => {
        $($crate::ram::at_each_level!(@one $level $check);)+
    };
    (@one Light $check:ident) => {
        $crate::ram::at_each_level!(@test Light $check);
    };
    (@one $level:ident $check:ident) => {
        $crate::ram::at_each_level!(
            @test $level $check #[cfg_attr(miri, ignore = "Miri looks at one level")]
        );
    };
    (@test $level:ident $check:ident $(#[$attribute:meta])?) => {
        #[test]
        $(#[$attribute])?
        #[expect(non_snake_case, reason = "the level names the test")]
        fn $level() {
            super::super::$check::<$crate::ram::levels::$level>();
        }
    };
}
pub(crate) use at_each_level;

/// Numbers from a seed (xorshift; the seed is not zero).
#[derive(Clone, Debug)]
pub struct Random(pub u32);

impl Random {
    pub fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0
    }

    pub fn below(&mut self, limit: u32) -> u32 {
        self.next() % limit
    }
}
