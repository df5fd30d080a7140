//! `crashrig heap-bench`: this project's heap against others, on the same traces and the same core.

use super::CommandError;
use super::say::say;
use crate::exit;
use crate::heaps::{Comparison, Cost, FILL_SIZES_BYTES, Fill, Replay, Wanted};
use crate::rig::{DEFAULT_BOARD, Rig};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Arguments of `heap-bench`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Part of the name of a heap; without any, every heap. May be given more than once.
    #[arg(long)]
    heap: Vec<String>,
    /// Part of the name of a trace; without any, every trace. May be given more than once.
    #[arg(long)]
    trace: Vec<String>,
    /// Write the figures into this file as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
}

pub(super) fn heap_bench(arguments: &Arguments) -> Result<u8, CommandError> {
    let rig = Rig::here();
    let wanted = Wanted { heaps: arguments.heap.clone(), traces: arguments.trace.clone() };
    let comparison = rig.compare_heaps(&wanted)?;
    if comparison.fills.is_empty() {
        return Err(CommandError::NothingSelected(arguments.heap.join(", ")));
    }
    print(&comparison);
    if let Some(path) = &arguments.json {
        let text = format!("{:#}\n", to_json(&comparison));
        std::fs::write(path, text)
            .map_err(|source| CommandError::Output { path: path.clone(), source })?;
    }
    Ok(exit::PASS)
}

/// A table for each trace, then one of what blocks cost in memory.
fn print(comparison: &Comparison) {
    let mut shown = "";
    for Replay { heap, trace, costs } in &comparison.replays {
        if shown != trace {
            shown = trace;
            say!("\n{trace:24} instructions: mean/worst of");
            let [a, f, p, r, n] = ["allocate", "free", "pair", "resize", "refused"];
            say!("{:24} {a:>15} {f:>15} {p:>15} {r:>15} {n:>19}", "");
        }
        let [a, f, p, r] = [costs.allocate, costs.free, costs.pair, costs.resize].map(cell);
        let n = match costs.refused.count {
            0 => "-".to_owned(),
            count => format!("{count}: {}", cell(costs.refused)),
        };
        say!("  {heap:22} {a:>15} {f:>15} {p:>15} {r:>15} {n:>19}");
    }
    say!("\nbytes beyond those asked for, of each block in full memory; and of the heap itself");
    let [a, b, c, d] = FILL_SIZES_BYTES.map(|size| format!("of {size}"));
    say!("{:24} {a:>10} {b:>10} {c:>10} {d:>10} {:>10}", "", "state");
    for fill in &comparison.fills {
        let [a, b, c, d] = overheads(fill).map(|bytes| format!("{bytes:.1}"));
        say!("  {:22} {a:>10} {b:>10} {c:>10} {d:>10} {:10}", fill.heap, fill.state_bytes);
    }
}

fn cell(cost: Cost) -> String {
    cost.mean().map_or("-".to_owned(), |mean| format!("{mean:.1}/{}", cost.worst))
}

/// Bytes of memory for each block, besides those that were asked for.
fn overheads(fill: &Fill) -> [f64; FILL_SIZES_BYTES.len()] {
    let mut overheads = [f64::NAN; FILL_SIZES_BYTES.len()];
    for ((overhead, blocks), size) in overheads.iter_mut().zip(fill.blocks).zip(FILL_SIZES_BYTES) {
        if blocks > 0 {
            *overhead = f64::from(fill.memory_bytes) / f64::from(blocks) - f64::from(size);
        }
    }
    overheads
}

fn to_json(comparison: &Comparison) -> Value {
    let cost =
        |cost: Cost| json!({ "count": cost.count, "mean": cost.mean(), "worst": cost.worst });
    let replay = |replay: &Replay| {
        json!({
            "heap": replay.heap,
            "trace": replay.trace,
            "allocate": cost(replay.costs.allocate),
            "free": cost(replay.costs.free),
            "pair": cost(replay.costs.pair),
            "resize": cost(replay.costs.resize),
            "refused": cost(replay.costs.refused),
        })
    };
    let fill = |fill: &Fill| {
        let blocks: Vec<_> = FILL_SIZES_BYTES
            .iter()
            .zip(fill.blocks)
            .zip(overheads(fill))
            .map(|((size, count), overhead)| {
                json!({ "size_bytes": size, "blocks": count, "overhead_bytes": overhead })
            })
            .collect();
        json!({ "heap": fill.heap, "memory_bytes": fill.memory_bytes,
                "state_bytes": fill.state_bytes, "fills": blocks })
    };
    json!({
        "schema": 1,
        "board": DEFAULT_BOARD,
        "unit": "instructions",
        "replays": comparison.replays.iter().map(replay).collect::<Vec<_>>(),
        "memory": comparison.fills.iter().map(fill).collect::<Vec<_>>(),
    })
}
