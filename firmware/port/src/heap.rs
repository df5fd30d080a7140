//! The heap of this device: what static data leave of main RAM.
//!
//! Which regions that is and what they can be used for comes from the chip file. Other RAM (CCM,
//! backup SRAM) is not part of it yet.

mod history;

use crate::platform;
use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::ops::Range;
use core::sync::atomic::{AtomicBool, Ordering};
use crashrig_layout::{Capabilities, Region, RegionKind};
use crashrig_memory::heap::{
    AddressError, Alignment, AllocationError, Corruption, Expected, Heap, Light, Totals,
};
use crashrig_memory::words::Words;
use crashrig_wire::section::{
    Allocation, BrokenBlock, HEAP_ROWS, HeapRow, Section, SectionWriter, WordSink,
};

/// Regions that the heap can have.
pub const REGION_LIMIT: usize = 4;

/// How much the heap checks.
pub type HeapLevel = Light;

type Memory = Heap<HeapWords, HeapLevel, REGION_LIMIT>;

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

/// Whether the heap has its regions.
#[unsafe(link_section = ".upper.heap_started")]
static STARTED: AtomicBool = AtomicBool::new(false);

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
    STARTED.store(true, Ordering::Relaxed);
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

/// Hands out memory. A function of its own, so that its caller is known.
///
/// # Errors
/// As [`Heap::allocate_aligned`].
#[inline(never)]
pub fn allocate(
    size_bytes: u32,
    alignment: Alignment,
    caps: Capabilities,
) -> Result<u32, AllocationError> {
    let result = with(|heap| heap.allocate_aligned(size_bytes, alignment, caps));
    let address = result.unwrap_or(0);
    history::note(&Allocation { address, size: size_bytes, caller: history::caller() });
    result
}

/// Takes memory back; how many bytes it was. A function of its own, so that its caller is known.
///
/// # Errors
/// As [`Heap::free`].
#[inline(never)]
pub fn free(address: u32) -> Result<u32, AddressError> {
    let caller = history::caller();
    history::note(&Allocation { address, size: Allocation::RELEASE, caller });
    with(|heap| heap.free(address))
}

/// The state of the heap, the first word of it that is wrong, and what was last asked of it, for a
/// record. The fault path asks, which runs alone.
pub(crate) fn write_sections<S: WordSink>(writer: &mut SectionWriter<S>) {
    if STARTED.load(Ordering::Relaxed) {
        let rows = places().enumerate().filter_map(|(index, (place, _))| {
            // A region that is broken has no sums; its broken word is told below.
            let broken = HeapRow { start: place.start, ..HeapRow::default() };
            with(|heap| heap.region_totals(index))
                .map_or(Some(broken), |totals| Some(row(place.start, &totals?)))
        });
        writer.rows(Section::Heaps, HEAP_ROWS, rows.map(HeapRow::to_words));
        let broken = check_integrity().err();
        writer.section(Section::BrokenBlock, broken.into_iter().flat_map(broken_words));
    }
    writer.section(Section::Allocations, history::newest().flat_map(Allocation::to_words));
}

fn row(start: u32, totals: &Totals) -> HeapRow {
    HeapRow {
        start,
        total: totals.total_bytes,
        free: totals.free_bytes,
        minimum_free: totals.minimum_free_bytes,
        largest_free: totals.largest_free_block,
        failed: totals.failed_allocations,
    }
}

fn broken_words(broken: Corruption) -> [u32; BrokenBlock::WORDS] {
    let expected = match broken.expected {
        Expected::Word(word)
        | Expected::HeadCanary(word)
        | Expected::TailCanary(word)
        | Expected::Fill(word) => word,
        Expected::Size | Expected::PreviousSize | Expected::FreeBlock => 0,
    };
    BrokenBlock { address: broken.address, expected, found: broken.found }.to_words()
}

/// Sums over the regions with all of `caps`.
///
/// # Errors
/// A word of the heap's own is wrong.
pub fn totals(caps: Capabilities) -> Result<Totals, Corruption> {
    with(|heap| heap.totals(caps))
}

/// Checks every header, link and canary.
///
/// # Errors
/// The first word found wrong.
pub fn check_integrity() -> Result<(), Corruption> {
    with(|heap| heap.check_integrity(Capabilities::NONE))
}
