//! `crashrig sweep-bench`: how many injections a second the engines carry out, against their floors
//! and, for the snapshot engine, against a fresh emulator for each.

use super::CommandError;
use super::say::say;
use crate::execute::load_image;
use crate::exit;
use crate::rig::{DEFAULT_BOARD, Rig, RigError, seed};
use crate::sweep::bench::inside::{Row as InsideRow, inside};
use crate::sweep::bench::snapshot::{Row, snapshot};
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
    let inside_rows = inside(&target, &image, plugin, seed()?, &folder, arguments.batches)
        .map_err(RigError::from)?;
    say!("engine inside of QEMU, {DEFAULT_BOARD}, QEMU {version}, one processor");
    inside_rows.iter().for_each(tell_inside);
    let rows =
        snapshot(&target, &image, seed()?, &folder, arguments.batches).map_err(RigError::from)?;
    say!("snapshot engine, {DEFAULT_BOARD}, QEMU {version}, one processor");
    for row in &rows {
        let Row { what, instructions, engine_per_second, floor_per_second, .. } = row;
        say!("{what} ({instructions} instructions)");
        say!("  injections a second, judged {engine_per_second:10.0}");
        say!(
            "  the bare loop               {floor_per_second:10.0}   the engine: {:5.1} % of it",
            100.0 * row.of_floor()
        );
        say!(
            "  fresh process for each      {:10.1}   the engine: {:5.1} times it",
            row.fresh_per_second,
            row.times_fresh()
        );
        tell_judging(row.judging, row.judging_other);
    }
    if let Some(path) = &arguments.json {
        let rows: Vec<_> = rows
            .iter()
            .map(|row| {
                json!({
                    "what": row.what,
                    "instructions": row.instructions,
                    "engine_per_second": row.engine_per_second,
                    "floor_per_second": row.floor_per_second,
                    "fresh_per_second": row.fresh_per_second,
                    "judging": row.judging,
                    "judging_other": row.judging_other,
                })
            })
            .collect();
        let inside: Vec<_> = inside_rows
            .iter()
            .map(|row| {
                json!({
                    "what": row.what,
                    "instructions": row.instructions,
                    "engine_per_second": row.engine_per_second,
                    "floor_per_second": row.floor_per_second,
                    "two_per_second": row.two_per_second,
                    "judging": row.judging,
                    "judging_other": row.judging_other,
                })
            })
            .collect();
        let figures = json!({ "schema": 1, "version": version, "rows": rows, "inside": inside });
        let text = format!("{figures:#}\n");
        std::fs::write(path, text)
            .map_err(|source| CommandError::Output { path: path.clone(), source })?;
    }
    Ok(exit::PASS)
}

/// The figures of the engine inside of QEMU for one tail.
fn tell_inside(row: &InsideRow) {
    say!("{} ({} instructions)", row.what, row.instructions);
    say!("  injections a second, judged {:10.0}", row.engine_per_second);
    let of_floor = 100.0 * row.engine_per_second / row.floor_per_second;
    say!(
        "  bare restore inside         {:10.0}   the engine: {of_floor:5.1} % of it",
        row.floor_per_second
    );
    tell_judging(row.judging, row.judging_other);
    let times = row.two_per_second / row.engine_per_second;
    say!("  two on two processors       {:10.0}   {times:5.2} times one", row.two_per_second);
}

/// What decoding and judging take of an engine's time.
fn tell_judging(as_golden: f64, other: f64) {
    let (as_golden, other) = (100.0 * as_golden, 100.0 * other);
    say!("  decoding and judging        {as_golden:8.1} %   another crash region: {other:5.1} %");
}
