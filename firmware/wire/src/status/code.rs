//! What an error is: the codes this project uses, Mbed's below 4096 and our own from there on.
//!
//! Source of the numbers below 4096: `mbed_error_code_t` in
//! `platform/include/platform/mbed_error.h` of Mbed OS, where 256 to 328 are defined. A number of
//! Mbed's keeps Mbed's meaning; where Mbed has none that says exactly what happened, the code is a
//! custom one.

use super::Type;

crate::names::closed_list! {
    /// The code field of a status.
    Code as u16, "code";
    /// Nothing more is known.
    Unknown = 256, "unknown";
    /// An argument is not one of those allowed.
    InvalidArgument = 257, "invalid-argument";
    /// A size is too small or too large.
    InvalidSize = 261, "invalid-size";
    /// The operation does not fit the state of the object.
    InvalidOperation = 262, "invalid-operation";
    /// There is no such thing.
    ItemNotFound = 263, "item-not-found";
    /// The time to wait is over.
    TimeOut = 269, "time-out";
    /// A semaphore could not be taken.
    SemaphoreLockFailed = 276, "semaphore-lock-failed";
    /// A mutex could not be locked.
    MutexLockFailed = 277, "mutex-lock-failed";
    /// A semaphore could not be given.
    SemaphoreUnlockFailed = 278, "semaphore-unlock-failed";
    /// A mutex could not be unlocked.
    MutexUnlockFailed = 279, "mutex-unlock-failed";
    /// Memory is used up.
    OutOfMemory = 287, "out-of-memory";
    /// A fixed number of objects is used up.
    OutOfResources = 288, "out-of-resources";
    /// One allocation could not be served.
    AllocFailed = 289, "alloc-failed";
    /// A block could not be freed.
    FreeFailed = 290, "free-failed";
    /// A stack was used beyond its limit.
    StackOverflow = 293, "stack-overflow";
    /// Too many timers are waiting for their thread.
    TimerQueueOverflow = 295, "timer-queue-overflow";
    /// A thread could not be made.
    ThreadCreateFailed = 301, "thread-create-failed";
    /// The call is not allowed in an interrupt handler.
    ProhibitedInIsrContext = 303, "prohibited-in-isr-context";
    /// What is being started or set up already is.
    AlreadyInitialized = 316, "already-initialized";
    /// A HardFault.
    HardFault = 317, "hardfault-exception";
    /// A MemManage fault.
    MemoryFault = 318, "memmanage-exception";
    /// A BusFault.
    BusFault = 319, "busfault-exception";
    /// A UsageFault.
    UsageFault = 320, "usagefault-exception";
    /// An assertion failed, or a panic.
    AssertionFailed = 324, "assertion-failed";
    /// An interrupt that has no handler.
    UnexpectedInterrupt = 4096, "unexpected-interrupt";
    /// A handle of no living object, or of one of another kind.
    InvalidObject = 4097, "invalid-object";
    /// A thread waits for its own end.
    JoinSelf = 4098, "join-self";
    /// A priority outside of the kernel's.
    InvalidPriority = 4099, "invalid-priority";
    /// An alignment that is no power of two, or not kept.
    InvalidAlignment = 4100, "invalid-alignment";
    /// An item larger than its queue was made for.
    ItemTooLarge = 4101, "item-too-large";
    /// A delay or period that a timer cannot count.
    TimerLimit = 4102, "timer-limit";
    /// A block was freed that is free.
    DoubleFree = 4103, "double-free";
    /// The bookkeeping of a heap, or what surrounds a block, was overwritten.
    HeapCorrupt = 4104, "heap-corrupt";
    /// The vector table of an image leads nowhere.
    ImageVector = 4105, "image-vector";
    /// An image is not as long as its header says, or has none.
    ImageLength = 4106, "image-length";
    /// An image does not have the bytes that were sealed.
    ImageCrc = 4107, "image-crc";
    /// The header of an image is that of another build.
    ImageBuildId = 4108, "image-build-id";
    /// A thread waits for the end of one that another waits for already.
    JoinTwice = 4109, "join-twice";
    /// An address inside of a block was freed.
    FreeInside = 4110, "free-inside";
    /// A DMA transfer that no controller can carry out.
    DmaRefused = 4111, "dma-refused";
    /// A DMA stream ended with an error.
    DmaError = 4112, "dma-error";
    /// A DMA transfer did not end in time.
    DmaTimeOut = 4113, "dma-time-out";
    /// Memory that a bus master is using was to be released or used otherwise.
    MemoryBorrowed = 4114, "memory-borrowed";
    /// An entry of the vector table in RAM was overwritten.
    VectorTableDamaged = 4115, "vector-table-damaged";
}

/// The first number of custom codes.
const FIRST_CUSTOM: u16 = 4096;

impl Code {
    /// The type that statuses of this code have.
    #[must_use]
    pub const fn status_type(self) -> Type {
        if self.code() < FIRST_CUSTOM { Type::System } else { Type::Custom }
    }
}
