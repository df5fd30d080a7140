//! `cargo ci bench`, the part about sweeps: how many injections a second their engines carry out,
//! into `docs/performance.md`. The ratios are what counts; rates are those of one machine.

use crate::jobs::cargo;
use crate::tidy::tables::Table;
use crate::workspace;
use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use std::fs;

/// Where the figures stand, relative to the root.
const DOCUMENT: &str = "docs/performance.md";
/// Where they come from, relative to the root.
const FIGURES: &str = "target/crashrig/sweep-bench.json";

/// What `crashrig sweep-bench --json` writes, as far as it matters here.
#[derive(Debug, Deserialize)]
struct Figures {
    rows: Vec<Row>,
}

#[derive(Debug, Deserialize)]
struct Row {
    what: String,
    instructions: u64,
    engine_per_second: f64,
    floor_per_second: f64,
    fresh_per_second: f64,
}

/// Measures, and writes the table of the document.
///
/// # Errors
/// If an engine cannot be measured, or a file cannot be read or written.
pub fn run() -> Result<()> {
    cargo(["rig", "sweep-bench", "--json", FIGURES]).run()?;
    let path = workspace::root().join(FIGURES);
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {FIGURES}"))?;
    let figures: Figures = serde_json::from_str(&text).with_context(|| {
        format!("cannot read what `cargo rig sweep-bench` wrote into {FIGURES}")
    })?;
    let document = workspace::root().join(DOCUMENT);
    let text = fs::read_to_string(&document).with_context(|| format!("cannot read {DOCUMENT}"))?;
    let table = table(&figures);
    if table.find(&text).is_none() {
        bail!("{DOCUMENT} has no table `{}`", table.titles.join(" | "));
    }
    fs::write(&document, table.written_into(&text))
        .with_context(|| format!("cannot write {DOCUMENT}"))?;
    println!("wrote {}", document.display());
    Ok(())
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
    ];
    let rows = figures.rows.iter().map(|row| {
        let Row { what, instructions, engine_per_second, floor_per_second, fresh_per_second } = row;
        [
            what.clone(),
            instructions.to_string(),
            format!("{engine_per_second:.0}"),
            format!("{floor_per_second:.0}"),
            format!("{:.0} %", 100.0 * engine_per_second / floor_per_second),
            format!("{fresh_per_second:.1}"),
            format!("{:.0}", engine_per_second / fresh_per_second),
        ]
    });
    Table::new(titles, rows)
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
        };
        let lines = table(&Figures { rows: vec![row] }).lines();
        assert_eq!(lines[2..], ["| a bit | 17 | 800 | 1000 | 80 % | 32.0 | 25 |"]);
    }
}
