//! `cargo ci sweeps`: runs every shipped sweep to its end and writes what they came to into
//! `docs/sweep.md`. It can be cut off at any moment; the same job goes on where it was.
//!
//! It is red if one sweep is. The document says so too: a table without the red ones would lie.

use crate::figures;
use crate::jobs::cargo;
use crate::tidy::tables::Table;
use crate::workspace;
use anyhow::{Context as _, Result};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs;

/// Where the sweeps are, relative to the root.
const SWEEPS: &str = "scenarios/sweep";
/// Where their tables stand, relative to the root.
const DOCUMENT: &str = "docs/sweep.md";
/// Where these come from, relative to the root.
const FIGURES: &str = "target/crashrig/sweeps.json";
/// Outcomes of which no file needs to speak.
const GOOD: [&str; 3] = ["masked", "detected-right", "not-activated"];

/// What `cargo rig sweep --report` writes, as far as it matters here.
#[derive(Debug, Deserialize)]
struct Figures {
    sweeps: Vec<Sweep>,
}

#[derive(Debug, Deserialize)]
struct Sweep {
    sweep: Identity,
    scopes: Vec<Scope>,
    examples: Vec<Example>,
    cost: Cost,
}

#[derive(Debug, Deserialize)]
struct Identity {
    name: String,
    target: String,
    /// `open`, or `exhaustive` or `sampled` with numbers.
    extent: Extent,
    seed: u64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Extent {
    Open,
    Exhaustive {},
    Sampled { population: Option<u64> },
}

#[derive(Debug, Deserialize)]
struct Scope {
    scope: String,
    points: Option<u64>,
    missing: u64,
    counts: Vec<Count>,
}

#[derive(Debug, Deserialize)]
struct Count {
    outcome: String,
    injections: u64,
    /// In a sample: the bounds of its share in all points, at 95 %.
    interval: Option<(f64, f64)>,
}

#[derive(Debug, Deserialize)]
struct Example {
    allowed: Option<String>,
    result: Injection,
}

#[derive(Debug, Deserialize)]
struct Injection {
    outcome: String,
    place: String,
    detail: String,
}

#[derive(Debug, Deserialize)]
struct Cost {
    engines: Vec<(String, u64)>,
}

/// Runs all of them, and writes the tables of the document.
///
/// # Errors
/// If a file cannot be read or written. A red sweep is an exit code.
pub fn run() -> Result<u8> {
    let root = workspace::root();
    let folder =
        fs::read_dir(root.join(SWEEPS)).with_context(|| format!("cannot read {SWEEPS}"))?;
    let mut names = Vec::new();
    for entry in folder {
        let name = entry?.file_name().to_string_lossy().into_owned();
        names.extend(name.strip_suffix(".toml").map(str::to_owned));
    }
    names.sort();
    let place = root.join(FIGURES);
    if place.exists() {
        // Or those of an earlier build would be taken for what this one came to.
        fs::remove_file(&place).with_context(|| format!("cannot remove {FIGURES}"))?;
    }
    let files = names.iter().map(|name| format!("{SWEEPS}/{name}.toml"));
    let command = cargo(["rig", "sweep", "--jobs", "2", "--report", FIGURES]);
    let code = command.args(files).exit_code()?;
    if place.exists() {
        let figures: Figures = figures::read("sweep", FIGURES)?;
        figures::write(DOCUMENT, [outcomes(&figures, &names), examples(&figures)])?;
    }
    Ok(code)
}

/// One row for each scope of each sweep, and one for each of these names that came to nothing.
fn outcomes(figures: &Figures, names: &[String]) -> Table {
    let titles = ["sweep", "scope", "target", "engine", "points", "what they came to"];
    let rows = figures.sweeps.iter().flat_map(|sweep| {
        sweep.scopes.iter().map(move |scope| {
            let engines: Vec<_> =
                sweep.cost.engines.iter().map(|(engine, _)| engine.as_str()).collect();
            let counts: Vec<_> =
                scope.counts.iter().filter(|it| it.outcome != "not-activated").map(cell).collect();
            [
                name(sweep),
                scope.scope.clone(),
                sweep.sweep.target.clone(),
                engines.join(", "),
                points(&sweep.sweep, scope),
                counts.join("; "),
            ]
        })
    });
    let is_missing = |wanted: &&String| {
        let wanted = format!("`{wanted}`");
        figures.sweeps.iter().all(|sweep| name(sweep) != wanted)
    };
    let missing = names.iter().filter(is_missing).map(|name| {
        let [scope, target, engine, points] = ["–"; 4].map(str::to_owned);
        let why = "**its golden run fails, or the job was stopped**".to_owned();
        [format!("`{name}`"), scope, target, engine, points, why]
    });
    Table::new(titles, rows.chain(missing))
}

fn name(sweep: &Sweep) -> String {
    let name = &sweep.sweep.name;
    format!("`{}`", name.rsplit("::").next().unwrap_or(name))
}

fn cell(count: &Count) -> String {
    let Count { outcome, injections, interval } = count;
    let text = format!("{outcome} {injections}");
    match interval {
        Some((low, high)) => format!("{text} ({:.1} % to {:.1} %)", 100.0 * low, 100.0 * high),
        None => text,
    }
}

/// How many points of how many.
fn points(sweep: &Identity, scope: &Scope) -> String {
    let text = match (&sweep.extent, scope.points) {
        (_, None) => return "no end was met".to_owned(),
        // The one that was not activated has ended it.
        (Extent::Open, Some(points)) => format!("all {}", points.saturating_sub(1)),
        (Extent::Exhaustive {}, Some(points)) => format!("all {points}"),
        (Extent::Sampled { population }, Some(points)) => {
            let all = population.map_or("unknown many".to_owned(), |all| all.to_string());
            format!("{points} of {all}, seed {:#x}", sweep.seed)
        }
    };
    match scope.missing {
        0 => text,
        missing => format!("{text}, {missing} not run"),
    }
}

/// Every outcome that a file must allow, with its reason, or that makes its sweep red.
fn examples(figures: &Figures) -> Table {
    let titles = ["sweep", "outcome", "times", "why it is allowed", "the first of them"];
    let rows = figures.sweeps.iter().flat_map(|sweep| {
        let mut times = BTreeMap::new();
        for count in sweep.scopes.iter().flat_map(|scope| &scope.counts) {
            *times.entry(count.outcome.as_str()).or_insert(0) += count.injections;
        }
        let all = sweep.examples.iter().filter(|it| !GOOD.contains(&it.result.outcome.as_str()));
        all.map(move |example| {
            let Injection { outcome, place, detail } = &example.result;
            [
                name(sweep),
                outcome.clone(),
                times.get(outcome.as_str()).map_or_else(String::new, u64::to_string),
                example.allowed.clone().unwrap_or_else(|| "**it is not**".to_owned()),
                format!("{place}: {}", detail.lines().next().unwrap_or_default()),
            ]
        })
    });
    Table::new(titles, rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_red_and_what_is_allowed_stand_in_the_tables() {
        let json = r#"{"schema": 1, "sweeps": [{
            "sweep": {"name": "sweep::bits", "target": "qemu 10", "seed": 255,
                      "extent": {"sampled": {"count": 10, "population": 99}}},
            "scopes": [{"scope": "once", "points": 10, "missing": 1, "counts": [
                {"outcome": "hang", "injections": 4, "interval": [0.1, 0.5]},
                {"outcome": "latent", "injections": 5, "interval": null}]}],
            "examples": [
                {"allowed": null, "result":
                    {"outcome": "hang", "place": "bit 3", "detail": "boot 1\nmore"}},
                {"allowed": "nobody reads it", "result":
                    {"outcome": "latent", "place": "bit 4", "detail": ""}}],
            "cost": {"engines": [["plugin", 2]]}
        }, {
            "sweep": {"name": "sweep::open", "target": "qemu 10", "seed": 1, "extent": "open"},
            "scopes": [{"scope": "once", "points": 8, "missing": 0, "counts": [
                {"outcome": "not-activated", "injections": 1, "interval": null},
                {"outcome": "masked", "injections": 7, "interval": null}]}],
            "examples": [],
            "cost": {"engines": []}
        }]}"#;
        let figures: Figures = serde_json::from_str(json).unwrap();
        assert_eq!(
            outcomes(&figures, &["bits", "open", "other"].map(str::to_owned)).lines()[2..],
            [
                "| `bits` | once | qemu 10 | plugin | 10 of 99, seed 0xff, 1 not run | \
                 hang 4 (10.0 % to 50.0 %); latent 5 |",
                "| `open` | once | qemu 10 |  | all 7 | masked 7 |",
                "| `other` | – | – | – | – | **its golden run fails, or the job was stopped** |",
            ]
        );
        assert_eq!(
            examples(&figures).lines()[2..],
            [
                "| `bits` | hang | 4 | **it is not** | bit 3: boot 1 |",
                "| `bits` | latent | 5 | nobody reads it | bit 4:  |",
            ]
        );
    }
}
