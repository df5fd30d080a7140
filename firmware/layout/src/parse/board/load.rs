//! From files to a [`Board`]: finds base and chip, and checks everything before anything is
//! handed out.

use super::support::Answers;
use super::{Board, CrashPlace, Probe, Stacks, TargetKind, choices, emulator};
use crate::parse::chip::{self, Chip};
use crate::parse::problem::{LoadError, Problem, Problems, listed, quoted};
use crate::parse::raw::{RawBoard, RawChip, RawProbe};
use crate::parse::static_layout::StaticLayout;
use serde::de::DeserializeOwned;
use std::fs;
use std::path::Path;

impl Board {
    /// Loads a board by the name of its file in `boards_dir`, with its base and its chip. Chips
    /// lie in the folder `chips` beside `boards_dir`.
    ///
    /// # Errors
    /// Every broken rule of all files involved, at once.
    pub fn load(boards_dir: &Path, name: &str) -> Result<Self, LoadError> {
        let mut found = Vec::new();
        let board = load(boards_dir, name, &mut found);
        match board {
            Some(board) if found.is_empty() => Ok(board),
            _ => Err(LoadError { board: name.to_owned(), problems: found }),
        }
    }

    /// Loads every board of a folder, in the order of their names.
    ///
    /// # Errors
    /// As [`Board::load`], for the first board that does not load; or there is none at all.
    pub fn load_all(boards_dir: &Path) -> Result<Vec<Self>, LoadError> {
        let names = names_in(boards_dir);
        if names.is_empty() {
            let mut problems = Vec::new();
            let file = boards_dir.display().to_string();
            Problems::new(file, &mut problems).add("", "no file", "a file for each board");
            return Err(LoadError { board: "*".to_owned(), problems });
        }
        names.iter().map(|name| Self::load(boards_dir, name)).collect()
    }
}

/// The raw files of one board, merged: a key and the file that states it.
struct Merged {
    raw: RawBoard,
    /// The file that states the crash region.
    crash_file: String,
    /// The file that states the executable part of RAM.
    executable_file: String,
    /// The file that states the bootloader.
    bootloader_file: String,
    /// The file that states everything else.
    file: String,
}

fn load(boards_dir: &Path, name: &str, found: &mut Vec<Problem>) -> Option<Board> {
    let merged = merge(boards_dir, name, found)?;
    let Merged { raw, file, .. } = &merged;
    let chip_name = require(raw.chip.as_ref(), "chip", "the name of a chip file", file, found);
    let chip = chip_name.and_then(|chip_name| load_chip(boards_dir, chip_name, file, found));
    let part = require(raw.part.as_ref(), "part", "a part of the chip", file, found);
    let chip = chip
        .zip(part)
        .and_then(|(chip, part)| select_part(chip, part, &mut Problems::new(file, found)));
    let chip = chip.and_then(|chip| match &raw.ram_bytes {
        Some(used) => choices::use_ram(chip, used, &mut Problems::new(file, found)),
        None => Some(chip),
    });
    let clock = require(raw.core_clock_hz, "core_clock_hz", "a clock in hertz", file, found);
    if let Some(clock) = clock {
        choices::check_clock(clock, &mut Problems::new(file, found));
    }
    let placed = place(&merged, chip.as_ref(), found);
    let problems = &mut Problems::new(file, found);
    let target = chip.as_ref().and_then(|chip| check_target(raw, chip, problems));
    let problems = &mut Problems::new(&merged.executable_file, found);
    let executable = raw
        .executable
        .as_ref()
        .zip(chip.as_ref())
        .map(|(executable, chip)| choices::check_executable(executable, chip, problems));
    let problems = &mut Problems::new(&merged.bootloader_file, found);
    let bootloader = raw
        .bootloader
        .as_ref()
        .zip(chip.as_ref())
        .and_then(|(bootloader, chip)| choices::check_bootloader(bootloader, chip, problems));
    let (chip, placed) = (chip?, placed?);
    let is_variant = *file != format!("boards/{name}.toml");
    let mut files = vec![format!("boards/{name}.toml"), file.clone()];
    files.dedup();
    files.push(chip_file(&chip.name));
    Some(Board {
        name: name.to_owned(),
        is_variant,
        files,
        part: part?.clone(),
        chip,
        core_clock_hz: clock?,
        crash_place: placed.crash_place,
        stacks: placed.stacks,
        executable,
        bootloader,
        image_features: raw.image_features.clone().unwrap_or_default(),
        target: target?,
        layout: placed.layout,
    })
}

/// What a board chooses about RAM, and the addresses that follow.
struct Placed {
    crash_place: CrashPlace,
    stacks: Stacks,
    layout: StaticLayout,
}

fn place(merged: &Merged, chip: Option<&Chip>, found: &mut Vec<Problem>) -> Option<Placed> {
    let Merged { raw, crash_file, file, .. } = merged;
    let before = found.len();
    let crash = require(raw.crash_region.as_ref(), "crash_region", "a table", crash_file, found);
    let crash_place =
        crash.map(|crash| choices::check_crash(crash, chip, &mut Problems::new(crash_file, found)));
    let stacks = require(raw.stacks.as_ref(), "stacks", "a table", file, found);
    let stacks = stacks.map(|it| choices::check_stacks(it, &mut Problems::new(file, found)));
    let (chip, crash, crash_place, stacks) = (chip?, crash?, crash_place?, stacks?);
    // A layout of wrong values would only repeat what is known to be wrong.
    if found.len() > before {
        return None;
    }
    let layout = StaticLayout::compute(chip, crash_place, crash.size_bytes, &stacks);
    layout.check(chip, crash_place, file, crash_file, found);
    Some(Placed { crash_place, stacks, layout })
}

fn merge(boards_dir: &Path, name: &str, found: &mut Vec<Problem>) -> Option<Merged> {
    let file = format!("boards/{name}.toml");
    let raw: RawBoard = read(boards_dir, name, &Named { by: &file, key: "" }, found)?;
    let Some(base_name) = raw.base.clone() else {
        let [crash_file, executable_file, bootloader_file] =
            [&file, &file, &file].map(Clone::clone);
        return Some(Merged { raw, crash_file, executable_file, bootloader_file, file });
    };
    let problems = &mut Problems::new(&file, found);
    for (key, stated) in [
        ("chip", raw.chip.is_some()),
        ("part", raw.part.is_some()),
        ("core_clock_hz", raw.core_clock_hz.is_some()),
        ("ram_bytes", raw.ram_bytes.is_some()),
        ("stacks", raw.stacks.is_some()),
        ("emulator", raw.emulator.is_some()),
        ("probe", raw.probe.is_some()),
    ] {
        problems.require(!stated, key, "a value", "none, as the base states it");
    }
    let named = Named { by: &file, key: "base" };
    let base: RawBoard = read(boards_dir, &base_name, &named, found)?;
    let base_file = format!("boards/{base_name}.toml");
    if let Some(next) = &base.base {
        Problems::new(&file, found).add(
            "base",
            format!("`{base_name}`, whose base is `{next}`"),
            "a board without a base of its own",
        );
        return None;
    }
    let stated_by = |own: bool| if own { file.clone() } else { base_file.clone() };
    let crash_file = stated_by(raw.crash_region.is_some());
    let executable_file = stated_by(raw.executable.is_some());
    let bootloader_file = stated_by(raw.bootloader.is_some());
    let raw = RawBoard {
        crash_region: raw.crash_region.or(base.crash_region),
        executable: raw.executable.or(base.executable),
        bootloader: raw.bootloader.or(base.bootloader),
        image_features: raw.image_features.or(base.image_features),
        ..base
    };
    Some(Merged { raw, crash_file, executable_file, bootloader_file, file: base_file })
}

fn load_chip(
    boards_dir: &Path,
    name: &str,
    board_file: &str,
    found: &mut Vec<Problem>,
) -> Option<Chip> {
    let chips_dir = boards_dir.parent().unwrap_or(Path::new("")).join("chips");
    let before = found.len();
    let named = Named { by: board_file, key: "chip" };
    let raw: RawChip = read(&chips_dir, name, &named, found)?;
    let chip = chip::check(name, raw, &mut Problems::new(chip_file(name), found));
    // What depends on the chip is not checked against a wrong one.
    (found.len() == before).then_some(chip)
}

fn chip_file(name: &str) -> String {
    format!("chips/{name}.toml")
}

fn select_part(chip: Chip, name: &str, problems: &mut Problems<'_>) -> Option<Chip> {
    match chip.part(name).cloned() {
        Some(part) => Some(chip.into_part(&part)),
        None => {
            let known = listed(chip.parts.iter().map(|part| part.name.as_str()));
            problems.add(
                "part",
                quoted(name),
                format!("a part of `{}`, one of {known}", chip.name),
            );
            None
        }
    }
}

fn check_target(raw: &RawBoard, chip: &Chip, problems: &mut Problems<'_>) -> Option<TargetKind> {
    match (&raw.emulator, &raw.probe) {
        (Some(raw), None) => Some(TargetKind::Emulator(emulator::check(raw, chip, problems))),
        (None, Some(raw)) => Some(TargetKind::Probe(check_probe(raw, problems))),
        (both, _) => {
            let found = if both.is_some() { "both tables" } else { "neither table" };
            problems.add("", found, "either `emulator` or `probe`");
            None
        }
    }
}

fn check_probe(raw: &RawProbe, problems: &mut Problems<'_>) -> Probe {
    problems.require(!raw.chip.is_empty(), "probe.chip", "nothing", "the chip's name in probe-rs");
    let mut answers = Answers::default();
    answers.add("probe", &raw.models, &raw.lack, problems);
    Probe { chip: raw.chip.clone(), support: answers.finish("probe", problems) }
}

fn require<T>(
    value: Option<T>,
    key: &str,
    expected: &str,
    file: &str,
    found: &mut Vec<Problem>,
) -> Option<T> {
    if value.is_none() {
        Problems::new(file, found).add(key, "nothing", expected);
    }
    value
}

/// What named a file: the file and key that did. The caller of [`Board::load`] did if the key is
/// empty.
struct Named<'a> {
    by: &'a str,
    key: &'a str,
}

/// Reads the file of a name in a folder, `boards` or `chips`.
fn read<T: DeserializeOwned>(
    folder: &Path,
    name: &str,
    named: &Named<'_>,
    found: &mut Vec<Problem>,
) -> Option<T> {
    let path = folder.join(format!("{name}.toml"));
    if !path.is_file() {
        let known = names_in(folder);
        let known = listed(known.iter().map(String::as_str));
        let problems = &mut Problems::new(named.by, found);
        problems.add(named.key, quoted(name), format!("the name of a file, one of {known}"));
        return None;
    }
    let kind = folder.file_name().unwrap_or_default().to_string_lossy();
    let problems = &mut Problems::new(format!("{kind}/{name}.toml"), found);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) => {
            problems.add("", error, "a readable text file");
            return None;
        }
    };
    match toml::from_str(&text) {
        Ok(raw) => Some(raw),
        Err(error) => {
            let start = error.span().map_or(0, |span| span.start);
            let line = text.bytes().take(start).filter(|byte| *byte == b'\n').count() + 1;
            let message = error.message().replace('\n', ", ");
            let (what, expected) =
                message.split_once(", expected ").unwrap_or((&message, "known keys and types"));
            problems.add(format!("line {line}"), what, expected);
            None
        }
    }
}

/// Names of the TOML files of a folder without their ending, sorted.
fn names_in(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter_map(|name| name.strip_suffix(".toml").map(str::to_owned))
        .collect();
    names.sort();
    names
}
