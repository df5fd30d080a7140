//! Which errors of the kernel are mistakes of the caller, and the status of each.

use super::call::{Call, Error};
use crashrig_wire::status::Misuse;

/// The mistake behind an error; nothing where waiting in vain is part of the plan.
#[must_use]
pub const fn misuse_of(call: Call, error: Error) -> Option<Misuse> {
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
