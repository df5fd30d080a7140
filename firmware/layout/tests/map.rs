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

fn check_map(name: &str, version: (u32, u32), expected: &[(&str, u32, u32, ExpectedKind)]) {
    let map = board(name).expected_map(version).unwrap();
    let found: Vec<_> =
        map.iter().map(|it| (it.name.as_str(), it.start, it.size_bytes, it.kind)).collect();
    assert_eq!(found, expected, "{name} {version:?}");
}

#[test]
fn memory_maps_after_deviations() {
    use ExpectedKind::{Ram, Rom, Stub};
    let boot = ("boot", 0, 0x10_0000, Rom);
    let flash = ("flash", 0x0800_0000, 0x10_0000, Rom);
    let backup = ("backup-sram", 0x4002_4000, 0x400, Stub);
    check_map(
        "netduinoplus2",
        (7, 2),
        &[boot, flash, ("sram1+sram2", 0x2000_0000, 0x3_0000, Ram), backup],
    );
    let ccm = ("ccm", 0x1000_0000, 0x1_0000, Ram);
    let sram = ("sram1+sram2", 0x2000_0000, 0x2_0000, Ram);
    check_map("netduinoplus2", (10, 0), &[boot, flash, ccm, sram, backup]);
    check_map("netduinoplus2", (8, 2), &[boot, flash, ccm, sram, backup]);
}

#[test]
fn mirrors_are_expected_beside_the_memory_they_show() {
    use ExpectedKind::Ram;
    let expected = [
        ("ssram1-non-secure+ssram1-non-secure-again", 0, 0x80_0000, Ram),
        ("ssram1+ssram1-again", 0x1000_0000, 0x80_0000, Ram),
        ("sram0-non-secure", 0x2000_0000, 0x8000, Ram),
        ("ssram2-non-secure+ssram3-non-secure", 0x2800_0000, 0x40_0000, Ram),
        ("sram0", 0x3000_0000, 0x8000, Ram),
        ("ssram2+ssram3", 0x3800_0000, 0x40_0000, Ram),
        ("psram", 0x8000_0000, 0x100_0000, Ram),
    ];
    check_map("mps2-an505", (7, 2), &expected);
    check_map("mps2-an505", (10, 0), &expected);
}

#[test]
fn the_core_decides_what_programs_are_built_for() {
    let check = |name: &str, target: &str| {
        assert_eq!(board(name).chip.core.rust_target(), target, "{name}");
    };
    check("netduinoplus2", "thumbv7em-none-eabihf");
    check("mps2-an505", "thumbv8m.main-none-eabihf");
}

#[test]
fn ram_that_the_board_does_not_use_is_not_laid_out() {
    let board = board("mps2-an505");
    assert_eq!(board.chip.main_ram_range().to_string(), "0x3800_0000 to 0x3801_FFFF");
    let used: Vec<_> =
        board.chip.regions.iter().map(|it| (it.name.as_str(), it.used_bytes)).collect();
    let expected = [
        ("ssram1", 0x40_0000),
        ("sram0", 0),
        ("ssram2", 0x2_0000),
        ("ssram3", 0),
        ("psram", 0x1_0000),
    ];
    assert_eq!(used, expected);
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
