//! What the host reads by symbol when the program has ended: one word for each case.
//!
//! Bits 0 to 5 of a word are the flags of the stream as the crate gives them, bit 8 says that what
//! arrived is what was sent, bit 9 that the interrupt came, and bits 16 to 31 are the items that
//! were left. Zero is a case that was not reached, since each ends with a flag or with bit 8.

use core::sync::atomic::{AtomicU32, Ordering};
use stm32f4xx_hal::dma::DmaFlag;

/// What arrived is what was sent.
pub const WHOLE: u32 = 1 << 8;
/// The interrupt of the stream came.
pub const INTERRUPTED: u32 = 1 << 9;

/// Values of [`END`].
pub const FINISHED: u32 = 1;
pub const PANICKED: u32 = 2;

/// Words that only the host reads; the compiler must not find out that nobody here does.
macro_rules! words {
    ($($(#[doc = $text:literal])* $name:ident,)*) => {
        $(
            $(#[doc = $text])*
            #[used]
            pub static $name: AtomicU32 = AtomicU32::new(0);
        )*
    };
}

words! {
    /// How the program ended.
    END,
    /// A copy of one byte.
    ONE_BYTE,
    /// Of a number of bytes that fills no FIFO.
    ODD,
    /// With bursts of four on the side of memory.
    BURSTS_OF_4,
    /// With bursts of sixteen on both sides.
    BURSTS_OF_16,
    /// Into another target with `next_transfer`, after the first is full.
    NEXT,
    /// Paused as soon as it was started.
    PAUSED,
    /// Bursts that do not fit the threshold of the FIFO.
    MISFIT,
    /// From core-coupled memory.
    FROM_CCM,
    /// The same stream, after that error.
    AFTER_ERROR,
    /// 4 KiB, by interrupt.
    BY_INTERRUPT,
    /// A text on USART2 by interrupt.
    TEXT,
    /// Texts on USART3 from two buffers.
    TEXTS,
}

/// What a transfer came to.
#[derive(Clone, Copy)]
pub struct Found {
    /// Bits 0 to 5, and 9.
    pub bits: u32,
    /// Whether what arrived is what was sent.
    pub whole: bool,
    /// The items that were left.
    pub left: u16,
}

impl Found {
    /// Keeps it for the host.
    pub fn keep(self, case: &AtomicU32) {
        let whole = if self.whole { WHOLE } else { 0 };
        case.store(self.bits | whole | u32::from(self.left) << 16, Ordering::Relaxed);
    }
}

/// The bits of flags as they stand in the chip's register.
pub fn bits(flags: impl Iterator<Item = DmaFlag>) -> u32 {
    flags.fold(0, |bits, flag| bits | flag as u32)
}
