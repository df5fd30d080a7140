//! Whom the heap calls, whom it serves, and how it ends a boot if it is told to.

use super::blocks;
use crate::observe::note;
use core::alloc::{GlobalAlloc, Layout};
use core::sync::atomic::{AtomicU32, Ordering};
use crashrig_layout::Capabilities;
use crashrig_memory::heap::{Alignment, AllocationError, Level};
use crashrig_port::heap::{self, Error, Failure, FromInterrupt};
use crashrig_port::{errors, interrupts};
use crashrig_wire::Observation;
use crashrig_wire::status::Misuse;

/// More than any region has.
const TOO_MUCH_BYTES: u32 = 0x100_0000;
/// Code of one function of this file has less.
const FUNCTION_BYTES: u32 = 512;

fn allocate(size_bytes: u32, caps: Capabilities) -> Result<u32, Error<AllocationError>> {
    heap::allocate(size_bytes, Alignment::NATURAL, caps)
}

/// Whether an address is one of the function below.
fn is_from_here(caller: u32) -> bool {
    let here = failures_are_told as *const () as usize as u32;
    (caller & !1).wrapping_sub(here & !1) < FUNCTION_BYTES
}

/// Calls of a hook, and what the last one was told.
static CALLS: AtomicU32 = AtomicU32::new(0);
static TOLD: [AtomicU32; 4] = [const { AtomicU32::new(0) }; 4];

fn tell(words: [u32; 4]) {
    CALLS.fetch_add(1, Ordering::Relaxed);
    for (place, word) in TOLD.iter().zip(words) {
        place.store(word, Ordering::Relaxed);
    }
}

/// How often hooks were called since this was last asked, and what the last one was told.
fn told() -> (u32, [u32; 4]) {
    (CALLS.swap(0, Ordering::Relaxed), TOLD.each_ref().map(|word| word.load(Ordering::Relaxed)))
}

/// What the heap calls is called: for failures, or with a parameter of 1 for all else.
#[inline(never)]
pub fn callbacks(parameter: u32) {
    if parameter == 0 { failures_are_told() } else { allocations_are_told() }
}

/// Each failure is told once, with size, capabilities, caller and largest free block; a size of
/// zero is none, and nor is an attempt that another follows.
fn failures_are_told() {
    fn hook(failure: &Failure) {
        let &Failure { size_bytes, capabilities, caller, largest_free_block } = failure;
        tell([size_bytes, capabilities.bits(), caller, largest_free_block]);
    }
    const CAPS: Capabilities = Capabilities::DMA.union(Capabilities::BYTE);
    heap::set_failure_hook(Some(hook));
    let largest = heap::totals(CAPS).map_or(0, |totals| totals.largest_free_block);
    let mut held = heap::allocate(TOO_MUCH_BYTES, Alignment::NATURAL, CAPS).is_err();
    let (calls, [size_bytes, bits, caller, free]) = told();
    held &= calls == 1 && size_bytes == TOO_MUCH_BYTES && bits == CAPS.bits();
    held &= is_from_here(caller) && free == largest && largest > 0;
    held &= heap::allocate(8, Alignment::NATURAL, Capabilities::INVALID).is_err();
    let (calls, [size_bytes, bits, caller, free]) = told();
    held &= (calls, size_bytes, bits, free) == (1, 8, Capabilities::INVALID.bits(), 0);
    held &= is_from_here(caller);
    let zero = allocate(0, CAPS) == Err(Error::Heap(AllocationError::ZeroSize));
    let odd = Alignment { align_bytes: 24, offset_bytes: 0 };
    held &= zero && heap::allocate(8, odd, CAPS).is_err() && told().0 == 0;
    held &= preferences_are_tried_in_order() && each_way_to_fail_is_told();
    heap::set_failure_hook(None);
    held &= allocate(TOO_MUCH_BYTES, CAPS).is_err() && told().0 == 0;
    note(Observation::HeapCallbacksCame, held && heap::check_integrity().is_ok());
}

/// Each way to ask for memory tells of its failure, once; a block that could not grow stays.
fn each_way_to_fail_is_told() -> bool {
    const CAPS: Capabilities = Capabilities::DEFAULT;
    let once = |bits: u32| {
        let (calls, [size_bytes, capabilities, ..]) = told();
        (calls, size_bytes, capabilities) == (1, TOO_MUCH_BYTES, bits)
    };
    let mut held = heap::allocate_zeroed(TOO_MUCH_BYTES / 4, 4, Alignment::NATURAL, CAPS).is_err();
    held &= once(CAPS.bits());
    held &= heap::allocate_default(TOO_MUCH_BYTES).is_err() && once(CAPS.bits());
    let Ok(block) = allocate(24, CAPS) else { return false };
    held &= blocks::reallocate(block, TOO_MUCH_BYTES, CAPS).is_err() && once(CAPS.bits());
    held &= blocks::free(block).is_ok();
    held && resized_by_global(24, TOO_MUCH_BYTES).is_none() && once(CAPS.bits())
}

/// A block of Rust's global allocator in two sizes, given back; the addresses that it had.
fn resized_by_global(first_bytes: u32, second_bytes: u32) -> Option<[u32; 2]> {
    let layout = Layout::from_size_align(first_bytes as usize, 8).ok()?;
    // SAFETY: the size is not zero.
    let block = unsafe { heap::Global.alloc_zeroed(layout) };
    if block.is_null() {
        return None;
    }
    // SAFETY: the block is of this allocator and layout; the new size is not zero.
    let resized = unsafe { heap::Global.realloc(block, layout, second_bytes as usize) };
    let (last, last_bytes) =
        if resized.is_null() { (block, first_bytes) } else { (resized, second_bytes) };
    let layout = Layout::from_size_align(last_bytes as usize, 8).ok()?;
    // SAFETY: as above, and nobody uses it any more.
    unsafe { heap::Global.dealloc(last, layout) };
    (!resized.is_null()).then(|| [block, resized].map(|it| it.addr() as u32))
}

fn preferences_are_tried_in_order() -> bool {
    // No memory is off the chip and on it.
    const NOWHERE: Capabilities = Capabilities::SPIRAM.union(Capabilities::INTERNAL);
    let prefer = |caps: &[Capabilities]| heap::allocate_prefer(24, Alignment::NATURAL, caps);
    let second = prefer(&[NOWHERE, Capabilities::DMA]);
    let mut held = told().0 == 0 && second.is_ok_and(|address| blocks::free(address).is_ok());
    // Memory for code that is reached by DMA contradicts itself; the next wish does not.
    let contradiction = Capabilities::EXEC.union(Capabilities::DMA);
    let second = prefer(&[contradiction, Capabilities::DMA]);
    held &= told().0 == 0 && second.is_ok_and(|address| blocks::free(address).is_ok());
    held &= prefer(&[NOWHERE, Capabilities::PID7]).is_err() && prefer(&[]).is_err();
    held &= told().0 == 2;
    held &= prefer(&[Capabilities::PID7, NOWHERE]).is_err();
    let (calls, [_, bits, ..]) = told();
    held &= calls == 1 && bits == NOWHERE.bits();
    // Where there is no external RAM the limit changes nothing but the way.
    for limit_bytes in [Some(0), Some(1000), None] {
        heap::set_external_limit(limit_bytes);
        held &= heap::allocate_default(24).is_ok_and(|address| blocks::free(address).is_ok());
    }
    held && told().0 == 0
}

/// What the hook for releases was told last: address and size.
static RELEASED: [AtomicU32; 2] = [const { AtomicU32::new(0) }; 2];

fn released() -> [u32; 2] {
    RELEASED.each_ref().map(|word| word.load(Ordering::Relaxed))
}

/// Each allocation and each release is told, and a failed one is not.
fn allocations_are_told() {
    fn on_allocate(address: u32, size_bytes: u32, capabilities: Capabilities) {
        tell([address, size_bytes, capabilities.bits(), 1]);
    }
    fn on_free(address: u32) {
        // The block is still there, so a hook may look at it.
        let size_bytes = heap::size_of(address).unwrap_or(0);
        tell([address, size_bytes, 0, 2]);
        for (place, word) in RELEASED.iter().zip([address, size_bytes]) {
            place.store(word, Ordering::Relaxed);
        }
    }
    const CAPS: Capabilities = Capabilities::DEFAULT;
    heap::set_hooks(Some(on_allocate), Some(on_free));
    let Ok(address) = allocate(24, CAPS) else { return };
    let mut held = told() == (1, [address, 24, CAPS.bits(), 1]);
    held &= allocate(TOO_MUCH_BYTES, CAPS).is_err() && told().0 == 0;
    held &= blocks::free(address).is_ok();
    let size_bytes = usable_bytes(24);
    held &= told() == (1, [address, size_bytes, 0, 2]);
    held &= wrong_addresses_are_not_told(address) && sizes_are_told() == Some(true);
    held &= other_ways_are_told() == Some(true);
    heap::set_hooks(None, None);
    let silent = allocate(24, CAPS).is_ok_and(|address| blocks::free(address).is_ok());
    note(Observation::HeapCallbacksCame, held && silent && told().0 == 0);
}

/// How many bytes a block says that so many were asked for.
fn usable_bytes(size_bytes: u32) -> u32 {
    let whole = heap::HeapLevel::block_bytes(size_bytes).map(heap::HeapLevel::usable_bytes);
    if heap::HeapLevel::IS_CHECKED { size_bytes } else { whole.unwrap_or(0) }
}

/// A block that is given back for the second time is nobody's to tell of.
fn wrong_addresses_are_not_told(freed: u32) -> bool {
    heap::set_abort_on_corruption(false);
    let refused = blocks::free(freed).is_err() && blocks::free(0).is_err();
    let kept = blocks::reallocate(freed, 48, Capabilities::DEFAULT).is_err();
    heap::set_abort_on_corruption(true);
    refused && kept && told().0 == 0
}

/// A new size is a release before and an allocation after; if it cannot be had, of the same block.
fn sizes_are_told() -> Option<bool> {
    const CAPS: Capabilities = Capabilities::DEFAULT;
    let block = allocate(24, CAPS).ok()?;
    let fence = allocate(24, CAPS).ok()?;
    let mut held = told().0 == 2 && blocks::reallocate(block, TOO_MUCH_BYTES, CAPS).is_err();
    held &= released() == [block, usable_bytes(24)];
    held &= told() == (2, [block, usable_bytes(24), CAPS.bits(), 1]);
    let moved = blocks::reallocate(block, 480, CAPS).ok()?;
    held &= released() == [block, usable_bytes(24)] && moved != block;
    held &= told() == (2, [moved, 480, CAPS.bits(), 1]);
    held &= blocks::free(moved).is_ok() && blocks::free(fence).is_ok();
    Some(held && told().0 == 2)
}

/// Zeroed memory, memory for whoever does not care which, and that of the global allocator.
fn other_ways_are_told() -> Option<bool> {
    const CAPS: Capabilities = Capabilities::DEFAULT;
    let zeroed = heap::allocate_zeroed(3, 8, Alignment::NATURAL, CAPS).ok()?;
    let mut held = told() == (1, [zeroed, 24, CAPS.bits(), 1]);
    let default = heap::allocate_default(40).ok()?;
    held &= told() == (1, [default, 40, CAPS.bits(), 1]);
    held &= blocks::free(zeroed).is_ok() && blocks::free(default).is_ok() && told().0 == 2;
    let [_, last] = resized_by_global(24, 480)?;
    held &= released() == [last, usable_bytes(480)];
    // Allocated, released and allocated with a new size, released.
    Some(held && told().0 == 4)
}

/// An allocation that fails ends the boot.
#[inline(never)]
pub fn abort_on_failure() {
    heap::set_abort_on_failure(true);
    let _ = allocate(TOO_MUCH_BYTES, Capabilities::DMA);
}

const REFUSED: u32 = 0;
const ALLOWED: u32 = 1;
/// No handler: the heap is asked while it is in the middle of an operation.
const HELD: u32 = 3;

/// What the handler got: an address, or one of the two below.
static ANSWER: AtomicU32 = AtomicU32::new(0);
const FROM_INTERRUPT: u32 = 1;
const OTHERWISE: u32 = 2;
/// A block of the main thread that the handler releases.
static BLOCK: AtomicU32 = AtomicU32::new(0);
static FREED: AtomicU32 = AtomicU32::new(0);

/// A handler allocates and frees: refused, allowed, or the end.
#[inline(never)]
pub fn in_interrupt(how: u32) {
    if how == HELD {
        return ask_while_held();
    }
    let policy = match how {
        REFUSED => FromInterrupt::Refused,
        ALLOWED => FromInterrupt::Allowed,
        _ => FromInterrupt::Fatal,
    };
    // Handlers are refused without a word as well.
    if policy != FromInterrupt::Refused {
        heap::set_from_interrupt(policy);
    }
    let Ok(block) = allocate(40, Capabilities::DEFAULT) else { return };
    BLOCK.store(block, Ordering::Relaxed);
    let free = || heap::totals(Capabilities::DEFAULT).map_or(0, |totals| totals.free_bytes);
    let (warnings, before) = (errors::count(), free());
    let interrupt = interrupts::count() - 2;
    interrupts::install(interrupt, handler);
    interrupts::raise(interrupt);
    let (answer, freed) = (ANSWER.load(Ordering::Relaxed), FREED.load(Ordering::Relaxed));
    let warned = errors::count() - warnings;
    let held = if policy == FromInterrupt::Allowed {
        // The block went back and another one came.
        warned == 0 && answer > OTHERWISE && freed == 0 && blocks::free(answer).is_ok()
    } else {
        let last = errors::last().map(|context| context.status);
        let told = warned == 2 && last == Some(Misuse::CallFromInterrupt.status());
        told && answer == FROM_INTERRUPT
            && freed == FROM_INTERRUPT
            && free() == before
            && blocks::free(block).is_ok()
    };
    note(Observation::InterruptPolicyKept, held && heap::check_integrity().is_ok());
}

/// The heap can be asked while it is in the middle of something only where interrupts cannot be
/// masked, so an image without the switches for it does not try.
#[inline(never)]
fn ask_while_held() {
    #[cfg(feature = "injection")]
    heap::hold(|| _ = allocate(24, Capabilities::DEFAULT));
}

extern "C" fn handler() {
    let freed = match blocks::free(BLOCK.load(Ordering::Relaxed)) {
        Ok(_) => 0,
        Err(Error::FromInterrupt) => FROM_INTERRUPT,
        Err(Error::Borrowed { .. } | Error::Heap(_)) => OTHERWISE,
    };
    FREED.store(freed, Ordering::Relaxed);
    let answer = match allocate(24, Capabilities::DEFAULT) {
        Ok(address) => address,
        Err(Error::FromInterrupt) => FROM_INTERRUPT,
        Err(Error::Borrowed { .. } | Error::Heap(_)) => OTHERWISE,
    };
    ANSWER.store(answer, Ordering::Relaxed);
}
