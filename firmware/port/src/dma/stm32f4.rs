//! Registers of the STM32F4's DMA controllers, and what a plan looks like in them.
//!
//! Source: RM0090 §10.5, from memory but for what ST's device header says of the bits; §12.2 for
//! the interrupts, §7.3.10 for the clocks, all from memory and tried on the model that the bench
//! supplies (`qemu/src/models/dma`), not on silicon. Registers are accessed by words only. Nothing
//! here knows what a transfer is for.

use super::failure::Event;
use super::words::{read, write};
use crate::platform::device;
use crashrig_layout::{DeviceName, Master};
use crashrig_memory::dma::{
    Burst, Controller, Direction, Mode, PeripheralBus, Plan, Refusal, StreamId, Width,
};
use crashrig_wire::TransferState;

/// The bus master that a chip with these controllers has.
pub(super) const MASTER: Master = Master::Dma2Memory;
/// Streams of both controllers.
pub(super) const STREAM_COUNT: usize = 16;

/// Offset of RCC_AHB1ENR, and the bits that clock the controllers.
const AHB1_ENABLE: u32 = 0x30;
const CLOCK_BITS: [u32; 2] = [1 << 21, 1 << 22];
/// Interrupts of the streams.
const LINES: [[u32; 8]; 2] = [[11, 12, 13, 14, 15, 16, 17, 47], [56, 57, 58, 59, 60, 68, 69, 70]];
/// Lowest bit of the flags of each stream of four.
const FLAG_SHIFTS: [u32; 4] = [0, 6, 16, 22];
/// Offset of the registers that clear flags from those that show them.
const CLEAR: u32 = 8;
const STREAMS: u32 = 0x10;
const STREAM_BYTES: u32 = 0x18;

const CONTROL: u32 = 0;
const ITEMS: u32 = 4;
const PERIPHERAL: u32 = 8;
const MEMORY_0: u32 = 0xC;
const MEMORY_1: u32 = 0x10;
const FIFO: u32 = 0x14;

const ENABLE: u32 = 1;
/// How often EN is read back until the stream has let go: a burst of sixteen words is the longest
/// that it still has to do.
const STOP_LIMIT: u32 = 10_000;

/// Buses of peripherals and who reaches them. That DMA1 gets to APB1 and fails elsewhere was seen
/// on an STM32F407 by others; the rest is RM0090 §2.1, figure 1, from memory, not checked.
pub(super) const PERIPHERALS: &[PeripheralBus] = &[
    bus(0x4000_0000, 0x8000, true),
    bus(0x4001_0000, 0x8000, false),
    bus(0x4002_0000, 0x6_0000, false),
    bus(0x5000_0000, 0x6_0C00, false),
];

const fn bus(start: u32, size_bytes: u32, by_dma1: bool) -> PeripheralBus {
    PeripheralBus { start, size_bytes, by_dma1, by_dma2: true }
}

/// What a stream has to tell, as the six bits of its flags.
mod flag {
    pub const FIFO_ERROR: u32 = 1 << 0;
    pub const DIRECT_MODE_ERROR: u32 = 1 << 2;
    pub const TRANSFER_ERROR: u32 = 1 << 3;
    pub const COMPLETE: u32 = 1 << 5;
    /// With that of half a round, bit 4.
    pub const ALL: u32 = 0x3D;
}

/// The place of a controller in the tables here; behind them all if it is none of this chip's.
const fn index(controller: Controller) -> usize {
    match controller {
        Controller::Dma1 => 0,
        Controller::Dma2 => 1,
        Controller::Pl081(_) => usize::MAX,
    }
}

/// The place of a stream among all; nothing if the chip does not have it.
pub(super) fn place(id: StreamId) -> Option<usize> {
    let first = index(id.controller).checked_mul(8)?;
    Some(first + usize::from(id.number & 7))
}

/// All streams, in the order of their places.
pub(super) fn all() -> impl Iterator<Item = StreamId> {
    [Controller::Dma1, Controller::Dma2]
        .into_iter()
        .flat_map(|controller| (0..8).map(move |number| StreamId { controller, number }))
}

/// What only the chip itself knows of a transfer before it begins: nothing.
pub(super) const fn check(_plan: &Plan) -> Result<(), Refusal> {
    Ok(())
}

/// Whether the chip has both, and what clocks them.
pub(super) fn are_present() -> bool {
    [DeviceName::Dma1, DeviceName::Dma2, DeviceName::Rcc].into_iter().all(|it| device(it).is_some())
}

/// Nothing that is asked of a controller here is asked where there is none.
fn base(controller: Controller) -> u32 {
    let name = match controller {
        Controller::Dma1 => DeviceName::Dma1,
        Controller::Dma2 => DeviceName::Dma2,
        Controller::Pl081(_) => return 0,
    };
    device(name).unwrap_or_default()
}

fn stream(id: StreamId) -> u32 {
    base(id.controller) + STREAMS + STREAM_BYTES * u32::from(id.number & 7)
}

/// The interrupts that tell of a stream: its own.
pub(super) fn lines(id: StreamId) -> impl Iterator<Item = u32> {
    let lines = LINES.get(index(id.controller));
    lines.and_then(|lines| lines.get(usize::from(id.number & 7))).copied().into_iter()
}

/// What an interrupt tells, which is over then.
pub(super) fn take_event(line: u32) -> Option<(StreamId, Event)> {
    let id = stream_of(line)?;
    let (register, shift) = flag_place(id);
    let flags = read(register) >> shift & flag::ALL;
    clear(id, flags);
    let error = [
        (flag::TRANSFER_ERROR, TransferState::TransferError),
        (flag::DIRECT_MODE_ERROR, TransferState::DirectModeError),
        (flag::FIFO_ERROR, TransferState::FifoError),
    ];
    if let Some((_, state)) = error.into_iter().find(|(bit, _)| flags & bit != 0) {
        return Some((id, Event::Failed(state, None)));
    }
    // Half of a round is of interest to nobody yet, and its interrupt is off.
    (flags & flag::COMPLETE != 0).then_some((id, Event::Ended))
}

/// The stream of an interrupt.
fn stream_of(line: u32) -> Option<StreamId> {
    let controllers = [Controller::Dma1, Controller::Dma2].into_iter().zip(LINES);
    controllers.into_iter().find_map(|(controller, lines)| {
        let number = lines.iter().position(|other| *other == line)? as u8;
        Some(StreamId { controller, number })
    })
}

/// Clocks a controller. The manual wants two cycles between this and the first access.
pub(super) fn enable_clock(controller: Controller) {
    let bit = CLOCK_BITS.get(index(controller)).copied().unwrap_or_default();
    let register = device(DeviceName::Rcc).unwrap_or_default() + AHB1_ENABLE;
    let before = read(register);
    // SAFETY: only the clock of a DMA controller is added.
    unsafe { write(register, before | bit) };
    let _ = read(register);
}

/// Clears all flags of a stream.
pub(super) fn clear_flags(id: StreamId) {
    clear(id, flag::ALL);
}

fn clear(id: StreamId, flags: u32) {
    let (register, shift) = flag_place(id);
    // SAFETY: only flags that have been seen go away.
    unsafe { write(register + CLEAR, (flags & flag::ALL) << shift) };
}

fn flag_place(id: StreamId) -> (u32, u32) {
    let number = id.number & 7;
    let shift = FLAG_SHIFTS.get(usize::from(number % 4)).copied().unwrap_or_default();
    (base(id.controller) + 4 * u32::from(number / 4), shift)
}

/// Items that are left.
pub(super) fn items_left(id: StreamId) -> u16 {
    read(stream(id) + ITEMS) as u16
}

/// Whether the stream is on.
pub(super) fn is_enabled(id: StreamId) -> bool {
    read(stream(id) + CONTROL) & ENABLE != 0
}

/// Which memory of a double buffer it uses.
pub(super) fn memory_in_use(id: StreamId) -> u8 {
    const CURRENT_TARGET: u32 = 1 << 19;
    u8::from(read(stream(id) + CONTROL) & CURRENT_TARGET != 0)
}

/// Switches the stream and its interrupts off, and waits until it has let go of memory. False if it
/// never does.
pub(super) fn disable(id: StreamId) -> bool {
    // SAFETY: a stream that is off does nothing.
    unsafe { write(stream(id) + CONTROL, 0) };
    (0..STOP_LIMIT).any(|_| !is_enabled(id))
}

/// Programs a stream and switches it on (§10.3.17).
///
/// # Safety
/// The memory of the plan is left to the stream until it is off.
pub(super) unsafe fn start(id: StreamId, plan: &Plan, channel: u8, priority: u8) {
    let registers = stream(id);
    let second = match plan.mode {
        Mode::Double { second } => second,
        Mode::Once | Mode::Circular => 0,
    };
    let control = control(plan, channel, priority);
    let words = [
        (PERIPHERAL, plan.peripheral.address),
        (MEMORY_0, plan.memory.address),
        (MEMORY_1, second),
        (ITEMS, plan.items),
        (FIFO, fifo(plan)),
        (CONTROL, control),
    ];
    clear_flags(id);
    for (offset, word) in words {
        // SAFETY: the stream is off, so this only says what it is to do.
        unsafe { write(registers + offset, word) };
    }
    cortex_m::asm::dsb();
    // SAFETY: the memory is the stream's, as the caller promises.
    unsafe { write(registers + CONTROL, control | ENABLE) };
}

/// SxCR without EN.
fn control(plan: &Plan, channel: u8, priority: u8) -> u32 {
    const DIRECT_MODE_INTERRUPT: u32 = 1 << 1;
    const ERROR_AND_END_INTERRUPTS: u32 = 1 << 2 | 1 << 4;
    let direction = match plan.direction {
        Direction::Receive => 0,
        Direction::Transmit => 1,
        Direction::Copy => 2,
    };
    let mode = match plan.mode {
        Mode::Once => 0,
        Mode::Circular => 1 << 8,
        Mode::Double { .. } => 1 << 8 | 1 << 18,
    };
    let direct = if plan.fifo.is_none() { DIRECT_MODE_INTERRUPT } else { 0 };
    ERROR_AND_END_INTERRUPTS
        | direct
        | direction << 6
        | mode
        | u32::from(plan.peripheral.advances) << 9
        | u32::from(plan.memory.advances) << 10
        | width(plan.peripheral.width) << 11
        | width(plan.memory.width) << 13
        | u32::from(priority & 3) << 16
        | burst(plan.peripheral.burst) << 21
        | burst(plan.memory.burst) << 23
        | u32::from(channel & 7) << 25
}

/// SxFCR. Errors of the FIFO mean nothing in direct mode.
fn fifo(plan: &Plan) -> u32 {
    const FIFO_USED: u32 = 1 << 2;
    const FIFO_INTERRUPT: u32 = 1 << 7;
    plan.fifo.map_or(0, |threshold| threshold as u32 | FIFO_USED | FIFO_INTERRUPT)
}

const fn width(width: Width) -> u32 {
    width as u32
}

const fn burst(burst: Burst) -> u32 {
    burst as u32
}
