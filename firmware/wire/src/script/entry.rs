//! One request and one answer, and where their words stand.

use super::{Entry, Operation, Outcome, ScriptLevel};
use crate::bytes::{get_u8, get_u16, get_u32, put, put_u16, put_u32};

const WORDS_AT: usize = 4;

/// One request. Sizes are in bytes; capabilities are the bits of `crashrig_layout::Capabilities`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Request {
    /// See [`Operation::Open`]. Answers address and size of the block that regions lie in.
    Open {
        /// How much the heap checks.
        level: ScriptLevel,
    },
    /// See [`Operation::Region`]. Answers its index.
    Region {
        /// Where it begins, counted from the start of the block that regions lie in.
        offset: u32,
        /// How large it is.
        size: u32,
        /// Its capabilities by priority.
        caps: [u32; 3],
    },
    /// See [`Operation::Allocate`]. Answers the address; where there is no memory, the largest
    /// block.
    Allocate {
        /// Where the block is kept.
        slot: u16,
        /// How large it must be.
        size: u32,
        /// What it must be good for.
        caps: u32,
        /// Its address is a multiple of this.
        alignment: u32,
    },
    /// See [`Operation::Reallocate`]. Answers as an allocation.
    Reallocate {
        /// Where the block is kept.
        slot: u16,
        /// How large it must become.
        size: u32,
        /// What it must be good for.
        caps: u32,
        /// Its address is a multiple of this.
        alignment: u32,
    },
    /// See [`Operation::Free`]. Answers how many bytes the block held.
    Free {
        /// The block.
        slot: u16,
    },
    /// See [`Operation::Overrun`]. Answers the first address that was written.
    Overrun {
        /// The block.
        slot: u16,
        /// How many bytes, at most [`super::OVERRUN_LIMIT_BYTES`].
        size: u32,
    },
    /// See [`Operation::Check`].
    Check,
    /// See [`Operation::Totals`]. Answers total, free, minimum of free, largest free block, number
    /// of allocated and of free blocks, failed allocations.
    Totals {
        /// Of the regions that have all of these.
        caps: u32,
    },
    /// See [`Operation::Close`].
    Close,
}

impl Request {
    /// Which operation it is.
    #[must_use]
    pub const fn operation(&self) -> Operation {
        match self {
            Self::Open { .. } => Operation::Open,
            Self::Region { .. } => Operation::Region,
            Self::Allocate { .. } => Operation::Allocate,
            Self::Reallocate { .. } => Operation::Reallocate,
            Self::Free { .. } => Operation::Free,
            Self::Overrun { .. } => Operation::Overrun,
            Self::Check => Operation::Check,
            Self::Totals { .. } => Operation::Totals,
            Self::Close => Operation::Close,
        }
    }

    /// The slot and the words, as they stand on the wire.
    const fn parts(&self) -> (u16, [u32; 5]) {
        match *self {
            Self::Open { level } => (0, [level.code() as u32, 0, 0, 0, 0]),
            Self::Region { offset, size, caps: [first, second, third] } => {
                (0, [offset, size, first, second, third])
            }
            Self::Allocate { slot, size, caps, alignment }
            | Self::Reallocate { slot, size, caps, alignment } => {
                (slot, [size, caps, alignment, 0, 0])
            }
            Self::Free { slot } => (slot, [0; 5]),
            Self::Overrun { slot, size } => (slot, [size, 0, 0, 0, 0]),
            Self::Totals { caps } => (0, [caps, 0, 0, 0, 0]),
            Self::Check | Self::Close => (0, [0; 5]),
        }
    }
}

impl Entry for Request {
    const MAGIC: u32 = u32::from_le_bytes(*b"RIGQ");
    const LENGTH: usize = WORDS_AT + 4 * 5;

    fn put(&self, bytes: &mut [u8]) {
        let (slot, words) = self.parts();
        put(bytes, 0, &[self.operation().code(), 0]);
        put_u16(bytes, 2, slot);
        for (index, word) in words.iter().enumerate() {
            put_u32(bytes, WORDS_AT + 4 * index, *word);
        }
    }

    fn get(bytes: &[u8]) -> Option<Self> {
        let slot = get_u16(bytes, 2);
        let [a, b, c, d, e] = core::array::from_fn(|index| get_u32(bytes, WORDS_AT + 4 * index));
        Some(match Operation::from_code(get_u8(bytes, 0))? {
            Operation::Open => Self::Open { level: ScriptLevel::from_code(u8::try_from(a).ok()?)? },
            Operation::Region => Self::Region { offset: a, size: b, caps: [c, d, e] },
            Operation::Allocate => Self::Allocate { slot, size: a, caps: b, alignment: c },
            Operation::Reallocate => Self::Reallocate { slot, size: a, caps: b, alignment: c },
            Operation::Free => Self::Free { slot },
            Operation::Overrun => Self::Overrun { slot, size: a },
            Operation::Check => Self::Check,
            Operation::Totals => Self::Totals { caps: a },
            Operation::Close => Self::Close,
        })
    }
}

/// One answer. What the values are is said by the [`Request`]; where a word of the heap's own is
/// wrong they are its address and what it holds, and where contents are lost, the address of the
/// first wrong word, what it holds, and the first value that the request would have answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Response {
    /// What came of it.
    pub outcome: Outcome,
    /// Unused ones are zero.
    pub values: [u32; Self::VALUE_COUNT],
}

impl Response {
    /// How many values there are.
    pub const VALUE_COUNT: usize = 7;

    /// An answer whose first values are these.
    #[must_use]
    pub fn new(outcome: Outcome, first: &[u32]) -> Self {
        let values = core::array::from_fn(|index| first.get(index).copied().unwrap_or(0));
        Self { outcome, values }
    }

    /// The first value: of an allocation that was carried out, the address.
    #[must_use]
    pub const fn first(&self) -> u32 {
        let [first, ..] = self.values;
        first
    }
}

impl Entry for Response {
    const MAGIC: u32 = u32::from_le_bytes(*b"RIGA");
    const LENGTH: usize = WORDS_AT + 4 * Self::VALUE_COUNT;

    fn put(&self, bytes: &mut [u8]) {
        put_u32(bytes, 0, u32::from(self.outcome.code()));
        for (index, value) in self.values.iter().enumerate() {
            put_u32(bytes, WORDS_AT + 4 * index, *value);
        }
    }

    fn get(bytes: &[u8]) -> Option<Self> {
        let outcome = Outcome::from_code(u8::try_from(get_u32(bytes, 0)).ok()?)?;
        let values = core::array::from_fn(|index| get_u32(bytes, WORDS_AT + 4 * index));
        Some(Self { outcome, values })
    }
}
