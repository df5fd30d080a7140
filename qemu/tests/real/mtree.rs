//! Stored memory maps of both versions, and the maps of the QEMUs of this machine.

use crashrig_qemu::mtree::{
    CPU_ADDRESS_SPACE, MappedRange, RangeKind, SECURE_ADDRESS_SPACE, parse,
};

use crate::support::{COUNT, on_each, start};

/// The memories of a map, in its order.
fn check(text: &str, address_space: &str, expected: &[(u32, u64, RangeKind, &str)]) {
    let map = parse(text, address_space).unwrap();
    let memories: Vec<_> = map
        .iter()
        .filter(|range| matches!(range.kind, RangeKind::Ram | RangeKind::Rom))
        .map(|range| (range.start, range.size_bytes, range.kind, range.name.as_str()))
        .collect();
    assert_eq!(memories, expected);
}

const FLASH: &str = "STM32F405.flash";
const SRAM: &str = "STM32F405.sram";

#[test]
fn netduinoplus2_on_7_2_has_192_kib_and_no_ccm() {
    check(
        include_str!("../mtree/netduinoplus2_7_2.txt"),
        CPU_ADDRESS_SPACE,
        &[
            (0, 0x10_0000, RangeKind::Rom, FLASH),
            (0x0800_0000, 0x10_0000, RangeKind::Rom, FLASH),
            (0x2000_0000, 0x3_0000, RangeKind::Ram, SRAM),
        ],
    );
}

#[test]
fn netduinoplus2_on_10_0_has_128_kib_and_ccm() {
    check(
        include_str!("../mtree/netduinoplus2_10_0.txt"),
        CPU_ADDRESS_SPACE,
        &[
            (0, 0x10_0000, RangeKind::Rom, FLASH),
            (0x0800_0000, 0x10_0000, RangeKind::Rom, FLASH),
            (0x1000_0000, 0x1_0000, RangeKind::Ram, "STM32F405.ccm"),
            (0x2000_0000, 0x2_0000, RangeKind::Ram, SRAM),
        ],
    );
}

#[test]
fn memory_behind_a_protection_controller_is_memory() {
    const BEHIND: &str = "tz-mpc-upstream";
    const KIB: u64 = 0x400;
    let ram = |start, kib: u64| (start, kib * KIB, RangeKind::Ram, BEHIND);
    let expected = [
        ram(0, 4096),
        ram(0x0040_0000, 4096),
        ram(0x1000_0000, 4096),
        ram(0x1040_0000, 4096),
        ram(0x2000_0000, 32),
        ram(0x2800_0000, 2048),
        ram(0x2820_0000, 2048),
        ram(0x3000_0000, 32),
        ram(0x3800_0000, 2048),
        ram(0x3820_0000, 2048),
        (0x8000_0000, 16384 * KIB, RangeKind::Ram, "mps.ram"),
    ];
    check(include_str!("../mtree/mps2-an505_7_2.txt"), CPU_ADDRESS_SPACE, &expected);
    check(include_str!("../mtree/mps2-an505_10_0.txt"), CPU_ADDRESS_SPACE, &expected);
}

#[test]
fn devices_that_are_only_named_are_told_apart() {
    let map = parse(include_str!("../mtree/netduinoplus2_7_2.txt"), CPU_ADDRESS_SPACE).unwrap();
    let kind = |name: &str| map.iter().find(|range| range.name == name).map(|range| range.kind);
    assert_eq!(kind("DMA2"), Some(RangeKind::Stub));
    assert_eq!(kind("BKPSRAM"), Some(RangeKind::Stub));
    assert_eq!(kind("stm32f2xx-usart"), Some(RangeKind::Device));
    assert_eq!(kind("nvic_sysregs"), Some(RangeKind::Device));
    assert_eq!(kind("RCC"), Some(RangeKind::Stub), "7.2 only names it");
    let map = parse(include_str!("../mtree/netduinoplus2_10_0.txt"), CPU_ADDRESS_SPACE).unwrap();
    let rcc = map.iter().find(|range| range.start == 0x4002_3800).unwrap();
    assert_eq!(rcc.kind, RangeKind::Device, "10.0 models it");
}

#[test]
fn other_machines_have_other_maps() {
    let microbit = include_str!("../mtree/microbit_10_0.txt");
    let map = parse(microbit, CPU_ADDRESS_SPACE).unwrap();
    let starts = |range: &&MappedRange| range.start == 0x2000_0000;
    assert_eq!(map.iter().find(starts).unwrap().size_bytes, 0x4000);
    let board = include_str!("../mtree/mps2-an505_7_2.txt");
    let secure = parse(board, SECURE_ADDRESS_SPACE).unwrap();
    assert!(secure.iter().any(|range| range.start == 0x1000_0000), "secure code memory");
    assert!(parse(microbit, SECURE_ADDRESS_SPACE).is_err(), "a core without TrustZone");
}

#[test]
fn ranges_are_in_order_and_do_not_overlap() {
    for text in [
        include_str!("../mtree/netduinoplus2_7_2.txt"),
        include_str!("../mtree/netduinoplus2_10_0.txt"),
        include_str!("../mtree/mps2-an505_7_2.txt"),
        include_str!("../mtree/mps2-an505_10_0.txt"),
        include_str!("../mtree/microbit_7_2.txt"),
        include_str!("../mtree/microbit_10_0.txt"),
    ] {
        let mut end = 0;
        for range in parse(text, CPU_ADDRESS_SPACE).unwrap() {
            assert!(u64::from(range.start) >= end, "{range:?} begins before {end:#x}");
            end = u64::from(range.start) + range.size_bytes;
        }
    }
}

#[test]
fn a_running_qemu_has_the_stored_map() {
    on_each(|program| {
        let stored = match program.version.major {
            7 => include_str!("../mtree/netduinoplus2_7_2.txt"),
            10 => include_str!("../mtree/netduinoplus2_10_0.txt"),
            // Other versions are usable; what they model is checked against the board file.
            _ => return,
        };
        let mut rig = start(program, COUNT);
        let map = rig.emulator.memory_map().unwrap();
        assert_eq!(map, parse(stored, CPU_ADDRESS_SPACE).unwrap());
    });
}
