//! Words of the heap written over, each in the ways that a program can.
//!
//! After each the image goes on with the operation that would rely on the word. The heap must find
//! it first and end the boot; what returns from here was not noticed.

use super::blocks;
use super::words::{read, write};
use core::ops::ControlFlow;
use crashrig_layout::Capabilities;
use crashrig_memory::heap::{Alignment, Level};
use crashrig_port::heap;
use crashrig_wire::HeapDamage;

const CAPS: Capabilities = Capabilities::DEFAULT;
/// With what the heap puts around them, a multiple of eight: nothing is left over behind.
const BLOCK_BYTES: u32 = 28;
/// The size word of the end mark: a block in use of nothing but its header.
const END_WORD: u32 = 8;
/// What the heap keeps in front of a block.
const BEFORE_BYTES: u32 = heap::HeapLevel::PAYLOAD_OFFSET_BYTES;

fn allocate(size_bytes: u32) -> Option<u32> {
    heap::allocate(size_bytes, Alignment::NATURAL, CAPS).ok()
}

/// Words that are written over, from the first in one direction, and who asks for what then.
struct Damage {
    first: u32,
    words: u32,
    is_upward: bool,
    next: Next,
}

enum Next {
    Release(u32),
    Allocate,
}

/// Writes over a word of the heap, and asks the heap for what needs it.
#[inline(never)]
pub fn corrupt(code: u32) {
    let damage = u8::try_from(code).ok().and_then(HeapDamage::from_code);
    let Some(Damage { first, words, is_upward, next }) = damage.and_then(plan) else {
        return defmt::error!("no such word in this heap");
    };
    for index in 0..words {
        let address = if is_upward { first + 4 * index } else { first - 4 * index };
        write(address, HeapDamage::FIRST + index);
    }
    match next {
        Next::Release(block) => _ = blocks::free(block),
        Next::Allocate => _ = allocate(BLOCK_BYTES),
    }
}

fn plan(damage: HeapDamage) -> Option<Damage> {
    use HeapDamage as It;
    match damage {
        It::NextLinkStray | It::PreviousLinkStray | It::ListHeadStray => plan_for_links(damage),
        It::EndMarkOverrun | It::EndMarkStray => plan_for_end(damage),
        _ => plan_for_neighbours(damage),
    }
}

/// Of three blocks side by side the one in the middle is damaged, or the canary behind the first.
fn plan_for_neighbours(damage: HeapDamage) -> Option<Damage> {
    let [below, block, _] = side_by_side()?;
    let header = block - BEFORE_BYTES;
    let behind = below + BLOCK_BYTES;
    let plan = |first, words, is_upward, next| Some(Damage { first, words, is_upward, next });
    let release = Next::Release(block);
    match damage {
        HeapDamage::TailCanaryOverrun => plan(behind, 1, true, Next::Release(below)),
        HeapDamage::TailCanaryStray => plan(block + BLOCK_BYTES, 1, true, release),
        HeapDamage::HeadCanaryUnderrun => plan(block - 4, 1, false, release),
        HeapDamage::HeadCanaryStray => plan(block - 4, 1, true, release),
        HeapDamage::AskedSizeStray => plan(block - 8, 1, true, release),
        HeapDamage::OwnerStray if heap::HeapLevel::IS_TRACKED => {
            plan(block - heap::HeapLevel::PREFIX_BYTES, 1, true, release)
        }
        HeapDamage::SizeOverrun => plan(behind, 2, true, release),
        HeapDamage::SizeUnderrun => plan(block - 4, 4, false, release),
        HeapDamage::SizeStray => plan(header, 1, true, release),
        HeapDamage::PreviousSizeUnderrun => plan(block - 4, 3, false, release),
        HeapDamage::PreviousSizeStray => plan(header + 4, 1, true, release),
        HeapDamage::UseAfterFree => {
            blocks::free(block).ok()?;
            plan(block, 1, true, Next::Allocate)
        }
        _ => None,
    }
}

/// Two blocks of one size are free, between others that are not: the one that was released last
/// leads to the other one.
fn plan_for_links(damage: HeapDamage) -> Option<Damage> {
    let [_, first, _] = side_by_side()?;
    let [_, last, _] = side_by_side()?;
    blocks::free(first).ok()?;
    blocks::free(last).ok()?;
    let header = |block| free_block(block).map(|block| block - BEFORE_BYTES);
    let first = match damage {
        HeapDamage::NextLinkStray => header(last)? + 8,
        HeapDamage::PreviousLinkStray => header(first)? + 12,
        _ => {
            let head = header(last)?;
            heap::state().step_by(4).find(|address| read(*address) == head)?
        }
    };
    Some(Damage { first, words: 1, is_upward: true, next: Next::Allocate })
}

/// The largest block that there is ends where its region does.
fn plan_for_end(damage: HeapDamage) -> Option<Damage> {
    let size_bytes = heap::totals(CAPS).ok()?.largest_free_block;
    let block = allocate(size_bytes)?;
    let end = block + size_bytes + heap::HeapLevel::TAIL_BYTES;
    if read(end) != END_WORD {
        return None;
    }
    let next = Next::Release(block);
    Some(if damage == HeapDamage::EndMarkOverrun {
        Damage { first: block + size_bytes, words: 3, is_upward: true, next }
    } else {
        Damage { first: end + 4, words: 1, is_upward: true, next }
    })
}

fn side_by_side() -> Option<[u32; 3]> {
    let stride_bytes = heap::HeapLevel::block_bytes(BLOCK_BYTES)?;
    let first = allocate(BLOCK_BYTES)?;
    let (second, third) = (allocate(BLOCK_BYTES)?, allocate(BLOCK_BYTES)?);
    let are_neighbours = second == first + stride_bytes && third == second + stride_bytes;
    are_neighbours.then_some([first, second, third])
}

/// An address, if the walk of the heap shows it as that of a free block.
fn free_block(address: u32) -> Option<u32> {
    let mut found = None;
    let walked = heap::walk(CAPS, |block| {
        if block.is_free && block.address == address {
            found = Some(block.address);
        }
        ControlFlow::Continue(())
    });
    walked.ok().and(found)
}
