//! What we do to the device: the closed list of faults that a host can ask for.

crate::names::closed_list! {
    /// A fault, as the mailbox names it. One function of the image carries out each.
    Fault, "fault";
    /// Nothing is broken: the boot checks itself and ends.
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
    /// The main thread calls itself until its stack is used up.
    MainStackRecursion = 7, "main-stack-recursion";
    /// One frame larger than what is left of the main thread's stack, which jumps the guard region.
    MainStackLargeFrame = 8, "main-stack-large-frame";
    /// An interrupt handler calls itself until the ISR stack is used up.
    IsrStackRecursion = 9, "isr-stack-recursion";
    /// The boot asks for a reset without having ended, as a boot that can never finish would.
    ResetLoop = 10, "reset-loop";
    /// A fault inside the HardFault handler: the core locks up.
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
    /// One frame of an interrupt handler, larger than the ISR stack, which jumps the guard region.
    IsrStackLargeFrame = 17, "isr-stack-large-frame";
}
