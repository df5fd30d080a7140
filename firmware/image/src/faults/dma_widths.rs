//! The width of the peripheral side against that of the memory side: the FIFO packs and unpacks,
//! direct mode has one width (RM0090 §10.3.10, from memory, not checked).

use super::checks::Checks;
use super::dma::{COPY, RECEPTION, begin, block, fill, run, word};
use crashrig_memory::dma::{Direction, Mode, Plan, Refusal, Side, Threshold, Width};
use crashrig_port::dma::{self, OnFailure, Options, serial};
use crashrig_wire::{DmaRule, TransferState};

const WIDTHS: [Width; 3] = [Width::Byte, Width::Half, Width::Word];
/// A multiple of every width, and not of the FIFO.
const SIZE_BYTES: u32 = 40;

/// Every pair of widths, in both modes.
pub fn carry_out() {
    let mut checks = Checks::new();
    dma::set_on_failure(OnFailure::Value, OnFailure::Value);
    let (from, to) = (block(64), block(64));
    fill(from, SIZE_BYTES / 4);
    for peripheral in WIDTHS {
        for memory in WIDTHS {
            for threshold in [Threshold::Quarter, Threshold::Full] {
                let copied = packs((from, peripheral), (block(64), memory), threshold);
                checks.check("packing by the FIFO", copied);
            }
            checks.check("one width in direct mode", direct(peripheral, memory, to));
        }
    }
    let halves = Side::memory(to, Width::Half);
    let odd = Plan { memory: halves, ..Plan::copy(from + 1, to, 39) };
    let refusal = Refusal { rule: DmaRule::ItemsWidth, address: to, expected: 2 };
    checks.check("whole items", run(COPY, &odd) == Err(dma::Error::Refused(refusal)));
    checks.say();
}

/// Whether a copy into a fresh block keeps the order of bytes, and leaves alone what is behind.
fn packs(from: (u32, Width), to: (u32, Width), threshold: Threshold) -> bool {
    let plan = Plan {
        direction: Direction::Copy,
        peripheral: Side::memory(from.0, from.1),
        memory: Side::memory(to.0, to.1),
        items: SIZE_BYTES / from.1.bytes(),
        fifo: Some(threshold),
        mode: Mode::Once,
    };
    let ended = run(COPY, &plan);
    let words = SIZE_BYTES / 4;
    let same = (0..words).all(|index| word(from.0, index) == word(to.0, index));
    ended == Ok(TransferState::Done) && same && word(to.0, words) == 0
}

/// Whether direct mode is taken for equal widths, and refused for others.
fn direct(peripheral: Width, memory: Width, to: u32) -> bool {
    let plan = Plan {
        peripheral: Side::register(serial::data_address(), peripheral),
        memory: Side::memory(to, memory),
        ..Plan::receive(serial::data_address(), to, SIZE_BYTES)
    };
    let begun = begin(RECEPTION, &plan, Options { channel: 4, priority: 0, limit_ms: None });
    dma::stop(RECEPTION);
    let rule = DmaRule::WidthDirect;
    let refusal = Refusal { rule, address: to, expected: peripheral.bytes() };
    match peripheral == memory {
        true => begun.is_ok(),
        false => begun == Err(dma::Error::Refused(refusal)),
    }
}
