//! Whom the heap calls, whom it serves, and how it ends a boot if it is told to.

use crate::observe::note;
use core::sync::atomic::{AtomicU32, Ordering};
use crashrig_layout::Capabilities;
use crashrig_memory::heap::{Alignment, AllocationError};
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
    let here = failures_are_told as *const () as usize as u32;
    let mut held = heap::allocate(TOO_MUCH_BYTES, Alignment::NATURAL, CAPS).is_err();
    let (calls, [size_bytes, bits, caller, free]) = told();
    let from_here = (caller & !1).wrapping_sub(here & !1) < FUNCTION_BYTES;
    held &= calls == 1 && size_bytes == TOO_MUCH_BYTES && bits == CAPS.bits();
    held &= from_here && free == largest && largest > 0;
    held &= allocate(8, Capabilities::INVALID).is_err();
    held &= told() == (1, [8, Capabilities::INVALID.bits(), TOLD[2].load(Ordering::Relaxed), 0]);
    let zero = allocate(0, CAPS) == Err(Error::Heap(AllocationError::ZeroSize));
    let odd = Alignment { align_bytes: 24, offset_bytes: 0 };
    held &= zero && heap::allocate(8, odd, CAPS).is_err() && told().0 == 0;
    held &= preferences_are_tried_in_order();
    heap::set_failure_hook(None);
    held &= allocate(TOO_MUCH_BYTES, CAPS).is_err() && told().0 == 0;
    note(Observation::HeapCallbacksCame, held && heap::check_integrity().is_ok());
}

fn preferences_are_tried_in_order() -> bool {
    let prefer = |caps: &[Capabilities]| heap::allocate_prefer(24, Alignment::NATURAL, caps);
    let second = prefer(&[Capabilities::SPIRAM, Capabilities::DMA]);
    let mut held = told().0 == 0 && second.is_ok_and(|address| heap::free(address).is_ok());
    held &= prefer(&[Capabilities::SPIRAM, Capabilities::PID7]).is_err() && prefer(&[]).is_err();
    held &= told().0 == 2;
    held &= prefer(&[Capabilities::PID7, Capabilities::SPIRAM]).is_err();
    let (calls, [_, bits, ..]) = told();
    held &= calls == 1 && bits == Capabilities::SPIRAM.bits();
    // Without external RAM the limit changes nothing but the way.
    for limit_bytes in [Some(0), Some(1000), None] {
        heap::set_external_limit(limit_bytes);
        held &= heap::allocate_default(24).is_ok_and(|address| heap::free(address).is_ok());
    }
    held && told().0 == 0
}

/// Each allocation and each release is told, and a failed one is not.
fn allocations_are_told() {
    fn on_allocate(address: u32, size_bytes: u32, capabilities: Capabilities) {
        tell([address, size_bytes, capabilities.bits(), 1]);
    }
    fn on_free(address: u32) {
        // The block is still there, so a hook may look at it.
        tell([address, heap::size_of(address).unwrap_or(0), 0, 2]);
    }
    const CAPS: Capabilities = Capabilities::DEFAULT;
    heap::set_hooks(Some(on_allocate), Some(on_free));
    let Ok(address) = allocate(24, CAPS) else { return };
    let mut held = told() == (1, [address, 24, CAPS.bits(), 1]);
    held &= allocate(TOO_MUCH_BYTES, CAPS).is_err() && told().0 == 0;
    held &= heap::free(address).is_ok();
    held &= told() == (1, [address, 24, 0, 2]);
    heap::set_hooks(None, None);
    let silent = allocate(24, CAPS).is_ok_and(|address| heap::free(address).is_ok());
    note(Observation::HeapCallbacksCame, held && silent && told().0 == 0);
}

/// An allocation that fails ends the boot.
#[inline(never)]
pub fn abort_on_failure() {
    heap::set_abort_on_failure(true);
    let _ = allocate(TOO_MUCH_BYTES, Capabilities::DMA);
}

const REFUSED: u32 = 0;
const ALLOWED: u32 = 1;

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
        warned == 0 && answer > OTHERWISE && freed == 0 && heap::free(answer).is_ok()
    } else {
        let last = errors::last().map(|context| context.status);
        let told = warned == 2 && last == Some(Misuse::CallFromInterrupt.status());
        told && answer == FROM_INTERRUPT
            && freed == FROM_INTERRUPT
            && free() == before
            && heap::free(block).is_ok()
    };
    note(Observation::InterruptPolicyKept, held && heap::check_integrity().is_ok());
}

extern "C" fn handler() {
    let freed = match heap::free(BLOCK.load(Ordering::Relaxed)) {
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
