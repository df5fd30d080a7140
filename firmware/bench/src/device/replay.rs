//! Replays a trace against a heap, with a mark right before and right behind each call.
//!
//! It exists once in the image, not once for each heap, and is told at run time which it is. So the
//! instructions between two marks are the same for all but for those of the heap.

use super::allocator::Allocator;
use super::contents;
use super::exchange::{Kind, MARKS};
use super::place::Place;
use crate::trace::{Operation, Random, SLOTS, Trace};
use core::alloc::Layout;
use core::ptr::NonNull;

/// What stands in a slot of a trace.
#[derive(Debug, Clone, Copy)]
enum Slot {
    Empty,
    /// A request that found no memory. For the trace, the slot is in use.
    Refused,
    Block(NonNull<u8>, Layout),
}

static SLOTS_IN_USE: Place<[Slot; SLOTS]> = Place::new([Slot::Empty; SLOTS]);

/// Replays a trace. Answers how many steps it has; nothing, if a block did not keep what it held.
#[inline(never)]
pub fn replay(allocator: &mut dyn Allocator, trace: Trace) -> Option<u32> {
    // SAFETY: the only use in a boot.
    let slots = unsafe { SLOTS_IN_USE.take() };
    let mut random = Random::new();
    let mut step = 0;
    while let Some(operation) = trace(step, &mut random) {
        step += 1;
        let index = operation.slot;
        let Some(slot) = slots.get_mut(index) else { continue };
        if !is_kept(allocator, *slot, index) {
            return None;
        }
        match *slot {
            Slot::Empty => *slot = allocate(allocator, &operation),
            // What a program would have resized, it has not got.
            Slot::Refused if operation.is_resize => {}
            Slot::Refused => *slot = Slot::Empty,
            Slot::Block(block, layout) if operation.is_resize => {
                *slot = resize(allocator, &operation, block, layout);
                let kept_bytes = layout.size().min(operation.size_bytes);
                if let Slot::Block(block, _) = *slot
                    && !holds(allocator, block, kept_bytes, index)
                {
                    return None;
                }
            }
            Slot::Block(block, layout) => {
                *slot = Slot::Empty;
                MARKS.before(Kind::Free, index);
                // SAFETY: it stood in the slot since it was handed out for this layout.
                unsafe { allocator.free(block, layout) };
                MARKS.behind();
            }
        }
        write(allocator, *slot, index);
    }
    Some(step)
}

/// Whether a slot has what was written to it.
fn is_kept(allocator: &dyn Allocator, slot: Slot, index: usize) -> bool {
    match slot {
        Slot::Block(block, layout) => holds(allocator, block, layout.size(), index),
        Slot::Empty | Slot::Refused => true,
    }
}

fn holds(allocator: &dyn Allocator, block: NonNull<u8>, size_bytes: usize, index: usize) -> bool {
    // SAFETY: the block is in use, and `write` has filled it.
    !allocator.is_real() || unsafe { contents::are_kept(block, size_bytes, index) }
}

fn write(allocator: &dyn Allocator, slot: Slot, index: usize) {
    if let Slot::Block(block, layout) = slot
        && allocator.is_real()
    {
        // SAFETY: it was handed out for this layout, and nothing else is kept in it.
        unsafe { contents::write(block, layout, index) };
    }
}

fn allocate(allocator: &mut dyn Allocator, operation: &Operation) -> Slot {
    let Ok(layout) = Layout::from_size_align(operation.size_bytes, align_of::<usize>()) else {
        return Slot::Refused;
    };
    MARKS.before(Kind::Allocate, operation.slot);
    let block = allocator.allocate(layout);
    MARKS.behind();
    match block {
        Some(block) => Slot::Block(block, layout),
        None => {
            MARKS.failed();
            Slot::Refused
        }
    }
}

fn resize(
    allocator: &mut dyn Allocator,
    operation: &Operation,
    block: NonNull<u8>,
    layout: Layout,
) -> Slot {
    let Ok(wanted) = Layout::from_size_align(operation.size_bytes, layout.align()) else {
        return Slot::Block(block, layout);
    };
    MARKS.before(Kind::Resize, operation.slot);
    // SAFETY: it stood in the slot since it was handed out for this layout; no size is zero.
    let moved = unsafe { allocator.resize(block, layout, operation.size_bytes) };
    MARKS.behind();
    if moved.is_none() {
        MARKS.failed();
    }
    moved.map_or(Slot::Block(block, layout), |block| Slot::Block(block, wanted))
}

/// More blocks than there are bytes in the area: a heap that hands out more does not say no.
const FILL_LIMIT: u32 = 1 << 16;

/// Asks for blocks of one size until there is no more memory. Answers how many there were.
pub fn fill(allocator: &mut dyn Allocator, size_bytes: u32) -> u32 {
    let Ok(layout) = Layout::from_size_align(size_bytes as usize, align_of::<u64>()) else {
        return 0;
    };
    (0..FILL_LIMIT).take_while(|_| allocator.allocate(layout).is_some()).count() as u32
}
