//! What the real board files expect of emulators: memory maps and needs, per version.
//!
//! The maps were read from `info mtree -f` of QEMU 7.2.22 and 10.0.2.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use crashrig_layout::Need;
use crashrig_layout::parse::{Board, ExpectedKind, TargetKind};
use std::path::Path;

fn board(name: &str) -> Board {
    Board::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../boards"), name).unwrap()
}

fn check_map(version: (u32, u32), expected: &[(&str, u32, u32, ExpectedKind)]) {
    let map = board("netduinoplus2").expected_map(version).unwrap();
    let found: Vec<_> =
        map.iter().map(|it| (it.name.as_str(), it.start, it.size_bytes, it.kind)).collect();
    assert_eq!(found, expected, "version {version:?}");
}

#[test]
fn memory_maps_after_deviations() {
    use ExpectedKind::{Ram, Rom, Stub};
    let boot = ("boot", 0, 0x10_0000, Rom);
    let flash = ("flash", 0x0800_0000, 0x10_0000, Rom);
    let backup = ("backup-sram", 0x4002_4000, 0x400, Stub);
    check_map((7, 2), &[boot, flash, ("sram1+sram2", 0x2000_0000, 0x3_0000, Ram), backup]);
    let ccm = ("ccm", 0x1000_0000, 0x1_0000, Ram);
    let sram = ("sram1+sram2", 0x2000_0000, 0x2_0000, Ram);
    check_map((10, 0), &[boot, flash, ccm, sram, backup]);
    check_map((8, 2), &[boot, flash, ccm, sram, backup]);
}

#[test]
fn versions_that_are_not_declared() {
    let check = |name: &str, version, expected: &str| {
        let error = board(name).expected_map(version).unwrap_err().to_string();
        assert_eq!(error, expected);
    };
    check(
        "netduinoplus2",
        (7, 1),
        "version 7.1 is not declared in the board file; declared: 7.2 to below 8.0, \
         8.0 to below 10.0, 10.0 and later",
    );
    check(
        "stm32f4-discovery",
        (10, 0),
        "version 10.0 is not declared in the board file; declared: none: board \
         `stm32f4-discovery` is behind a probe",
    );
}

#[test]
fn needs_are_lacking_with_a_reason() {
    let check = |name: &str, version, need, expected: Option<&str>| {
        let reason = board(name).lacks(version, need);
        assert_eq!(reason.as_deref(), expected, "{name} {version:?} {need}");
    };
    let without = "QEMU 7.2 has no CCM: accesses end in a bus error";
    check("netduinoplus2", (7, 2), Need::Ccm, Some(without));
    check("netduinoplus2-crash-ccm", (7, 2), Need::Ccm, Some(without));
    check("netduinoplus2", (10, 0), Need::Ccm, None);
    check("netduinoplus2", (7, 2), Need::Mpu, None);
    check("stm32f4-discovery", (0, 0), Need::Ccm, None);
    check(
        "stm32f4-discovery",
        (0, 0),
        Need::InstructionCount,
        Some("silicon does not count instructions"),
    );
    assert!(board("netduinoplus2").lacks((6, 0), Need::Mpu).unwrap().contains("version 6.0"));
}

#[test]
fn a_board_needs_what_its_crash_region_lies_in() {
    let check = |name: &str, expected: &[Need]| {
        assert_eq!(board(name).needs().collect::<Vec<_>>(), expected, "{name}");
    };
    check("netduinoplus2", &[]);
    check("netduinoplus2-crash-sram2", &[]);
    check("netduinoplus2-crash-ccm", &[Need::Ccm]);
}

#[test]
fn targets_are_what_their_file_says() {
    assert_eq!(board("netduinoplus2-crash-ccm").emulator().unwrap().machine, "netduinoplus2");
    let probe = board("stm32f4-discovery");
    assert!(matches!(&probe.target, TargetKind::Probe(it) if it.chip == "STM32F407VGTx"));
}

#[test]
fn a_part_has_less_than_its_family() {
    use crashrig_layout::Master;
    let small = board("netduinoplus2").chip;
    let large = board("stm32f4-discovery").chip;
    assert!(!small.region("sram1").unwrap().masters.contains(Master::Ethernet));
    assert!(large.region("sram1").unwrap().masters.contains(Master::Ethernet));
    assert_eq!(large.flash().unwrap().sectors.len(), 12);
    assert_eq!(large.flash().unwrap().sectors.get(4).unwrap().start, 0x0801_0000);
}
