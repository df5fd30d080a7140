//! `crashrig run`: scenarios, one after another, with a result file that is never wrongly complete.

use super::CommandError;
use super::say::{complain, say};
use crate::execute::shown;
use crate::exit;
use crate::output::json::{self, TestResult};
use crate::output::text;
use crate::rig::{Rig, seed};
use crate::suite::Test;
use crate::verdict::VerdictKind;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Arguments of `run`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Parts of test names; a test with any of them is run. Without one all are.
    filter: Vec<String>,
    /// The filters are whole names.
    #[arg(long)]
    exact: bool,
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
    let selection = Selection {
        filters: &arguments.filter,
        exact: arguments.exact,
        target: arguments.target.as_deref(),
    };
    let tests = selection.of(rig.tests()?)?;
    let run_folder = rig.run_folder()?;
    let seed = seed()?;
    let evidence = shown(&run_folder);
    write_results(arguments.json.as_deref(), &[], false)?;
    let count = match tests.len() {
        1 => "1 test".to_owned(),
        count => format!("{count} tests"),
    };
    say!("running {count}, seed {seed:#x}, evidence in {evidence}");
    let mut results = Vec::new();
    let (mut failed, mut bench_failed, mut ignored) = (0, 0, 0);
    for test in &tests {
        let result = match &test.ignored {
            Some(reason) => {
                say!("test {} ... ignored, {reason}", test.name);
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
                say!("test {} ... {word} ({})", test.name, outcome.summary());
                if !pass {
                    say!("\n{}", outcome.failure());
                } else if arguments.verbose {
                    say!("{}", text::boots(&outcome.report, text::Detail::Brief));
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
    say!("\n{passed} passed; {failed} failed; {bench_failed} bench failures; {ignored} ignored");
    Ok(match (failed, bench_failed, passed) {
        (0, 0, 0) => exit::NOTHING_SELECTED,
        (0, 0, _) => exit::PASS,
        (0, ..) => exit::INFRASTRUCTURE,
        _ => exit::FAIL,
    })
}

/// Which tests are meant.
pub(super) struct Selection<'a> {
    /// Parts of names, or whole names; folders may be separated as in a path.
    pub filters: &'a [String],
    /// Whether the filters are whole names.
    pub exact: bool,
    /// The first part of a name, or the first two.
    pub target: Option<&'a str>,
}

impl Selection<'_> {
    /// The tests that any of the filters and the target select. A filter that selects nothing is
    /// said to do so.
    pub(super) fn of(&self, tests: Vec<Test>) -> Result<Vec<Test>, CommandError> {
        if self.filters.iter().any(String::is_empty) {
            let text = "found an empty filter, expected a part of a test's name";
            return Err(CommandError::Usage(text.to_owned()));
        }
        self.check_target(&tests)?;
        let filters: Vec<_> = self.filters.iter().map(|part| part.replace('/', "::")).collect();
        let fits = |test: &Test, filter: &String| match self.exact {
            true => test.name == *filter,
            false => test.name.contains(filter.as_str()),
        };
        for filter in &filters {
            if !tests.iter().any(|test| fits(test, filter)) {
                let hint = self.whole_names(&tests, filter);
                complain!("warning: no test matches {filter}{hint}");
            }
        }
        let on_target = |test: &Test| {
            self.target.is_none_or(|target| test.name.starts_with(&format!("{target}::")))
        };
        let selected: Vec<_> = tests
            .into_iter()
            .filter(|test| filters.is_empty() || filters.iter().any(|filter| fits(test, filter)))
            .filter(on_target)
            .collect();
        if selected.is_empty() {
            let all = || "any test".to_owned();
            let filters = if filters.is_empty() { all() } else { filters.join(", ") };
            let target = self.target.map_or(String::new(), |target| format!(" on target {target}"));
            return Err(CommandError::NothingSelected(format!("{filters}{target}")));
        }
        Ok(selected)
    }
}

impl Selection<'_> {
    /// A target that there is not.
    fn check_target(&self, tests: &[Test]) -> Result<(), CommandError> {
        let Some(target) = self.target else { return Ok(()) };
        let mut known = BTreeSet::new();
        for test in tests {
            let (kind, board) = (test.target.name(), &test.target.board().name);
            known.insert(kind.to_owned());
            known.insert(format!("{kind}::{board}"));
        }
        if known.contains(target) {
            return Ok(());
        }
        let known: Vec<_> = known.into_iter().collect();
        let text = format!("--target: found \"{target}\", expected one of {}", known.join(", "));
        Err(CommandError::Usage(text))
    }

    /// For a filter that was to be a whole name: the whole names that end with it.
    fn whole_names(&self, tests: &[Test], filter: &str) -> String {
        let ends = |test: &&Test| self.exact && test.name.ends_with(&format!("::{filter}"));
        let names: Vec<_> = tests.iter().filter(ends).map(|test| test.name.as_str()).collect();
        if names.is_empty() { String::new() } else { format!("; {} would", names.join(" or ")) }
    }
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
