//! The heap of this device: what static data leave of main RAM.
//!
//! Which regions that is and what they can be used for comes from the chip file. Other RAM (CCM,
//! backup SRAM) is not part of it yet.

use crate::platform;
use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::ops::Range;
use crashrig_layout::{Capabilities, Region, RegionKind};
use crashrig_memory::heap::{AddressError, Alignment, AllocationError, Corruption, Heap, Totals};
use crashrig_memory::words::Words;

/// Regions that the heap can have.
pub const REGION_LIMIT: usize = 4;

type Memory = Heap<HeapWords, REGION_LIMIT>;

/// The words between the two ends of the heap. Others read as 0, and what is written there is lost.
#[derive(Debug)]
struct HeapWords;

impl HeapWords {
    fn pointer(address: u32) -> Option<*mut u32> {
        let inside = platform::heap_start() <= address && address < platform::heap_end();
        let inside = inside && address.is_multiple_of(4);
        inside.then(|| core::ptr::with_exposed_provenance_mut(address as usize))
    }
}

impl Words for HeapWords {
    fn read(&self, address: u32) -> u32 {
        Self::pointer(address).map_or(0, |pointer| {
            // SAFETY: aligned, and inside of RAM that the linker script keeps free for the heap.
            unsafe { pointer.read_volatile() }
        })
    }

    fn write(&mut self, address: u32, word: u32) {
        if let Some(pointer) = Self::pointer(address) {
            // SAFETY: as above; the heap writes only what is its own.
            unsafe { pointer.write_volatile(word) }
        }
    }
}

struct Cell(UnsafeCell<MaybeUninit<Memory>>);

// SAFETY: only `with` reaches it, with interrupts masked.
unsafe impl Sync for Cell {}

/// A heap without regions, in flash: it is copied into place, since it is too large for a stack.
static EMPTY: Memory = Heap::new(HeapWords);

#[unsafe(link_section = ".upper.heap")]
static HEAP: Cell = Cell(UnsafeCell::new(MaybeUninit::uninit()));

/// Lets nobody else at the heap for as long as `work` takes. Not to be nested.
fn with<R>(work: impl FnOnce(&mut Memory) -> R) -> R {
    critical_section::with(|_| {
        let heap = HEAP.0.get().cast::<Memory>();
        // SAFETY: `start` has filled the cell; interrupts are masked and no caller nests, so the
        // reference is the only one.
        work(unsafe { &mut *heap })
    })
}

/// Gives the heap its regions, on the main stack. Interrupts are masked; nothing has been allocated
/// yet.
pub(crate) fn start() {
    // SAFETY: nobody uses the heap before this; `EMPTY` owns nothing, so a copy of it is another
    // empty heap.
    unsafe { core::ptr::copy_nonoverlapping(&raw const EMPTY, HEAP.0.get().cast(), 1) };
    for (place, region) in places() {
        // Nothing that can be written is executable here.
        let caps = region.capabilities.without(Capabilities::EXEC);
        let priorities = [caps, Capabilities::NONE, Capabilities::NONE];
        // A region that is too small to hold a block is left out.
        let _ = with(|heap| heap.add_region(place.start, place.end - place.start, priorities));
    }
}

/// What the heap has of the chip's regions, each with its region.
fn places() -> impl Iterator<Item = (Range<u32>, &'static Region)> {
    let (heap_start, heap_end) = (platform::heap_start(), platform::heap_end());
    platform::platform().regions.iter().filter(|region| region.kind == RegionKind::Ram).filter_map(
        move |region| {
            let end = region.start + region.size_bytes;
            let place = region.start.max(heap_start)..end.min(heap_end);
            (place.start < place.end).then_some((place, region))
        },
    )
}

/// Hands out memory.
///
/// # Errors
/// As [`Heap::allocate_aligned`].
pub fn allocate(
    size_bytes: u32,
    alignment: Alignment,
    caps: Capabilities,
) -> Result<u32, AllocationError> {
    with(|heap| heap.allocate_aligned(size_bytes, alignment, caps))
}

/// Takes memory back; how many bytes it was.
///
/// # Errors
/// As [`Heap::free`].
pub fn free(address: u32) -> Result<u32, AddressError> {
    with(|heap| heap.free(address))
}

/// Sums over the regions with all of `caps`.
///
/// # Errors
/// A word of the heap's own is wrong.
pub fn totals(caps: Capabilities) -> Result<Totals, Corruption> {
    with(|heap| heap.totals(caps))
}

/// Checks every header and link.
///
/// # Errors
/// The first word found wrong.
pub fn check_integrity() -> Result<(), Corruption> {
    with(|heap| heap.check_integrity())
}
