//! The transmitter of USART1, fed by DMA2 stream 7 channel 4 (RM0090 §10.3.3, table 43; §30.6; from
//! memory, and tried on the bench). It needs no pin to be tried: the shift register runs without.

use super::{Options, StreamHandle};
use crate::platform::device;
use crashrig_layout::DeviceName;
use crashrig_memory::dma::transfer::{Register, Shape, Transfer, TransferError};
use crashrig_memory::dma::{Controller, DmaSource, StreamId};

/// Offset of RCC_APB2ENR, and the bit that clocks USART1.
const APB2_ENABLE: u32 = 0x44;
const CLOCK_BIT: u32 = 1 << 4;
/// Offsets from USART_SR.
const DATA: u32 = 0x04;
const BAUD_RATE: u32 = 0x08;
const CONTROL_1: u32 = 0x0C;
const CONTROL_3: u32 = 0x14;
/// USART on, transmitter on.
const ENABLE_TRANSMITTER: u32 = 1 << 13 | 1 << 3;
/// The transmitter asks for DMA.
const TRANSMIT_BY_DMA: u32 = 1 << 7;
/// Baud rate at the clock after a reset, 16 MHz by 115,200. Nobody listens on the bench.
const DIVIDER: u32 = 139;

/// The stream that serves the transmitter.
pub const STREAM: StreamId = StreamId { controller: Controller::Dma2, number: 7 };
/// Its request.
pub const OPTIONS: Options = Options { channel: 4, priority: 0, limit_ms: None };

/// Address of the data register; 0 where there is no such port, which no stream reaches.
#[must_use]
pub fn data_address() -> u32 {
    device(DeviceName::Usart1).map_or(0, |start| start + DATA)
}

/// The data register.
#[must_use]
pub fn data_register() -> Register {
    // SAFETY: bytes that are written there leave the chip, and nothing else happens; a stream
    // refuses the address that stands for no port.
    unsafe { Register::new(data_address()) }
}

fn write(offset: u32, word: u32) {
    let Some(start) = device(DeviceName::Usart1) else { return };
    let register = core::ptr::with_exposed_provenance_mut::<u32>((start + offset) as usize);
    // SAFETY: the constants above name registers of USART1, which nobody else uses.
    unsafe { register.write_volatile(word) }
}

/// Switches the transmitter on.
pub fn enable() {
    let Some(clocks) = device(DeviceName::Rcc) else { return };
    let register = core::ptr::with_exposed_provenance_mut::<u32>((clocks + APB2_ENABLE) as usize);
    // SAFETY: a register of this chip; reading it changes nothing.
    let before = unsafe { register.read_volatile() };
    // SAFETY: only the clock of USART1 is added.
    unsafe { register.write_volatile(before | CLOCK_BIT) };
    write(BAUD_RATE, DIVIDER);
    set_requests(true);
    write(CONTROL_1, ENABLE_TRANSMITTER);
}

/// Lets the transmitter ask for bytes, or not.
pub fn set_requests(on: bool) {
    write(CONTROL_3, if on { TRANSMIT_BY_DMA } else { 0 });
}

/// Begins to send bytes.
///
/// # Errors
/// The stream refuses, and gives everything back.
pub fn transmit(
    stream: StreamHandle,
    bytes: DmaSource<'static>,
) -> Result<
    Transfer<StreamHandle, DmaSource<'static>>,
    TransferError<StreamHandle, DmaSource<'static>>,
> {
    Transfer::transmit(stream, bytes, data_register(), Shape::DIRECT)
}
