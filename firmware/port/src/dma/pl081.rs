//! Registers of the PL081 engines of AN505, and what a plan looks like in them.
//!
//! A channel copies once, in one piece. Who is refused by the bus is told by the interrupt of the
//! memory protection controllers (`protection`), with the address; the error interrupt of the
//! engine is listened to as well, but QEMU's model never raises it. Registers are accessed by words
//! only. Nothing here knows what a transfer is for.
//!
//! Sources: PL081 TRM (Arm DDI 0218), chapter on the programmer's model, from memory, not checked;
//! addresses and interrupts: `info mtree` and interrupts taken in QEMU 7.2.22 and 10.0.2. All of it
//! was tried there, nothing on the FPGA board.

use super::failure::Event;
use super::words::{read, write};
use super::{protection, table};
use crate::platform;
use crashrig_layout::Master;
use crashrig_memory::dma::protected::seen_from;
use crashrig_memory::dma::{Burst, Controller, PeripheralBus, Plan, Refusal, StreamId};
use crashrig_wire::{DmaRule, TransferState};

/// The bus master that a chip with these controllers has.
pub(super) const MASTER: Master = Master::Pl081;
/// Channels of all engines.
pub(super) const STREAM_COUNT: usize = (ENGINES * CHANNELS) as usize;

const ENGINES: u32 = 4;
const CHANNELS: u32 = 2;
/// Registers of the first engine, at its secure address, and the distance to the next one.
const REGISTERS: u32 = 0x5011_0000;
const ENGINE_BYTES: u32 = 0x1000;
/// The combined interrupt of the first engine. Those for errors and for ends are before it.
const FIRST_LINE: u32 = 58;
const LINES_EACH: u32 = 3;

/// DMACIntTCStatus, DMACIntTCClear, DMACIntErrorStatus, DMACIntErrClr: one bit for each channel.
const ENDED: u32 = 0x4;
const ENDED_CLEAR: u32 = 0x8;
const FAILED: u32 = 0xC;
const FAILED_CLEAR: u32 = 0x10;
/// DMACEnbldChns: channels that have not let go of the bus.
const ENABLED: u32 = 0x1C;
/// DMACConfiguration.
const CONFIGURATION: u32 = 0x30;

/// The registers of a channel: DMACCxSrcAddr and so on.
const CHANNEL: u32 = 0x100;
const CHANNEL_BYTES: u32 = 0x20;
const SOURCE: u32 = 0;
const DESTINATION: u32 = 4;
const NEXT_ITEM: u32 = 8;
const CONTROL: u32 = 0xC;
const CHANNEL_CONFIGURATION: u32 = 0x10;

const ENABLE: u32 = 1;
/// DMACCxConfiguration: interrupts for errors and for the end; flow control 0 is memory to memory.
const INTERRUPTS: u32 = 1 << 14 | 1 << 15;
const TRANSFER_SIZE: u32 = 0xFFF;
/// How often is looked whether a channel has let go: far more than a burst takes.
const STOP_LIMIT: u32 = 10_000;

/// No peripheral is wired to the engines' requests.
pub(super) const PERIPHERALS: &[PeripheralBus] = &[];

/// Whether their registers are known: their addresses are those of the one chip that has them.
pub(super) const fn are_present() -> bool {
    true
}

/// The place of a channel among all; nothing if the chip does not have it.
pub(super) fn place(id: StreamId) -> Option<usize> {
    match id.controller {
        Controller::Pl081(engine) if u32::from(engine) < ENGINES => {
            let channel = u32::from(id.number);
            (channel < CHANNELS).then_some((u32::from(engine) * CHANNELS + channel) as usize)
        }
        _ => None,
    }
}

/// All channels, in the order of their places.
pub(super) fn all() -> impl Iterator<Item = StreamId> {
    (0..ENGINES as u8).flat_map(|engine| {
        let controller = Controller::Pl081(engine);
        (0..CHANNELS as u8).map(move |number| StreamId { controller, number })
    })
}

/// What only the chip itself knows of a transfer before it begins: blocks of memory that their
/// protection controller keeps from the engines.
pub(super) fn check(plan: &Plan) -> Result<(), Refusal> {
    for side in [&plan.peripheral, &plan.memory] {
        let blocked = protection::first_blocked(side.address, plan.occupied_bytes(side));
        if let Some(address) = blocked {
            return Err(Refusal { rule: DmaRule::OutOfReach, address, expected: 0 });
        }
    }
    Ok(())
}

fn engine(controller: Controller) -> u32 {
    let number = match controller {
        Controller::Pl081(number) => u32::from(number),
        Controller::Dma1 | Controller::Dma2 => 0,
    };
    REGISTERS + ENGINE_BYTES * (number % ENGINES)
}

fn channel(id: StreamId) -> u32 {
    engine(id.controller) + CHANNEL + CHANNEL_BYTES * (u32::from(id.number) % CHANNELS)
}

fn bit(id: StreamId) -> u32 {
    1 << (u32::from(id.number) % CHANNELS)
}

/// The interrupts that tell of a channel: that of its engine, and that of whoever refuses.
pub(super) fn lines(id: StreamId) -> impl Iterator<Item = u32> {
    let own = (engine(id.controller) - REGISTERS) / ENGINE_BYTES * LINES_EACH + FIRST_LINE;
    [protection::LINE, own].into_iter()
}

/// What an interrupt tells, which is over then. If another channel has something to tell, too, the
/// interrupt comes once more.
pub(super) fn take_event(line: u32) -> Option<(StreamId, Event)> {
    // Whatever interrupt comes first: a transfer that was refused is not said to have ended well.
    if let Some(refused) = take_refused() {
        return Some(refused);
    }
    let of_line = |id: &StreamId| lines(*id).any(|other| other == line);
    all().filter(of_line).find_map(|id| {
        let tells = |register| read(engine(id.controller) + register) & bit(id) != 0;
        let event = if tells(FAILED) {
            Event::Failed(TransferState::TransferError, None)
        } else if tells(ENDED) {
            Event::Ended
        } else {
            return None;
        };
        clear_flags(id);
        Some((id, event))
    })
}

/// An access that a protection controller has refused, if it was one of a channel that runs.
fn take_refused() -> Option<(StreamId, Event)> {
    let refused = protection::take_refused()?;
    let mut running = table::running();
    running.find_map(|(id, entry)| {
        let plan = &entry.plan;
        let sides = [&plan.memory, &plan.peripheral];
        let address = sides.into_iter().find_map(|side| {
            let size_bytes = plan.occupied_bytes(side);
            seen_from(&platform::memory(), refused, side.address, size_bytes)
        })?;
        Some((id, Event::Failed(TransferState::TransferError, Some(address))))
    })
}

/// The engines of AN505 are always clocked.
pub(super) const fn enable_clock(_controller: Controller) {}

/// Clears all flags of a channel.
pub(super) fn clear_flags(id: StreamId) {
    for register in [ENDED_CLEAR, FAILED_CLEAR] {
        // SAFETY: only flags of this channel go away.
        unsafe { write(engine(id.controller) + register, bit(id)) };
    }
}

/// Items that are left.
pub(super) fn items_left(id: StreamId) -> u16 {
    (read(channel(id) + CONTROL) & TRANSFER_SIZE) as u16
}

/// There is no double buffer.
pub(super) const fn memory_in_use(_id: StreamId) -> u8 {
    0
}

/// Switches the channel and its interrupts off, and waits until it has let go of memory. False if
/// it never does.
pub(super) fn disable(id: StreamId) -> bool {
    // SAFETY: a channel that is off does nothing; what is in its FIFO is lost.
    unsafe { write(channel(id) + CHANNEL_CONFIGURATION, 0) };
    (0..STOP_LIMIT).any(|_| read(engine(id.controller) + ENABLED) & bit(id) == 0)
}

/// Programs a channel and switches it on. Requests and priorities are of no meaning for a copy:
/// channel 0 goes before channel 1.
///
/// # Safety
/// The memory of the plan is left to the channel until it is off.
pub(super) unsafe fn start(id: StreamId, plan: &Plan, _channel: u8, _priority: u8) {
    let (source, destination) = plan.ends();
    let words = [
        (SOURCE, source.address),
        (DESTINATION, destination.address),
        (NEXT_ITEM, 0),
        (CONTROL, control(plan)),
    ];
    clear_flags(id);
    for (offset, word) in words {
        // SAFETY: the channel is off, so this only says what it is to do.
        unsafe { write(channel(id) + offset, word) };
    }
    cortex_m::asm::dsb();
    let registers = [channel(id) + CHANNEL_CONFIGURATION, engine(id.controller) + CONFIGURATION];
    // The engine after its channel: QEMU's model looks at its interrupts only when a register of
    // the whole engine is written. Where it is on already, that changes nothing.
    for (register, word) in registers.into_iter().zip([INTERRUPTS | ENABLE, ENABLE]) {
        // SAFETY: the memory is the channel's, as the caller promises.
        unsafe { write(register, word) };
    }
    cortex_m::asm::dsb();
}

/// DMACCxControl.
fn control(plan: &Plan) -> u32 {
    const PRIVILEGED: u32 = 1 << 28;
    const END_INTERRUPT: u32 = 1 << 31;
    let (source, destination) = plan.ends();
    plan.items & TRANSFER_SIZE
        | burst(source.burst) << 12
        | burst(destination.burst) << 15
        | (source.width as u32) << 18
        | (destination.width as u32) << 21
        | u32::from(source.advances) << 26
        | u32::from(destination.advances) << 27
        | PRIVILEGED
        | END_INTERRUPT
}

const fn burst(burst: Burst) -> u32 {
    burst as u32
}
