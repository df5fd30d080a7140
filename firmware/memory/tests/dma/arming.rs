//! Each rule of arming where it begins to hold, and the transfers just beside it that may begin.

use crate::chip::STM32F405;
use crashrig_memory::dma::arming::alignment_bytes;
use crashrig_memory::dma::{
    Burst, Controller, Direction, Mode, Plan, Refusal, Side, Threshold, Width, check,
};
use crashrig_wire::DmaRule;

const SRAM: u32 = 0x2000_0000;
const SRAM_END: u32 = 0x2002_0000;
const CCM: u32 = 0x1000_0000;
const FLASH: u32 = 0x0800_0000;
/// Data register of USART1, on APB2.
const SERIAL: u32 = 0x4001_1004;
/// Data register of USART2, on APB1.
const SERIAL_2: u32 = 0x4000_4404;

fn copy() -> Plan {
    Plan::copy(SRAM, SRAM + 0x1000, 256)
}

fn allowed(plan: &Plan, controller: Controller) {
    assert_eq!(check(plan, controller, &STM32F405), Ok(()), "{plan:x?}");
}

fn refused(plan: &Plan, controller: Controller, rule: DmaRule, address: u32, expected: u32) {
    let refusal = Refusal { rule, address, expected };
    assert_eq!(check(plan, controller, &STM32F405), Err(refusal), "{plan:x?}");
}

use Controller::{Dma1, Dma2};

#[test]
fn every_byte_must_be_in_reach() {
    for (source, destination) in [(SRAM, SRAM + 0x800), (FLASH, SRAM), (0x2001_BF80, 0x2001_0000)] {
        allowed(&Plan::copy(source, destination, 256), Dma2);
    }
    let check = |source, destination, rule, address| {
        refused(&Plan::copy(source, destination, 256), Dma2, rule, address, 0);
    };
    check(SRAM, CCM, DmaRule::OutOfReach, CCM);
    check(CCM + 0x8000, SRAM, DmaRule::OutOfReach, CCM + 0x8000);
    // The last bytes lie behind the end of SRAM2.
    check(SRAM, SRAM_END - 128, DmaRule::Unmapped, SRAM_END);
    check(SRAM_END - 4, SRAM, DmaRule::Unmapped, SRAM_END);
    allowed(&Plan::copy(SRAM, SRAM_END - 256, 256), Dma2);
    check(SRAM, 0xFFFF_FF80, DmaRule::Unmapped, 0xFFFF_FF80);
    check(SRAM, 0x2200_0000, DmaRule::Alias, 0x2200_0000);
    check(0x0000_0000, SRAM, DmaRule::Alias, 0);
    check(SRAM, FLASH, DmaRule::ReadOnly, FLASH);
    check(SRAM, 0x1FFF_7800, DmaRule::OutOfReach, 0x1FFF_7800);
    // The memory port gets to no peripheral that could ask for it.
    check(SRAM, SERIAL & !0xFF, DmaRule::OutOfReach, SERIAL & !0xFF);
}

#[test]
fn peripherals_are_reached_by_bus() {
    for (register, by_dma1) in [(SERIAL, false), (SERIAL_2, true)] {
        let plan = Plan::transmit(SRAM, register, 16);
        allowed(&plan, Dma2);
        match by_dma1 {
            true => allowed(&plan, Dma1),
            false => refused(&plan, Dma1, DmaRule::OutOfReach, register, 0),
        }
    }
    refused(&Plan::transmit(SRAM, 0xD000_0000, 16), Dma2, DmaRule::Unmapped, 0xD000_0000, 0);
    // Memory at the peripheral port is for DMA2, of which it is a master.
    let (to_memory, from_flash) =
        (Plan::transmit(SRAM, SRAM + 64, 1), Plan::transmit(FLASH, SERIAL, 9));
    allowed(&to_memory, Dma2);
    refused(&to_memory, Dma1, DmaRule::OutOfReach, SRAM + 64, 0);
    allowed(&from_flash, Dma2);
    refused(&Plan::receive(SERIAL, FLASH, 9), Dma2, DmaRule::ReadOnly, FLASH, 0);
    refused(&Plan::receive(SERIAL_2, CCM, 9), Dma1, DmaRule::OutOfReach, CCM, 0);
}

#[test]
fn a_copy_has_one_controller_and_one_mode() {
    allowed(&copy(), Dma2);
    refused(&copy(), Dma1, DmaRule::CopyController, SRAM, 2);
    refused(&Plan { fifo: None, ..copy() }, Dma2, DmaRule::CopyDirect, SRAM, 0);
    for mode in [Mode::Circular, Mode::Double { second: SRAM + 0x2000 }] {
        refused(&Plan { mode, ..copy() }, Dma2, DmaRule::CopyCircular, SRAM + 0x1000, 0);
        allowed(&Plan { mode, ..Plan::transmit(SRAM, SERIAL, 16) }, Dma2);
    }
}

#[test]
fn items_fit_the_counter_and_the_widths() {
    for items in [1, 64, 65_535] {
        let plan = Plan { items, ..Plan::transmit(SRAM, SERIAL, 1) };
        allowed(&plan, Dma2);
    }
    for items in [0, 65_536, u32::MAX] {
        let plan = Plan { items, ..Plan::transmit(SRAM, SERIAL, 1) };
        refused(&plan, Dma2, DmaRule::Items, SRAM, 65_535);
    }
    let plan = |from, to, items| Plan {
        peripheral: Side::memory(SRAM, from),
        memory: Side::memory(SRAM + 0x1000, to),
        items,
        ..copy()
    };
    for (from, to, ratio) in [
        (Width::Byte, Width::Half, 2),
        (Width::Byte, Width::Word, 4),
        (Width::Half, Width::Word, 2),
    ] {
        for items in 1..9 {
            match items % ratio {
                0 => allowed(&plan(from, to, items), Dma2),
                _ => {
                    refused(&plan(from, to, items), Dma2, DmaRule::ItemsWidth, SRAM + 0x1000, ratio)
                }
            }
        }
    }
    // From wide to narrow any number will do.
    allowed(&plan(Width::Word, Width::Byte, 3), Dma2);
}

#[test]
fn circular_rounds_are_whole_bursts() {
    let memory = Side { burst: Burst::Eight, ..Side::memory(SRAM, Width::Byte) };
    let round = |items, width| Plan {
        memory,
        peripheral: Side::register(SERIAL & !3, width),
        items,
        fifo: Some(Threshold::Full),
        mode: Mode::Circular,
        ..Plan::transmit(SRAM, SERIAL, 1)
    };
    // The manual's own example: bursts of eight bytes and half-words make multiples of four.
    allowed(&round(8, Width::Half), Dma2);
    refused(&round(6, Width::Half), Dma2, DmaRule::ItemsBurst, SRAM, 4);
    allowed(&round(16, Width::Byte), Dma2);
    refused(&round(12, Width::Byte), Dma2, DmaRule::ItemsBurst, SRAM, 8);
    allowed(&Plan { mode: Mode::Once, ..round(12, Width::Byte) }, Dma2);
}

#[test]
fn addresses_are_multiples_of_their_width() {
    for (offset, width, fits) in [
        (1, Width::Byte, true),
        (1, Width::Half, false),
        (2, Width::Half, true),
        (2, Width::Word, false),
        (4, Width::Word, true),
    ] {
        for is_source in [true, false] {
            let mut plan = Plan { items: 4, ..copy() };
            plan.peripheral.width = width;
            plan.memory.width = width;
            let side = if is_source { &mut plan.peripheral } else { &mut plan.memory };
            side.address += offset;
            let address = side.address;
            match fits {
                true => allowed(&plan, Dma2),
                false => refused(&plan, Dma2, DmaRule::Alignment, address, width.bytes()),
            }
        }
    }
    let double = |second| Plan {
        peripheral: Side::register(SERIAL, Width::Half),
        memory: Side::memory(SRAM, Width::Half),
        mode: Mode::Double { second },
        ..Plan::transmit(SRAM, SERIAL, 16)
    };
    allowed(&double(SRAM + 0x40), Dma2);
    refused(&double(SRAM + 0x41), Dma2, DmaRule::Alignment, SRAM + 0x41, 2);
    refused(&double(CCM), Dma2, DmaRule::OutOfReach, CCM, 0);
}

fn burst(address: u32, width: Width, burst: Burst, size_bytes: u32) -> Plan {
    let memory = Side { burst, ..Side::memory(address, width) };
    let peripheral = Side::memory(SRAM + 0x8000, width);
    Plan { peripheral, memory, items: size_bytes / width.bytes(), ..copy() }
}

#[test]
fn bursts_stay_within_their_kilobyte() {
    let near_end = SRAM + 1024 - 8;
    // Four words from eight bytes below a boundary cross it, single words do not.
    refused(
        &burst(near_end, Width::Word, Burst::Four, 64),
        Dma2,
        DmaRule::BurstBoundary,
        near_end,
        16,
    );
    allowed(&burst(near_end, Width::Word, Burst::Single, 64), Dma2);
    // Bursts that begin further down come to it as well, if there are enough of them.
    let start = SRAM + 1024 - 40;
    refused(
        &burst(start, Width::Word, Burst::Four, 48),
        Dma2,
        DmaRule::BurstBoundary,
        SRAM + 1016,
        16,
    );
    allowed(&burst(start, Width::Word, Burst::Four, 32), Dma2);
    allowed(&burst(start, Width::Word, Burst::Four, 44), Dma2);
    allowed(&burst(SRAM + 16, Width::Word, Burst::Four, 4096), Dma2);
    refused(
        &burst(SRAM + 4, Width::Word, Burst::Four, 4096),
        Dma2,
        DmaRule::BurstBoundary,
        SRAM + 1012,
        16,
    );
    // A register stays where it is.
    let to_register = Plan {
        peripheral: Side { burst: Burst::Four, ..Side::register(0x4001_03FC, Width::Word) },
        memory: Side::memory(SRAM, Width::Word),
        fifo: Some(Threshold::Full),
        ..Plan::transmit(SRAM, SERIAL, 64)
    };
    allowed(&to_register, Dma2);
}

/// Every burst at every address and length, against the definition: some access of a burst lies on
/// the other side of a boundary than its first.
#[test]
fn the_boundary_rule_is_its_definition() {
    for (width, beats) in
        [(Width::Byte, Burst::Eight), (Width::Half, Burst::Four), (Width::Word, Burst::Four)]
    {
        let bytes = width.bytes() * beats.beats();
        for offset in (0..64).step_by(width.bytes() as usize) {
            for bursts in 1..8 {
                let address = SRAM + 1024 - 64 + offset;
                let crosses = (0..bursts).any(|number| {
                    let first = address + number * bytes;
                    first >> 10 != (first + bytes - 1) >> 10
                });
                let found = check(&burst(address, width, beats, bursts * bytes), Dma2, &STM32F405);
                assert_eq!(found.is_err(), crosses, "{address:#x} {width:?} {bursts}: {found:?}");
            }
        }
    }
}

/// RM0090 table 48, line by line: bytes, half-words and words, each at four thresholds.
#[test]
fn thresholds_are_those_of_the_table() {
    const FOUR: u8 = 1;
    const EIGHT: u8 = 2;
    const SIXTEEN: u8 = 4;
    let rows = [
        (Width::Byte, [FOUR, FOUR | EIGHT, FOUR, FOUR | EIGHT | SIXTEEN]),
        (Width::Half, [0, FOUR, 0, FOUR | EIGHT]),
        (Width::Word, [0, 0, 0, FOUR]),
    ];
    let thresholds =
        [Threshold::Quarter, Threshold::Half, Threshold::ThreeQuarters, Threshold::Full];
    for (width, allowed_bursts) in rows {
        for (threshold, allowed_bursts) in thresholds.into_iter().zip(allowed_bursts) {
            for (beats, bit) in
                [(Burst::Four, FOUR), (Burst::Eight, EIGHT), (Burst::Sixteen, SIXTEEN)]
            {
                let plan = Plan { fifo: Some(threshold), ..burst(SRAM, width, beats, 256) };
                match allowed_bursts & bit {
                    0 => refused(&plan, Dma2, DmaRule::BurstThreshold, SRAM, threshold.bytes()),
                    _ => allowed(&plan, Dma2),
                }
            }
        }
    }
}

#[test]
fn peripheral_bursts_leave_room_in_the_fifo() {
    let plan = |width, burst, threshold| Plan {
        peripheral: Side { burst, ..Side::memory(SRAM + 0x8000, width) },
        memory: Side::memory(SRAM, width),
        fifo: Some(threshold),
        items: 64,
        ..copy()
    };
    allowed(&plan(Width::Word, Burst::Four, Threshold::Full), Dma2);
    let source = SRAM + 0x8000;
    refused(
        &plan(Width::Word, Burst::Eight, Threshold::Full),
        Dma2,
        DmaRule::BurstThreshold,
        source,
        16,
    );
    for (width, burst) in
        [(Width::Word, Burst::Four), (Width::Half, Burst::Eight), (Width::Byte, Burst::Sixteen)]
    {
        refused(
            &plan(width, burst, Threshold::ThreeQuarters),
            Dma2,
            DmaRule::BurstPeripheral,
            source,
            16,
        );
    }
    allowed(&plan(Width::Half, Burst::Four, Threshold::ThreeQuarters), Dma2);
}

#[test]
fn direct_mode_is_single_and_of_one_width() {
    let direct = |memory, burst| Plan {
        direction: Direction::Receive,
        peripheral: Side::register(SERIAL_2, Width::Byte),
        memory: Side { burst, ..Side::memory(SRAM, memory) },
        items: 16,
        fifo: None,
        mode: Mode::Once,
    };
    allowed(&direct(Width::Byte, Burst::Single), Dma1);
    refused(&direct(Width::Byte, Burst::Four), Dma1, DmaRule::BurstDirect, SRAM, 1);
    refused(&direct(Width::Half, Burst::Single), Dma1, DmaRule::WidthDirect, SRAM, 1);
    allowed(&Plan { fifo: Some(Threshold::Half), ..direct(Width::Half, Burst::Single) }, Dma1);
}

#[test]
fn what_a_plan_uses_ends_with_its_last_byte() {
    let plan = Plan {
        mode: Mode::Double { second: SRAM + 0x400 },
        ..Plan::transmit(SRAM + 0x100, SERIAL, 16)
    };
    for (address, size_bytes, used) in [
        (SRAM + 0xFF, 1, false),
        (SRAM + 0xFF, 2, true),
        (SRAM + 0x10F, 1, true),
        (SRAM + 0x110, 64, false),
        (SRAM + 0x40F, 1, true),
        (SRAM + 0x410, 1, false),
        (SRAM, 0x1000, true),
    ] {
        assert_eq!(plan.uses(address, size_bytes), used, "{address:#x}");
    }
}

#[test]
fn alignment_is_of_a_burst_or_of_the_fifo() {
    for (width, beats, fifo, expected) in [
        (Width::Byte, 1, false, 1),
        (Width::Word, 1, false, 4),
        (Width::Byte, 1, true, 16),
        (Width::Word, 4, true, 16),
        (Width::Word, 8, true, 32),
    ] {
        assert_eq!(alignment_bytes(width, beats, fifo), expected);
    }
}
