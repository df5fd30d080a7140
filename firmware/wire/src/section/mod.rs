//! Tier 2 of a crash record: sections behind its 256 bytes, up to 1,152 bytes in all.
//!
//! A section is a head word and whole words of payload. The head holds the section's code in bits 0
//! to 6, whether it was cut short in bit 7, its length in words in bits 8 to 15, and a CRC-16 in
//! bits 16 to 31, over the sequence of the record, the payload, and the low half of the head. A
//! head of zero ends the list.
//!
//! Each is sealed by itself and bound to its record by the sequence, so that what an older record
//! has left in the slot never counts. A writer ends the list before it begins: a reset at any word
//! leaves sound sections and an end. A reader that meets a damaged head looks for the next sound
//! one, so that damage costs the section that it is in and no other. Tier 1 does not depend on any
//! of this.

mod class;
mod content;
mod read;
mod transfer;
mod write;

pub use class::{SECTION_CLASSES, SectionClass};
pub use content::{
    Allocation, BrokenBlock, ErrorRow, FailedAllocation, Float, HeapRow, Interrupts, Neighbour,
    ProtectionRegion, StackWindow, ThreadRow,
};
pub use read::{SectionReading, sections};
pub use transfer::TransferRow;
pub use write::{SectionWriter, WordSink};

use crate::field::RECORD_LENGTH;

/// Bytes from the start of a slot to the first section.
pub const SECTIONS_OFFSET: usize = RECORD_LENGTH;
/// Bytes of a slot that a record with sections takes at most.
pub const TIER_2_LENGTH: usize = 1152;

crate::names::closed_list! {
    /// What a section says.
    Section, "section";
    /// Floating-point state: FPCCR, FPCAR, FPSCR.
    Float = 1, "float";
    /// The MPU: control, then base and attributes of each region.
    Protection = 2, "protection";
    /// Which interrupts were active, pending and enabled.
    Interrupts = 3, "interrupts";
    /// The threads there were, by slot.
    Threads = 4, "threads";
    /// The areas around the fault address: below, its own, above.
    Neighbours = 5, "neighbours";
    /// The regions of the heap.
    Heaps = 6, "heaps";
    /// The first word of the heap's own that was found wrong; or the entry of the vector table that
    /// is.
    BrokenBlock = 7, "broken-block";
    /// The last allocations and releases, oldest first.
    Allocations = 8, "allocations";
    /// The causes of the last resets as the chip gives them, this boot's first.
    ResetCauses = 9, "reset-causes";
    /// The first and the last error of this boot that were no crash.
    Errors = 10, "errors";
    /// The end of the log: encoded frames, each ended by a zero byte; zeros fill the last word.
    LogTail = 11, "log-tail";
    /// The last allocation that could not be served.
    FailedAllocation = 13, "failed-allocation";
    /// The last DMA transfers, oldest first.
    Transfers = 14, "transfers";
    /// The stack around its pointer, the bytes below it included.
    StackWindow = 12, "stack-window";
}

/// Threads in the table of threads at most.
pub const THREAD_ROWS: usize = 8;
/// Regions of the MPU at most.
pub const PROTECTION_ROWS: usize = 8;
/// Words of each set of interrupts: 96 of them.
pub const INTERRUPT_WORDS: usize = 3;
/// Regions of the heap at most.
pub const HEAP_ROWS: usize = 4;
/// Allocations at most.
pub const ALLOCATION_ROWS: usize = 4;
/// DMA transfers at most.
pub const TRANSFER_ROWS: usize = 4;
/// Boots whose reset cause is kept, this one included.
pub const RESET_CAUSES: usize = 4;
/// Bytes of the log's tail.
pub const LOG_TAIL_BYTES: usize = 96;
/// Bytes of the stack below its pointer: an overflow shows there.
pub const WINDOW_BELOW_BYTES: u32 = 32;
/// Bytes of the stack from its pointer up, if there is room.
pub const WINDOW_ABOVE_BYTES: u32 = 256;
/// Bytes of the stack from its pointer up that there always is room for.
pub const WINDOW_ABOVE_SURE_BYTES: usize = 72;

/// All sections at their largest fit, the end of the list included.
const _: () = {
    let words = [
        Float::WORDS,
        1 + PROTECTION_ROWS * ProtectionRegion::WORDS,
        Interrupts::WORDS,
        THREAD_ROWS * ThreadRow::WORDS,
        3 * Neighbour::WORDS,
        HEAP_ROWS * HeapRow::WORDS,
        BrokenBlock::WORDS,
        ALLOCATION_ROWS * Allocation::WORDS,
        RESET_CAUSES,
        2 * ErrorRow::WORDS,
        LOG_TAIL_BYTES / 4,
        FailedAllocation::WORDS,
        TRANSFER_ROWS * TransferRow::WORDS,
        StackWindow::HEAD_WORDS + (WINDOW_BELOW_BYTES as usize + WINDOW_ABOVE_SURE_BYTES) / 4,
    ];
    assert!(words.len() == Section::ALL.len());
    let (mut sum, mut rest) = (1, words.as_slice());
    while let [first, others @ ..] = rest {
        sum += 1 + *first;
        rest = others;
    }
    assert!(SECTIONS_OFFSET + 4 * sum <= TIER_2_LENGTH, "the sections fit");
};

const CUT_SHORT: u32 = 1 << 7;

/// The head of a section.
const fn head(code: u8, cut_short: bool, words: u8) -> u32 {
    code as u32 | if cut_short { CUT_SHORT } else { 0 } | (words as u32) << 8
}
