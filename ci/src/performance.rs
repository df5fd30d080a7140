//! `cargo ci bench`, the part about sweeps: how many injections a second their engines carry out,
//! into `docs/performance.md`. The ratios are what counts; rates are those of one machine.

use crate::figures;
use crate::jobs::cargo;
use crate::tidy::tables::Table;
use anyhow::Result;
use serde::Deserialize;

/// Where the figures stand, relative to the root.
const DOCUMENT: &str = "docs/performance.md";
/// Where they come from, relative to the root.
const FIGURES: &str = "target/crashrig/sweep-bench.json";

/// What `crashrig sweep-bench --json` writes, as far as it matters here.
#[derive(Debug, Deserialize)]
struct Figures {
    rows: Vec<Row>,
    inside: Vec<InsideRow>,
}

#[derive(Debug, Deserialize)]
struct Row {
    what: String,
    instructions: u64,
    engine_per_second: f64,
    floor_per_second: f64,
    fresh_per_second: f64,
    judging: f64,
    judging_other: f64,
}

#[derive(Debug, Deserialize)]
struct InsideRow {
    what: String,
    instructions: u64,
    engine_per_second: f64,
    floor_per_second: f64,
    two_per_second: f64,
    judging: f64,
    judging_other: f64,
}

/// The title of the column that both tables have.
const JUDGING: &str = "decoding and judging (another crash region)";

/// Measures, and writes the tables of the document.
///
/// # Errors
/// If an engine cannot be measured, or a file cannot be read or written.
pub fn run() -> Result<()> {
    cargo(["rig", "sweep-bench", "--json", FIGURES]).run()?;
    let figures: Figures = figures::read("sweep-bench", FIGURES)?;
    figures::write(DOCUMENT, [table(&figures), inside(&figures)])
}

/// One row for each tail.
fn table(figures: &Figures) -> Table {
    let titles = [
        "snapshot engine",
        "instructions",
        "injections a second",
        "bare loop",
        "of the bare loop",
        "fresh process",
        "times a fresh process",
        JUDGING,
    ];
    let rows = figures.rows.iter().map(|row| {
        let Row { what, instructions, engine_per_second, floor_per_second, .. } = row;
        [
            what.clone(),
            instructions.to_string(),
            format!("{engine_per_second:.0}"),
            format!("{floor_per_second:.0}"),
            format!("{:.0} %", 100.0 * engine_per_second / floor_per_second),
            format!("{:.1}", row.fresh_per_second),
            format!("{:.0}", engine_per_second / row.fresh_per_second),
            judging(row.judging, row.judging_other),
        ]
    });
    Table::new(titles, rows)
}

/// The same of the engine inside of QEMU.
fn inside(figures: &Figures) -> Table {
    let titles = [
        "plug-in engine",
        "instructions",
        "injections a second",
        "bare restore",
        "of the bare restore",
        "two on two processors",
        JUDGING,
    ];
    let rows = figures.inside.iter().map(|row| {
        let InsideRow { what, instructions, engine_per_second, floor_per_second, .. } = row;
        [
            what.clone(),
            instructions.to_string(),
            format!("{engine_per_second:.0}"),
            format!("{floor_per_second:.0}"),
            format!("{:.0} %", 100.0 * engine_per_second / floor_per_second),
            format!("{:.2} times", row.two_per_second / engine_per_second),
            judging(row.judging, row.judging_other),
        ]
    });
    Table::new(titles, rows)
}

/// Both shares of the time of one injection.
fn judging(as_golden: f64, other: f64) -> String {
    format!("{:.1} % ({:.1} %)", 100.0 * as_golden, 100.0 * other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_stand_beside_the_rates() {
        let row = Row {
            what: "a bit".into(),
            instructions: 17,
            engine_per_second: 800.0,
            floor_per_second: 1000.0,
            fresh_per_second: 32.0,
            judging: 0.012,
            judging_other: 0.1,
        };
        let beside = InsideRow {
            what: "a bit".into(),
            instructions: 17,
            engine_per_second: 800.0,
            floor_per_second: 1000.0,
            two_per_second: 1520.0,
            judging: 0.012,
            judging_other: 0.1,
        };
        let figures = Figures { rows: vec![row], inside: vec![beside] };
        let lines = table(&figures).lines();
        assert_eq!(lines[2..], ["| a bit | 17 | 800 | 1000 | 80 % | 32.0 | 25 | 1.2 % (10.0 %) |"]);
        let lines = inside(&figures).lines();
        assert_eq!(
            lines[2..],
            ["| a bit | 17 | 800 | 1000 | 80 % | 1.90 times | 1.2 % (10.0 %) |"]
        );
    }
}
