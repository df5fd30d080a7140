//! `crashrig health`: one scenario that is known to pass, on boards of this bench. What fails it is
//! the board, its probe or its wires; a board that passes is not marked as broken any more.

use super::CommandError;
use super::say::say;
use crate::boards::lock::Locks;
use crate::boards::{Bench, BenchBoard, Remote};
use crate::exit;
use crate::rig::{Rig, seed};
use std::path::Path;

/// What is known to pass: boot, end marker, reset, and a second look at the same memory.
const KNOWN_GOOD: &str = "boot::memory_over_resets";

/// Arguments of `health`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The boards, by their names in boards.toml; without one all of this machine
    /// that are not disabled.
    board: Vec<String>,
}

pub(super) fn health(arguments: &Arguments) -> Result<u8, CommandError> {
    let rig = Rig::here();
    let bench = rig.bench()?;
    let boards = wanted(&bench, &arguments.board)?;
    if boards.is_empty() {
        let text = format!("a board of {}", bench.path.display());
        return Err(CommandError::NothingSelected(text));
    }
    let (folder, mut sound) = (rig.run_folder()?, true);
    for board in boards {
        match check(&rig, board, &folder.join(&board.name)) {
            Ok(text) => say!("{}  sound: {text}", board.name),
            Err(text) => {
                sound = false;
                say!("{}  BROKEN: {text}", board.name);
            }
        }
    }
    Ok(if sound { exit::PASS } else { exit::INFRASTRUCTURE })
}

fn wanted<'a>(bench: &'a Bench, names: &[String]) -> Result<Vec<&'a BenchBoard>, CommandError> {
    if names.is_empty() {
        let is_here = |board: &BenchBoard| board.remote.as_ref().is_none_or(Remote::is_here);
        let is_usable = |board: &&BenchBoard| board.disabled.is_none() && is_here(board);
        return Ok(bench.boards.iter().filter(is_usable).collect());
    }
    names.iter().map(|name| super::lock::board_of(bench, name)).collect()
}

/// What the board came to.
fn check(rig: &Rig, board: &BenchBoard, folder: &Path) -> Result<String, String> {
    let locks = Locks::of_machine();
    let run = || -> Result<String, CommandError> {
        let target = rig.probe_target(&board.name)?;
        let (tests, _) = rig.tests_on(&[target], |name| name.ends_with(KNOWN_GOOD))?;
        let test = tests.into_iter().find(|test| test.name.ends_with(KNOWN_GOOD));
        let test = test.ok_or_else(|| CommandError::NothingSelected(KNOWN_GOOD.to_owned()))?;
        let outcome = rig.execute(&test, &[], folder, seed()?)?;
        if outcome.verdict.is_pass() {
            return Ok(format!("{KNOWN_GOOD} passes ({})", outcome.summary()));
        }
        let found = outcome.verdict.mismatches.first().map(|it| it.found.clone());
        Err(CommandError::Unavailable(format!(
            "{KNOWN_GOOD}: {}: {}",
            outcome.verdict.kind.name(),
            found.unwrap_or_default()
        )))
    };
    match run() {
        Ok(text) => locks.mark_sound(&board.probe).map(|()| text).map_err(|it| it.to_string()),
        Err(error) => {
            let text = error.to_string();
            let marked = locks.mark_broken(&board.probe, &text);
            Err(marked.map_or_else(|fault| format!("{text}; failed to {fault}"), |()| text.clone()))
        }
    }
}
