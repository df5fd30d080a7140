//! What a scenario can require of a target: the closed list of needs.
//!
//! A board file answers every entry, for every emulator version it declares: modelled, or lacking
//! with a reason. So a new need does not load until each board has taken a position.

crate::names::closed_list! {
    /// Something a target may have or lack.
    Need, "need";
    /// Core-coupled memory that can be read and written.
    Ccm = "ccm";
    /// Instruction fetches from core-coupled memory fail, as on silicon.
    CcmFetchFault = "ccm-fetch-fault";
    /// Backup SRAM that keeps what is written.
    BackupSram = "backup-sram";
    /// A DMA engine that obeys the bus matrix.
    Dma = "dma";
    /// The cause of a reset can be read after it.
    ResetCause = "reset-cause";
    /// A memory protection unit that is enforced.
    Mpu = "mpu";
    /// Stack limit registers.
    StackLimit = "stack-limit";
    /// A floating-point unit with lazy stacking.
    Fpu = "fpu";
    /// Bit-band aliases.
    BitBand = "bit-band";
    /// Trapping of unaligned accesses (CCR.UNALIGN_TRP).
    UnalignedTrap = "unaligned-trap";
    /// Bus faults reported after the instruction that caused them (CFSR.IMPRECISERR).
    ImpreciseBusFault = "imprecise-bus-fault";
    /// A watchdog that resets the chip.
    Watchdog = "watchdog";
    /// The cycle counter (DWT_CYCCNT).
    CycleCounter = "cycle-counter";
    /// System memory, one-time-programmable area and option bytes can be read.
    SystemMemory = "system-memory";
    /// Flash can be erased and programmed through its interface.
    FlashProgramming = "flash-programming";
    /// Standby and power loss, with what they do to memory.
    PowerCycle = "power-cycle";
    /// Executed instructions are counted, so that time is the same in every run.
    InstructionCount = "instruction-count";
    /// RAM as it was when the core locked up, and a boot after that which finds it.
    LockupRam = "lockup-ram";
    /// What instructions store to a range is logged without a stop.
    StoreLog = "store-log";
}
