//! The heap of this device: all RAM that static data leave, in regions of the chip file.
//!
//! Which memory that is, and who may add to it, is said in `places`; who may ask and
//! who is told, in `policy`; how much is checked, in `level`; who has how much, in `owners`; what
//! is asked without changing anything, in `questions`.
//!
//! Each operation runs with interrupts masked, for a bounded time but for the fill of a level that
//! fills, of each block that is handed out, taken back or resized. Zeros are written, and what a
//! block that moves holds is copied, with interrupts as they were.

mod ask;
mod global;
mod history;
mod level;
mod owners;
mod places;
mod policy;
mod questions;
mod report;
mod store;
mod tracing;

#[cfg(feature = "allocator-api2")]
pub use global::Capable;
pub use global::Global;
pub use level::HeapLevel;
pub use owners::Owner;
#[cfg(feature = "heap-tracking")]
pub use owners::{account_of, accounts};
pub use places::{AddRegionError, add_region, add_region_with, release_startup_stacks};
pub(crate) use places::{has_some_of, start};
pub use policy::{
    AllocateHook, Failure, FailureHook, FreeHook, FromInterrupt, set_abort_on_corruption,
    set_abort_on_failure, set_failure_hook, set_from_interrupt, set_hooks,
};
pub use questions::{
    check_integrity, check_integrity_at, check_integrity_of, containing_block, dump, region_totals,
    size_of, start_monitoring, stop_monitoring, totals, walk,
};
pub(crate) use report::write_sections;
#[cfg(feature = "injection")]
pub use store::{hold, state};
pub use tracing::{
    trace_pause, trace_record, trace_records, trace_restart, trace_resume, trace_start, trace_stop,
    trace_summary,
};

use crate::errors::{self, Place};
use crashrig_layout::Capabilities;
use crashrig_memory::heap::{
    AddressError, Alignment, AllocationError, ReallocationError, Request, prefer,
};
use crashrig_memory::misuse;
use store::with;

/// Regions that the heap can have.
pub const REGION_LIMIT: usize = 6;

/// Why the heap did not do what was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error<E> {
    /// An interrupt handler asked, and is not allowed to.
    FromInterrupt,
    /// A bus master is using the block: controller and stream, as in a record.
    Borrowed {
        /// Controller, counted from 1, in bits 4 to 7; stream in bits 0 to 3.
        stream: u8,
    },
    /// The heap's own reason.
    Heap(E),
}

/// Hands out memory. A function of its own, so that its caller is known.
///
/// # Errors
/// As [`Heap::request`](crashrig_memory::heap::Heap::request), or the caller is an interrupt
/// handler.
#[inline(never)]
pub fn allocate(
    size_bytes: u32,
    alignment: Alignment,
    caps: Capabilities,
) -> Result<u32, Error<AllocationError>> {
    let caller = history::caller();
    policy::check_caller(caller)?;
    let asked = Request { alignment, ..Request::new(size_bytes, caps) };
    ask::told(ask::serve(&asked, caller), &asked, caller)
}

/// As [`allocate`], for `count` things of a size, all zero.
///
/// # Errors
/// As for `allocate`, or they are more than 4 GiB together.
#[inline(never)]
pub fn allocate_zeroed(
    count: u32,
    size_bytes: u32,
    alignment: Alignment,
    caps: Capabilities,
) -> Result<u32, Error<AllocationError>> {
    let caller = history::caller();
    policy::check_caller(caller)?;
    let one = Request { alignment, ..Request::new(size_bytes, caps) };
    match one.zeroed(count) {
        Ok(asked) => ask::told(ask::serve(&asked, caller), &asked, caller),
        Err(error) => ask::told(Err(error), &one, caller),
    }
}

/// Gives a block another size, where it is or at another place in memory with all of `caps`, and
/// answers where. The hooks are told of a release before and of an allocation after. While it moves
/// there are two blocks; a thread that is terminated then leaves both behind.
///
/// # Errors
/// As [`Heap::reallocate`](crashrig_memory::heap::Heap::reallocate), or the caller is an interrupt
/// handler. The block is as before.
///
/// # Safety
/// If a block begins at this address, it is the caller's: no `Box`, no stack, nothing of others.
/// Other addresses are refused, but at level off not all of them: there they must not be given.
#[inline(never)]
pub unsafe fn reallocate(
    address: u32,
    size_bytes: u32,
    alignment: Alignment,
    caps: Capabilities,
) -> Result<u32, Error<ReallocationError>> {
    let caller = history::caller();
    policy::check_taker(address, caller)?;
    let asked = Request { alignment, ..Request::new(size_bytes, caps) };
    // SAFETY: as the caller promises.
    unsafe { ask::resize(address, &asked, caller) }
}

/// Hands out the stack of a thread; who spawns it warns of an error.
#[inline(never)]
pub(crate) fn allocate_stack(
    size_bytes: u32,
    alignment: Alignment,
    caps: Capabilities,
) -> Result<u32, AllocationError> {
    let caller = history::caller();
    let asked = Request { alignment, ..Request::new(size_bytes, caps) };
    let result = ask::serve(&asked, caller);
    ask::note(&result, &asked, caller);
    result
}

/// As [`allocate`], with the first of several sets of capabilities that can be served. A failure
/// names the last one that was tried; which refusals have the next one tried, [`prefer`] says.
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
    let with = |caps| Request { alignment, ..Request::new(size_bytes, caps) };
    let (result, caps) = prefer(preferred, |caps| ask::serve(&with(caps), caller));
    ask::told(result, &with(caps), caller)
}

/// Hands out memory to whoever does not care which, as [`set_external_limit`] says.
///
/// # Errors
/// As for [`allocate`].
#[inline(never)]
pub fn allocate_default(size_bytes: u32) -> Result<u32, Error<AllocationError>> {
    let caller = history::caller();
    policy::check_caller(caller)?;
    let asked = Request::new(size_bytes, Capabilities::DEFAULT);
    ask::told(ask::serve_default(&asked, caller), &asked, caller)
}

/// Opens external memory to plain allocations of more than so many bytes; `None` closes it.
pub fn set_external_limit(limit_bytes: Option<u32>) {
    with(|heap| heap.set_external_limit(limit_bytes));
}

/// Takes memory back; how many bytes it was. A function of its own, so that its caller is known.
///
/// # Errors
/// As [`Heap::free`](crashrig_memory::heap::Heap::free), or the caller is an interrupt handler.
///
/// # Safety
/// As for [`reallocate`], and nobody uses the block any more.
#[inline(never)]
pub unsafe fn free(address: u32) -> Result<u32, Error<AddressError>> {
    let caller = history::caller();
    policy::check_taker(address, caller)?;
    // SAFETY: as the caller promises.
    let result = unsafe { ask::release(address, caller) };
    if let Err(error) = &result {
        errors::misuse(misuse::of_address(error), Place::Caller(caller));
    }
    result.map_err(Error::Heap)
}

/// Takes the stack of a thread back, in the kernel's own exceptions; who ends it warns of an error.
///
/// # Safety
/// [`allocate_stack`] has handed it out, and no thread runs on it any more.
#[inline(never)]
pub(crate) unsafe fn free_stack(address: u32) -> Result<u32, AddressError> {
    // SAFETY: as the caller promises.
    unsafe { ask::release(address, history::caller()) }
}
