//! The rules of the PL081 where they begin to hold, against the chip file of AN505.

use crate::chip::AN505;
use crashrig_memory::dma::{Burst, Controller, Mode, Plan, Refusal, Side, StreamId, Width, check};
use crashrig_wire::DmaRule;

const FIRST: Controller = Controller::Pl081(0);
const CODE: u32 = 0x1000_0000;
const SSRAM: u32 = 0x3800_0000;
/// What the board uses of it.
const SSRAM_END: u32 = 0x3802_0000;
const PSRAM: u32 = 0x8000_0000;

fn copy() -> Plan {
    Plan::copy(SSRAM, SSRAM + 0x1000, 256)
}

fn allowed(plan: &Plan) {
    assert_eq!(check(plan, FIRST, &AN505), Ok(()), "{plan:x?}");
}

fn refused(plan: &Plan, rule: DmaRule, address: u32, expected: u32) {
    let refusal = Refusal { rule, address, expected };
    assert_eq!(check(plan, FIRST, &AN505), Err(refusal), "{plan:x?}");
}

#[test]
fn it_reaches_all_memory_by_its_secure_addresses_and_nothing_else() {
    // Code lies in RAM here.
    for (source, destination) in [(CODE, SSRAM), (PSRAM, SSRAM), (SSRAM, PSRAM), (SSRAM, CODE)] {
        allowed(&Plan::copy(source, destination, 256));
    }
    let check = |source, destination, rule, address| {
        refused(&Plan::copy(source, destination, 256), rule, address, 0);
    };
    check(SSRAM, 0x2801_0400, DmaRule::Alias, 0x2801_0400);
    check(0x2000_0000, SSRAM, DmaRule::Alias, 0x2000_0000);
    check(SSRAM, SSRAM_END - 128, DmaRule::Unmapped, SSRAM_END);
    check(SSRAM, 0xD000_0000, DmaRule::Unmapped, 0xD000_0000);
    // Its own registers.
    check(SSRAM, 0x5011_0000, DmaRule::Unmapped, 0x5011_0000);
    // It is no controller of the STM32F4, and that has none of these.
    let refusal = Refusal { rule: DmaRule::OutOfReach, address: SSRAM, expected: 0 };
    assert_eq!(check_on(Controller::Dma2, &copy()), Err(refusal));
}

fn check_on(controller: Controller, plan: &Plan) -> Result<(), Refusal> {
    check(plan, controller, &AN505)
}

#[test]
fn it_copies_once_and_does_nothing_else() {
    allowed(&copy());
    for plan in [Plan::transmit(SSRAM, PSRAM, 16), Plan::receive(PSRAM, SSRAM, 16)] {
        refused(&plan, DmaRule::NoRequest, PSRAM, 0);
    }
    for mode in [Mode::Circular, Mode::Double { second: SSRAM + 0x2000 }] {
        refused(&Plan { mode, ..copy() }, DmaRule::CopyCircular, SSRAM + 0x1000, 0);
    }
}

#[test]
fn items_fit_twelve_bits() {
    allowed(&Plan { items: 1, ..copy() });
    allowed(&Plan { items: 4095, ..copy() });
    for items in [0, 4096] {
        refused(&Plan { items, ..copy() }, DmaRule::Items, SSRAM + 0x1000, 4095);
    }
}

#[test]
fn both_sides_have_one_width_and_are_multiples_of_it() {
    let bytes = Plan { memory: Side::memory(SSRAM + 0x1000, Width::Byte), ..copy() };
    refused(&bytes, DmaRule::WidthDirect, SSRAM + 0x1000, 4);
    let both = Plan { peripheral: Side::memory(SSRAM + 1, Width::Byte), ..bytes };
    allowed(&both);
    let odd = Plan { peripheral: Side::memory(SSRAM + 2, Width::Word), ..copy() };
    refused(&odd, DmaRule::Alignment, SSRAM + 2, 4);
    let odd = Plan { memory: Side::memory(SSRAM + 2, Width::Word), ..copy() };
    refused(&odd, DmaRule::Alignment, SSRAM + 2, 4);
}

#[test]
fn bursts_may_go_anywhere() {
    let burst = |address| Side { burst: Burst::Sixteen, ..Side::memory(address, Width::Word) };
    let (peripheral, memory) = (burst(SSRAM + 0x3F0), burst(SSRAM + 0x13F4));
    allowed(&Plan { peripheral, memory, ..copy() });
}

#[test]
fn a_channel_has_its_code_in_a_record() {
    let code = |number, channel| {
        StreamId { controller: Controller::Pl081(number), number: channel }.code()
    };
    assert_eq!([code(0, 0), code(0, 1), code(3, 1)], [0x10, 0x11, 0x41]);
}
