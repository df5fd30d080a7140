//! `cargo ci bench`, the part about heaps: compares this project's heap with others, and writes the
//! figures into `docs/heap.md`. `cargo ci bench-heap` only prints them.

use crate::figures;
use crate::jobs::cargo;
use crate::tidy::tables::Table;
use anyhow::Result;
use serde::Deserialize;

/// This project's heap without checks, and what the names of all its levels begin with.
const OURS: &str = "crashrig, off";
const OUR_NAME: &str = "crashrig,";
/// Where the figures stand, relative to the root.
const DOCUMENT: &str = "docs/heap.md";
/// Where they come from, relative to the root.
const FIGURES: &str = "target/crashrig/heaps.json";

/// What `crashrig heap-bench --json` writes, as far as it matters here.
#[derive(Debug, Deserialize)]
struct Figures {
    replays: Vec<Replay>,
    memory: Vec<Memory>,
}

#[derive(Debug, Deserialize)]
struct Replay {
    heap: String,
    trace: String,
    allocate: Cost,
    free: Cost,
    pair: Cost,
    resize: Cost,
    refused: Cost,
}

#[derive(Debug, Default, Deserialize)]
struct Cost {
    count: u64,
    mean: Option<f64>,
    worst: u64,
}

#[derive(Debug, Deserialize)]
struct Memory {
    heap: String,
    state_bytes: u32,
    fills: Vec<Fill>,
}

#[derive(Debug, Deserialize)]
struct Fill {
    size_bytes: u32,
    overhead_bytes: f64,
}

/// Measures, and writes the tables of the document.
///
/// # Errors
/// If the heaps cannot be measured, or a file cannot be read or written.
pub fn run() -> Result<()> {
    cargo(["rig", "heap-bench", "--json", FIGURES]).run()?;
    let figures = figures::read("heap-bench", FIGURES)?;
    figures::write(DOCUMENT, [against_best(&figures), costs(&figures), overheads(&figures)])
}

/// A row for each trace: this project's heap without checks, against the best of the others.
fn against_best(figures: &Figures) -> Table {
    let traces: Vec<_> = figures.replays.iter().filter(|it| it.heap == OURS).collect();
    let rows = traces.into_iter().map(|ours| {
        let others = figures.replays.iter();
        let others = others.filter(|it| it.trace == ours.trace && !it.heap.starts_with(OUR_NAME));
        let others: Vec<_> = others.filter(|it| it.pair.mean.is_some()).collect();
        let mean = |it: &&Replay| it.pair.mean.unwrap_or(f64::INFINITY);
        let by_mean = others.iter().copied().min_by(|a, b| mean(a).total_cmp(&mean(b)));
        let by_worst = others.iter().copied().min_by_key(|it| it.pair.worst);
        let ratio = |ours: f64, best: f64, name: &str| format!("{:.2} × {name}", ours / best);
        let none = || "–".to_owned();
        [
            ours.trace.clone(),
            by_mean.map_or_else(none, |best| ratio(mean(&ours), mean(&best), &best.heap)),
            by_worst.map_or_else(none, |best| {
                ratio(ours.pair.worst as f64, best.pair.worst as f64, &best.heap)
            }),
        ]
    });
    Table::new(["trace", "mean of a pair", "worst pair"], rows)
}

/// A row for each trace and heap.
fn costs(figures: &Figures) -> Table {
    let rows = figures.replays.iter().map(|it| {
        let [allocate, free, pair, resize] =
            [&it.allocate, &it.free, &it.pair, &it.resize].map(cell);
        let refused = refusals(&it.refused);
        [it.trace.clone(), it.heap.clone(), allocate, free, pair, resize, refused]
    });
    Table::new(["trace", "heap", "allocate", "free", "pair", "resize", "refused"], rows)
}

/// How many there were, and what each took.
fn refusals(cost: &Cost) -> String {
    if cost.count == 0 { "0".to_owned() } else { format!("{}: {}", cost.count, cell(cost)) }
}

fn cell(cost: &Cost) -> String {
    cost.mean.map_or("–".to_owned(), |mean| format!("{mean:.1} / {}", cost.worst))
}

/// A row for each heap.
fn overheads(figures: &Figures) -> Table {
    const SIZES_BYTES: [u32; 4] = [16, 32, 64, 256];
    let rows = figures.memory.iter().map(|memory| {
        let of = SIZES_BYTES.map(|size| {
            let fill = memory.fills.iter().find(|fill| fill.size_bytes == size);
            fill.map_or("–".to_owned(), |fill| format!("{:.1}", fill.overhead_bytes))
        });
        let [a, b, c, d] = of;
        [memory.heap.clone(), a, b, c, d, memory.state_bytes.to_string()]
    });
    let titles = ["heap", "of 16 bytes", "of 32 bytes", "of 64 bytes", "of 256 bytes", "itself"];
    Table::new(titles, rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_of_the_others_is_the_measure() {
        let replay = |heap: &str, mean, worst| Replay {
            heap: heap.into(),
            trace: "t".into(),
            allocate: Cost::default(),
            free: Cost::default(),
            pair: Cost { count: 1, mean: Some(mean), worst },
            resize: Cost::default(),
            refused: Cost::default(),
        };
        let replays = vec![
            replay("crashrig, off", 150.0, 300),
            replay("crashrig, light", 10.0, 10),
            replay("a", 100.0, 400),
            replay("b", 120.0, 200),
        ];
        let figures = Figures { replays, memory: Vec::new() };
        assert_eq!(against_best(&figures).lines()[2], "| t | 1.50 × a | 1.50 × b |");
    }

    #[test]
    fn every_figure_has_its_cell() {
        let cost = |count, mean, worst| Cost { count, mean, worst };
        let figures = Figures {
            replays: vec![Replay {
                heap: "h".into(),
                trace: "t".into(),
                allocate: cost(2, Some(93.46), 119),
                free: cost(1, Some(63.0), 115),
                pair: cost(1, Some(157.0), 233),
                resize: Cost::default(),
                refused: cost(7, Some(20.0), 30),
            }],
            memory: vec![Memory {
                heap: "h".into(),
                state_bytes: 24,
                fills: vec![Fill { size_bytes: 32, overhead_bytes: 8.04 }],
            }],
        };
        let lines = costs(&figures).lines();
        assert_eq!(
            lines[2],
            "| t | h | 93.5 / 119 | 63.0 / 115 | 157.0 / 233 | – | 7: 20.0 / 30 |"
        );
        assert_eq!(against_best(&figures).lines().len(), 2, "no row without our heap");
        assert_eq!(overheads(&figures).lines()[2], "| h | – | 8.0 | – | – | 24 |");
    }
}
