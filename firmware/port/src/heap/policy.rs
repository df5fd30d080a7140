//! What the heap does beside handing out memory: who may ask, whom it calls, and whether a failure
//! is the end of the boot. All of it can be set while the program runs.
//!
//! Functions are called on the stack of who asked, with interrupts as they were, and outside of the
//! heap's critical section: they may use the heap themselves, and end their own recursion. The
//! kernel releases the stack of a thread that has ended, in an exception.

use super::Error;
use crate::errors::{self, Place};
use crate::{dma, interrupts};
use core::cell::Cell;
use core::sync::atomic::{AtomicU32, Ordering};
use crashrig_layout::Capabilities;
use crashrig_memory::capture::Reported;
use crashrig_memory::heap::{AddressError, AllocationError};
use crashrig_memory::misuse;
use crashrig_wire::Detector;
use crashrig_wire::section::FailedAllocation;
use crashrig_wire::status::Misuse;
use critical_section::Mutex;

/// Whether an interrupt handler may allocate and free. The heap works there, with interrupts masked
/// for a bounded time; that a handler needs memory is mostly a mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FromInterrupt {
    /// It gets [`Error::FromInterrupt`] and a warning is kept.
    Refused,
    /// It is served as a thread is.
    Allowed,
    /// The boot ends with a record.
    Fatal,
}

/// An allocation that could not be served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    /// Size in bytes that was asked for, never zero.
    pub size_bytes: u32,
    /// What the memory had to be good for.
    pub capabilities: Capabilities,
    /// Where it was asked for: a return address.
    pub caller: u32,
    /// The largest size that would have been given; 0 if no memory is good for it.
    pub largest_free_block: u32,
}

/// Called after an allocation: address, size that was asked for, capabilities. A block that was
/// given another size, or was not, is told as [`FreeHook`] says.
pub type AllocateHook = fn(u32, u32, Capabilities);
/// Called before a block is released, while nobody else can have its memory: its address. A wrong
/// address is not told. What is told may still be refused, if the heap then finds a word around the
/// block wrong or somebody else releases it as well.
///
/// A block that is to have another size is told as released before, and as allocated after: where
/// it lies then; or, if that failed, where it was, with the size that it had and the capabilities
/// that were asked for.
pub type FreeHook = fn(u32);
/// Called after an allocation has failed.
pub type FailureHook = fn(&Failure);

#[derive(Debug, Clone, Copy)]
struct Policy {
    from_interrupt: FromInterrupt,
    abort_on_failure: bool,
    abort_on_corruption: bool,
    on_failure: Option<FailureHook>,
    on_allocate: Option<AllocateHook>,
    on_free: Option<FreeHook>,
}

static POLICY: Mutex<Cell<Policy>> = Mutex::new(Cell::new(Policy {
    from_interrupt: FromInterrupt::Refused,
    abort_on_failure: false,
    abort_on_corruption: true,
    on_failure: None,
    on_allocate: None,
    on_free: None,
}));

/// The last failure of this boot, as the record has it; all zero if there was none.
#[unsafe(link_section = ".upper.heap_failed")]
static FAILED: [AtomicU32; FailedAllocation::WORDS] =
    [const { AtomicU32::new(0) }; FailedAllocation::WORDS];

fn policy() -> Policy {
    critical_section::with(|token| POLICY.borrow(token).get())
}

fn change(work: impl FnOnce(&mut Policy)) {
    critical_section::with(|token| {
        let cell = POLICY.borrow(token);
        let mut policy = cell.get();
        work(&mut policy);
        cell.set(policy);
    });
}

/// Says whether interrupt handlers may use the heap. They are refused until this is called.
pub fn set_from_interrupt(from_interrupt: FromInterrupt) {
    change(|policy| policy.from_interrupt = from_interrupt);
}

/// Has every allocation that fails end the boot with a record, which says what was asked for and
/// what was free. A size of zero or an alignment that cannot be is no failure of this kind.
pub fn set_abort_on_failure(abort: bool) {
    change(|policy| policy.abort_on_failure = abort);
}

/// Says whether the boot ends with a record when the heap, asked to hand out or take back memory,
/// finds a word of its own wrong or is given an address that it has not handed out. It does until
/// this is called, for what such a program does next is anybody's guess. Otherwise a warning is
/// kept, the caller gets an error, and the heap has changed nothing.
///
/// Questions such as `totals` and `check_integrity` answer an error either way.
pub fn set_abort_on_corruption(abort: bool) {
    change(|policy| policy.abort_on_corruption = abort);
}

/// Sets what is called for each allocation that fails, or nothing.
pub fn set_failure_hook(hook: Option<FailureHook>) {
    change(|policy| policy.on_failure = hook);
}

/// Sets what is called for each allocation and each release, or nothing.
pub fn set_hooks(on_allocate: Option<AllocateHook>, on_free: Option<FreeHook>) {
    change(|policy| (policy.on_allocate, policy.on_free) = (on_allocate, on_free));
}

/// Refuses a call from an interrupt handler, if that is the policy. Exceptions of the core in which
/// the kernel works are handlers too.
pub(super) fn check_caller<E>(caller: u32) -> Result<(), Error<E>> {
    if cfg!(feature = "without-interrupt-check") || interrupts::active() == 0 {
        return Ok(());
    }
    let status = Misuse::CallFromInterrupt.status();
    match policy().from_interrupt {
        FromInterrupt::Allowed => return Ok(()),
        FromInterrupt::Refused => errors::warning(status, caller),
        FromInterrupt::Fatal => errors::fatal(status, caller),
    }
    Err(Error::FromInterrupt)
}

/// Refuses a call that takes a block away or moves it: as [`check_caller`], and over a block that a
/// DMA transfer is using. Every way to release or resize asks here first.
pub(super) fn check_taker<E>(address: u32, caller: u32) -> Result<(), Error<E>> {
    check_caller(caller)?;
    check_borrower(address, caller)
}

/// Refuses to take away a block that a DMA transfer is using. A warning is kept.
fn check_borrower<E>(address: u32, caller: u32) -> Result<(), Error<E>> {
    let stream = || {
        let size_bytes = super::size_of(address).ok()?;
        dma::hooks::borrower(address, size_bytes)
    };
    let Some(stream) = dma::hooks::is_registered().then(stream).flatten() else { return Ok(()) };
    errors::misuse((Misuse::FreeInFlight, address), Place::Caller(caller));
    Err(Error::Borrowed { stream })
}

/// Ends the boot over a mistake that a check of the heap has found, if that is the policy.
fn end_if_corrupt((misuse, value): (Misuse, u32), detector: Detector) {
    if policy().abort_on_corruption {
        errors::end_with(Reported { status: misuse.status(), value, detector, address: None });
    }
}

/// An allocation was refused: if the heap has found a wrong word, that may be the end.
pub(super) fn allocation_refused(error: &AllocationError) {
    if let Some(detector) = misuse::detector_of_allocation(error) {
        end_if_corrupt(misuse::of_allocation(error), detector);
    }
}

/// An address was refused, which may be the end.
pub(super) fn address_refused(error: &AddressError) {
    end_if_corrupt(misuse::of_address(error), misuse::detector_of_address(error));
}

pub(super) fn allocated(address: u32, size_bytes: u32, capabilities: Capabilities) {
    if let Some(hook) = policy().on_allocate {
        hook(address, size_bytes, capabilities);
    }
}

/// What is to be called before a release, if anything is.
pub(super) fn on_free() -> Option<FreeHook> {
    policy().on_free
}

/// Tells of a failure, if it is one: notes it for a record, calls the hook, and may not come back.
pub(super) fn failed(error: &AllocationError, caller: u32) {
    let &AllocationError::OutOfMemory { size_bytes, caps, largest_free_block } = error else {
        return;
    };
    let words = FailedAllocation {
        size: size_bytes,
        capabilities: caps.bits(),
        caller,
        largest_free: largest_free_block,
    };
    // In one step, or two failures would be mixed.
    critical_section::with(|_| {
        for (place, word) in FAILED.iter().zip(words.to_words()) {
            place.store(word, Ordering::Relaxed);
        }
    });
    let policy = policy();
    if let Some(hook) = policy.on_failure {
        hook(&Failure { size_bytes, capabilities: caps, caller, largest_free_block });
    }
    if policy.abort_on_failure {
        errors::fatal(Misuse::OutOfMemory.status(), size_bytes);
    }
}

/// The last failure of this boot, for a record.
pub(super) fn last_failed() -> Option<FailedAllocation> {
    let words = FAILED.each_ref().map(|word| word.load(Ordering::Relaxed));
    let failed = FailedAllocation::from_words(words);
    (failed.size != 0).then_some(failed)
}
