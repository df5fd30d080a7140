//! What noticed: the closed list of detectors. A crash that another detector noticed is a failure.

crate::names::closed_list! {
    /// The mechanism that noticed a crash.
    Detector, "detector";
    /// The MPU region under a stack refused an access (MMFAR lies in a guard region).
    MpuGuard = 1, "mpu-guard";
    /// The periodic check found the stack pointer outside of its stack.
    SpRange = 2, "sp-range";
    /// The core could not write an exception frame (CFSR.STKERR, MSTKERR or MLSPERR) and no other
    /// address tells more.
    StackingError = 3, "stacking-error";
    /// The bus answered an access with an error (CFSR bits 8 to 15).
    BusError = 4, "bus-error";
    /// The MPU or the core's default map refused an access outside of every guard region.
    MemoryProtection = 5, "memory-protection";
    /// The core refused to execute an instruction (UNDEFINSTR, INVSTATE, INVPC, NOCP, UNALIGNED).
    InstructionCheck = 6, "instruction-check";
    /// The core's division trap (CCR.DIV_0_TRP).
    DivideTrap = 7, "divide-trap";
    /// The Rust panic handler.
    PanicHandler = 8, "panic-handler";
    /// The handler of every vector that nobody claimed.
    DefaultHandler = 9, "default-handler";
    /// A HardFault for which no other fault register gives a cause.
    HardFault = 10, "hard-fault";
    /// A stack limit register (MSPLIM or PSPLIM) refused a stack pointer below the stack
    /// (CFSR.STKOF). ARMv8-M only.
    StackLimit = 11, "stack-limit";
    /// The words at the lower limit of a stack were found overwritten, at a switch of threads or at
    /// a clock tick.
    StackCanary = 12, "stack-canary";
    /// Software that reported a fatal error.
    ErrorCall = 13, "error-call";
    /// The bootloader's check of the application.
    Bootloader = 14, "bootloader";
    /// The heap found a size or a link of its own wrong before it used it.
    HeapHeader = 15, "heap-header";
    /// The heap found one of the words in front of a block or behind it overwritten.
    HeapCanary = 16, "heap-canary";
    /// The heap found memory written to after it was released.
    HeapFill = 17, "heap-fill";
    /// The heap was given an address that it has not handed out, or has taken back already; the
    /// status says which.
    HeapAddress = 18, "heap-address";
    /// The check of a DMA transfer before it begins, against the bus matrix and the rules of the
    /// controller. The value of a record is the rule.
    DmaCapability = 19, "dma-capability";
    /// An error interrupt of a DMA stream, or a transfer that did not end in time.
    DmaTransferError = 20, "dma-transfer-error";
    /// A watchdog, which reset the chip; the record is of the boot before the one that wrote it.
    Watchdog = 21, "watchdog";
    /// The comparison of the vector table in RAM with what was put into it, made when a record is
    /// written. The value of a record is what stands in the entry.
    VectorCheck = 22, "vector-check";
}

impl Detector {
    /// Detectors that an image with the feature `injection` can switch off for a boot, so that the
    /// one behind is seen at work. One that the core does not have is off anyway.
    pub const SWITCHABLE: &'static [Self] =
        &[Self::StackLimit, Self::MpuGuard, Self::SpRange, Self::StackCanary, Self::DmaCapability];

    /// The bit of the detector in a set of them.
    #[must_use]
    pub const fn bit(self) -> u32 {
        1 << self.code()
    }
}
