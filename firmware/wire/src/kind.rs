//! What happened: the closed list of crash kinds.

crate::names::closed_list! {
    /// The kind of a crash, as judged from the fault registers by what detected it.
    Kind, "kind";
    /// A stack was used beyond its limit.
    StackOverflow = 1, "stack-overflow";
    /// An access was answered by a bus error.
    BusFault = 2, "bus-fault";
    /// An access broke a memory-protection rule outside of every stack guard.
    MemoryFault = 3, "memory-fault";
    /// An instruction could not be executed.
    UsageFault = 4, "usage-fault";
    /// A HardFault with no cause in the configurable fault registers.
    HardFault = 5, "hard-fault";
    /// A Rust panic.
    Panic = 6, "panic";
    /// An interrupt that has no handler.
    UnexpectedInterrupt = 7, "unexpected-interrupt";
    /// A fatal error that software reported; the status says which.
    Error = 8, "error";
    /// A bootloader found no application that it can start; the status says why.
    BadImage = 9, "bad-image";
    /// A watchdog reset the chip; the boot after that wrote the record.
    Watchdog = 10, "watchdog";
    /// The crash is explained by an entry of the vector table that is not what it must be.
    VectorTable = 11, "vector-table";
}
