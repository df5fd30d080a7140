//! Who asks for memory, as one number: which thread, or that it is none.
//!
//! A thread is named by its handle, in which each use of a slot has a number of its own: one that
//! has ended is never taken for the next in its slot (handles repeat after 65,536 threads in one
//! slot). The stack of a thread from the heap is charged to who spawned it.

use crate::kernel::thread::Thread;
use crate::{interrupts, kernel};
use crashrig_memory::heap::OTHERS;

/// Bits of a handle (`kernel::object::Handle` in `memory`); above them lies which kind of owner.
const NUMBER: u32 = 0xFF_FFFF;
const KIND_THREAD: u32 = 1 << 24;
const KIND_INTERRUPT: u32 = 2 << 24;

/// Who asked for a block: what `crashrig_memory::heap::Origin::owner` stands for on this device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// Start-up, before there was a kernel; and nobody known.
    BeforeKernel,
    /// A thread, which may have ended.
    Thread(Thread),
    /// The handler of an exception, by its number in IPSR.
    Interrupt(u32),
    /// Somebody for whom there was no account.
    Others,
}

impl Owner {
    /// Who asks now.
    #[must_use]
    pub fn now() -> Self {
        match interrupts::active() {
            0 => kernel::running_handle().map_or(Self::BeforeKernel, Self::Thread),
            exception => Self::Interrupt(exception),
        }
    }

    /// The number that stands for it.
    #[must_use]
    pub const fn to_word(self) -> u32 {
        match self {
            Self::BeforeKernel => 0,
            Self::Thread(thread) => KIND_THREAD | thread.to_word(),
            Self::Interrupt(exception) => KIND_INTERRUPT | exception,
            Self::Others => OTHERS,
        }
    }

    /// Who a number stands for; nothing if it stands for nobody.
    #[must_use]
    pub const fn from_word(word: u32) -> Option<Self> {
        match (word & !NUMBER, word & NUMBER) {
            (0, 0) => Some(Self::BeforeKernel),
            (KIND_THREAD, handle) => Some(Self::Thread(Thread::from_word(handle))),
            (KIND_INTERRUPT, exception) => Some(Self::Interrupt(exception)),
            _ if word == OTHERS => Some(Self::Others),
            _ => None,
        }
    }
}

#[cfg(feature = "heap-tracking")]
pub(super) use tracked::{Table, is_alive};
#[cfg(feature = "heap-tracking")]
pub use tracked::{account_of, accounts};

#[cfg(feature = "heap-tracking")]
mod tracked {
    use super::Owner;
    use crate::heap::store::with_store;
    use crate::kernel;
    use crashrig_memory::heap::{Account, Accounts};

    /// Accounts at a time: for each thread there can be, and some that have ended or are none.
    const ACCOUNT_LIMIT: usize = kernel::THREAD_LIMIT + 16;
    pub(in crate::heap) type Table = Accounts<ACCOUNT_LIMIT>;

    /// Whether an owner may still ask for memory.
    pub(in crate::heap) fn is_alive(owner: u32) -> bool {
        match Owner::from_word(owner) {
            Some(Owner::Thread(thread)) => kernel::is_alive(thread),
            Some(Owner::BeforeKernel) => kernel::running_handle().is_none(),
            Some(Owner::Interrupt(_) | Owner::Others) => true,
            None => false,
        }
    }

    /// Who has how much of the heap, those that have ended among them. Each account is taken in
    /// one step; between two of them others may use the heap.
    pub fn accounts() -> impl Iterator<Item = Account> {
        with_store(|store| store.accounts.mark_ended(is_alive));
        (0..=ACCOUNT_LIMIT)
            .filter_map(|place| with_store(|store| store.accounts.row(place).copied()))
    }

    /// The account of one owner, if it was ever given memory.
    #[must_use]
    pub fn account_of(owner: Owner) -> Option<Account> {
        accounts().find(|account| account.owner == owner.to_word())
    }
}
