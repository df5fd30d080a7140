//! Which refusals of kernel and heap are mistakes of the caller, and the status of each.

use crate::heap::{AddressError, AllocationError, Corruption, Expected};
use crate::kernel::call::{Call, Error};
use crashrig_wire::Detector;
use crashrig_wire::TransferState;
use crashrig_wire::status::Misuse;

/// The mistake behind a refused call; nothing where waiting in vain is part of the plan.
#[must_use]
pub const fn of_call(call: Call, error: Error) -> Option<Misuse> {
    Some(match error {
        Error::Timeout | Error::WouldBlock => return None,
        Error::FromInterrupt | Error::Masked => Misuse::CallFromInterrupt,
        Error::NoSuchThread => match call {
            Call::Join { .. } => Misuse::JoinUnknown,
            _ => Misuse::InvalidObject,
        },
        Error::NoSuchObject => Misuse::InvalidObject,
        Error::TableFull => Misuse::OutOfPlaces,
        Error::NotOwner => Misuse::NotOwner,
        Error::NotThisThread => match call {
            Call::Join { .. } => Misuse::JoinSelf,
            _ => Misuse::NotAllowed,
        },
        Error::OutOfMemory => Misuse::OutOfMemory,
        Error::BadStack => Misuse::InvalidStackSize,
        Error::StackInUse => Misuse::DoubleStart,
        Error::StackAlignment => Misuse::InvalidStackAlignment,
        Error::HeapCorrupt => Misuse::HeapCorrupt,
        Error::NotPrivileged | Error::NoSuchCall => Misuse::NotAllowed,
        Error::Limit => match call {
            Call::Lock { .. } => Misuse::RecursionLimit,
            Call::Release { .. } => Misuse::SemaphoreOverflow,
            Call::Join { .. } => Misuse::JoinTwice,
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

/// The mistake behind a refused spawn: of what can be out of range only the priority has its error.
#[must_use]
pub const fn of_spawn(error: Error) -> Option<Misuse> {
    match error {
        Error::OutOfRange => Some(Misuse::InvalidPriority),
        other => of_call(Call::Yield {}, other),
    }
}

/// Why there is no stack, from why there is no memory for it.
#[must_use]
pub const fn no_stack(error: &AllocationError) -> Error {
    match error {
        AllocationError::ZeroSize | AllocationError::Alignment(_) | AllocationError::Overflow => {
            Error::BadStack
        }
        AllocationError::Contradiction { .. } | AllocationError::OutOfMemory { .. } => {
            Error::OutOfMemory
        }
        AllocationError::Corrupt(_) => Error::HeapCorrupt,
    }
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
        AddressError::Foreign { address } => (Misuse::FreeForeign, address),
        AddressError::NotStartOfBlock { address, .. } => (Misuse::FreeInside, address),
        AddressError::AlreadyFree { address, .. } => (Misuse::DoubleFree, address),
        AddressError::Lent { address, .. } => (Misuse::InvalidArgument, address),
        AddressError::Corrupt(Corruption { address, .. }) => (Misuse::HeapCorrupt, address),
    }
}

/// The mistake behind what became of a DMA transfer; nothing if it ended as it should have.
#[must_use]
pub const fn of_transfer(state: TransferState) -> Option<Misuse> {
    match state {
        TransferState::Running | TransferState::Done | TransferState::Stopped => None,
        TransferState::Refused => Some(Misuse::DmaRefused),
        TransferState::TransferError
        | TransferState::FifoError
        | TransferState::DirectModeError => Some(Misuse::DmaError),
        TransferState::TimedOut => Some(Misuse::DmaTimeOut),
    }
}

/// Which check of the heap has refused an allocation; nothing where no memory could be had, or what
/// was asked for cannot be.
#[must_use]
pub const fn detector_of_allocation(error: &AllocationError) -> Option<Detector> {
    match error {
        AllocationError::Corrupt(corruption) => Some(detector_of(corruption)),
        _ => None,
    }
}

/// Which check of the heap has refused an address.
#[must_use]
pub const fn detector_of_address(error: &AddressError) -> Detector {
    match error {
        AddressError::Corrupt(corruption) => detector_of(corruption),
        AddressError::Foreign { .. }
        | AddressError::NotStartOfBlock { .. }
        | AddressError::AlreadyFree { .. }
        | AddressError::Lent { .. } => Detector::HeapAddress,
    }
}

const fn detector_of(corruption: &Corruption) -> Detector {
    match corruption.expected {
        Expected::Word(_) | Expected::Size | Expected::PreviousSize | Expected::FreeBlock => {
            Detector::HeapHeader
        }
        Expected::HeadCanary(_) | Expected::TailCanary(_) => Detector::HeapCanary,
        Expected::Fill(_) => Detector::HeapFill,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heap::{Alignment, Expected};
    use crashrig_layout::Capabilities;

    #[test]
    fn one_error_is_another_mistake_in_another_call() {
        let (thread, timeout) = (1, 0);
        let join = Call::Join { thread, timeout };
        let terminate = Call::Terminate { thread };
        let set_priority = Call::SetPriority { thread, priority: 1 };
        let rows = [
            (join, Error::NoSuchThread, Misuse::JoinUnknown),
            (terminate, Error::NoSuchThread, Misuse::InvalidObject),
            (set_priority, Error::NoSuchThread, Misuse::InvalidObject),
            (join, Error::NotThisThread, Misuse::JoinSelf),
            (terminate, Error::NotThisThread, Misuse::NotAllowed),
            (join, Error::Limit, Misuse::JoinTwice),
            (Call::Release { semaphore: 0 }, Error::Limit, Misuse::SemaphoreOverflow),
            (Call::Lock { mutex: 0, timeout }, Error::Limit, Misuse::RecursionLimit),
            (set_priority, Error::OutOfRange, Misuse::InvalidPriority),
        ];
        for (call, error, misuse) in rows {
            assert_eq!(of_call(call, error), Some(misuse), "{call:?}: {error:?}");
        }
        assert_eq!(of_call(join, Error::Timeout), None);
    }

    #[test]
    fn a_spawn_is_refused_for_what_the_heap_says() {
        let (caps, size_bytes) = (Capabilities::DEFAULT, 1024);
        let alignment = Alignment { align_bytes: 24, offset_bytes: 0 };
        let broken = Corruption { address: 8, expected: Expected::Size, found: 0 };
        let none = AllocationError::OutOfMemory { size_bytes, caps, largest_free_block: 0 };
        let rows = [
            (AllocationError::ZeroSize, Error::BadStack, Misuse::InvalidStackSize),
            (AllocationError::Alignment(alignment), Error::BadStack, Misuse::InvalidStackSize),
            (AllocationError::Overflow, Error::BadStack, Misuse::InvalidStackSize),
            (AllocationError::Contradiction { caps }, Error::OutOfMemory, Misuse::OutOfMemory),
            (none, Error::OutOfMemory, Misuse::OutOfMemory),
            (AllocationError::Corrupt(broken), Error::HeapCorrupt, Misuse::HeapCorrupt),
        ];
        for (said, error, misuse) in rows {
            assert_eq!(no_stack(&said), error, "{said:?}");
            assert_eq!(of_spawn(error), Some(misuse), "{said:?}");
        }
    }

    #[test]
    fn each_wrong_word_has_its_detector_and_each_wrong_address_its_status() {
        let rows = [
            (Expected::Word(8), Detector::HeapHeader),
            (Expected::Size, Detector::HeapHeader),
            (Expected::PreviousSize, Detector::HeapHeader),
            (Expected::FreeBlock, Detector::HeapHeader),
            (Expected::HeadCanary(8), Detector::HeapCanary),
            (Expected::TailCanary(8), Detector::HeapCanary),
            (Expected::Fill(8), Detector::HeapFill),
        ];
        for (expected, detector) in rows {
            let corruption = Corruption { address: 16, expected, found: 9 };
            let (asked, freed) = (corruption.into(), corruption.into());
            assert_eq!(detector_of_allocation(&asked), Some(detector), "{expected:?}");
            assert_eq!(detector_of_address(&freed), detector, "{expected:?}");
            assert_eq!(of_address(&freed), (Misuse::HeapCorrupt, 16));
        }
        let (address, block) = (24, 16);
        let rows = [
            (AddressError::Foreign { address }, Misuse::FreeForeign),
            (AddressError::NotStartOfBlock { address, block }, Misuse::FreeInside),
            (AddressError::AlreadyFree { address, block }, Misuse::DoubleFree),
            (AddressError::Lent { address, region: 1 }, Misuse::InvalidArgument),
        ];
        for (error, misuse) in rows {
            assert_eq!(of_address(&error), (misuse, address));
            assert_eq!(detector_of_address(&error), Detector::HeapAddress);
        }
        assert_eq!(detector_of_allocation(&AllocationError::ZeroSize), None);
    }
}
