//! `crashrig blast`: the blast radius of each overflow of some scenarios.

use super::CommandError;
use super::run::Selection;
use super::say::say;
use crate::blast::sizes::{SIZES, written};
use crate::blast::{FirstWrite, Injection, measure};
use crate::evidence;
use crate::execute::JudgeError;
use crate::exit;
use crate::image::Image;
use crate::rig::{Rig, RigError, seed};
use crate::suite::Test;
use crashrig_layout::Need;
use crashrig_wire::Way;
use crashrig_wire::thread::Context;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Arguments of `blast`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Parts of the names of scenarios; without any, every overflow there is.
    filters: Vec<String>,
    /// Measure as well what large frames of certain sizes write, on boards with an observer.
    #[arg(long)]
    sizes: bool,
    /// Write the figures into this file as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
}

pub(super) fn blast(arguments: &Arguments) -> Result<u8, CommandError> {
    let rig = Rig::here();
    let selection = Selection { filters: &arguments.filters, exact: false, target: None };
    // What is measured is measured in instructions.
    let mut tests = selection.of(&rig)?;
    tests.retain(|test| test.target.has(Need::InstructionCount).is_ok());
    let (seed, run_folder) = (seed()?, rig.run_folder()?);
    let (mut rows, mut destroyed) = (Vec::new(), 0);
    let overflows = tests
        .iter()
        .filter(|test| test.ignored.is_none() && test.scenario.control.is_none())
        .filter_map(|test| Some((test, Injection::of(&test.scenario)?)));
    for (test, injection) in overflows {
        let board = &test.target.board().name;
        let path = rig.image(board, &[])?;
        let bytes = evidence::read_file(&path).map_err(JudgeError::from)?;
        let image = Image::parse(bytes, &path).map_err(JudgeError::from)?;
        let folder = run_folder.join(test.name.replace("::", "."));
        let target = test.target.as_ref();
        let blast = measure(target, &image, &test.scenario, &injection, seed, &folder)
            .map_err(RigError::from)?;
        let first = match blast.first_write {
            FirstWrite::Refused => "refused",
            FirstWrite::Store => "store",
            FirstWrite::Core => "core",
        };
        let is_breach = injection.is_refused() && blast.bytes > 0;
        let remark = if is_breach { "  BREACH: expected 0 bytes" } else { "" };
        destroyed += u32::from(is_breach);
        let count = blast.instructions;
        let source = blast.source.name();
        say!(
            "{}  {} bytes, first by {first}, {count} instructions by {source}{remark}",
            test.name,
            blast.bytes
        );
        rows.push(json!({
            "test": test.name,
            "board": board,
            "target": test.target.name(),
            "target_version": test.target.version(),
            "stack": injection.stack.name(),
            "way": injection.way.name(),
            "detector": injection.detector.name(),
            "bytes": blast.bytes,
            "first_write": first,
            "instructions": blast.instructions,
            "source": source,
        }));
    }
    let sizes =
        if arguments.sizes { by_size(&rig, &tests, seed, &run_folder)? } else { Vec::new() };
    if rows.is_empty() {
        return Err(CommandError::NothingSelected(arguments.filters.join(", ")));
    }
    if let Some(path) = &arguments.json {
        let text = format!("{:#}\n", json!({ "schema": 1, "overflows": rows, "sizes": sizes }));
        std::fs::write(path, text)
            .map_err(|source| CommandError::Output { path: path.clone(), source })?;
    }
    say!("{} overflows, {destroyed} destroyed what they must not", rows.len());
    Ok(if destroyed == 0 { exit::PASS } else { exit::FAIL })
}

/// What a large frame on the main stack writes beyond it, by its size and by what notices it.
fn by_size(
    rig: &Rig,
    tests: &[Test],
    seed: u64,
    run_folder: &Path,
) -> Result<Vec<Value>, CommandError> {
    let mut rows = Vec::new();
    for test in tests.iter().filter(|test| test.ignored.is_none()) {
        let Some(injection) = Injection::of(&test.scenario) else { continue };
        let is_meant = injection.stack == Context::Main && injection.way == Way::LargeFrame;
        let target = test.target.as_ref();
        if !is_meant || target.has(Need::StoreLog).is_err() {
            continue;
        }
        let path = rig.image(&target.board().name, &[])?;
        let bytes = evidence::read_file(&path).map_err(JudgeError::from)?;
        let image = Image::parse(bytes, &path).map_err(JudgeError::from)?;
        for size in SIZES {
            let folder = run_folder.join(format!("{}.{size}", test.name.replace("::", ".")));
            let scenario = &test.scenario;
            let bytes = written(target, &image, scenario, &injection, size, (seed, &folder))
                .map_err(RigError::from)?;
            say!("{}  {size} bytes beyond the limit: {bytes} written", test.name);
            rows.push(json!({
                "board": target.board().name,
                "detector": injection.detector.name(),
                "size": size,
                "bytes": bytes,
            }));
        }
    }
    Ok(rows)
}
