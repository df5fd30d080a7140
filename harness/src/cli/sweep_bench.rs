//! `crashrig sweep-bench`: how many injections a second the engines carry out, against their floors
//! and, for the snapshot engine, against a fresh emulator for each.

use super::CommandError;
use super::say::say;
use crate::execute::load_image;
use crate::exit;
use crate::rig::{DEFAULT_BOARD, Rig, RigError, seed};
use crate::sweep::bench::inside::{Row as InsideRow, inside};
use crate::sweep::bench::snapshot::{Row as SnapshotRow, snapshot};
use crate::sweep::bench::{Bench, Rates};
use crate::target::BenchError;
use crate::target::emulator::EmulatorTarget;
use crashrig_layout::parse::Board;
use serde_json::json;
use std::path::PathBuf;

/// Arguments of `sweep-bench`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// How many batches of each way to inject are measured.
    #[arg(long, default_value_t = 9)]
    batches: usize,
    /// Write the figures into this file as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
}

pub(super) fn sweep_bench(arguments: &Arguments) -> Result<u8, CommandError> {
    let rig = Rig::here();
    let board = Board::load(&rig.boards(), DEFAULT_BOARD);
    let board = board.map_err(|error| RigError::Board(error.to_string()))?;
    let program =
        crashrig_qemu::discover::find().map_err(|it| RigError::from(BenchError::of(it)))?;
    let version = program.version.to_string();
    let target = EmulatorTarget::new(board, program).map_err(RigError::from)?.for_wild_cores(None);
    let image = load_image(&rig.image(DEFAULT_BOARD, &[])?)?;
    let folder = rig.run_folder()?.join("sweep-bench");
    let observer = rig.observer()?;
    let plugin = observer.file().map_err(|it| RigError::from(BenchError::of(it)))?;
    let bench = Bench {
        target: &target,
        image: &image,
        seed: seed()?,
        folder: &folder,
        batches: arguments.batches,
    };
    let inside = inside(bench, plugin).map_err(RigError::from)?;
    say!("engine inside of QEMU, {DEFAULT_BOARD}, QEMU {version}, one processor");
    inside.iter().for_each(tell_inside);
    let rows = snapshot(bench).map_err(RigError::from)?;
    say!("snapshot engine, {DEFAULT_BOARD}, QEMU {version}, one processor");
    rows.iter().for_each(tell_snapshot);
    if let Some(path) = &arguments.json {
        let figures = json!({ "schema": 1, "version": version, "rows": rows, "inside": inside });
        let text = format!("{figures:#}\n");
        std::fs::write(path, text)
            .map_err(|source| CommandError::Output { path: path.clone(), source })?;
    }
    Ok(exit::PASS)
}

/// What both engines are measured by; the floor in its own words.
fn tell(rates: &Rates, floor: &str) {
    let Rates { what, instructions, engine_per_second, floor_per_second, .. } = rates;
    say!("{what} ({instructions} instructions)");
    say!("  injections a second, judged {engine_per_second:10.0}");
    let of_floor = 100.0 * rates.of_floor();
    say!("  {floor:27} {floor_per_second:10.0}   the engine: {of_floor:5.1} % of it");
    let (judging, other) = (100.0 * rates.judging, 100.0 * rates.judging_other);
    say!("  decoding and judging        {judging:8.1} %   another crash region: {other:5.1} %");
}

/// The figures of the snapshot engine for one tail.
fn tell_snapshot(row: &SnapshotRow) {
    tell(&row.rates, "the bare loop");
    let (fresh, times) = (row.fresh_per_second, row.times_fresh());
    say!("  fresh process for each      {fresh:10.1}   the engine: {times:5.1} times it");
}

/// The figures of the engine inside of QEMU for one tail.
fn tell_inside(row: &InsideRow) {
    tell(&row.rates, "bare restore inside");
    let times = row.two_per_second / row.rates.engine_per_second;
    say!("  two on two processors       {:10.0}   {times:5.2} times one", row.two_per_second);
    let times = row.floor_two_per_second / row.rates.floor_per_second;
    say!("  two bare restores           {:10.0}   {times:5.2} times one", row.floor_two_per_second);
}
