//! Which refusals of kernel and heap are mistakes of the caller, and the status of each.

use crate::heap::{AddressError, AllocationError, Corruption};
use crate::kernel::call::{Call, Error};
use crashrig_wire::status::Misuse;

/// The mistake behind a refused call; nothing where waiting in vain is part of the plan.
#[must_use]
pub const fn of_call(call: Call, error: Error) -> Option<Misuse> {
    Some(match error {
        Error::Timeout | Error::WouldBlock => return None,
        Error::FromInterrupt | Error::Masked => Misuse::CallFromInterrupt,
        Error::NoSuchThread => Misuse::JoinUnknown,
        Error::NoSuchObject => Misuse::InvalidObject,
        Error::TableFull => Misuse::OutOfPlaces,
        Error::NotOwner => Misuse::NotOwner,
        Error::NotThisThread => Misuse::JoinSelf,
        Error::OutOfMemory => Misuse::OutOfMemory,
        Error::BadStack => Misuse::InvalidStackSize,
        Error::NotPrivileged | Error::NoSuchCall => Misuse::NotAllowed,
        Error::Limit => match call {
            Call::Lock { .. } => Misuse::RecursionLimit,
            Call::Release { .. } => Misuse::SemaphoreOverflow,
            _ => Misuse::OutOfPlaces,
        },
        Error::OutOfRange => match call {
            Call::StartTimer { .. } => Misuse::TimerLimit,
            Call::SetPriority { .. } => Misuse::InvalidPriority,
            Call::Put { .. } => Misuse::ItemTooLarge,
            _ => Misuse::InvalidArgument,
        },
    })
}

/// The mistake behind a refused allocation, and its number: the size or alignment that was asked
/// for, or the address of the word that is wrong.
#[must_use]
pub const fn of_allocation(error: &AllocationError) -> (Misuse, u32) {
    match *error {
        AllocationError::ZeroSize => (Misuse::AllocationFailed, 0),
        AllocationError::Alignment(alignment) => (Misuse::InvalidAlignment, alignment.align_bytes),
        AllocationError::Contradiction { caps } => (Misuse::AllocationFailed, caps.bits()),
        AllocationError::Overflow => (Misuse::AllocationFailed, u32::MAX),
        AllocationError::OutOfMemory { size_bytes, .. } => (Misuse::AllocationFailed, size_bytes),
        AllocationError::Corrupt(Corruption { address, .. }) => (Misuse::HeapCorrupt, address),
    }
}

/// The mistake behind a refused address, and its number: that address, or the one of the word that
/// is wrong.
#[must_use]
pub const fn of_address(error: &AddressError) -> (Misuse, u32) {
    match *error {
        AddressError::Foreign { address } | AddressError::NotStartOfBlock { address, .. } => {
            (Misuse::FreeForeign, address)
        }
        AddressError::AlreadyFree { address, .. } => (Misuse::DoubleFree, address),
        AddressError::Corrupt(Corruption { address, .. }) => (Misuse::HeapCorrupt, address),
    }
}
