//! Mutexes, semaphores, event flags, queues and timers as an application uses them.
//!
//! Times are ticks of [`crate::clock::TICK_HZ`]; 0 does not wait, [`super::FOREVER`] has no end.
//! What an interrupt handler may use says so; it must not wait.

use super::ask;
use crashrig_memory::kernel::call::{Call, Error};

/// What all kernel objects have.
macro_rules! object {
    ($($object:ident),+) => { $(
        impl $object {
            /// The object of a handle, which another thread has passed on.
            #[must_use]
            pub const fn from_handle(handle: u32) -> Self {
                Self(handle)
            }

            /// Its handle, below 2^24.
            #[must_use]
            pub const fn handle(self) -> u32 {
                self.0
            }

            /// Takes it away. Who waits for it gets [`Error::NoSuchObject`].
            ///
            /// # Errors
            /// It is gone already.
            pub fn delete(self) -> Result<(), Error> {
                ask(Call::Delete { object: self.0 }).map(|_| ())
            }
        }
    )+ };
}

object!(Mutex, Semaphore, Flags, Queue, Timer);

/// A mutex with priority inheritance. Its owner may lock it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mutex(u32);

impl Mutex {
    /// An unlocked mutex.
    ///
    /// # Errors
    /// The table of objects is full.
    pub fn new() -> Result<Self, Error> {
        ask(Call::NewMutex {}).map(Self)
    }

    /// Locks it.
    ///
    /// # Errors
    /// The time was up, or the caller is an interrupt handler.
    pub fn lock(self, timeout: u32) -> Result<(), Error> {
        ask(Call::Lock { mutex: self.0, timeout }).map(|_| ())
    }

    /// Unlocks it once.
    ///
    /// # Errors
    /// The caller does not own it.
    pub fn unlock(self) -> Result<(), Error> {
        ask(Call::Unlock { mutex: self.0 }).map(|_| ())
    }
}

/// A counting semaphore.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Semaphore(u32);

impl Semaphore {
    /// A semaphore that holds `initial` of at most `limit`.
    ///
    /// # Errors
    /// The table of objects is full, or `initial` is above `limit`.
    pub fn new(initial: u32, limit: u32) -> Result<Self, Error> {
        ask(Call::NewSemaphore { initial, limit }).map(Self)
    }

    /// Takes one. An interrupt handler may, with a timeout of 0.
    ///
    /// # Errors
    /// The time was up.
    pub fn acquire(self, timeout: u32) -> Result<(), Error> {
        ask(Call::Acquire { semaphore: self.0, timeout }).map(|_| ())
    }

    /// Gives one. An interrupt handler may.
    ///
    /// # Errors
    /// It holds its limit already.
    pub fn release(self) -> Result<(), Error> {
        ask(Call::Release { semaphore: self.0 }).map(|_| ())
    }
}

/// A set of 31 event flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flags(u32);

impl Flags {
    /// A set with all flags clear.
    ///
    /// # Errors
    /// The table of objects is full.
    pub fn new() -> Result<Self, Error> {
        ask(Call::NewFlags {}).map(Self)
    }

    /// Sets flags; the set afterwards. An interrupt handler may.
    ///
    /// # Errors
    /// Bit 31 is not a flag.
    pub fn set(self, bits: u32) -> Result<u32, Error> {
        ask(Call::SetFlags { flags: self.0, bits })
    }

    /// Clears flags; the set before. An interrupt handler may.
    ///
    /// # Errors
    /// Bit 31 is not a flag.
    pub fn clear(self, bits: u32) -> Result<u32, Error> {
        ask(Call::ClearFlags { flags: self.0, bits })
    }

    /// Waits for any of some flags and clears those; the set before.
    ///
    /// # Errors
    /// The time was up, or no flag was named.
    pub fn wait_any(self, bits: u32, timeout: u32) -> Result<u32, Error> {
        ask(Call::WaitAny { flags: self.0, bits, timeout })
    }

    /// Waits for all of some flags and clears them; the set before.
    ///
    /// # Errors
    /// The time was up, or no flag was named.
    pub fn wait_all(self, bits: u32, timeout: u32) -> Result<u32, Error> {
        ask(Call::WaitAll { flags: self.0, bits, timeout })
    }
}

/// A queue of words of 31 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queue(u32);

impl Queue {
    /// An empty queue for 1 to 16 words.
    ///
    /// # Errors
    /// The table of objects is full, or the capacity is out of range.
    pub fn new(capacity: u32) -> Result<Self, Error> {
        ask(Call::NewQueue { capacity }).map(Self)
    }

    /// Puts a word in. An interrupt handler may, with a timeout of 0.
    ///
    /// # Errors
    /// The time was up while there was no room, or bit 31 is set.
    pub fn put(self, word: u32, timeout: u32) -> Result<(), Error> {
        ask(Call::Put { queue: self.0, word, timeout }).map(|_| ())
    }

    /// Takes the oldest word. An interrupt handler may, with a timeout of 0.
    ///
    /// # Errors
    /// The time was up while there was none.
    pub fn get(self, timeout: u32) -> Result<u32, Error> {
        ask(Call::Get { queue: self.0, timeout })
    }
}

/// A timer, whose function runs on the timer thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timer(u32);

impl Timer {
    /// A stopped timer.
    ///
    /// # Errors
    /// The table of objects is full.
    pub fn new(function: extern "C" fn(u32), argument: u32) -> Result<Self, Error> {
        ask(Call::NewTimer { function: function as usize as u32, argument }).map(Self)
    }

    /// Starts it, or starts it again: it expires after `delay`, and then every `period`, or only
    /// once if that is 0. An interrupt handler may.
    ///
    /// # Errors
    /// The delay is 0, or one of the times is above 2^31.
    pub fn start(self, delay: u32, period: u32) -> Result<(), Error> {
        ask(Call::StartTimer { timer: self.0, delay, period }).map(|_| ())
    }

    /// Stops it: its function is not called any more, unless the timer thread is just doing so. An
    /// interrupt handler may.
    ///
    /// # Errors
    /// There is no such timer any more.
    pub fn stop(self) -> Result<(), Error> {
        ask(Call::StopTimer { timer: self.0 }).map(|_| ())
    }
}
