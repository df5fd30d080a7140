//! `crashrig run`: scenarios, one after another, with a result file that is never wrongly complete.

use super::CommandError;
use crate::execute::shown;
use crate::exit;
use crate::output::json::{self, TestResult};
use crate::rig::{Rig, seed};
use crate::suite::Test;
use crate::verdict::VerdictKind;
use std::path::{Path, PathBuf};

/// Arguments of `run`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Parts of test names; a test with any of them is run. Without one all are.
    filter: Vec<String>,
    /// Only this target: the first part of a test's name, or the first two (`qemu::netduinoplus2`).
    #[arg(long)]
    target: Option<String>,
    /// Write the results as JSON, renewed after each test.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Features of the image; for mutants.
    #[arg(long, value_name = "FEATURE", value_delimiter = ',')]
    image_features: Vec<String>,
    /// Print what happened in every test, not only in failing ones.
    #[arg(long)]
    verbose: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<u8, CommandError> {
    let rig = Rig::here();
    let tests = select(rig.tests()?, &arguments.filter, arguments.target.as_deref())?;
    let run_folder = rig.run_folder()?;
    let seed = seed()?;
    let evidence = shown(&run_folder);
    println!("running {} tests, seed {seed:#x}, evidence in {evidence}", tests.len());
    let mut results = Vec::new();
    let (mut failed, mut bench_failed, mut ignored) = (0, 0, 0);
    for test in &tests {
        let result = match &test.ignored {
            Some(reason) => {
                println!("test {} ... ignored, {reason}", test.name);
                ignored += 1;
                TestResult {
                    test: test.name.clone(),
                    verdict: None,
                    ignored: Some(reason.clone()),
                    bundle: None,
                    wall_ms: 0,
                }
            }
            None => {
                let outcome = rig.execute(test, &arguments.image_features, &run_folder, seed)?;
                let pass = outcome.verdict.is_pass();
                let word = if pass { "ok" } else { "FAILED" };
                println!("test {} ... {word} ({})", test.name, outcome.summary());
                if !pass {
                    println!("\n{}", outcome.failure());
                } else if arguments.verbose {
                    println!("{}", crate::output::text::boots(&outcome.report));
                }
                if outcome.verdict.kind == VerdictKind::Infrastructure {
                    bench_failed += 1;
                } else if !pass {
                    failed += 1;
                }
                TestResult {
                    test: test.name.clone(),
                    verdict: Some(outcome.verdict),
                    ignored: None,
                    bundle: Some(outcome.bundle.display().to_string()),
                    wall_ms: outcome.evidence.wall_ms,
                }
            }
        };
        results.push(result);
        write_results(arguments.json.as_deref(), &results, results.len() == tests.len())?;
    }
    let passed = results.len() - failed - bench_failed - ignored;
    println!(
        "\n{passed} passed; {failed} failed; {bench_failed} bench failures; {ignored} ignored"
    );
    Ok(match (failed, bench_failed, passed) {
        (0, 0, 0) => exit::NOTHING_SELECTED,
        (0, 0, _) => exit::PASS,
        (0, ..) => exit::INFRASTRUCTURE,
        _ => exit::FAIL,
    })
}

/// The tests that any of the filters and the target select.
pub(super) fn select(
    tests: Vec<Test>,
    filters: &[String],
    target: Option<&str>,
) -> Result<Vec<Test>, CommandError> {
    let selected: Vec<_> = tests
        .into_iter()
        .filter(|test| filters.is_empty() || filters.iter().any(|part| test.name.contains(part)))
        .filter(|test| target.is_none_or(|target| test.name.starts_with(&format!("{target}::"))))
        .collect();
    if selected.is_empty() {
        let filters = if filters.is_empty() { "any test".to_owned() } else { filters.join(", ") };
        let target = target.map_or(String::new(), |target| format!(" on target {target}"));
        return Err(CommandError::NothingSelected(format!("{filters}{target}")));
    }
    Ok(selected)
}

fn write_results(
    path: Option<&Path>,
    results: &[TestResult],
    complete: bool,
) -> Result<(), CommandError> {
    let Some(path) = path else { return Ok(()) };
    let unfinished = path.with_extension("unfinished");
    let text = format!("{:#}\n", json::run(results, complete));
    std::fs::write(&unfinished, text)
        .and_then(|()| std::fs::rename(&unfinished, path))
        .map_err(|source| CommandError::Output { path: path.to_owned(), source })
}
