//! DMA misused on purpose: what is refused before it begins, what the bus refuses, and what it
//! does not.

mod in_flight;

use super::checks::Checks;
use super::words::write;
use super::{dma_plans, dma_stack, dma_widths};
use crate::board;
use core::hint::black_box;
use crashrig_layout::Capabilities;
use crashrig_memory::dma::transfer::{Shape, Transfer, during};
use crashrig_memory::dma::{Burst, Controller, DmaSource, Mode, Plan, Refusal, StreamId, Width};
use crashrig_memory::heap::Alignment;
use crashrig_port::dma::{self, OnFailure, Options, StreamHandle, serial};
use crashrig_port::{errors, heap, platform};
use crashrig_wire::region::FIRST_OFFSET;
use crashrig_wire::status::Misuse;
use crashrig_wire::{DmaRule, Fault, TransferState};

pub(super) const COPY: StreamId = StreamId { controller: Controller::Dma2, number: 0 };
pub(super) const ON_DMA1: StreamId = StreamId { controller: Controller::Dma1, number: 3 };
/// Reception of USART1.
pub(super) const RECEPTION: StreamId = StreamId { controller: Controller::Dma2, number: 2 };

/// One round of a circular stream. On the bench a byte goes with each instruction of the core, and
/// a clock tick comes in between.
const ROUND_BYTES: u32 = 30_000;

const CAPS: Capabilities = Capabilities::DMA.union(Capabilities::BYTE);

/// Bytes that begin where a burst may: elsewhere one could cross a boundary of 1 KiB.
#[repr(align(64))]
struct Aligned([u8; 64]);
static TEXT_IN_FLASH: Aligned =
    Aligned(*b"sixty-four bytes of flash that a controller may read, not write.");
static TEXT: &[u8; 64] = &TEXT_IN_FLASH.0;

/// Carries out a fault of DMA. Answers whether nothing was to be broken.
pub fn carry_out(fault: Fault, parameter: u32) -> bool {
    match fault {
        Fault::DmaServices if parameter == 1 => dma_widths::carry_out(),
        Fault::DmaServices => services(),
        Fault::DmaSerial => serial_port(),
        Fault::DmaErrorBeside => error_beside(),
        Fault::DmaFreedInFlight => in_flight::freed(),
        Fault::DmaOverCrashRegion => over_crash_region(),
        Fault::DmaMisuse => {
            misuse(parameter);
            return false;
        }
        Fault::DmaEndless => {
            endless();
            return false;
        }
        Fault::DmaOverrun => {
            overrun();
            return false;
        }
        Fault::DmaCircularCrash => {
            circular_crash(board::UNMAPPED_ADDRESS);
            return false;
        }
        Fault::DmaOverVectors => {
            over_vectors();
            return false;
        }
        _ => return false,
    }
    true
}

pub(super) fn block(size_bytes: u32) -> u32 {
    let alignment = Alignment { align_bytes: 1024, offset_bytes: 0 };
    heap::allocate_zeroed(1, size_bytes, alignment, CAPS).unwrap_or(0)
}

pub(super) fn fill(address: u32, words: u32) {
    for index in 0..words {
        write(address + 4 * index, 0x0101_0101 * (index & 0xFF) + index);
    }
}

pub(super) fn word(address: u32, index: u32) -> u32 {
    let pointer = core::ptr::with_exposed_provenance::<u32>((address + 4 * index) as usize);
    // SAFETY: callers name words of blocks that they have.
    unsafe { pointer.read_volatile() }
}

/// Arms a stream with whatever stands in the plan, and waits for its end.
pub(super) fn run(id: StreamId, plan: &Plan) -> Result<TransferState, dma::Error> {
    begin(id, plan, Options::COPY)?;
    while dma::state(id) == TransferState::Running {
        black_box(());
    }
    Ok(dma::state(id))
}

pub(super) fn begin(id: StreamId, plan: &Plan, options: Options) -> Result<(), dma::Error> {
    // SAFETY: none for most of them: what is destroyed is what the faults are about.
    unsafe { dma::arm(id, plan, options) }
}

pub(super) fn first_of(region: &str) -> (u32, u32) {
    let mut regions = platform::platform().regions.iter();
    let region = regions.find(|it| it.name == region);
    region.map_or((0, 0), |it| (it.start, it.start + it.size_bytes))
}

/// A transfer that breaks the rule of a number. With the check switched off it is up to the bus.
#[inline(never)]
fn misuse(number: u32) {
    let (from, to) = (block(1024), block(2048));
    fill(from, 256);
    if number == 16 {
        return dma_stack::copy_to_stack(from);
    }
    let (stream, plan) = dma_plans::breaking(number, from, to);
    let ended = run(stream, &plan);
    defmt::warn!("dma: {=bool}", ended == Ok(TransferState::Done));
}

/// Streams are used as they are meant to be, and give error values for what they are not.
fn services() {
    let mut checks = Checks::new();
    let shapes = [
        Shape::BYTES,
        Shape::WORDS,
        Shape { memory_burst: Burst::Four, peripheral_burst: Burst::Four, ..Shape::WORDS },
        Shape { memory_width: Width::Word, ..Shape::BYTES },
        Shape { memory_width: Width::Byte, ..Shape::WORDS },
        Shape { memory_width: Width::Half, memory_burst: Burst::Eight, ..Shape::BYTES },
    ];
    for shape in shapes {
        checks.check("copy from flash", copies(shape).is_some());
    }
    checks.check("copy of borrowed memory", copies_borrowed().unwrap_or(false));
    dma::set_on_failure(OnFailure::Value, OnFailure::Value);
    let warnings = errors::count();
    let address = block(1024);
    let refused = run(ON_DMA1, &Plan::copy(address, address + 512, 64));
    let refusal = Refusal { rule: DmaRule::CopyController, address, expected: 2 };
    checks.check("refusal as a value", refused == Err(dma::Error::Refused(refusal)));
    checks.check("warning of it", errors::count() == warnings + 1);
    checks.check("state of it", dma::state(ON_DMA1) == TransferState::Refused);
    checks.check("stopped by a drop", stops_when_dropped().unwrap_or(false));
    checks.check("double buffer", double_buffer());
    checks.say();
}

fn copies(shape: Shape) -> Option<()> {
    let source = DmaSource::constant(TEXT, &platform::memory()).ok()?;
    let target = dma::buffer(TEXT.len() as u32, 16).ok()?;
    let stream = StreamHandle::take(COPY, Options::COPY)?;
    let ended = Transfer::copy(stream, source, target, shape).ok()?.wait()?;
    let same = ended.state == TransferState::Done && ended.buffers.1.bytes() == TEXT.as_slice();
    (same && ended.items_left == 0).then_some(())
}

fn copies_borrowed() -> Option<bool> {
    let mut stream = StreamHandle::take(COPY, Options::COPY)?;
    let mut from = dma::buffer(4096, 16).ok()?;
    from.bytes_mut().iter_mut().enumerate().for_each(|(index, byte)| *byte = (index / 7) as u8);
    let source = DmaSource::Buffer(from);
    let mut target = dma::buffer(4096, 16).ok()?;
    // The core goes on meanwhile.
    let work = || (0..100_u32).fold(0, |sum, number| black_box(sum + number));
    let (sum, state) = during(&mut stream, &source, &mut target, Shape::WORDS, work).ok()?;
    let DmaSource::Buffer(from) = source else { return None };
    Some((sum, state) == (4950, TransferState::Done) && from.bytes() == target.bytes())
}

fn stops_when_dropped() -> Option<bool> {
    let options = Options { limit_ms: None, channel: 4, ..Options::COPY };
    let stream = StreamHandle::take(RECEPTION, options)?;
    let buffer = dma::buffer(64, 16).ok()?;
    let address = buffer.address();
    let transfer =
        Transfer::receive(stream, serial::data_register(), buffer, Shape::DIRECT).ok()?;
    let runs = transfer.state() == TransferState::Running && dma::borrower(address, 1).is_some();
    drop(transfer);
    let is_off = dma::state(RECEPTION) == TransferState::Stopped;
    Some(runs && is_off && heap::size_of(address).is_err())
}

/// Both memories of a double buffer are sent, in turns. Interrupts are masked: on the bench, where
/// the core is stepped meanwhile, the handler of a short round's end would find the next one over.
fn double_buffer() -> bool {
    const LOOKS: u32 = 1000;
    serial::enable();
    let memory = block(128);
    let mode = Mode::Double { second: memory + 64 };
    let plan = Plan { mode, ..Plan::transmit(memory, serial::data_address(), 64) };
    cortex_m::interrupt::free(|_| {
        let begun = begin(serial::STREAM, &plan, serial::OPTIONS).is_ok();
        let comes_to = |number| (0..LOOKS).any(|_| dma::memory_in_use(serial::STREAM) == number);
        let takes_turns = begun && comes_to(1) && comes_to(0) && comes_to(1);
        dma::stop(serial::STREAM);
        takes_turns && dma::state(serial::STREAM) == TransferState::Stopped
    })
}

/// Bytes of flash go out by a serial port.
fn serial_port() {
    let mut checks = Checks::new();
    serial::enable();
    let sent = || {
        let source = DmaSource::constant(TEXT, &platform::memory()).ok()?;
        let stream = StreamHandle::take(serial::STREAM, serial::OPTIONS)?;
        let ended = serial::transmit(stream, source).ok()?.wait()?;
        Some((ended.state, ended.items_left))
    };
    checks.check("transmission", sent() == Some((TransferState::Done, 0)));
    checks.say();
}

/// Nothing ever comes, and the watchdog of the driver sees it.
#[inline(never)]
fn endless() {
    let options = Options { channel: 4, priority: 0, limit_ms: Some(5) };
    let plan = Plan::receive(serial::data_address(), block(64), 64);
    if begin(RECEPTION, &plan, options).is_ok() {
        while dma::state(RECEPTION) == TransferState::Running {
            black_box(());
        }
    }
}

/// One stream fails while another runs, which comes to its end all the same.
fn error_beside() {
    let mut checks = Checks::new();
    dma::set_on_failure(OnFailure::Value, OnFailure::Value);
    serial::enable();
    // It is in the middle of its transfer until its peripheral asks again.
    serial::set_requests(false);
    let good = Plan::transmit(platform::text_start(), serial::data_address(), 64);
    let bad = Plan::copy(block(256), first_of("ccm").0, 256);
    let begun = begin(serial::STREAM, &good, serial::OPTIONS).is_ok()
        && begin(COPY, &bad, Options { priority: 3, ..Options::COPY }).is_ok();
    checks.check("both begin", begun);
    let runs = |id| dma::state(id) == TransferState::Running;
    while runs(COPY) {
        black_box(());
    }
    checks.check("one goes on", runs(serial::STREAM));
    serial::set_requests(true);
    checks.check("one fails", dma::state(COPY) == TransferState::TransferError);
    // The bench notices that a peripheral asks when somebody looks at the controller.
    while runs(serial::STREAM) {
        black_box(dma::items_left(serial::STREAM));
    }
    let is_done = dma::state(serial::STREAM) == TransferState::Done;
    checks.check("the other one ends", is_done && dma::items_left(serial::STREAM) == 0);
    let last = errors::last().map(|context| context.status);
    checks.check("warning", last == Some(Misuse::DmaError.status()));
    checks.say();
}

/// A stream writes beyond the block that it was given: the bus allows it.
#[inline(never)]
fn overrun() {
    let (from, to) = (block(256), heap::allocate(64, Alignment::NATURAL, CAPS).unwrap_or(0));
    fill(from, 64);
    let ended = run(COPY, &Plan::copy(from, to, 96));
    if let Err(broken) = heap::check_integrity() {
        defmt::error!("dma: {=bool}, heap broken", ended.is_ok());
        errors::fatal(Misuse::HeapCorrupt.status(), broken.address);
    }
}

/// A crash while a circular stream sends.
#[inline(never)]
fn circular_crash(address: u32) {
    serial::enable();
    let memory = block(ROUND_BYTES);
    let plan = Plan {
        mode: Mode::Circular,
        ..Plan::transmit(memory, serial::data_address(), ROUND_BYTES)
    };
    if begin(serial::STREAM, &plan, serial::OPTIONS).is_ok() {
        // In the middle of a round the peripheral asks no more, so that the bench need not step.
        serial::set_requests(false);
        super::access::bus_read(address);
    }
}

/// The vector table in RAM is written over with the one in flash: no protection unit sees it.
#[inline(never)]
fn over_vectors() {
    let (from, to) = (platform::flash_vectors(), platform::vectors_start());
    let _ = run(COPY, &Plan::copy(from, to, platform::vectors_size_bytes()));
}

/// Every slot of the crash region is written over with code.
fn over_crash_region() {
    let ledgers_bytes = FIRST_OFFSET as u32;
    let to = platform::crash_start() + ledgers_bytes;
    let size_bytes = platform::crash_size_bytes() - ledgers_bytes;
    let _ = run(COPY, &Plan::copy(platform::text_start(), to, size_bytes));
}
