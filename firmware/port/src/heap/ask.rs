//! From a request of this device to one of the heap, and who is told what came of it.
//!
//! Who asked is known by then, and allowed to. An error names what was asked for, not what DMA
//! needs besides.

use super::store::{self, Memory, with, with_store};
use super::{Error, history, policy};
use crate::errors::{self, Place};
use crate::platform;
use crashrig_layout::DmaNeeds;
use crashrig_memory::heap::{
    AddressError, Alignment, AllocationError, Origin, ReallocationError, Request, ResizeWay,
};
use crashrig_memory::misuse;
use crashrig_wire::section::Allocation;

/// The request with what DMA needs, where it is for DMA. An offset that would have it begin inside
/// of a line of the cache is refused.
fn for_heap(asked: &Request, caller: u32) -> Result<Request, AllocationError> {
    let &Request { size_bytes, alignment, caps, .. } = asked;
    let needs = DmaNeeds::of(caps, platform::platform().regions);
    if !needs.allows_offset(alignment.offset_bytes) {
        return Err(AllocationError::Alignment(alignment));
    }
    let rounded_bytes = size_bytes
        .checked_next_multiple_of(needs.align_bytes)
        .ok_or(AllocationError::OutOfMemory { size_bytes, caps, largest_free_block: 0 })?;
    let align_bytes = match needs.align_bytes {
        1 => alignment.align_bytes,
        line_bytes => alignment.align_bytes.max(line_bytes),
    };
    Ok(Request {
        size_bytes: rounded_bytes,
        alignment: Alignment { align_bytes, ..alignment },
        caps: needs.capabilities,
        origin: Origin { owner: 0, caller },
        is_zeroed: asked.is_zeroed,
    })
}

/// The request of whoever does not care which memory serves.
fn plain(asked: &Request, caller: u32) -> Request {
    Request { origin: Origin { owner: 0, caller }, ..*asked }
}

fn as_asked(error: AllocationError, asked: &Request) -> AllocationError {
    let &Request { size_bytes, caps, .. } = asked;
    match error {
        AllocationError::OutOfMemory { largest_free_block, .. } => {
            AllocationError::OutOfMemory { size_bytes, caps, largest_free_block }
        }
        AllocationError::Contradiction { .. } => AllocationError::Contradiction { caps },
        other => other,
    }
}

/// Looks for memory.
pub(super) fn serve(asked: &Request, caller: u32) -> Result<u32, AllocationError> {
    let request = for_heap(asked, caller)?;
    let result = store::serve(&request, Memory::request);
    result.map_err(|error| as_asked(error, asked))
}

/// Looks for memory for whoever does not care which.
pub(super) fn serve_default(asked: &Request, caller: u32) -> Result<u32, AllocationError> {
    let request = plain(asked, caller);
    let result = store::serve(&request, Memory::request_default);
    result.map_err(|error| as_asked(error, asked))
}

/// Calls the hook for releases, if there is one and the heap agrees that this is a block that was
/// handed out. Answers the size of the block if it was told of.
fn tell_release(address: u32) -> Option<u32> {
    let hook = policy::on_free()?;
    let size_bytes = with(|heap| heap.size_of(address)).ok()?;
    hook(address);
    Some(size_bytes)
}

/// Gives a block another size, in memory with the capabilities asked for, and tells of it.
///
/// # Safety
/// The block at this address, if there is one, is the caller's.
pub(super) unsafe fn resize(
    address: u32,
    asked: &Request,
    caller: u32,
) -> Result<u32, Error<ReallocationError>> {
    resize_in(address, asked, caller, for_heap(asked, caller), Memory::begin_reallocation)
}

/// As [`resize`], in memory where a plain request is looked for.
///
/// # Safety
/// As for `resize`.
pub(super) unsafe fn resize_default(
    address: u32,
    asked: &Request,
    caller: u32,
) -> Result<u32, Error<ReallocationError>> {
    let request = Ok(plain(asked, caller));
    resize_in(address, asked, caller, request, Memory::begin_default_reallocation)
}

fn resize_in(
    address: u32,
    asked: &Request,
    caller: u32,
    request: Result<Request, AllocationError>,
    way: ResizeWay<Memory>,
) -> Result<u32, Error<ReallocationError>> {
    let told_bytes = tell_release(address);
    let request = request.map_err(ReallocationError::Allocation);
    let result = request.and_then(|request| store::reallocate(address, &request, way));
    if let (Err(_), Some(size_bytes)) = (&result, told_bytes) {
        // It is still there.
        policy::allocated(address, size_bytes, asked.caps);
    }
    match result {
        Ok(fresh) => {
            note(&Ok(fresh), asked, caller);
            Ok(fresh)
        }
        Err(ReallocationError::Allocation(error)) => {
            let error = as_asked(error, asked);
            note(&Err(error), asked, caller);
            errors::misuse(misuse::of_allocation(&error), Place::Caller(caller));
            Err(Error::Heap(ReallocationError::Allocation(error)))
        }
        Err(ReallocationError::Address(error)) => {
            policy::address_refused(&error);
            errors::misuse(misuse::of_address(&error), Place::Caller(caller));
            Err(Error::Heap(ReallocationError::Address(error)))
        }
    }
}

/// Tells whoever wants to know what came of a request, and warns if it failed and that is not the
/// end.
pub(super) fn told(
    result: Result<u32, AllocationError>,
    asked: &Request,
    caller: u32,
) -> Result<u32, Error<AllocationError>> {
    note(&result, asked, caller);
    if let Err(error) = &result {
        errors::misuse(misuse::of_allocation(error), Place::Caller(caller));
    }
    result.map_err(Error::Heap)
}

/// Tells of a request without a warning.
pub(super) fn note(result: &Result<u32, AllocationError>, asked: &Request, caller: u32) {
    let &Request { size_bytes, caps, .. } = asked;
    history::note(&Allocation { address: result.unwrap_or(0), size: size_bytes, caller });
    match result {
        Ok(address) => policy::allocated(*address, size_bytes, caps),
        Err(error) => {
            policy::allocation_refused(error);
            policy::failed(error, caller);
        }
    }
}

/// Takes a block back. The hook is called before, for behind it the memory may be another's.
///
/// # Safety
/// The block at this address, if there is one, is the caller's, and nobody uses it any more.
pub(super) unsafe fn release(address: u32, caller: u32) -> Result<u32, AddressError> {
    tell_release(address);
    let result = with_store(|store| store.free(address, caller));
    if let Err(error) = &result {
        policy::address_refused(error);
    }
    result
}
