//! Another size for memory that was handed out, where it is or at another place.

use super::{Error, as_asked, history, note, policy, request, told, with};
use crate::errors::{self, Place};
use crashrig_layout::Capabilities;
use crashrig_memory::heap::{Alignment, ReallocationError};
use crashrig_memory::misuse;
use crashrig_wire::section::Allocation;

/// Gives memory that was handed out another size, at the same address or at another one, which is
/// answered. What it held goes along, as much as fits. Hooks see a release and an allocation only
/// where it moves.
///
/// # Errors
/// As [`Heap::reallocate`], or the caller is an interrupt handler; the memory is as before.
#[inline(never)]
pub fn reallocate(
    address: u32,
    size_bytes: u32,
    alignment: Alignment,
    caps: Capabilities,
) -> Result<u32, Error<ReallocationError>> {
    let caller = history::caller();
    policy::check_caller(caller)?;
    let result = request(size_bytes, alignment, caps, caller)
        .map_err(ReallocationError::Allocation)
        .and_then(|request| with(|heap| heap.reallocate(address, &request)));
    match result {
        Ok(found) => {
            if found != address {
                policy::before_free(address);
                history::note(&Allocation { address, size: Allocation::RELEASE, caller });
                note(&Ok(found), size_bytes, caps, caller);
            }
            Ok(found)
        }
        Err(ReallocationError::Allocation(error)) => {
            let error = as_asked(error, size_bytes, caps);
            let told = told(Err(error), size_bytes, caps, caller);
            told.map_err(|_| Error::Heap(ReallocationError::Allocation(error)))
        }
        Err(ReallocationError::Address(error)) => {
            policy::address_refused(&error);
            errors::misuse(misuse::of_address(&error), Place::Caller(caller));
            Err(Error::Heap(error.into()))
        }
    }
}
