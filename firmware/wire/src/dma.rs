//! DMA as a record tells of it: the rules that a transfer can break, and what became of one.
//!
//! Both are closed lists, so that a report and a scenario name the same rule.

crate::names::closed_list! {
    /// A rule that a transfer breaks before it begins. Sections are those of RM0090 (revision 11)
    /// for the STM32F4; the PL081 of Arm's FPGA images breaks the same ones for its own reasons.
    DmaRule, "rule of DMA";
    /// Some byte of a range lies in no memory of the chip and in no peripheral, or the range goes
    /// beyond the last address.
    Unmapped = 1, "unmapped";
    /// Some byte of a range cannot be reached by that port of that controller (§2.1), or is kept
    /// from it by a memory protection controller.
    OutOfReach = 2, "out-of-reach";
    /// Some byte is a second address of memory, which no bus master but the core knows.
    Alias = 3, "alias";
    /// The destination cannot be written by a bus master: flash, or memory that is only read.
    ReadOnly = 4, "read-only";
    /// From memory to memory on a controller whose peripheral port is no master of the bus matrix:
    /// only DMA2 can (§10.3.6).
    CopyController = 5, "copy-controller";
    /// From memory to memory in direct mode (§10.3.6).
    CopyDirect = 6, "copy-direct";
    /// From memory to memory in circular mode (§10.3.6), which the driver of the PL081 has not
    /// either.
    CopyCircular = 7, "copy-circular";
    /// No items, or more than 65,535 (§10.5.6); of a PL081, more than 4,095.
    Items = 8, "items";
    /// The items of the peripheral side do not fill whole items of the memory side (§10.3.10).
    ItemsWidth = 9, "items-width";
    /// In circular mode the items are not whole bursts (§10.3.8).
    ItemsBurst = 10, "items-burst";
    /// An address is no multiple of the width of its side (§10.3.11).
    Alignment = 11, "alignment";
    /// A burst in direct mode, which has single transfers only (§10.3.11).
    BurstDirect = 12, "burst-direct";
    /// A burst would cross a boundary of 1 KiB (§10.3.11).
    BurstBoundary = 13, "burst-boundary";
    /// The FIFO at its threshold does not hold a whole number of memory bursts (§10.3.12, table
    /// 48), or not even one burst fits into it.
    BurstThreshold = 14, "burst-threshold";
    /// Peripheral bursts that fill the FIFO, with a threshold of three quarters (§10.3.12).
    BurstPeripheral = 15, "burst-peripheral";
    /// Different widths in direct mode, which has only that of the peripheral (§10.3.10), or on a
    /// PL081, whose driver has one.
    WidthDirect = 16, "width-direct";
    /// Address or size are not the multiples that DMA needs in that region.
    Line = 17, "line";
    /// From or to a peripheral, on a controller that none is wired to.
    NoRequest = 18, "no-request";
}

crate::names::closed_list! {
    /// What became of a transfer.
    TransferState, "state of a transfer";
    /// It has not ended.
    Running = 1, "running";
    /// All items have been moved.
    Done = 2, "done";
    /// Software stopped it.
    Stopped = 3, "stopped";
    /// The bus answered an access with an error (TEIF).
    TransferError = 4, "transfer-error";
    /// The FIFO overran or ran empty, or its threshold does not fit (FEIF).
    FifoError = 5, "fifo-error";
    /// Memory was not granted in time in direct mode (DMEIF).
    DirectModeError = 6, "direct-mode-error";
    /// It did not end in the time that its owner had set.
    TimedOut = 7, "timed-out";
    /// It was refused before it began.
    Refused = 8, "refused";
}

impl TransferState {
    /// Whether it ended otherwise than it should have.
    #[must_use]
    pub const fn is_failure(self) -> bool {
        !matches!(self, Self::Running | Self::Done | Self::Stopped)
    }
}
