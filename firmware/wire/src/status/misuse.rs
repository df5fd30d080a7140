//! What callers of kernel and heap can do wrong, and the one status that each mistake has.
//!
//! A misuse is never ignored and never merely an empty answer: whoever finds it raises this status,
//! with the offending object or number as its value. Each is raised by something in this project.
//! No two mistakes share a status, so that a record names the mistake.

use super::{Code, Module, Status};

crate::names::closed_list! {
    /// A mistake of a caller of the kernel or of a heap.
    Misuse, "misuse";
    /// A call that is not allowed in an interrupt handler: one that waits, allocates, or starts a
    /// thread.
    CallFromInterrupt = 0, "call-from-interrupt";
    /// A handle of no living object, or of one of another kind.
    InvalidObject = 1, "invalid-object";
    /// A mutex is unlocked by a thread that does not hold it.
    NotOwner = 2, "not-owner";
    /// A mutex is locked by its holder more often than it can count.
    RecursionLimit = 3, "recursion-limit";
    /// A semaphore is given more often than it can count.
    SemaphoreOverflow = 4, "semaphore-overflow";
    /// A thread waits for its own end.
    JoinSelf = 5, "join-self";
    /// A thread waits for the end of one that does not exist.
    JoinUnknown = 6, "join-unknown";
    /// A thread is started on a stack that another one has.
    DoubleStart = 7, "double-start";
    /// A priority outside of the kernel's.
    InvalidPriority = 8, "invalid-priority";
    /// A stack too small or too large for a thread, or not one region of the memory protection.
    InvalidStackSize = 9, "invalid-stack-size";
    /// A stack that does not begin and end at multiples of eight.
    InvalidStackAlignment = 10, "invalid-stack-alignment";
    /// An item larger than its queue was made for.
    ItemTooLarge = 11, "item-too-large";
    /// A delay or period that a timer cannot count.
    TimerLimit = 12, "timer-limit";
    /// More threads or objects than the kernel has places for.
    OutOfPlaces = 13, "out-of-places";
    /// A timer has run out more often than can be kept waiting for the timer thread.
    TimerQueueOverflow = 15, "timer-queue-overflow";
    /// A stack was used beyond its limit.
    StackOverflow = 16, "stack-overflow";
    /// No region has memory left for a stack or for what cannot be done without.
    OutOfMemory = 17, "out-of-memory";
    /// An allocation could not be served, and the caller was told.
    AllocationFailed = 18, "allocation-failed";
    /// An alignment that is no power of two.
    InvalidAlignment = 19, "invalid-alignment";
    /// A pointer is freed that no heap gave out.
    FreeForeign = 20, "free-foreign";
    /// A block is freed that is free.
    DoubleFree = 21, "double-free";
    /// The bookkeeping of a heap, or what surrounds a block, was overwritten.
    HeapCorrupt = 22, "heap-corrupt";
    /// A call that the thread has no right to make, or that does not exist.
    NotAllowed = 23, "not-allowed";
    /// An argument that is out of its range and has no mistake of its own.
    InvalidArgument = 24, "invalid-argument";
    /// A thread waits for the end of one that another waits for already.
    JoinTwice = 25, "join-twice";
    /// A pointer into a block is freed that is not the one that was handed out.
    FreeInside = 26, "free-inside";
    /// A DMA transfer that its controller cannot carry out.
    DmaRefused = 27, "dma-refused";
    /// A DMA transfer that ended with an error of the bus or of the FIFO.
    DmaError = 28, "dma-error";
    /// A DMA transfer that did not end in the time that its owner had set.
    DmaTimeOut = 29, "dma-time-out";
    /// A block is freed, or given another size, that a DMA transfer is using.
    FreeInFlight = 30, "free-in-flight";
}

impl Misuse {
    /// Its status. The number is Mbed's where Mbed has one for exactly this.
    #[must_use]
    pub const fn status(self) -> Status {
        let (module, code) = match self {
            Self::CallFromInterrupt => (Module::Kernel, Code::ProhibitedInIsrContext),
            Self::InvalidObject => (Module::Kernel, Code::InvalidObject),
            Self::NotOwner => (Module::Kernel, Code::MutexUnlockFailed),
            Self::RecursionLimit => (Module::Kernel, Code::MutexLockFailed),
            Self::SemaphoreOverflow => (Module::Kernel, Code::SemaphoreUnlockFailed),
            Self::JoinSelf => (Module::Kernel, Code::JoinSelf),
            Self::JoinUnknown => (Module::Kernel, Code::ItemNotFound),
            Self::DoubleStart => (Module::Kernel, Code::AlreadyInitialized),
            Self::InvalidPriority => (Module::Kernel, Code::InvalidPriority),
            Self::InvalidStackSize => (Module::Kernel, Code::InvalidSize),
            Self::InvalidStackAlignment => (Module::Kernel, Code::InvalidAlignment),
            Self::ItemTooLarge => (Module::Kernel, Code::ItemTooLarge),
            Self::TimerLimit => (Module::Kernel, Code::TimerLimit),
            Self::OutOfPlaces => (Module::Kernel, Code::OutOfResources),
            Self::TimerQueueOverflow => (Module::Kernel, Code::TimerQueueOverflow),
            Self::StackOverflow => (Module::Kernel, Code::StackOverflow),
            Self::OutOfMemory => (Module::MemorySubsystem, Code::OutOfMemory),
            Self::AllocationFailed => (Module::MemorySubsystem, Code::AllocFailed),
            Self::InvalidAlignment => (Module::MemorySubsystem, Code::InvalidAlignment),
            Self::FreeForeign => (Module::MemorySubsystem, Code::FreeFailed),
            Self::DoubleFree => (Module::MemorySubsystem, Code::DoubleFree),
            Self::HeapCorrupt => (Module::MemorySubsystem, Code::HeapCorrupt),
            Self::NotAllowed => (Module::Kernel, Code::InvalidOperation),
            Self::InvalidArgument => (Module::Kernel, Code::InvalidArgument),
            Self::JoinTwice => (Module::Kernel, Code::JoinTwice),
            Self::FreeInside => (Module::MemorySubsystem, Code::FreeInside),
            Self::DmaRefused => (Module::Driver, Code::DmaRefused),
            Self::DmaError => (Module::Driver, Code::DmaError),
            Self::DmaTimeOut => (Module::Driver, Code::DmaTimeOut),
            Self::FreeInFlight => (Module::MemorySubsystem, Code::MemoryBorrowed),
        };
        Status::of_code(module, code)
    }

    /// The misuse that a status stands for.
    #[must_use]
    pub fn of(status: Status) -> Option<Self> {
        Self::ALL.iter().copied().find(|misuse| misuse.status() == status)
    }
}
