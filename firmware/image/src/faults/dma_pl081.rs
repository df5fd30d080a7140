//! DMA misused on purpose, on a chip with PL081 engines: what is refused before it begins, and what
//! a memory protection controller refuses.

use super::blocks;
use super::checks::Checks;
use crate::board;
use core::hint::black_box;
use crashrig_layout::Capabilities;
use crashrig_memory::dma::transfer::{Shape, Transfer, during};
use crashrig_memory::dma::{Burst, Controller, DmaSource, Mode, Plan, Refusal, StreamId};
use crashrig_memory::heap::Alignment;
use crashrig_port::dma::{self, OnFailure, Options, StreamHandle};
use crashrig_port::{errors, heap, platform};
use crashrig_wire::status::Misuse;
use crashrig_wire::{DmaRule, Fault, TransferState};

const COPY: StreamId = StreamId { controller: Controller::Pl081(0), number: 0 };
const BESIDE: StreamId = StreamId { controller: Controller::Pl081(0), number: 1 };
const LAST: StreamId = StreamId { controller: Controller::Pl081(3), number: 1 };
/// A stream of another family.
const FOREIGN: StreamId = StreamId { controller: Controller::Dma2, number: 0 };

/// Blocks of the memory protection controllers.
const PROTECTED_BYTES: u32 = 1024;
const CAPS: Capabilities = Capabilities::DMA.union(Capabilities::BYTE);

#[repr(align(64))]
struct Aligned([u8; 64]);
static TEXT_IN_CODE: Aligned =
    Aligned(*b"sixty-four bytes beside the code, which an engine may also read.");
static TEXT: &[u8; 64] = &TEXT_IN_CODE.0;

/// Carries out a fault of DMA. Answers whether nothing was to be broken.
pub fn carry_out(fault: Fault, parameter: u32) -> bool {
    match fault {
        Fault::DmaServices => services(),
        Fault::DmaErrorBeside => error_beside(),
        Fault::DmaMisuse => {
            misuse(parameter);
            return false;
        }
        // What peripherals ask for does not exist here.
        _ => return false,
    }
    true
}

fn block(size_bytes: u32, caps: Capabilities) -> u32 {
    let alignment = Alignment { align_bytes: PROTECTED_BYTES, offset_bytes: 0 };
    heap::allocate_zeroed(1, size_bytes, alignment, caps).unwrap_or(0)
}

fn word(address: u32) -> u32 {
    let pointer = core::ptr::with_exposed_provenance::<u32>(address as usize);
    // SAFETY: callers name words of blocks that they have.
    unsafe { pointer.read_volatile() }
}

fn fill(address: u32, words: u32) {
    for index in 0..words {
        let pointer = core::ptr::with_exposed_provenance_mut::<u32>((address + 4 * index) as usize);
        // SAFETY: callers name words of blocks that they have.
        unsafe { pointer.write_volatile(0x0101_0101 * (index & 0xFF) + index) };
    }
}

fn are_same(address: u32, other: u32, words: u32) -> bool {
    (0..words).all(|index| word(address + 4 * index) == word(other + 4 * index))
}

/// Arms a channel with whatever stands in the plan, and waits for its end.
fn run(id: StreamId, plan: &Plan) -> Result<TransferState, dma::Error> {
    // SAFETY: none for most of them: what is destroyed is what the faults are about.
    unsafe { dma::arm(id, plan, Options::COPY) }?;
    while dma::state(id) == TransferState::Running {
        black_box(());
    }
    Ok(dma::state(id))
}

/// A block whose second kilobyte nobody in secure state gets to.
fn half_given_away() -> u32 {
    let to = block(3 * PROTECTED_BYTES, CAPS);
    // SAFETY: nothing has the block, and its user leaves the second kilobyte alone.
    unsafe { dma::set_secure(to + PROTECTED_BYTES, PROTECTED_BYTES, false) };
    to
}

/// A transfer that breaks the rule of a number. With the check switched off it is up to the bus.
#[inline(never)]
fn misuse(number: u32) {
    let from = block(1024, CAPS);
    fill(from, 256);
    let to = block(1024, CAPS);
    let plan = match number {
        1 => {
            let regions = platform::platform().regions.iter();
            let end = regions.map(|region| region.start + region.size_bytes).max();
            Plan::copy(from, end.unwrap_or(0) - 128, 256)
        }
        5 => Plan::copy(from, non_secure(to), 256),
        7 => Plan { items: 4096, ..Plan::copy(from, to, 64) },
        8 => Plan { mode: Mode::Circular, ..Plan::copy(from, to, 64) },
        10 => Plan::receive(board::UNMAPPED_ADDRESS, to, 64),
        _ => Plan::copy(from, half_given_away() + PROTECTED_BYTES / 2, 1024),
    };
    let ended = run(COPY, &plan);
    defmt::warn!("dma: {=bool}", ended == Ok(TransferState::Done));
}

/// The alias that an address has.
fn non_secure(address: u32) -> u32 {
    let mut aliases = platform::memory().aliases.iter();
    let shows = aliases.find(|alias| address.wrapping_sub(alias.target_start) < alias.size_bytes);
    shows.map_or(0, |alias| alias.start + (address - alias.target_start))
}

/// Channels are used as they are meant to be, and give error values for what they are not.
fn services() {
    let mut checks = Checks::new();
    let shapes = [
        Shape::BYTES,
        Shape::WORDS,
        Shape { memory_burst: Burst::Sixteen, peripheral_burst: Burst::Four, ..Shape::WORDS },
    ];
    for shape in shapes {
        checks.check("copy of code", copies(shape).is_some());
    }
    checks.check("copy of borrowed memory", copies_borrowed().unwrap_or(false));
    let (inside, outside) = (block(1024, CAPS), block(1024, CAPS.union(Capabilities::SPIRAM)));
    fill(inside, 256);
    let copied = run(BESIDE, &Plan::copy(inside, outside, 1024));
    let same = inside != 0 && outside != 0 && are_same(inside, outside, 256);
    checks.check("copy to external RAM", copied == Ok(TransferState::Done) && same);
    dma::set_on_failure(OnFailure::Value, OnFailure::Value);
    let warnings = errors::count();
    let alias = non_secure(inside);
    let refused = run(COPY, &Plan::copy(outside, alias, 64));
    let refusal = Refusal { rule: DmaRule::Alias, address: alias, expected: 0 };
    checks.check("refusal as a value", refused == Err(dma::Error::Refused(refusal)));
    checks.check("warning of it", errors::count() == warnings + 1);
    checks.check("state of it", dma::state(COPY) == TransferState::Refused);
    let foreign = run(FOREIGN, &Plan::copy(inside, outside, 64));
    let none = StreamHandle::take(FOREIGN, Options::COPY).is_none();
    checks.check("no other family", foreign == Err(dma::Error::NoController) && none);
    checks.say();
}

fn copies(shape: Shape) -> Option<()> {
    let source = DmaSource::constant(TEXT, &platform::memory()).ok()?;
    let target = dma::buffer(TEXT.len() as u32, 16).ok()?;
    let channel = StreamHandle::take(COPY, Options::COPY)?;
    let ended = Transfer::copy(channel, source, target, shape).ok()?.wait()?;
    let same = ended.state == TransferState::Done && ended.buffers.1.bytes() == TEXT.as_slice();
    (same && ended.items_left == 0).then_some(())
}

fn copies_borrowed() -> Option<bool> {
    let mut channel = StreamHandle::take(LAST, Options::COPY)?;
    let mut from = dma::buffer(4096, 16).ok()?;
    from.bytes_mut().iter_mut().enumerate().for_each(|(index, byte)| *byte = (index / 7) as u8);
    let source = DmaSource::Buffer(from);
    let mut target = dma::buffer(4096, 16).ok()?;
    let work = || black_box(());
    let ((), state) = during(&mut channel, &source, &mut target, Shape::WORDS, work).ok()?;
    let DmaSource::Buffer(from) = source else { return None };
    Some(state == TransferState::Done && from.bytes() == target.bytes())
}

/// One channel is refused in the middle of its transfer, and the other one is not hurt.
fn error_beside() {
    let mut checks = Checks::new();
    dma::set_on_failure(OnFailure::Value, OnFailure::Value);
    let (from, beside, to) = (block(1024, CAPS), block(1024, CAPS), half_given_away());
    fill(from, 256);
    let failed = run(COPY, &Plan::copy(from, to + PROTECTED_BYTES / 2, 1024));
    checks.check("one fails", failed == Ok(TransferState::TransferError));
    let done = run(BESIDE, &Plan::copy(from, beside, 1024));
    let same = are_same(from, beside, 256);
    checks.check("the other one ends", done == Ok(TransferState::Done) && same);
    let last = errors::last().map(|context| (context.status, context.value));
    let warning = (Misuse::DmaError.status(), u32::from(COPY.code()));
    checks.check("warning", last == Some(warning));
    // SAFETY: nobody has used it meanwhile.
    unsafe { dma::set_secure(to + PROTECTED_BYTES, PROTECTED_BYTES, true) };
    let half_words = PROTECTED_BYTES / 2 / 4;
    let first = are_same(from, to + PROTECTED_BYTES / 2, half_words);
    checks.check("what is not refused is written", first);
    let refused = (0..half_words).all(|index| word(to + PROTECTED_BYTES + 4 * index) == 0);
    checks.check("what is refused is not", refused);
    checks.check("heap", heap::check_integrity().is_ok() && blocks::free(to).is_ok());
    checks.say();
}
