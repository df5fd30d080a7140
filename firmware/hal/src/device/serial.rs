//! Text on serial ports: a DMA controller feeds the data register.
//!
//! Ports of APB1, so DMA1: the crate resets a port in RCC before it uses it, and QEMU 10.0.2 ends
//! by SIGSEGV when a bit of RCC_APB2RSTR is cleared, for which its table of lines is too short.

use super::report::{self, Found, INTERRUPTED, bits};
use core::cell::RefCell;
use core::sync::atomic::{AtomicBool, Ordering};
use cortex_m::interrupt::Mutex;
use cortex_m::peripheral::NVIC;
use stm32f4xx_hal::ReadFlags as _;
use stm32f4xx_hal::dma::config::DmaConfig;
use stm32f4xx_hal::dma::traits::StreamISR;
use stm32f4xx_hal::dma::{Stream3, Stream6, Transfer};
use stm32f4xx_hal::gpio::{PA2, PA3, PB10};
use stm32f4xx_hal::pac::{DMA1, Interrupt, USART2, USART3, interrupt};
use stm32f4xx_hal::prelude::*;
use stm32f4xx_hal::rcc::Rcc;
use stm32f4xx_hal::serial::Serial;
use stm32f4xx_hal::serial::config::{Config, DmaConfig as Requests};
use stm32f4xx_hal::serial::dma::{Error, NoDMA, SerialDma, TxDMA};

/// What USART2 sends.
const TEXT: &[u8] = b"stm32f4xx-hal sends this by stream 6 of DMA1, with an interrupt\n";
/// What USART3 sends: two buffers, and what takes their places. They are long because on the bench
/// a port is ready for the next byte at each instruction.
const TEXTS: [&[u8]; 4] = [&[b'1'; LENGTH], &[b'2'; LENGTH], &[b'3'; LENGTH], &[b'4'; LENGTH]];
const LENGTH: usize = 512;

type Port = SerialDma<USART2, TxDMA<USART2, Stream6<DMA1>, 4>, NoDMA>;

static PORT: Mutex<RefCell<Option<Port>>> = Mutex::new(RefCell::new(None));
static HAS_SENT: AtomicBool = AtomicBool::new(false);

/// Requests of the transmitter, and whatever else is the default.
fn config() -> Config {
    Config::default().baudrate(115_200.bps()).dma(Requests::Tx)
}

/// One text, with the crate's own type for it.
pub fn by_interrupt(device: (USART2, PA2, PA3), stream: Stream6<DMA1>, rcc: &mut Rcc) {
    let (port, transmit, receive) = device;
    let Ok(serial) = Serial::new(port, (transmit, receive), config(), rcc) else { return };
    let mut port = serial.use_dma_tx(stream);
    cortex_m::interrupt::free(|token| {
        // SAFETY: the text is there for ever.
        let _ = unsafe { port.write_dma(TEXT, Some(sent)) };
        PORT.borrow(token).replace(Some(port));
    });
    // SAFETY: its handler is below, and no critical section relies on its mask.
    unsafe { NVIC::unmask(Interrupt::DMA1_STREAM6) };
    while !HAS_SENT.load(Ordering::Relaxed) {
        core::hint::spin_loop();
    }
}

/// The crate's handler calls it.
fn sent(result: Result<(), Error>) {
    Found { bits: INTERRUPTED, whole: result.is_ok(), left: 0 }.keep(&report::TEXT);
    HAS_SENT.store(true, Ordering::Relaxed);
}

#[interrupt]
fn DMA1_STREAM6() {
    cortex_m::interrupt::free(|token| {
        if let Some(port) = PORT.borrow(token).borrow_mut().as_mut() {
            port.handle_dma_interrupt();
        }
    });
}

/// Texts of one length from two buffers: each that was sent is replaced while the other is.
pub fn double_buffered(device: (USART3, PB10), stream: Stream3<DMA1>, rcc: &mut Rcc) {
    let (port, transmit) = device;
    let Ok(transmitter) = Serial::tx(port, transmit, config(), rcc) else { return };
    let [first, second, third, fourth] = TEXTS;
    let config = DmaConfig::default().memory_increment(true).double_buffer(true);
    let mut transfer =
        Transfer::init_memory_to_peripheral(stream, transmitter, first, Some(second), config);
    transfer.start(|_: &mut stm32f4xx_hal::serial::Tx<USART3>| ());
    let mut replaced = true;
    for (text, before) in [(third, first), (fourth, second)] {
        wait(&transfer);
        replaced &= transfer.next_transfer(text).is_ok_and(|(sent, _)| sent == before);
    }
    for _ in 0..2 {
        wait(&transfer);
        transfer.clear_transfer_complete();
    }
    let found = Found { bits: bits(transfer.flags().iter()), whole: replaced, left: 0 };
    transfer.pause(|_| ());
    found.keep(&report::TEXTS);
}

/// Until the memory in use is the other one, or there was an error.
fn wait(transfer: &impl StreamISR) {
    while !transfer.is_transfer_complete() && !transfer.is_transfer_error() {}
}
