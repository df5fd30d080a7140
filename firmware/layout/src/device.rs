//! Devices whose registers drivers use: their names, and where a chip has them.
//!
//! Only where the registers of a device begin is a fact of the chip file; their order is the
//! driver's, which is written for that device.

crate::names::closed_list! {
    /// A device that some driver knows.
    DeviceName, "device";
    /// Reset and clock control.
    Rcc = "rcc";
    /// The first DMA controller.
    Dma1 = "dma1";
    /// The second DMA controller.
    Dma2 = "dma2";
    /// The interface by which flash is erased and programmed.
    FlashInterface = "flash-interface";
    /// The watchdog with a clock of its own.
    IndependentWatchdog = "independent-watchdog";
    /// The first serial port.
    Usart1 = "usart1";
}

/// A device of the chip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Device {
    /// Which one.
    pub name: DeviceName,
    /// First address of its registers, a multiple of four.
    pub start: u32,
}
