//! The heap of this device: all RAM that static data leave, in regions of the chip file.
//!
//! Which memory that is, and who may add to it, is said in `places`; what DMA needs, in
//! [`DmaNeeds`]; who may ask and who is told, in `policy`.

mod history;
mod places;
mod policy;
mod report;
mod resize;

pub use places::{AddRegionError, add_region, add_region_with, release_startup_stacks};
pub(crate) use places::{has_some_of, start};
pub use policy::{
    AllocateHook, Failure, FailureHook, FreeHook, FromInterrupt, set_abort_on_corruption,
    set_abort_on_failure, set_failure_hook, set_from_interrupt, set_hooks,
};
pub(crate) use report::write_sections;
pub use resize::reallocate;

use crate::errors::{self, Place};
use crate::platform;
use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::ops::ControlFlow;
use crashrig_layout::{Capabilities, DmaNeeds};
use crashrig_memory::heap::{
    AddressError, Alignment, AllocationError, Block, Corruption, Heap, Origin, Request, Totals,
};
use crashrig_memory::misuse;
use crashrig_memory::words::Words;
use crashrig_wire::section::Allocation;

/// Regions that the heap can have.
pub const REGION_LIMIT: usize = 6;

/// How much the heap checks.
#[cfg(not(any(feature = "heap-comprehensive", feature = "without-heap-check")))]
pub type HeapLevel = crashrig_memory::heap::Light;
/// Memory is filled as well.
#[cfg(all(feature = "heap-comprehensive", not(feature = "without-heap-check")))]
pub type HeapLevel = crashrig_memory::heap::Comprehensive;
/// The mutant believes what it reads.
#[cfg(feature = "without-heap-check")]
pub type HeapLevel = crashrig_memory::heap::Off;

type Memory = Heap<HeapWords, HeapLevel, REGION_LIMIT>;

/// The words of the heap's regions. Others read as 0, and what is written there is lost.
#[derive(Debug)]
struct HeapWords;

impl HeapWords {
    fn pointer(address: u32) -> Option<*mut u32> {
        let inside = platform::heap_start() <= address && address < platform::heap_end();
        let inside = (inside || places::contain(address)) && address.is_multiple_of(4);
        inside.then(|| core::ptr::with_exposed_provenance_mut(address as usize))
    }
}

impl Words for HeapWords {
    fn read(&self, address: u32) -> u32 {
        Self::pointer(address).map_or(0, |pointer| {
            // SAFETY: aligned, and inside of RAM that static data leave to the heap, or that it was
            // given.
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
    let reach = || {
        let heap = HEAP.0.get().cast::<Memory>();
        // SAFETY: `start` has filled the cell; interrupts are masked and no caller nests, so the
        // reference is the only one. The mutant shows what happens where it is not.
        work(unsafe { &mut *heap })
    };
    if cfg!(feature = "without-heap-lock") {
        return reach();
    }
    critical_section::with(|_| reach())
}

/// Makes the heap one without regions.
fn empty() {
    // SAFETY: nobody uses the heap before this; `EMPTY` owns nothing, so a copy of it is another
    // empty heap.
    unsafe { core::ptr::copy_nonoverlapping(&raw const EMPTY, HEAP.0.get().cast(), 1) };
}

/// Why the heap did not do what was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error<E> {
    /// An interrupt handler asked, and is not allowed to.
    FromInterrupt,
    /// The heap's own reason.
    Heap(E),
}

/// Hands out memory. A function of its own, so that its caller is known.
///
/// # Errors
/// As [`Heap::request`], or the caller is an interrupt handler.
#[inline(never)]
pub fn allocate(
    size_bytes: u32,
    alignment: Alignment,
    caps: Capabilities,
) -> Result<u32, Error<AllocationError>> {
    let caller = history::caller();
    policy::check_caller(caller)?;
    told(serve(size_bytes, alignment, caps, caller), size_bytes, caps, caller)
}

/// Hands out the stack of a thread; who spawns it warns of an error.
#[inline(never)]
pub(crate) fn allocate_stack(
    size_bytes: u32,
    alignment: Alignment,
    caps: Capabilities,
) -> Result<u32, AllocationError> {
    let caller = history::caller();
    let result = serve(size_bytes, alignment, caps, caller);
    note(&result, size_bytes, caps, caller);
    result
}

/// As [`allocate`], with the first of several sets of capabilities that can be served. A failure
/// names the last one.
///
/// # Errors
/// As for `allocate`; nothing can be served of an empty list.
#[inline(never)]
pub fn allocate_prefer(
    size_bytes: u32,
    alignment: Alignment,
    preferred: &[Capabilities],
) -> Result<u32, Error<AllocationError>> {
    let caller = history::caller();
    policy::check_caller(caller)?;
    let (last, others) = preferred.split_last().unwrap_or((&Capabilities::NONE, &[]));
    let early = others.iter().find_map(|caps| {
        let address = serve(size_bytes, alignment, *caps, caller).ok()?;
        Some((address, caps))
    });
    let (result, caps) = match early {
        Some((address, caps)) => (Ok(address), caps),
        None => (serve(size_bytes, alignment, *last, caller), last),
    };
    told(result, size_bytes, *caps, caller)
}

/// Hands out memory to whoever does not care which, as [`set_external_limit`] says.
///
/// # Errors
/// As for [`allocate`].
#[inline(never)]
pub fn allocate_default(size_bytes: u32) -> Result<u32, Error<AllocationError>> {
    let caller = history::caller();
    policy::check_caller(caller)?;
    let caps = Capabilities::DEFAULT;
    let origin = Origin { owner: 0, caller };
    let request = Request { origin, ..Request::new(size_bytes, caps) };
    told(with(|heap| heap.request_default(&request)), size_bytes, caps, caller)
}

/// Opens external memory to plain allocations of more than so many bytes; `None` closes it.
pub fn set_external_limit(limit_bytes: Option<u32>) {
    with(|heap| heap.set_external_limit(limit_bytes));
}

/// Tells whoever wants to know what came of a request, and warns if it failed and that is not the
/// end.
fn told(
    result: Result<u32, AllocationError>,
    size_bytes: u32,
    caps: Capabilities,
    caller: u32,
) -> Result<u32, Error<AllocationError>> {
    note(&result, size_bytes, caps, caller);
    if let Err(error) = &result {
        errors::misuse(misuse::of_allocation(error), Place::Caller(caller));
    }
    result.map_err(Error::Heap)
}

fn note(result: &Result<u32, AllocationError>, size_bytes: u32, caps: Capabilities, caller: u32) {
    history::note(&Allocation { address: result.unwrap_or(0), size: size_bytes, caller });
    match result {
        Ok(address) => policy::allocated(*address, size_bytes, caps),
        Err(error) => {
            policy::allocation_refused(error);
            policy::failed(error, caller);
        }
    }
}

/// Looks for memory. An error names what the caller asked for, not what DMA needs besides.
fn serve(
    size_bytes: u32,
    alignment: Alignment,
    caps: Capabilities,
    caller: u32,
) -> Result<u32, AllocationError> {
    let request = request(size_bytes, alignment, caps, caller)?;
    with(|heap| heap.request(&request)).map_err(|error| as_asked(error, size_bytes, caps))
}

/// What is looked for: what the caller asks for, and what DMA needs besides.
fn request(
    size_bytes: u32,
    alignment: Alignment,
    caps: Capabilities,
    caller: u32,
) -> Result<Request, AllocationError> {
    let needs = DmaNeeds::of(caps, platform::platform().regions);
    let largest_free_block = 0;
    let too_large = AllocationError::OutOfMemory { size_bytes, caps, largest_free_block };
    let rounded_bytes = size_bytes.checked_next_multiple_of(needs.align_bytes).ok_or(too_large)?;
    let align_bytes = match needs.align_bytes {
        1 => alignment.align_bytes,
        line_bytes => alignment.align_bytes.max(line_bytes),
    };
    Ok(Request {
        alignment: Alignment { align_bytes, ..alignment },
        origin: Origin { owner: 0, caller },
        ..Request::new(rounded_bytes, needs.capabilities)
    })
}

/// An error in the words of who asked.
fn as_asked(error: AllocationError, size_bytes: u32, caps: Capabilities) -> AllocationError {
    match error {
        AllocationError::OutOfMemory { largest_free_block, .. } => {
            AllocationError::OutOfMemory { size_bytes, caps, largest_free_block }
        }
        AllocationError::Contradiction { .. } => AllocationError::Contradiction { caps },
        other => other,
    }
}

/// Takes memory back; how many bytes it was. A function of its own, so that its caller is known.
///
/// # Errors
/// As [`Heap::free`], or the caller is an interrupt handler.
#[inline(never)]
pub fn free(address: u32) -> Result<u32, Error<AddressError>> {
    let caller = history::caller();
    policy::check_caller(caller)?;
    policy::before_free(address);
    let result = release(address, caller);
    if let Err(error) = &result {
        errors::misuse(misuse::of_address(error), Place::Caller(caller));
    }
    result.map_err(Error::Heap)
}

/// Takes the stack of a thread back, in the kernel's own exceptions; who ends it warns of an error.
#[inline(never)]
pub(crate) fn free_stack(address: u32) -> Result<u32, AddressError> {
    policy::before_free(address);
    release(address, history::caller())
}

fn release(address: u32, caller: u32) -> Result<u32, AddressError> {
    history::note(&Allocation { address, size: Allocation::RELEASE, caller });
    let result = with(|heap| heap.free(address));
    if let Err(error) = &result {
        policy::address_refused(error);
    }
    result
}

/// How many bytes can be used at an address that is handed out.
///
/// # Errors
/// As [`Heap::size_of`].
pub fn size_of(address: u32) -> Result<u32, AddressError> {
    with(|heap| heap.size_of(address))
}

/// Sums over the regions with all of `caps`.
///
/// # Errors
/// A word of the heap's own is wrong.
pub fn totals(caps: Capabilities) -> Result<Totals, Corruption> {
    with(|heap| heap.totals(caps))
}

/// Shows each block of the regions with all of `caps`, with interrupts masked. `visit` must not use
/// the heap; where it breaks, the rest of that region is left out.
///
/// # Errors
/// As [`Heap::walk`].
pub fn walk(
    caps: Capabilities,
    visit: impl FnMut(Block) -> ControlFlow<()>,
) -> Result<(), Corruption> {
    with(|heap| heap.walk(caps, visit))
}

/// Where the heap keeps what lies in none of its regions, for an image that is to break it.
#[cfg(feature = "injection")]
pub fn state() -> core::ops::Range<u32> {
    let start = HEAP.0.get().addr() as u32;
    start..start + core::mem::size_of::<Memory>() as u32
}

/// Checks every header, link and canary.
///
/// # Errors
/// The first word found wrong.
pub fn check_integrity() -> Result<(), Corruption> {
    with(|heap| heap.check_integrity(Capabilities::NONE))
}
