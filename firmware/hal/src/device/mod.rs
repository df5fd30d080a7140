//! The program: copies first, then text on two serial ports.

mod copies;
mod report;
mod serial;

use core::panic::PanicInfo;
use core::sync::atomic::Ordering;
use cortex_m_rt::entry;
use stm32f4xx_hal::dma::StreamsTuple;
use stm32f4xx_hal::pac::{CorePeripherals, Peripherals};
use stm32f4xx_hal::prelude::*;

#[entry]
fn main() -> ! {
    let (Some(chip), Some(_)) = (Peripherals::take(), CorePeripherals::take()) else {
        finish(report::PANICKED)
    };
    let mut rcc = chip.RCC.constrain();
    let first = StreamsTuple::new(chip.DMA1, &mut rcc);
    let second = StreamsTuple::new(chip.DMA2, &mut rcc);
    copies::run(second.0, second.1);
    let pins = chip.GPIOA.split(&mut rcc);
    let more_pins = chip.GPIOB.split(&mut rcc);
    serial::by_interrupt((chip.USART2, pins.pa2, pins.pa3), first.6, &mut rcc);
    serial::double_buffered((chip.USART3, more_pins.pb10), first.3, &mut rcc);
    finish(report::FINISHED)
}

/// The end of the program: the host waits for the word.
fn finish(how: u32) -> ! {
    report::END.store(how, Ordering::Relaxed);
    finished()
}

/// Where the host stops it.
#[inline(never)]
fn finished() -> ! {
    loop {
        cortex_m::asm::nop();
    }
}

/// The crate panics where it is used wrongly.
#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    finish(report::PANICKED)
}
