//! What is generated from the real board files, against stored text.
//!
//! `CRASHRIG_BLESS=1 cargo test -p crashrig-layout` stores the new text after it was read.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use crashrig_layout::emit::{memory_x, regions_rs};
use crashrig_layout::parse::{Board, Program};
use std::path::{Path, PathBuf};
use std::{env, fs};

const BOARDS: [&str; 9] = [
    "mps2-an505",
    "netduinoplus2",
    "netduinoplus2-bootloader",
    "netduinoplus2-comprehensive",
    "netduinoplus2-crash-ccm",
    "netduinoplus2-crash-sram2",
    "netduinoplus2-executable",
    "netduinoplus2-tracking",
    "stm32f4-discovery",
];

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn check(board: &str, ending: &str, generate: fn(&Board) -> String) {
    check_in(&here().join("../boards"), board, ending, generate);
}

fn check_in(boards: &Path, board: &str, ending: &str, generate: fn(&Board) -> String) {
    let text = generate(&Board::load(boards, board).unwrap());
    let stored = here().join("tests/generated").join(format!("{board}.{ending}"));
    if env::var_os("CRASHRIG_BLESS").is_some() {
        fs::write(&stored, &text).unwrap();
    }
    let expected = fs::read_to_string(&stored).unwrap_or_default();
    assert!(
        text == expected,
        "{} differs; CRASHRIG_BLESS=1 stores this instead:\n{text}",
        stored.display()
    );
}

#[test]
fn linker_scripts() {
    for board in BOARDS {
        check(board, "memory.x", |board| memory_x(board, Program::Application));
    }
    let bootloader = |board: &Board| memory_x(board, Program::Bootloader);
    check("netduinoplus2-bootloader", "bootloader.memory.x", bootloader);
}

#[test]
fn region_tables() {
    // Variants differ in their crash region, which is not in the table, but for these.
    for board in [
        "mps2-an505",
        "netduinoplus2",
        "netduinoplus2-bootloader",
        "netduinoplus2-executable",
        "stm32f4-discovery",
    ] {
        check(board, "regions.rs.txt", regions_rs);
    }
}

#[test]
fn the_made_up_chip_of_many_memories() {
    check_in(&here().join("tests/good/boards"), "memories", "regions.rs.txt", regions_rs);
}

#[test]
fn every_board_file_is_covered() {
    let mut names: Vec<String> = fs::read_dir(here().join("../boards"))
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str().map(str::to_owned))
        .filter_map(|name| name.strip_suffix(".toml").map(str::to_owned))
        .collect();
    names.sort();
    assert_eq!(names, BOARDS);
}
