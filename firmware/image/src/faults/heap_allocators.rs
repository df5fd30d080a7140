//! The heap behind Rust's own allocator traits, as an application uses it. Nothing breaks.

use crate::observe::note;
use alloc::boxed::Box;
use alloc::vec::Vec;
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

/// Memory has the capabilities that its allocator names, and there is none where none has them.
fn capabilities_are_kept() -> bool {
    use allocator_api2::boxed::Box;
    use allocator_api2::vec::Vec;
    const CAPS: Capabilities = Capabilities::DMA.union(Capabilities::BYTE);
    let free = || heap::totals(CAPS).map_or(0, |totals| totals.free_bytes);
    let before = free();
    let lines = Box::new_in(Lines([9; 128]), Capable(CAPS));
    let mut held = is_aligned(&raw const *lines) && free() + 128 <= before;
    let mut numbers = Vec::new_in(Capable(CAPS));
    for number in 0..COUNT {
        numbers.push(number);
    }
    numbers.shrink_to(8);
    held &= numbers.iter().copied().eq(0..COUNT) && lines.0 == [9; 128];
    numbers.clear();
    numbers.shrink_to_fit();
    let mut nowhere = Vec::<u8, _>::new_in(Capable(Capabilities::INVALID));
    held &= nowhere.try_reserve(1).is_err();
    drop((lines, numbers));
    held && free() == before
}
