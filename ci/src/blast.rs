//! `cargo ci blast`: measures the blast radius of every overflow of the matrix and writes the
//! figures into `docs/stacks.md`. Fails where a guard or a limit register let one byte be changed.

use crate::figures;
use crate::jobs::cargo;
use crate::matrix::{COLUMNS, STACKS};
use crate::tidy::tables::Table;
use anyhow::{Context as _, Result};
use crashrig_wire::Way;
use serde::Deserialize;
use std::collections::BTreeSet;

/// Where the figures stand, relative to the root.
const DOCUMENT: &str = "docs/stacks.md";
/// Where they come from, relative to the root.
const FIGURES: &str = "target/crashrig/blast.json";

/// What `crashrig blast --json` writes, as far as it matters here.
#[derive(Debug, Deserialize)]
struct Figures {
    overflows: Vec<Figure>,
    sizes: Vec<SizeFigure>,
}

/// What a large frame of a certain size has written beyond the main stack.
#[derive(Debug, Deserialize)]
struct SizeFigure {
    board: String,
    detector: String,
    size: u32,
    bytes: u32,
}

#[derive(Debug, Deserialize)]
struct Figure {
    board: String,
    stack: String,
    way: String,
    detector: String,
    bytes: u32,
    instructions: u64,
    source: String,
}

/// Measures, and writes the tables of the document.
///
/// # Errors
/// If something was destroyed that must not be, or a file cannot be read or written.
pub fn run() -> Result<()> {
    let measured = cargo(["rig", "blast", "overflow::", "--sizes", "--json", FIGURES]).run();
    let figures = figures::read("blast", FIGURES)?;
    measured.context("an overflow destroyed what it must not")?;
    figures::write(DOCUMENT, tables(&figures))
}

/// One table for each board.
fn tables(figures: &Figures) -> Vec<Table> {
    let boards: BTreeSet<&str> = figures.overflows.iter().map(|it| it.board.as_str()).collect();
    let by_way = boards.iter().map(|board| table(board, figures));
    let measured: BTreeSet<&str> = figures.sizes.iter().map(|it| it.board.as_str()).collect();
    by_way.chain(measured.into_iter().map(|board| size_table(board, figures))).collect()
}

/// Bytes written, by size and by what notices.
fn size_table(board: &str, figures: &Figures) -> Table {
    let titles = [board, "limit", "guard", "canary", "range"];
    let sizes: BTreeSet<u32> = figures.sizes.iter().map(|it| it.size).collect();
    let rows = sizes.into_iter().map(|size| {
        let cells = COLUMNS.map(|(detector, _)| {
            let is_it = |it: &&SizeFigure| {
                it.size == size && it.board == board && it.detector == detector.name()
            };
            figures.sizes.iter().find(is_it).map_or("–".to_owned(), |it| it.bytes.to_string())
        });
        let [limit, guard, canary, range] = cells;
        [format!("{size} bytes beyond"), limit, guard, canary, range]
    });
    Table::new(titles, rows)
}

fn table(board: &str, figures: &Figures) -> Table {
    let titles = [board, "way", "limit", "guard", "canary", "range"];
    let rows = STACKS.into_iter().flat_map(|stack| {
        Way::ALL.iter().map(move |way| {
            let cells = COLUMNS.map(|(detector, _)| {
                let is_it = |figure: &&Figure| {
                    figure.board == board
                        && figure.stack == stack.name()
                        && figure.way == way.name()
                        && figure.detector == detector.name()
                };
                figures.overflows.iter().find(is_it).map_or("–".to_owned(), cell)
            });
            let [limit, guard, canary, range] = cells;
            [stack.name().to_owned(), way.name().to_owned(), limit, guard, canary, range]
        })
    });
    Table::new(titles, rows)
}

/// A star marks a count that was made with stops; where the write itself is refused, nothing is
/// counted.
fn cell(figure: &Figure) -> String {
    let mark = if figure.source == "stops" && figure.instructions > 0 { "*" } else { "" };
    format!("{} / {}{mark}", figure.bytes, figure.instructions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_has_its_cell() {
        let figure = |detector: &str, bytes| Figure {
            board: "b".into(),
            stack: "main".into(),
            way: "recursion".into(),
            detector: detector.into(),
            bytes,
            instructions: 94,
            source: if bytes == 0 { "log" } else { "stops" }.into(),
        };
        let figures = Figures {
            overflows: vec![figure("mpu-guard", 0), figure("sp-range", 21)],
            sizes: Vec::new(),
        };
        let [table] = &tables(&figures)[..] else { panic!("one board, one table") };
        let lines = table.lines();
        assert_eq!(lines[0], "| b | way | limit | guard | canary | range |");
        assert_eq!(lines[2], "| main | recursion | – | 0 / 94 | – | 21 / 94* |");
        assert_eq!(lines.len(), 2 + STACKS.len() * Way::ALL.len());
    }

    #[test]
    fn every_size_has_its_row() {
        let sizes = [(4, "mpu-guard", 0), (4, "stack-canary", 4), (8, "stack-canary", 8)];
        let sizes = sizes.map(|(size, detector, bytes)| SizeFigure {
            board: "b".into(),
            detector: detector.into(),
            size,
            bytes,
        });
        let figures = Figures { overflows: Vec::new(), sizes: sizes.into() };
        let [table] = &tables(&figures)[..] else { panic!("one board, one table") };
        let lines = table.lines();
        assert_eq!(
            lines[2..],
            ["| 4 bytes beyond | – | 0 | 4 | – |", "| 8 bytes beyond | – | – | 8 | – |"]
        );
    }
}
