//! What we do to the device: the closed list of faults that a host can ask for.

crate::names::closed_list! {
    /// A fault, as the mailbox names it. One function of the image carries out each.
    Fault, "fault";
    /// Nothing is broken: the boot checks itself and ends. With a parameter of 1 the report of a
    /// crash marks every record as read itself.
    None = 0, "none";
    /// The boot waits and polls the mailbox for the next command.
    Await = 1, "await";
    /// A load from an address that no region of the chip covers.
    BusRead = 2, "bus-read";
    /// A store to an address that no region of the chip covers.
    BusWrite = 3, "bus-write";
    /// A permanently undefined instruction (UDF).
    UndefinedInstruction = 4, "undefined-instruction";
    /// An integer division by zero with CCR.DIV_0_TRP set.
    DivideByZero = 5, "divide-by-zero";
    /// A Rust panic in a thread.
    Panic = 6, "panic";
    /// A stack is used beyond its limit; which one and how is said by `stack` and `way`. With a
    /// parameter, which is for `large-frame`, so many bytes of it are used, counted from its upper
    /// end: within it or beyond its limit.
    StackOverflow = 7, "stack-overflow";
    /// The boot asks for a reset without having ended, as a boot that can never finish would; with
    /// a parameter of 1 it does so in order, which the device does not hold against it.
    ResetLoop = 10, "reset-loop";
    /// A fault inside the HardFault handler: the core locks up. With a parameter of 0x40000000 a
    /// watchdog is started before.
    Lockup = 11, "lockup";
    /// An endless loop that never reports progress.
    Hang = 12, "hang";
    /// A bus fault whose capture is itself cut short by a second fault while the trail is written.
    CaptureFault = 13, "capture-fault";
    /// The boot ends by a semihosting exit, as an image that is not ours would. RAM is lost.
    ForeignExit = 14, "foreign-exit";
    /// An interrupt that has no handler of its own.
    UnexpectedInterrupt = 15, "unexpected-interrupt";
    /// The main stack pointer is set to where nothing is, and an exception is taken: no frame can
    /// be written, and no handler can push.
    WildStackPointer = 16, "wild-stack-pointer";
    /// The services of the kernel are used as they are meant to be, and checked.
    KernelServices = 18, "kernel-services";
    /// A call of address 0.
    NullCall = 19, "null-call";
    /// A store through address 0.
    NullWrite = 20, "null-write";
    /// A store to flash.
    FlashWrite = 21, "flash-write";
    /// A store to the vector table in RAM.
    VectorWrite = 22, "vector-write";
    /// Code is copied to static RAM and called.
    ExecuteRam = 23, "execute-ram";
    /// Code is copied to the stack and called.
    ExecuteStack = 24, "execute-stack";
    /// Code is copied to the CCM and called.
    ExecuteCcm = 25, "execute-ccm";
    /// An unprivileged thread stores to the kernel's data.
    UnprivilegedKernelWrite = 26, "unprivileged-kernel-write";
    /// An unprivileged thread stores to the vector table in RAM.
    UnprivilegedVectorWrite = 27, "unprivileged-vector-write";
    /// An unprivileged thread stores to the crash region.
    UnprivilegedCrashWrite = 28, "unprivileged-crash-write";
    /// An unprivileged thread stores to a register of the MPU.
    UnprivilegedMpuWrite = 29, "unprivileged-mpu-write";
    /// A bus fault on the timer thread.
    TimerCrash = 30, "timer-crash";
    /// A bus fault in an interrupt handler.
    IsrCrash = 31, "isr-crash";
    /// A bus fault before the kernel has started; with a parameter of 1 a reset instead, without a
    /// trace.
    BootCrash = 32, "boot-crash";
    /// A thread is left while its floating-point state is still to be written, where that cannot be
    /// written.
    LateFloat = 33, "late-float";
    /// The main thread reports a fatal error.
    ErrorCall = 34, "error-call";
    /// A thread writes over the canary of its stack and ends at once. With a parameter of 1 the
    /// stack is from the heap; with one of 2 the thread ends with its stack pointer below the
    /// guard, and leaves the canary whole; with one of 3 only the header of the heap's block is
    /// broken, with one of 5 too, where the heap only warns of that; with one of 4 the thread
    /// writes over its canary and sleeps.
    EndAfterOverflow = 35, "end-after-overflow";
    /// A Rust panic in an unprivileged thread.
    UnprivilegedPanic = 36, "unprivileged-panic";
    /// A thread whose stack is from the heap goes through the block below it and over that one's
    /// header; with a parameter of 1 it is looked at what the boot before left of that block.
    HeapStackOverflow = 40, "heap-stack-overflow";
    /// The owner of a block of the heap writes one word beyond it, and has the heap checked.
    HeapOverrun = 41, "heap-overrun";
    /// All of the heap is filled, and all of the ISR stack above its canary or as many bytes more
    /// as the parameter says.
    HeapAndIsrStack = 42, "heap-and-isr-stack";
    /// A static array is written one word beyond its end, where nothing may be.
    StaticOverrun = 43, "static-overrun";
    /// A pointer to a variable of a function that was left is stored through: what lies there now
    /// is a pointer of another function, which follows it.
    DanglingFrame = 44, "dangling-frame";
    /// The vector table is moved to where all but its first entries lie in no memory, and an
    /// interrupt is raised.
    VectorTableLost = 45, "vector-table-lost";
    /// Code is copied into the block of RAM that the board lets execute, and called.
    ExecuteBlock = 46, "execute-block";
    /// Regions of the heap are used as they are meant to be, and memory is added that cannot be;
    /// with a parameter of 1, RAM off the chip is asked for, by name and by default.
    HeapRegions = 47, "heap-regions";
    /// Allocations fail and the heap tells of it; with a parameter of 1 they are served, and it
    /// tells of each and of each release.
    HeapCallbacks = 48, "heap-callbacks";
    /// An allocation fails with a heap that ends the boot then.
    HeapAbort = 49, "heap-abort";
    /// An interrupt handler allocates and frees: with a parameter of 0 that is refused, with 1
    /// allowed, with 2 it is the end of the boot.
    HeapInInterrupt = 50, "heap-in-interrupt";
    /// A thread leaves the core to another one with its stack pointer outside of its stack.
    LeaveOutside = 51, "leave-outside";
    /// A load from nowhere, with one thread more than a record has rows.
    ManyThreads = 52, "many-threads";
    /// None; a heap of its own is used as the host asks, batch by batch, until it says that it is
    /// over.
    HeapScript = 53, "heap-script";
    /// None; the kernel's services are used between marks, for a host that counts instructions.
    Benchmark = 60, "benchmark";
    /// An address is released that the heap has not handed out, or has taken back: with a parameter
    /// of 0 that of a block for the second time, with 1 that of a static, with 2 one inside of a
    /// block.
    HeapWrongAddress = 61, "heap-wrong-address";
    /// A word of the heap is written over; then the heap is asked for what needs the word. Which
    /// and how is said by `damage`.
    HeapCorrupt = 62, "heap-corrupt";
    /// All memory with the capabilities of the parameter is taken and given back; then it is taken
    /// again, and a request more is the end of the boot.
    HeapExhaustion = 63, "heap-exhaustion";
    /// The same with every second small block free, and a request for more than one of them.
    HeapFragmentation = 64, "heap-fragmentation";
    /// None; memory is asked for again and again, with a parameter of 1 for another size, with 2
    /// given back, while threads and a timer that use the heap come in between, each time one
    /// instruction later.
    HeapSwitches = 65, "heap-switches";
    /// None; blocks are charged to who asked for them, by a heap that keeps accounts.
    HeapAccounts = 70, "heap-accounts";
    /// None; allocations are traced, with fewer records than there are leaks.
    HeapTrace = 71, "heap-trace";
    /// None; the heap is used through the traits of Rust's own allocators.
    HeapAllocators = 72, "heap-allocators";
    /// The watchdog is started; with a parameter of 1 it is fed for three times as long as it
    /// waits, otherwise an endless loop keeps it from being fed.
    WatchdogHang = 80, "watchdog-hang";
    /// None; the last sector of flash is erased and programmed, with a parameter of 1 looked at.
    FlashProgram = 81, "flash-program";
    /// None; the flash interface is asked for what it must refuse.
    FlashMisuse = 82, "flash-misuse";
    /// None; backup SRAM is opened and written, with a parameter of 1 opened and looked at.
    BackupSram = 83, "backup-sram";
    /// None; DMA streams copy and send in each of their modes, and refuse with error values; with a
    /// parameter of 1 in each pair of widths.
    DmaServices = 90, "dma-services";
    /// A DMA transfer that breaks a rule, by parameter: 0 it writes core-coupled memory, 1 it goes
    /// beyond the end of SRAM2, 2 it copies on DMA1, 3 its bursts cross a boundary of 1 KiB, 4 it
    /// writes flash, 5 it writes an alias, 6 it copies in direct mode, 7 it has too many items, 8
    /// it copies in circular mode, 9 its bursts do not fit the threshold of the FIFO, 10 its items
    /// fill no words, 11 its circular rounds are no whole bursts, 12 an address is no multiple of
    /// its width, 13 it has bursts and 14 two widths in direct mode, 15 its bursts at the
    /// peripheral port do not suit the threshold, 16 it writes a buffer on the stack of a thread,
    /// which lies in core-coupled memory. On a PL081: 0 it writes memory that was given away, 1 it
    /// goes beyond the end of memory, 5 it writes an alias, 7 it has too many items, 8 it copies in
    /// circular mode, 10 it is for a peripheral.
    DmaMisuse = 91, "dma-misuse";
    /// A DMA transfer whose peripheral never has anything, with a limit of 5 ms.
    DmaEndless = 92, "dma-endless";
    /// None; one DMA stream fails while another runs, and the owner of each is told.
    DmaErrorBeside = 93, "dma-error-beside";
    /// None; a block is freed while a DMA stream fills it.
    DmaFreedInFlight = 94, "dma-freed-in-flight";
    /// None; a DMA stream sends by a serial port.
    DmaSerial = 95, "dma-serial";
    /// A DMA stream writes beyond the block of the heap that it was given, and the heap is checked.
    DmaOverrun = 96, "dma-overrun";
    /// A load from nowhere while a circular DMA stream sends.
    DmaCircularCrash = 97, "dma-circular-crash";
    /// A DMA stream writes over the vector table in RAM.
    DmaOverVectors = 98, "dma-over-vectors";
    /// A DMA stream writes over the crash region.
    DmaOverCrashRegion = 99, "dma-over-crash-region";
    /// None; a table in RAM is computed over and over, some 0.9 million instructions without a call
    /// of the kernel, and its sum compared. A parameter gives another number of rounds, whose sum
    /// nobody knows; with 0x80000000 in it no clock ticks, with 0x40000000 a watchdog is started.
    Compute = 100, "compute";
    /// None; threads take turns, one of them in floating point, while an interrupt handler above
    /// the switch of threads wakes a third: each wake-up must be served, however many come. With a
    /// parameter of 0x40000000 a watchdog is started before.
    TakeTurns = 101, "take-turns";
    /// None; blocks with `capabilities` are taken, resized and released, and everything that was
    /// promised is looked at.
    HeapRounds = 110, "heap-rounds";
    /// None; the same with plain memory, while an interrupt may come whose handler uses the heap:
    /// with a parameter of 1 it is allowed to.
    HeapInterrupted = 111, "heap-interrupted";
}

crate::names::closed_list! {
    /// Where the benchmark of the image stands.
    Mark, "mark";
    /// At its beginning.
    Begin = 1, "begin";
    /// Nothing has been done since the mark before: what a mark itself costs.
    Nothing = 2, "nothing";
    /// In a thread that runs for the first time.
    SwitchedToNew = 3, "switched-to-new";
    /// Back in the main thread.
    YieldedAgain = 4, "yielded-again";
    /// In the other thread, which has run before.
    Switched = 5, "switched";
    /// In the other thread, both using floating point.
    SwitchedWithFloat = 6, "switched-with-float";
    /// Back in the main thread, both using floating point.
    YieldedWithFloat = 7, "yielded-with-float";
    /// Before a thread is spawned with a stack from the heap.
    BeforeSpawn = 8, "before-spawn";
    /// It is spawned, and has not run.
    Spawned = 9, "spawned";
    /// Before 64 bytes are allocated.
    BeforeAllocation = 10, "before-allocation";
    /// They are allocated.
    Allocated = 11, "allocated";
    /// They are released.
    Released = 12, "released";
    /// 4,096 bytes are allocated, all zero.
    AllocatedZeroed = 13, "allocated-zeroed";
    /// Before they are resized, with a block right behind them.
    BeforeResize = 14, "before-resize";
    /// They have moved.
    Resized = 15, "resized";
}

crate::names::closed_list! {
    /// How a stack is used beyond its limit.
    Way, "way";
    /// Calls and calls, until the limit is passed by a few frames.
    Recursion = 1, "recursion";
    /// One frame larger than what is left, written from its upper end down.
    LargeFrame = 2, "large-frame";
    /// One frame larger than what is left, of which only the lowest bytes are written, below canary
    /// and guard.
    SkippedFrame = 3, "skipped-frame";
    /// Stores below the lower limit while the stack pointer stays where it is.
    BelowPointer = 4, "below-pointer";
    /// The stack is full to its last word when an exception must be stacked.
    ExceptionFrame = 5, "exception-frame";
    /// There is room for an exception frame, but not for one with floating-point state.
    FloatFrame = 6, "float-frame";
    /// An interrupt preempts a handler that has used up most of the ISR stack.
    NestedInterrupt = 7, "nested-interrupt";
}
