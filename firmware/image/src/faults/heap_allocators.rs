//! The heap behind Rust's own allocator traits, as an application uses it. Nothing breaks.

use crate::observe::note;
use alloc::boxed::Box;
use alloc::vec::Vec;
use allocator_api2::alloc::Allocator;
use core::alloc::Layout;
use core::ptr::NonNull;
use crashrig_layout::Capabilities;
use crashrig_port::heap::Capable;
use crashrig_port::{errors, heap};
use crashrig_wire::Observation;
use crashrig_wire::status::Misuse;

#[global_allocator]
static ALLOCATOR: heap::Global = heap::Global;

/// More than any region has.
const TOO_MUCH: usize = 0x100_0000;
const COUNT: u32 = 100;

/// Two lines of a cache, and more than the heap aligns by itself.
#[repr(align(64))]
struct Lines([u8; 128]);

/// Runs every check; whatever they allocate they give back.
#[inline(never)]
pub fn check_all() {
    let free = || heap::totals(Capabilities::NONE).map(|totals| totals.free_bytes);
    let before = free();
    let checks = [
        ("boxes", boxes_are_aligned()),
        ("vectors", vectors_grow_and_shrink()),
        ("zeros", zeros_are_zero()),
        ("failures", failures_are_null()),
        ("capabilities", capabilities_are_kept()),
    ];
    for (what, _) in checks.iter().filter(|(_, held)| !held) {
        defmt::error!("{=str} did not hold", what);
    }
    let sound = heap::check_integrity().is_ok() && free() == before;
    note(Observation::HeapServices, sound && checks.iter().all(|(_, held)| *held));
}

fn is_aligned(pointer: *const Lines) -> bool {
    pointer.addr().is_multiple_of(align_of::<Lines>())
}

fn boxes_are_aligned() -> bool {
    let word = Box::new(0x5EED_B10C_u32);
    let boxes = [1, 2, 3].map(|fill| Box::new(Lines([fill; 128])));
    let are_theirs = (1..)
        .zip(&boxes)
        .all(|(fill, it)| is_aligned(&raw const **it) && it.0.iter().all(|byte| *byte == fill));
    let is_the_heaps = heap::size_of((&raw const *word).addr() as u32).is_ok();
    are_theirs && is_the_heaps && *word == 0x5EED_B10C
}

fn vectors_grow_and_shrink() -> bool {
    let mut numbers = Vec::new();
    // A block in between now and then, so that growth has to move.
    let mut fences = Vec::new();
    for number in 0..COUNT {
        numbers.push(number);
        if number % 16 == 0 {
            fences.push(Box::new(number));
        }
    }
    let mut held = numbers.iter().copied().eq(0..COUNT);
    numbers.truncate(8);
    let place = numbers.as_ptr();
    numbers.shrink_to_fit();
    held &= numbers.as_ptr() == place && numbers.capacity() < 16;
    held && numbers.iter().copied().eq(0..8)
        && fences.iter().map(|it| **it).eq((0..COUNT).step_by(16))
}

fn zeros_are_zero() -> bool {
    drop(alloc::vec![0xA5_u8; 333]);
    alloc::vec![0_u8; 333].iter().all(|byte| *byte == 0)
}

/// A failure is an error to who can take one, and a warning as always; what was there stays.
fn failures_are_null() -> bool {
    let mut bytes = alloc::vec![7_u8; 24];
    let warnings = errors::count();
    let mut held = bytes.try_reserve_exact(TOO_MUCH).is_err();
    held &= Vec::<u64>::new().try_reserve_exact(TOO_MUCH).is_err();
    let last = errors::last().map(|context| context.status);
    held &= errors::count() == warnings + 2 && last == Some(Misuse::AllocationFailed.status());
    held && bytes == [7; 24]
}

/// Memory has the capabilities that its allocator names, and keeps what it holds when resized;
/// there is none where none has them.
fn capabilities_are_kept() -> bool {
    const CAPS: Capabilities = Capabilities::DMA.union(Capabilities::BYTE);
    let free = || heap::totals(CAPS).map_or(0, |totals| totals.free_bytes);
    let before = free();
    let (lines, longer) = (Layout::new::<Lines>(), Layout::new::<[Lines; 3]>());
    let Ok(block) = Capable(CAPS).allocate_zeroed(lines) else { return false };
    let is_zero = is_zero(block) && is_aligned(block.as_ptr().cast());
    let mut held = is_zero && block.len() == lines.size() && free() + 128 <= before;
    // SAFETY: the block is of this allocator and layout, and the new one is larger.
    let Ok(block) = (unsafe { Capable(CAPS).grow(block.cast(), lines, longer) }) else {
        return false;
    };
    held &= is_aligned(block.as_ptr().cast()) && block.len() == longer.size();
    let place = block.cast::<u8>();
    // SAFETY: as above, and the new one is smaller.
    let Ok(block) = (unsafe { Capable(CAPS).shrink(place, longer, lines) }) else { return false };
    held &= is_zero_and_at(block, place);
    // SAFETY: the block is of this allocator and layout, and nobody uses it any more.
    unsafe { Capable(CAPS).deallocate(block.cast(), lines) };
    held &= Capable(CAPS).allocate(Layout::new::<()>()).is_ok_and(|nothing| nothing.is_empty());
    held && Capable(Capabilities::INVALID).allocate(lines).is_err() && free() == before
}

fn is_zero(block: NonNull<[u8]>) -> bool {
    // SAFETY: the allocator has handed out all of the block, zeroed, and nobody else has it.
    unsafe { block.as_ref() }.iter().all(|byte| *byte == 0)
}

/// What was zero before it grew still is, where it was before it shrank.
fn is_zero_and_at(block: NonNull<[u8]>, place: NonNull<u8>) -> bool {
    block.cast() == place && is_zero(block)
}
