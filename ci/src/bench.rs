//! `cargo ci bench`: measures what the memory model costs and how long a scenario takes, and writes
//! the costs into `docs/costs.md`. They are instructions of the device, the same on every machine,
//! so that growth shows as a difference of that file; times of the machine are printed only.

use crate::figures;
use crate::jobs::cargo;
use crate::tidy::tables::Table;
use anyhow::Result;
use serde::Deserialize;
use std::collections::BTreeSet;

/// Where the figures stand, relative to the root.
const DOCUMENT: &str = "docs/costs.md";
/// Where they come from, relative to the root.
const FIGURES: &str = "target/crashrig/costs.json";

/// What `crashrig bench --json` writes, as far as it matters here.
#[derive(Debug, Deserialize)]
struct Figures {
    costs: Vec<Figure>,
}

#[derive(Debug, Deserialize)]
struct Figure {
    board: String,
    what: String,
    instructions: u64,
}

/// Measures, and writes the table of the document.
///
/// # Errors
/// If the device cannot be measured, or a file cannot be read or written.
pub fn run() -> Result<()> {
    cargo(["rig", "bench", "--json", FIGURES]).run()?;
    let figures = figures::read("bench", FIGURES)?;
    figures::write(DOCUMENT, [table(&figures)])
}

/// One row for each thing that is done, one column for each board.
fn table(figures: &Figures) -> Table {
    let boards: BTreeSet<&str> = figures.costs.iter().map(|it| it.board.as_str()).collect();
    let mut done: Vec<&str> = Vec::new();
    for figure in &figures.costs {
        if !done.contains(&figure.what.as_str()) {
            done.push(&figure.what);
        }
    }
    let cell = |board: &str, what: &str| {
        let found = figures.costs.iter().find(|it| it.board == board && it.what == what);
        found.map_or("–".to_owned(), |figure| figure.instructions.to_string())
    };
    let titles = std::iter::once("what is done").chain(boards.iter().copied());
    let rows = done.iter().map(|what| {
        let cells = boards.iter().map(|board| cell(board, what));
        std::iter::once((*what).to_owned()).chain(cells).collect()
    });
    Table { titles: titles.map(str::to_owned).collect(), rows: rows.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_board_has_its_column_and_each_thing_its_row() {
        let figure = |board: &str, what: &str, instructions| Figure {
            board: board.into(),
            what: what.into(),
            instructions,
        };
        let costs =
            vec![figure("b", "switch", 5), figure("b", "spawn", 7), figure("a", "switch", 6)];
        let lines = table(&Figures { costs }).lines();
        assert_eq!(lines[0], "| what is done | a | b |");
        assert_eq!(lines[2..], ["| switch | 6 | 5 |", "| spawn | – | 7 |"]);
    }
}
