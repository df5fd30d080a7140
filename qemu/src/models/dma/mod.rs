//! DMA1 and DMA2 of the STM32F4: sixteen streams behind one page each (RM0090 §10).
//!
//! Work is done in steps. In each, each controller serves the stream of highest priority that can
//! go on, with up to [`ITEMS_PER_STEP`] items from memory to memory, or one item that a peripheral
//! asks for. How steps lie between instructions of the guest stands in [`crate::Emulator::attach`].
//! A circular stream moves one round of its items, and goes on with the next event of the guest:
//! otherwise one that nobody looks at would be moved for ever.
//!
//! Not modelled: clocks of the controllers (they always have one), their reset by RCC, a
//! direct-mode error and overrun or underrun of a FIFO (memory is always ready), and a peripheral
//! that controls the flow (there is none, so such a stream never moves).
//!
//! The manual is quoted from memory, section numbers too, where it is not said to have been read.

mod log;
mod reach;
mod requests;
mod stream;
#[cfg(test)]
mod tests;
mod transfer;

pub use reach::{Port, Reach};

use self::log::Logged;
use self::stream::{Direction, Stream, control, flag};
use self::transfer::Wiring;
use super::{Bus, BusWrite, MmioModel, Registers, Reset, Width};
use crate::error::Error;

/// Items that a transfer from memory to memory advances by in one step.
pub const ITEMS_PER_STEP: u32 = 128;

/// Where the registers of DMA1 begin; those of DMA2 follow (§2.3, table 1).
const START: u32 = 0x4002_6000;
/// Bytes of registers of one controller.
const CONTROLLER_BYTES: u32 = 0x400;
/// Offset of the first stream, and bytes from one to the next (§10.5.11).
const STREAMS: u32 = 0x10;
const STREAM_BYTES: u32 = 0x18;
/// Lowest bit of the flags of each stream of four in LISR, HISR, LIFCR and HIFCR (§10.5.1).
const FLAG_SHIFTS: [u32; 4] = [0, 6, 16, 22];
/// Interrupt lines of the streams (§12.2, table 62).
const LINES: [[u32; 8]; 2] = [[11, 12, 13, 14, 15, 16, 17, 47], [56, 57, 58, 59, 60, 68, 69, 70]];

/// Both controllers.
#[derive(Debug)]
pub struct Dma {
    memory: Vec<Reach>,
    controllers: [Controller; 2],
    writes: Vec<BusWrite>,
}

#[derive(Debug)]
struct Controller {
    streams: [Stream; 8],
    /// Levels of the interrupt lines as the bus was told last.
    levels: [bool; 8],
}

impl Controller {
    fn new() -> Self {
        Self { streams: std::array::from_fn(|_| Stream::new()), levels: [false; 8] }
    }

    /// LISR, or HISR.
    fn flags(&self, high: bool) -> u32 {
        let streams = self.streams.iter().skip(if high { 4 } else { 0 });
        streams.zip(FLAG_SHIFTS).fold(0, |flags, (stream, shift)| flags | stream.flags << shift)
    }

    /// A write to LIFCR, or HIFCR.
    fn clear_flags(&mut self, high: bool, value: u32) {
        let streams = self.streams.iter_mut().skip(if high { 4 } else { 0 });
        for (stream, shift) in streams.zip(FLAG_SHIFTS) {
            stream.flags &= !(value >> shift & flag::ALL);
        }
    }
}

impl Dma {
    /// Both controllers after a reset. `memory` is what the chip file knows; buses of peripherals
    /// need not be told.
    #[must_use]
    pub fn new(memory: Vec<Reach>) -> Self {
        let controllers = [Controller::new(), Controller::new()];
        Self { memory, controllers, writes: Vec::new() }
    }

    /// The stream that a controller serves next: of those that can go on the one with the highest
    /// priority, then with the lowest number (§10.3.4).
    fn next(&self, number: usize, bus: &mut dyn Bus) -> Result<Option<(usize, Direction)>, Error> {
        let mut best: Option<(u32, usize, Direction)> = None;
        let Some(controller) = self.controllers.get(number) else { return Ok(None) };
        for (index, stream) in controller.streams.iter().enumerate() {
            let Some(direction) = stream.direction() else { continue };
            let stands = !stream.is(control::ENABLE)
                || stream.is(control::PERIPHERAL_CONTROLS_FLOW)
                || stream.items == 0
                || (stream.is_endless() && stream.credit_items == 0);
            if stands || best.is_some_and(|(priority, ..)| priority >= stream.priority()) {
                continue;
            }
            if direction == Direction::Copy
                || requests::requested((number, index, stream.channel()), direction, bus)?
            {
                best = Some((stream.priority(), index, direction));
            }
        }
        Ok(best.map(|(_, index, direction)| (index, direction)))
    }

    /// Tells the bus of interrupt lines that have changed.
    fn show_lines(&mut self, bus: &mut dyn Bus) -> Result<(), Error> {
        for (controller, lines) in self.controllers.iter_mut().zip(LINES) {
            let levels = controller.streams.iter().zip(&mut controller.levels);
            for ((stream, level), line) in levels.zip(lines) {
                let high = stream.interrupts() != 0;
                if *level != high {
                    *level = high;
                    bus.set_interrupt(line, high)?;
                }
            }
        }
        Ok(())
    }
}

/// What is at an address.
enum Place {
    /// LISR or LIFCR, HISR or HIFCR.
    Flags {
        high: bool,
        clears: bool,
    },
    /// A register of a stream, by offset.
    Stream {
        index: usize,
        offset: u32,
    },
    Nothing,
}

/// The controller, and the register in it, of a word.
fn place(address: u32) -> (usize, Place) {
    let offset = address.wrapping_sub(START) & !3;
    let in_controller = offset % CONTROLLER_BYTES;
    let place = match in_controller.checked_sub(STREAMS) {
        None => Place::Flags { high: in_controller & 4 != 0, clears: in_controller & 8 != 0 },
        Some(offset) if offset < 8 * STREAM_BYTES => {
            Place::Stream { index: (offset / STREAM_BYTES) as usize, offset: offset % STREAM_BYTES }
        }
        Some(_) => Place::Nothing,
    };
    ((offset / CONTROLLER_BYTES) as usize, place)
}

/// A stream as in a record.
fn code(controller: usize, stream: usize) -> u8 {
    u8::try_from((controller + 1) << 4 | stream).unwrap_or(0)
}

fn wiring(memory: &[Reach], number: usize) -> Wiring<'_> {
    let (memory_port, peripheral_port) = match number {
        0 => (Port::Memory1, Port::Peripheral1),
        _ => (Port::Memory2, Port::Peripheral2),
    };
    Wiring { memory, memory_port, peripheral_port }
}

impl MmioModel for Dma {
    fn registers(&self) -> Vec<Registers> {
        vec![Registers { start: START, size_bytes: 2 * CONTROLLER_BYTES, reads: true }]
    }

    /// Registers are to be accessed by words (§10.5). Of a narrower read the bytes are given that
    /// the word has there.
    fn read(&mut self, address: u32, width: Width, _: &mut dyn Bus) -> Result<u32, Error> {
        let (number, place) = place(address);
        let Some(controller) = self.controllers.get(number) else { return Ok(0) };
        let word = match place {
            Place::Flags { high, clears: false } => controller.flags(high),
            Place::Stream { index, offset } => {
                let stream = controller.streams.get(index);
                stream.map_or(0, |stream| match offset {
                    0x00 => stream.control,
                    0x04 => stream.items,
                    0x08 => stream.peripheral,
                    0x0c => stream.memory[0],
                    0x10 => stream.memory[1],
                    _ => stream.read_fifo_control(),
                })
            }
            // The registers that clear flags are only written.
            Place::Flags { .. } | Place::Nothing => 0,
        };
        Ok(word >> (8 * (address & 3)) & width.mask())
    }

    /// A write that is narrower than a word has no effect: what it would do, the manual does not
    /// say.
    fn write(
        &mut self,
        address: u32,
        width: Width,
        value: u32,
        bus: &mut dyn Bus,
    ) -> Result<(), Error> {
        let (number, place) = place(address);
        let Some(controller) = self.controllers.get_mut(number) else { return Ok(()) };
        if width != Width::Word {
            return Ok(());
        }
        match place {
            Place::Flags { high, clears: true } => controller.clear_flags(high, value),
            Place::Stream { index, offset } => {
                let Some(stream) = controller.streams.get_mut(index) else { return Ok(()) };
                match offset {
                    0x00 => {
                        let is_stopped = stream.write_control(value);
                        if is_stopped {
                            let (log, stream_code) = (&mut self.writes, code(number, index));
                            let mut bus = Logged { bus, log, stream: stream_code };
                            stream.suspend(wiring(&self.memory, number), &mut bus)?;
                        }
                    }
                    0x04 => stream.write_items(value),
                    0x08 => stream.write_peripheral(value),
                    0x0c => stream.write_memory(0, value),
                    0x10 => stream.write_memory(1, value),
                    _ => stream.write_fifo_control(value),
                }
            }
            Place::Flags { .. } | Place::Nothing => {}
        }
        self.show_lines(bus)
    }

    fn event(&mut self) {
        for stream in self.controllers.iter_mut().flat_map(|it| &mut it.streams) {
            stream.credit_items = stream.round_items;
        }
    }

    fn step(&mut self, bus: &mut dyn Bus) -> Result<bool, Error> {
        for number in 0..self.controllers.len() {
            let Some((index, direction)) = self.next(number, bus)? else { continue };
            let limit = if direction == Direction::Copy { ITEMS_PER_STEP } else { 1 };
            let stream = self.controllers.get_mut(number).and_then(|it| it.streams.get_mut(index));
            if let Some(stream) = stream {
                let mut bus = Logged { bus, log: &mut self.writes, stream: code(number, index) };
                stream.advance(limit, wiring(&self.memory, number), &mut bus)?;
            }
        }
        self.show_lines(bus)?;
        let mut more = false;
        for number in 0..self.controllers.len() {
            more |= self.next(number, bus)?.is_some();
        }
        Ok(more)
    }

    fn take_writes(&mut self) -> Vec<BusWrite> {
        std::mem::take(&mut self.writes)
    }

    fn reset(&mut self, _: Reset) {
        self.controllers = [Controller::new(), Controller::new()];
    }
}
