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

/// What both engines are measured by.
#[derive(Debug, Deserialize)]
struct Rates {
    what: String,
    instructions: u64,
    engine_per_second: f64,
    floor_per_second: f64,
    judging: f64,
    judging_other: f64,
}

#[derive(Debug, Deserialize)]
struct Row {
    #[serde(flatten)]
    rates: Rates,
    fresh_per_second: f64,
}

#[derive(Debug, Deserialize)]
struct InsideRow {
    #[serde(flatten)]
    rates: Rates,
    two_per_second: f64,
    floor_two_per_second: f64,
}

impl Rates {
    /// The columns that both tables begin with.
    fn columns(&self) -> [String; 5] {
        let Self { what, instructions, engine_per_second, floor_per_second, .. } = self;
        [
            what.clone(),
            instructions.to_string(),
            format!("{engine_per_second:.0}"),
            format!("{floor_per_second:.0}"),
            format!("{:.0} %", 100.0 * engine_per_second / floor_per_second),
        ]
    }

    /// The last column of both: the shares of an injection's time.
    fn judging(&self) -> String {
        format!("{:.1} % ({:.1} %)", 100.0 * self.judging, 100.0 * self.judging_other)
    }
}

/// The title of the last column of both tables.
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
    let rows = figures.rows.iter().map(|Row { rates, fresh_per_second }| {
        let [what, instructions, engine, floor, of_floor] = rates.columns();
        let times = rates.engine_per_second / fresh_per_second;
        let fresh = format!("{fresh_per_second:.1}");
        [what, instructions, engine, floor, of_floor, fresh, format!("{times:.0}"), rates.judging()]
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
        "two bare restores",
        JUDGING,
    ];
    let rows = figures.inside.iter().map(|row| {
        let InsideRow { rates, two_per_second, floor_two_per_second } = row;
        let [what, instructions, engine, floor, of_floor] = rates.columns();
        let two = format!("{:.2} times", two_per_second / rates.engine_per_second);
        let floor_two = format!("{:.2} times", floor_two_per_second / rates.floor_per_second);
        [what, instructions, engine, floor, of_floor, two, floor_two, rates.judging()]
    });
    Table::new(titles, rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_stand_beside_the_rates() {
        let rates = || Rates {
            what: "a bit".into(),
            instructions: 17,
            engine_per_second: 800.0,
            floor_per_second: 1000.0,
            judging: 0.012,
            judging_other: 0.1,
        };
        let row = Row { rates: rates(), fresh_per_second: 32.0 };
        let beside =
            InsideRow { rates: rates(), two_per_second: 1520.0, floor_two_per_second: 1950.0 };
        let figures = Figures { rows: vec![row], inside: vec![beside] };
        let lines = table(&figures).lines();
        assert_eq!(lines[2..], ["| a bit | 17 | 800 | 1000 | 80 % | 32.0 | 25 | 1.2 % (10.0 %) |"]);
        let lines = inside(&figures).lines();
        assert_eq!(
            lines[2..],
            ["| a bit | 17 | 800 | 1000 | 80 % | 1.90 times | 1.95 times | 1.2 % (10.0 %) |"]
        );
    }
}
