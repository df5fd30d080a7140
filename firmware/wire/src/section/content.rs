//! What stands in the sections: rows of words, each type with its order of words stated once.

use crate::thread::Owner;
use crate::{Status, Thread};

/// Declares a row of plain words.
macro_rules! row {
    (
        $(#[$doc:meta])*
        $name:ident { $( $(#[$field_doc:meta])* $field:ident, )+ }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        pub struct $name { $( $(#[$field_doc])* pub $field: u32, )+ }

        impl $name {
            /// Words of a row.
            pub const WORDS: usize = [$( stringify!($field) ),+].len();

            /// The row as words.
            #[must_use]
            pub const fn to_words(self) -> [u32; Self::WORDS] {
                [ $( self.$field, )+ ]
            }

            /// The row of some words.
            #[must_use]
            pub const fn from_words(words: [u32; Self::WORDS]) -> Self {
                let [ $( $field, )+ ] = words;
                Self { $( $field, )+ }
            }
        }
    };
}

row! {
    /// Floating-point state (DDI0403E B3.2.20 to B3.2.22).
    Float {
        /// FPCCR.
        fpccr,
        /// FPCAR.
        fpcar,
        /// FPSCR; 0 while the state of another context waits to be saved, since reading it would
        /// save that first.
        fpscr,
    }
}

row! {
    /// One region of the MPU: RBAR and RASR of ARMv7-M, RBAR and RLAR of ARMv8-M.
    ProtectionRegion {
        /// Base address register.
        base,
        /// Attribute or limit register.
        attributes,
    }
}

row! {
    /// One region of the heap; sizes in bytes. All but its start are 0 where a word of its own
    /// is wrong, so that nothing can be summed.
    HeapRow {
        /// First address.
        start,
        /// What could be handed out if nothing were.
        total,
        /// What is free.
        free,
        /// The least that ever was free.
        minimum_free,
        /// The largest size that a request would be given.
        largest_free,
        /// Requests that it could not serve.
        failed,
    }
}

row! {
    /// A word of the heap's own, or of the vector table, that is wrong.
    BrokenBlock {
        /// Its address.
        address,
        /// What it should be; 0 if any of some values would do.
        expected,
        /// What stands there.
        found,
    }
}

row! {
    /// One allocation or release.
    Allocation {
        /// The address handed out or taken back; 0 for a request that was refused.
        address,
        /// Size in bytes that was asked for; [`Self::RELEASE`] for a release.
        size,
        /// Where it was asked for: a return address.
        caller,
    }
}

impl Allocation {
    /// The size that stands for a release.
    pub const RELEASE: u32 = u32::MAX;
}

row! {
    /// The last allocation of this boot that could not be served.
    FailedAllocation {
        /// Size in bytes that was asked for.
        size,
        /// The capabilities that were asked for, as `MALLOC_CAP_*` bits.
        capabilities,
        /// Where it was asked for: a return address.
        caller,
        /// The largest size that a request with these capabilities, and without an alignment, would
        /// have been given; 0 if no memory has them.
        largest_free,
    }
}

row! {
    /// One set of words for 96 interrupts each: bit n of word w stands for interrupt 32 w + n.
    Interrupts {
        /// Active, 0 to 31.
        active0,
        /// Active, 32 to 63.
        active1,
        /// Active, 64 to 95.
        active2,
        /// Pending, 0 to 31.
        pending0,
        /// Pending, 32 to 63.
        pending1,
        /// Pending, 64 to 95.
        pending2,
        /// Enabled, 0 to 31.
        enabled0,
        /// Enabled, 32 to 63.
        enabled1,
        /// Enabled, 64 to 95.
        enabled2,
    }
}

/// One error of this boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErrorRow {
    /// Which.
    pub status: Status,
    /// Where: the caller of what reported it.
    pub address: u32,
    /// What else there is to say, by the status.
    pub value: u32,
    /// Line in the source, up to 65,535.
    pub line: u16,
    /// Code of the thread that ran.
    pub thread: u8,
}

impl ErrorRow {
    /// Words of a row.
    pub const WORDS: usize = 4;

    /// The row as words.
    #[must_use]
    pub const fn to_words(self) -> [u32; Self::WORDS] {
        [self.status.0, self.address, self.value, self.line as u32 | (self.thread as u32) << 16]
    }

    /// The row of some words.
    #[must_use]
    pub const fn from_words([status, address, value, rest]: [u32; Self::WORDS]) -> Self {
        let [line0, line1, thread, _] = rest.to_le_bytes();
        let line = u16::from_le_bytes([line0, line1]);
        Self { status: Status(status), address, value, line, thread }
    }
}

/// One thread. Sizes are kept in units of eight bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThreadRow {
    /// Who it is.
    pub thread: Option<Thread>,
    /// What it was doing: 1 ready, 2 waiting, 3 ended, 4 about to be started.
    pub state: u8,
    /// The priority it had.
    pub priority: u8,
    /// Bit 0: it ran. Bit 1: unprivileged. Bit 2: its stack came from the heap.
    pub flags: u8,
    /// First address of its stack.
    pub stack_start: u32,
    /// Size of its stack in bytes, at most 524,280.
    pub stack_size: u32,
    /// Bytes of its stack that were ever used.
    pub high_water: u32,
    /// Its stack pointer when it last left the core.
    pub stack_pointer: u32,
}

impl ThreadRow {
    /// Words of a row.
    pub const WORDS: usize = 4;
    /// Where in the bytes of a row the high-water mark is.
    pub const HIGH_WATER_BYTES: core::ops::Range<usize> = 10..12;
    /// Where in the bytes of a row the stack pointer is.
    pub const STACK_POINTER_BYTES: core::ops::Range<usize> = 12..16;
    /// Its state when it could run.
    pub const READY: u8 = 1;
    /// Its state when it waited: for a time or for a message.
    pub const WAITING: u8 = 2;
    /// It was the one that ran.
    pub const RAN: u8 = 1 << 0;
    /// It may not do everything.
    pub const UNPRIVILEGED: u8 = 1 << 1;
    /// Its stack came from the heap.
    pub const FROM_HEAP: u8 = 1 << 2;
    /// Bytes of the unit in which sizes are kept.
    const UNIT: u32 = 8;

    /// The row as words.
    #[must_use]
    pub const fn to_words(self) -> [u32; Self::WORDS] {
        let thread = match self.thread {
            Some(thread) => thread.code(),
            None => 0,
        };
        let codes = u32::from_le_bytes([thread, self.state, self.priority, self.flags]);
        let sizes = in_units(self.stack_size) | in_units(self.high_water) << 16;
        [codes, self.stack_start, sizes, self.stack_pointer]
    }

    /// The row of some words.
    #[must_use]
    pub const fn from_words(words: [u32; Self::WORDS]) -> Self {
        let [codes, stack_start, sizes, stack_pointer] = words;
        let [thread, state, priority, flags] = codes.to_le_bytes();
        Self {
            thread: Thread::from_code(thread),
            state,
            priority,
            flags,
            stack_start,
            stack_size: (sizes & 0xFFFF) * Self::UNIT,
            high_water: (sizes >> 16) * Self::UNIT,
            stack_pointer,
        }
    }
}

const fn in_units(bytes: u32) -> u32 {
    let units = bytes / ThreadRow::UNIT;
    if units > 0xFFFF { 0xFFFF } else { units }
}

/// One area of memory and whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Neighbour {
    /// Whose; nothing if the word is none of this version's.
    pub owner: Option<Owner>,
    /// First address.
    pub start: u32,
    /// First address behind.
    pub end: u32,
}

impl Neighbour {
    /// Words of a row.
    pub const WORDS: usize = 3;

    /// The row as words.
    #[must_use]
    pub const fn to_words(self) -> [u32; Self::WORDS] {
        let owner = match self.owner {
            Some(owner) => owner.to_word(),
            None => 0,
        };
        [owner, self.start, self.end]
    }

    /// The row of some words.
    #[must_use]
    pub const fn from_words([owner, start, end]: [u32; Self::WORDS]) -> Self {
        Self { owner: Owner::from_word(owner), start, end }
    }
}

/// The head of a window of the stack; the words of the stack follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StackWindow {
    /// The stack pointer.
    pub pointer: u32,
    /// Address of the first word that follows.
    pub start: u32,
}

impl StackWindow {
    /// Words in front of those of the stack.
    pub const HEAD_WORDS: usize = 2;
}
