//! One thread as the kernel knows it. Its stack and registers are the port's.

use super::call::Error;
use super::object::Handle;
use crate::stack::StackRange;

/// Highest priority; 0 is the idle thread's.
pub const PRIORITY_LIMIT: u32 = 31;

/// Priorities by name.
pub mod priority {
    /// The idle thread's. Other threads may share it.
    pub const IDLE: u32 = 0;
    /// Below the usual.
    pub const LOW: u32 = 8;
    /// The main thread's.
    pub const NORMAL: u32 = 16;
    /// Above the usual.
    pub const HIGH: u32 = 24;
    /// The timer thread's.
    pub const TIMER: u32 = 30;
}

/// What a thread waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// For its time only.
    Time,
    /// For the end of the thread in a slot.
    End(u8),
    /// For a mutex.
    Mutex(Handle),
    /// For one of a semaphore.
    Semaphore(Handle),
    /// For any, or all, of some flags.
    Flags {
        /// The set.
        set: Handle,
        /// The flags.
        bits: u32,
        /// Whether all of them must be set.
        all: bool,
    },
    /// For a word in a queue.
    Word(Handle),
    /// For room for a word in a queue.
    Room(Handle, u32),
    /// For a timer to expire.
    Timer,
}

/// What a thread is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// There is no thread in this slot.
    Free,
    /// It runs, or could run.
    Ready,
    /// It waits.
    Waiting(Wait),
    /// It has ended with a code and waits to be joined.
    Ended(u32),
    /// The thread in this slot is about to start it: slot and stack are taken, and nobody else
    /// knows it yet.
    Starting(u8),
}

impl State {
    /// The code that stands in a record's thread table.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Free => 0,
            Self::Ready => 1,
            Self::Waiting(_) => 2,
            Self::Ended(_) => 3,
            Self::Starting(_) => 4,
        }
    }
}

/// One slot of the table of threads.
#[derive(Debug, Clone, Copy)]
pub struct Thread {
    /// What it is doing.
    pub state: State,
    /// Rises each time the slot is used again, so that an old handle is known as such.
    pub(super) generation: u16,
    /// Its name, for logs and records.
    pub name: &'static str,
    /// The priority it was given.
    pub base_priority: u8,
    /// The priority it has, which a mutex may have raised.
    pub priority: u8,
    /// Whether it may do everything. An unprivileged thread reaches flash and its own stack only.
    pub privileged: bool,
    /// Whether its stack must go back to the heap when it has ended.
    pub stack_from_heap: bool,
    /// Address of its function.
    pub entry: u32,
    /// Its stack.
    pub stack: StackRange,
    /// Order among threads of one priority: who became ready, or began to wait, earlier.
    pub(super) ticket: u32,
    /// Ticks until it goes behind the others of its priority. What interrupts it takes none of
    /// them, or its equals would never run beside a thread that often interrupts.
    pub(super) slice_left: u32,
    /// When its wait is over, in ticks; nothing means never.
    pub(super) deadline: Option<u32>,
    /// The answer to the call it waited in, until it runs again.
    pub(super) answer: Option<Result<u32, Error>>,
}

impl Thread {
    /// An empty slot.
    pub const FREE: Self = Self {
        state: State::Free,
        generation: 0,
        name: "",
        base_priority: 0,
        priority: 0,
        privileged: false,
        stack_from_heap: false,
        entry: 0,
        stack: StackRange::NONE,
        ticket: 0,
        slice_left: 0,
        deadline: None,
        answer: None,
    };

    pub(super) const fn has_finished_stack(&self) -> bool {
        self.stack_from_heap && matches!(self.state, State::Free | State::Ended(_))
    }
}

/// What a new thread is to be.
#[derive(Debug, Clone, Copy)]
pub struct NewThread {
    /// Its name, for logs and records.
    pub name: &'static str,
    /// 0 to [`PRIORITY_LIMIT`].
    pub priority: u32,
    /// Whether it may do everything.
    pub privileged: bool,
    /// Whether its stack must go back to the heap when it has ended.
    pub stack_from_heap: bool,
    /// Address of its function.
    pub entry: u32,
    /// Its stack.
    pub stack: StackRange,
}
