//! The memory of a kind used up, or in pieces that are too small, and what the heap says and does.
//!
//! Blocks are kept in chains: each holds the address of the one before, so there is no limit to
//! their number, and freeing them shows that none was touched.

use super::blocks;
use super::words::{read, write};
use core::sync::atomic::{AtomicU32, Ordering};
use crashrig_layout::Capabilities;
use crashrig_memory::heap::{Alignment, Level, Totals};
use crashrig_port::heap::{self, Failure};

/// How the memory is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// All of it.
    Full,
    /// In pieces of [`PIECE_BYTES`], of which every second is free.
    InPieces,
}

const PIECE_BYTES: u32 = 64;
/// More than a piece.
const TOO_LARGE_BYTES: u32 = 1000;
/// What the first block of a chain holds: no address of a block.
pub const NONE: u32 = 1;

/// Size, capabilities and largest free block of the last failure that was told.
static TOLD: [AtomicU32; 3] = [const { AtomicU32::new(0) }; 3];

fn tell(failure: &Failure) {
    let &Failure { size_bytes, capabilities, largest_free_block, .. } = failure;
    for (place, word) in TOLD.iter().zip([size_bytes, capabilities.bits(), largest_free_block]) {
        place.store(word, Ordering::Relaxed);
    }
}

/// Uses up what has some capabilities, sees that a failure changes nothing, and has another one end
/// the boot.
#[inline(never)]
pub fn exhaust(bits: u32, shape: Shape) {
    let Some(caps) = Capabilities::from_bits(bits) else { return };
    if !failure_changes_nothing(caps, shape) {
        return defmt::error!("the heap was not as before");
    }
    let _ = fill(caps, shape);
    heap::set_abort_on_failure(true);
    let _ = allocate(request(shape).0, caps);
}

/// A request that must fail, and the largest block that is free then.
fn request(shape: Shape) -> (u32, u32) {
    match shape {
        Shape::Full => (8, 0),
        Shape::InPieces => {
            let block_bytes = heap::HeapLevel::block_bytes(PIECE_BYTES).unwrap_or(0);
            (TOO_LARGE_BYTES, heap::HeapLevel::usable_bytes(block_bytes))
        }
    }
}

fn failure_changes_nothing(caps: Capabilities, shape: Shape) -> bool {
    let before = state(Capabilities::NONE);
    let Some(chains) = fill(caps, shape) else { return false };
    let filled = state(caps);
    let (size_bytes, largest) = request(shape);
    heap::set_failure_hook(Some(tell));
    let refused = allocate(size_bytes, caps).is_none();
    heap::set_failure_hook(None);
    let told = TOLD.each_ref().map(|word| word.load(Ordering::Relaxed));
    let enough = match shape {
        Shape::Full => filled.free_bytes == 0 && filled.free_blocks == 0,
        Shape::InPieces => filled.free_bytes > size_bytes,
    };
    let intact = state(caps) == filled && heap::check_integrity().is_ok();
    let freed = chains.map(release) == [true; 2];
    let whole = state(Capabilities::NONE) == before && heap::check_integrity().is_ok();
    defmt::info!("{=u32} bytes free when {=u32} were refused", filled.free_bytes, size_bytes);
    refused && told == [size_bytes, caps.bits(), largest] && enough && intact && freed && whole
}

/// The numbers that allocating and freeing bring back to what they were.
pub fn state(caps: Capabilities) -> Totals {
    let totals = heap::totals(caps).unwrap_or_default();
    Totals { minimum_free_bytes: 0, failed_allocations: 0, ..totals }
}

/// Takes memory until there is none, in one chain or in two.
fn fill(caps: Capabilities, shape: Shape) -> Option<[u32; 2]> {
    let sizes = |sizes: &[u32]| sizes.iter().fold(NONE, |chain, size| take_all(*size, caps, chain));
    Some(match shape {
        Shape::Full => [sizes(&[2048, 256, 8, 4]), NONE],
        Shape::InPieces => {
            let pieces = sizes(&[PIECE_BYTES]);
            let rest = sizes(&[8, 4]);
            [release_every_second(pieces)?, rest]
        }
    })
}

/// Puts blocks before a chain until there is no more memory.
pub fn take_all(size_bytes: u32, caps: Capabilities, mut chain: u32) -> u32 {
    while let Some(block) = allocate(size_bytes, caps) {
        write(block, chain);
        chain = block;
    }
    chain
}

/// The chain of those that are left.
fn release_every_second(mut chain: u32) -> Option<u32> {
    let mut kept = NONE;
    while chain != NONE {
        let next = read(chain);
        write(chain, kept);
        kept = chain;
        if next == NONE {
            break;
        }
        chain = read(next);
        blocks::free(next).ok()?;
    }
    Some(kept)
}

/// Gives back all blocks of a chain.
pub fn release(mut chain: u32) -> bool {
    while chain != NONE {
        let next = read(chain);
        if blocks::free(chain).is_err() {
            return false;
        }
        chain = next;
    }
    true
}

fn allocate(size_bytes: u32, caps: Capabilities) -> Option<u32> {
    heap::allocate(size_bytes, Alignment::NATURAL, caps).ok()
}
