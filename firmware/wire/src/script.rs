//! Host and device in turns: batches of requests to a heap of the device, and of its answers.
//!
//! A device that was told to carry out the fault `heap-script` answers the empty batch 0, and
//! then each batch of requests by one of answers with the same number. Either side writes one
//! block, found by its symbol, and polls the other's; a batch that is just being written does not
//! read, since its CRC is wrong. `memory` and `port` never name anything of this.
//!
//! The reader is total and trusts no length: whatever lies there gives a batch or nothing.

mod batch;
mod entry;

pub use batch::{Batch, Entry, number_in, read, write};
pub use entry::{Request, Response};

/// ELF symbol of the block that the host writes.
pub const REQUESTS_SYMBOL: &str = "CRASHRIG_SCRIPT_REQUESTS";
/// ELF symbol of the block that the device writes.
pub const RESPONSES_SYMBOL: &str = "CRASHRIG_SCRIPT_RESPONSES";
/// Most entries of a batch.
pub const BATCH_LIMIT: usize = 32;
/// Bytes of the block of requests.
pub const REQUESTS_LENGTH: usize = batch::length(BATCH_LIMIT, Request::LENGTH);
/// Bytes of the block of answers.
pub const RESPONSES_LENGTH: usize = batch::length(BATCH_LIMIT, Response::LENGTH);

/// How many blocks a script can hold at a time.
pub const SLOT_COUNT: usize = 64;
/// How many regions the heap of a script can have.
pub const REGION_LIMIT: usize = 4;
/// Bytes of the one block that regions of a script lie in.
pub const ARENA_BYTES: u32 = 0xA000;
/// Its address is a multiple of this.
pub const ARENA_ALIGN_BYTES: u32 = 1024;
/// What every word of that block holds before a script's regions are made.
pub const ARENA_FILL: u32 = 0xA5A5_A5A5;
/// The byte that is written beyond a block on purpose.
pub const OVERRUN_BYTE: u8 = 0x66;
/// Most bytes that are written beyond a block.
pub const OVERRUN_LIMIT_BYTES: u32 = 64;

crate::names::closed_list! {
    /// What a script asks of the heap.
    Operation, "operation";
    /// Everything is given up; the heap begins anew, with a level and without regions.
    Open = 1, "open";
    /// The heap is given a region.
    Region = 2, "region";
    /// A block is allocated into an empty slot and filled.
    Allocate = 3, "allocate";
    /// The block of a slot is given another size; what it holds is checked, what is new filled.
    Reallocate = 4, "reallocate";
    /// What the block of a slot holds is checked, and the block given back.
    Free = 5, "free";
    /// Bytes beyond what was asked for in a slot are written over.
    Overrun = 6, "overrun";
    /// The integrity of the whole heap is checked.
    Check = 7, "check";
    /// The totals of some capabilities are asked for.
    Totals = 8, "totals";
    /// The script is over: the device ends its boot.
    Close = 9, "close";
}

crate::names::closed_list! {
    /// How much the heap of a script checks.
    ScriptLevel, "level";
    /// Nothing but a wrong address.
    Off = 0, "off";
    /// Headers, links and canaries.
    Light = 1, "light";
    /// As light, and the fill of free memory.
    Comprehensive = 2, "comprehensive";
}

crate::names::closed_list! {
    /// What came of a request.
    Outcome, "outcome";
    /// It was carried out.
    Done = 0, "done";
    /// No region could serve it.
    OutOfMemory = 1, "out-of-memory";
    /// A size of zero.
    ZeroSize = 2, "zero-size";
    /// No address can have this alignment.
    Alignment = 3, "alignment";
    /// Capabilities that no memory has together.
    Contradiction = 4, "contradiction";
    /// A word of the heap's own is wrong.
    Corrupt = 5, "corrupt";
    /// The heap says that the address lies in none of its regions.
    Foreign = 6, "foreign";
    /// The heap says that the address lies inside of a block.
    NotStartOfBlock = 7, "not-start-of-block";
    /// The heap says that the address lies in a free block.
    AlreadyFree = 8, "already-free";
    /// The block does not hold what was put there.
    ContentsLost = 9, "contents-lost";
    /// The slot holds no block.
    EmptySlot = 10, "empty-slot";
    /// The slot holds a block.
    BusySlot = 11, "busy-slot";
    /// The heap does not take this region.
    RegionRefused = 12, "region-refused";
    /// The request is beyond a bound of the protocol, or no heap is open.
    Refused = 13, "refused";
}

impl Outcome {
    /// Whether the heap itself was asked.
    #[must_use]
    pub const fn is_of_the_heap(self) -> bool {
        !matches!(self, Self::EmptySlot | Self::BusySlot | Self::Refused)
    }
}
