//! The memory that the heap has: what is left at start-up, and what is added to it later.
//!
//! A region whose clock is off is not touched, and so not part of the heap: a part without that
//! memory, an emulator that does not model it. One that is switched on by demand, as backup SRAM
//! is, comes to the heap by whoever adds it.

use super::REGION_LIMIT;
use super::store::{empty, with};
use crate::{backup, clock, platform};
use core::ops::Range;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use crashrig_layout::{AdditionError, Capabilities, HeapMap, PRIORITIES, Piece, Region};
use crashrig_memory::heap::RegionError;

/// Why a region was not added. The heap is as before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddRegionError {
    /// The memory is not there, is not free, or cannot do what is asked for.
    Memory(AdditionError),
    /// A clock that the memory needs is off.
    ClockOff,
    /// The heap has it, or part of it, or has no place for it.
    Heap(RegionError),
}

/// First address and first address behind each region, by its index; 0 and 0 where there is none.
#[unsafe(link_section = ".upper.heap_places")]
static PLACES: [[AtomicU32; 2]; REGION_LIMIT] =
    [const { [const { AtomicU32::new(0) }; 2] }; REGION_LIMIT];

/// Whether the heap has its regions.
#[unsafe(link_section = ".upper.heap_started")]
static STARTED: AtomicBool = AtomicBool::new(false);

/// Whether the heap has its regions.
pub(super) fn started() -> bool {
    STARTED.load(Ordering::Relaxed)
}

fn ranges() -> impl Iterator<Item = Range<u32>> {
    PLACES.iter().map(|[start, end]| start.load(Ordering::Relaxed)..end.load(Ordering::Relaxed))
}

/// Whether a region of the heap has an address.
pub(super) fn contain(address: u32) -> bool {
    ranges().any(|range| range.contains(&address))
}

/// The first address of a region, by its index.
pub(super) fn start_of(index: usize) -> Option<u32> {
    ranges().nth(index).filter(|range| !range.is_empty()).map(|range| range.start)
}

/// Whether memory of a region of the chip is the heap's.
pub(crate) fn has_some_of(region: &Region) -> bool {
    ranges().any(|range| !range.is_empty() && region.contains(range.start))
}

/// Gives the heap its regions, on the main stack, but for those with a stack of start-up.
/// Interrupts are masked; nothing has been allocated yet.
pub(crate) fn start() {
    empty();
    add_left_over(false);
    STARTED.store(true, Ordering::Relaxed);
}

/// Gives the heap the regions with stacks of start-up, which nothing uses any more. How many there
/// are.
pub fn release_startup_stacks() -> usize {
    add_left_over(true)
}

fn add_left_over(with_startup_stack: bool) -> usize {
    let pieces: [_; REGION_LIMIT] = with_map(|map| map.by_size());
    // Who switches a region on adds it; the port itself switches on what is on a battery.
    let of_kind = |piece: &Piece| {
        piece.region.startup_stack == with_startup_stack && !clock::is_on_demand(piece.region.name)
    };
    // What has no memory behind it, or no place in the heap, is left out.
    pieces.into_iter().flatten().filter(of_kind).filter(|piece| add(piece).is_ok()).count()
}

/// Adds memory while the program runs, for what the chip file says it can be used for. It is never
/// taken away again. Answers the index of the region.
///
/// # Errors
/// The range is none of free RAM that is switched on, or the heap cannot take it.
///
/// # Safety
/// Where the range is in one that the heap has handed out, that one is the caller's, who does not
/// use it any more and never gives it back. Nobody else uses the range.
pub unsafe fn add_region(start: u32, end: u32) -> Result<usize, AddRegionError> {
    add_checked(start, end, None)
}

/// As [`add_region`], for other uses: capabilities in three priorities. One that the memory does
/// not have is refused.
///
/// # Errors
/// As for `add_region`.
///
/// # Safety
/// As for `add_region`.
pub unsafe fn add_region_with(
    start: u32,
    end: u32,
    capabilities: [Capabilities; PRIORITIES],
) -> Result<usize, AddRegionError> {
    add_checked(start, end, Some(capabilities))
}

fn add_checked(
    start: u32,
    end: u32,
    capabilities: Option<[Capabilities; PRIORITIES]>,
) -> Result<usize, AddRegionError> {
    let piece = with_map(|map| map.addition(start, end, capabilities));
    add(&piece.map_err(AddRegionError::Memory)?)
}

fn add(piece: &Piece) -> Result<usize, AddRegionError> {
    if !clock::is_region_on(piece.region.name) {
        return Err(AddRegionError::ClockOff);
    }
    let &Piece { start, size_bytes, capabilities, .. } = piece;
    with(|heap| {
        // The heap's words are those of its places, so the place comes first, and goes if the heap
        // refuses.
        let free = PLACES.iter().find(|[_, end]| end.load(Ordering::Relaxed) == 0);
        if let Some([first, end]) = free {
            first.store(start, Ordering::Relaxed);
            end.store(start.saturating_add(size_bytes), Ordering::Relaxed);
        }
        let added = heap.add_region(start, size_bytes, capabilities);
        if let (Err(_), Some(place)) = (&added, free) {
            place.iter().for_each(|word| word.store(0, Ordering::Relaxed));
        }
        added.map_err(AddRegionError::Heap)
    })
}

/// What the heap may have of the chip's RAM: what is neither static nor crash region nor history.
fn with_map<R>(work: impl FnOnce(HeapMap<'_>) -> R) -> R {
    let crash_start = platform::crash_start();
    let occupied = [
        platform::ram_start()..platform::heap_start(),
        platform::heap_end()..platform::ram_end(),
        crash_start..crash_start + platform::crash_size_bytes(),
        backup::taken(),
    ];
    let platform = platform::platform();
    work(HeapMap {
        regions: platform.regions,
        occupied: &occupied,
        executable: platform.executable_ram,
    })
}
