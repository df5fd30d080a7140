//! What host and image say to each other: words in RAM that the host finds by their symbols.
//!
//! None of it is touched by start-up code. The host looks at addresses of stores, not at what is
//! stored, so that a mark is one store and nothing else.

use crate::trace::SLOTS;
use core::sync::atomic::{AtomicU8, AtomicU32, Ordering, compiler_fence};

/// A word.
#[derive(Debug)]
#[repr(transparent)]
pub struct Word(AtomicU32);

impl Word {
    const fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// What it is.
    fn get(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }

    /// Changes it.
    pub fn set(&self, word: u32) {
        self.0.store(word, Ordering::Relaxed);
    }
}

/// Which heap is measured, by the index of its name.
#[used]
#[unsafe(link_section = ".noinit.contender")]
pub static CONTENDER: Word = Word::new();
/// Which trace is replayed, by the index of its name.
#[used]
#[unsafe(link_section = ".noinit.trace")]
pub static TRACE: Word = Word::new();
/// If it is not zero: blocks of this size are asked for until there is no more memory, instead.
#[used]
#[unsafe(link_section = ".noinit.fill_bytes")]
pub static FILL_BYTES: Word = Word::new();
/// What came of it: how many requests of a trace were answered, or how many blocks there were.
#[used]
#[unsafe(link_section = ".noinit.result")]
pub static RESULT: Word = Word::new();

/// What one boot is to do.
#[derive(Debug, Clone, Copy)]
pub struct Job {
    /// See [`CONTENDER`].
    pub contender: u32,
    /// See [`TRACE`].
    pub trace: u32,
    /// See [`FILL_BYTES`].
    pub fill_bytes: u32,
}

impl Job {
    /// What the host wants.
    pub fn read() -> Self {
        Self { contender: CONTENDER.get(), trace: TRACE.get(), fill_bytes: FILL_BYTES.get() }
    }
}

/// The kinds of requests; the row of [`MARKS`] that is stored to before one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum Kind {
    /// Memory is handed out.
    Allocate,
    /// Memory is taken back.
    Free,
    /// A block gets another size.
    Resize,
}

/// Where a mark is stored.
#[derive(Debug)]
#[repr(C)]
pub struct Marks {
    /// Before a call: one byte for each kind of request and each slot.
    before: [[AtomicU8; SLOTS]; 3],
    /// Behind a call.
    behind: AtomicU8,
    /// Behind that, if there was no memory.
    failed: AtomicU8,
}

/// What the host watches.
#[used]
#[unsafe(link_section = ".noinit.marks")]
pub static MARKS: Marks = Marks {
    before: [const { [const { AtomicU8::new(0) }; SLOTS] }; 3],
    behind: AtomicU8::new(0),
    failed: AtomicU8::new(0),
};

impl Marks {
    /// Right before a call.
    #[inline(always)]
    pub fn before(&self, kind: Kind, slot: usize) {
        let mark = self.before.get(kind as usize).and_then(|row| row.get(slot));
        if let Some(mark) = mark {
            store(mark);
        }
    }

    /// Right behind a call.
    #[inline(always)]
    pub fn behind(&self) {
        store(&self.behind);
    }

    /// Behind that, if there was no memory.
    pub fn failed(&self) {
        store(&self.failed);
    }
}

#[inline(always)]
fn store(mark: &AtomicU8) {
    compiler_fence(Ordering::SeqCst);
    mark.store(0, Ordering::Relaxed);
    compiler_fence(Ordering::SeqCst);
}
