//! `cargo ci determinism`: the promises D1 to D6 of `docs/sweep.md`, at length.
//!
//! The tests of determinism run with many repetitions. Then the same faults are injected by every
//! engine on every QEMU of this machine, and what they came to is compared, injection by injection:
//! classes everywhere, all of the evidence where the QEMU is the same. Where a clock ticks, engines
//! may differ, and how often they do is written into the document. One point is run again alone,
//! and must be the same line.

use crate::figures;
use crate::jobs::cargo;
use crate::tidy::tables::Table;
use crate::workspace;
use anyhow::{Context as _, Result, bail};
use crashrig_qemu::Program;
use crashrig_qemu::discover::{self, OVERRIDE_VARIABLE};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// Runs and pairs of runs of each test, unless [`REPETITIONS_VARIABLE`] says another number.
const REPETITIONS: &str = "3000";
/// What the tests read their number from.
const REPETITIONS_VARIABLE: &str = "CRASHRIG_REPETITIONS";
/// Where the table of engines and timers stands.
const DOCUMENT: &str = "docs/sweep.md";
/// Faults in a computation without timers, and in one that clock ticks interrupt.
const WITHOUT_TIMERS: &str = "scenarios/sweep/mixed_faults.toml";
const WITH_TIMERS: &str = "scenarios/sweep/mixed_faults_with_timers.toml";
/// The reference first.
const ENGINES: [&str; 3] = ["process", "snapshot", "plugin"];
/// The point that is run again alone.
const AGAIN: u64 = 7;

/// What an injection came to, as far as it is compared.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Injection {
    point: u64,
    place: String,
    outcome: String,
    detail: String,
    evidence_hash: u64,
}

/// All injections of one engine, by their points, and each as its line.
type Run = BTreeMap<u64, (Injection, String)>;

/// Does all of it. 0 where every promise holds.
///
/// # Errors
/// If a test or a sweep cannot be run, or the document cannot be written.
pub fn run() -> Result<u8> {
    let tests = cargo(["test", "--package", "crashrig-harness", "--package", "crashrig-qemu"]);
    let repetitions = env::var(REPETITIONS_VARIABLE).unwrap_or_else(|_| REPETITIONS.to_owned());
    let tests = tests.args(["determinism"]).env(REPETITIONS_VARIABLE, &repetitions);
    let failed = tests.exit_code()?;
    let programs = discover::find_all();
    let mut broken = Vec::new();
    let mut reference: Option<(String, Run)> = None;
    for program in &programs {
        let mut of_this: Option<(String, Run)> = None;
        for engine in ENGINES {
            let name = format!("{engine} on QEMU {}", program.version);
            let found = sweep(program, engine, WITHOUT_TIMERS, "once")?;
            println!("{name}: {} injections", found.len());
            if let Some((other, expected)) = &reference {
                broken.extend(differences(&name, &found, other, expected, Injection::class));
            }
            if let Some((other, expected)) = &of_this {
                broken.extend(differences(&name, &found, other, expected, Injection::evidence));
            }
            reference.get_or_insert_with(|| (name.clone(), found.clone()));
            of_this.get_or_insert((name, found));
        }
    }
    let rows = with_timers(&programs, &mut broken)?;
    figures::write(DOCUMENT, [Table::new(TITLES, rows)])?;
    broken.iter().for_each(|line| println!("BROKEN {line}"));
    Ok(if broken.is_empty() { failed } else { 1 })
}

impl Injection {
    /// What engines on all versions agree on.
    fn class(&self) -> String {
        self.outcome.clone()
    }

    /// What engines on one version agree on.
    fn evidence(&self) -> String {
        let Self { place, outcome, detail, evidence_hash, .. } = self;
        format!("{outcome} at {place}, evidence {evidence_hash:016x} {detail}")
    }
}

const TITLES: [&str; 5] = ["QEMU", "engine", "injections", "other class", "other evidence only"];

/// Engines against the plug-in, one row each. Reruns of the plug-in, and one point alone, must be
/// the same.
fn with_timers(programs: &[Program], broken: &mut Vec<String>) -> Result<Vec<[String; 5]>> {
    let mut rows = Vec::new();
    for program in programs {
        let version = program.version.to_string();
        let plugin = sweep(program, "plugin", WITH_TIMERS, "first")?;
        let again = sweep(program, "plugin", WITH_TIMERS, "second")?;
        let names = [format!("plugin on QEMU {version}, again"), "the first time".to_owned()];
        let [name, other] = &names;
        broken.extend(differences(name, &again, other, &plugin, Injection::evidence));
        broken.extend(alone(program, &plugin)?);
        for engine in ["plugin", "snapshot", "process"] {
            let found = match engine {
                "plugin" => again.clone(),
                _ => sweep(program, engine, WITH_TIMERS, "once")?,
            };
            let pairs: Vec<_> = plugin
                .iter()
                .filter_map(|(point, (expected, _))| Some((expected, &found.get(point)?.0)))
                .collect();
            let classes = pairs.iter().filter(|(one, other)| one.class() != other.class()).count();
            let evidence = pairs.iter().filter(|(one, other)| one != other).count();
            let what = if engine == "plugin" { "plugin, again" } else { engine };
            rows.push([
                version.clone(),
                what.to_owned(),
                pairs.len().to_string(),
                classes.to_string(),
                (evidence - classes).to_string(),
            ]);
        }
    }
    Ok(rows)
}

/// D5: a point alone is the same line.
fn alone(program: &Program, all: &Run) -> Result<Option<String>> {
    let command = cargo(["rig", "sweep", WITH_TIMERS, "--engine", "plugin", "--json"]);
    let command = command.args(["--only", &AGAIN.to_string()]);
    let answer = command.env(OVERRIDE_VARIABLE, &program.path).answer()?;
    let found = answer.trim();
    let expected = all.get(&AGAIN).map(|(_, line)| line.as_str()).unwrap_or_default();
    Ok((found != expected).then(|| format!("point {AGAIN} alone: {found}, in a sweep: {expected}")))
}

/// All injections of a sweep by an engine, in a folder of their own.
fn sweep(program: &Program, engine: &str, file: &str, time: &str) -> Result<Run> {
    let stem = Path::new(file).file_stem().unwrap_or_default().to_string_lossy();
    let folder = workspace::root()
        .join("target/crashrig/determinism")
        .join(format!("{stem}-{engine}-{}-{time}", program.version));
    if folder.exists() {
        fs::remove_dir_all(&folder)
            .with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    let command = cargo(["rig", "sweep", file, "--engine", engine, "--jobs", "1", "--out"]);
    let command = command.arg(&folder).env(OVERRIDE_VARIABLE, &program.path);
    // A sweep that is red has results as well; without any, the bench has failed.
    command.exit_code()?;
    let found = results(&folder)?;
    if found.is_empty() {
        bail!("{file}: engine {engine} on QEMU {} came to no result", program.version);
    }
    Ok(found)
}

/// The results of all files below a folder.
fn results(folder: &Path) -> Result<Run> {
    let mut run = Run::new();
    for path in files(folder)? {
        let text =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        for line in text.lines() {
            let mut value: Value = serde_json::from_str(line)?;
            let Some(result) = value.get_mut("result").map(Value::take) else { continue };
            let injection: Injection = serde_json::from_value(result)?;
            let inner = line.strip_prefix("{\"result\":").and_then(|it| it.strip_suffix('}'));
            run.insert(injection.point, (injection, inner.unwrap_or(line).to_owned()));
        }
    }
    Ok(run)
}

/// The files of results below a folder.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in
        fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?
    {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else if path.extension().is_some_and(|it| it == "jsonl") {
            found.push(path);
        }
    }
    Ok(found)
}

/// Injections that two runs say other things of, a line each.
fn differences(
    name: &str,
    found: &Run,
    other: &str,
    expected: &Run,
    what: impl Fn(&Injection) -> String,
) -> Vec<String> {
    let points: std::collections::BTreeSet<_> = found.keys().chain(expected.keys()).collect();
    let said = |run: &Run, point| {
        run.get(point).map_or("nothing".to_owned(), |(injection, _)| what(injection))
    };
    points
        .into_iter()
        .filter_map(|point| {
            let (found, expected) = (said(found, point), said(expected, point));
            (found != expected)
                .then(|| format!("point {point}, {name}: {found}; {other}: {expected}"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: &str = concat!(
        "{\"header\":{}}\n",
        "{\"result\":{\"point\":1,\"scope\":\"once\",\"place\":\"here\",\"outcome\":\"masked\",",
        "\"detail\":\"\",\"pc\":null,\"instructions\":3,\"evidence-hash\":9}}\n",
    );

    fn run_of(text: &str) -> Run {
        let folder = tempfile::tempdir().unwrap();
        let below = folder.path().join("sweep");
        fs::create_dir(&below).unwrap();
        fs::write(below.join("shard-1-of-1.jsonl"), text).unwrap();
        results(folder.path()).unwrap()
    }

    #[test]
    fn results_are_read_as_they_are_written() {
        let run = run_of(LINES);
        let (injection, line) = run.get(&1).unwrap();
        assert_eq!((injection.outcome.as_str(), injection.evidence_hash), ("masked", 9));
        assert!(line.starts_with("{\"point\":1,") && line.ends_with("\"evidence-hash\":9}"));
    }

    #[test]
    fn what_differs_and_what_is_missing_is_named() {
        let (one, none) = (run_of(LINES), Run::new());
        let other = run_of(&LINES.replace(":9}}", ":8}}"));
        let compare = |other, what: fn(&Injection) -> String| {
            differences("found", other, "expected", &one, what).len()
        };
        assert_eq!(compare(&one, Injection::evidence), 0);
        assert_eq!(compare(&other, Injection::class), 0);
        assert_eq!(compare(&other, Injection::evidence), 1);
        assert_eq!(compare(&none, Injection::class), 1);
    }
}
