//! `crashrig run`: scenarios, one after another, with a result file that is never wrongly complete.

use super::CommandError;
use super::interrupt::Interrupt;
use super::say::{complain, say};
use crate::execute::{Outcome, shown};
use crate::exit;
use crate::output::json::{self, TestResult};
use crate::output::text;
use crate::rig::{Rig, seed};
use crate::suite::Test;
use crate::verdict::VerdictKind;
use std::collections::BTreeSet;
use std::fmt::{self, Display, Formatter};
use std::path::{Path, PathBuf};

/// Arguments of `run`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Parts of test names; a test with any of them is run. Without one all are.
    filter: Vec<String>,
    /// The filters are whole names.
    #[arg(long)]
    exact: bool,
    /// Only this target: the first part of a test's name, or the first two (`qemu:netduinoplus2`,
    /// `virtual:netduinoplus2`); or a board of this bench (`probe:NAME`, `probe:auto`).
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
    let tests = selection.of(&rig)?;
    let run_folder = rig.run_folder()?;
    let seed = seed()?;
    let evidence = shown(&run_folder);
    write_results(arguments.json.as_deref(), &[], false)?;
    let count = match tests.len() {
        1 => "1 test".to_owned(),
        count => format!("{count} tests"),
    };
    say!("running {count}, seed {seed:#x}, evidence in {evidence}");
    let interrupt = Interrupt::listen()?;
    let (mut results, mut tally) = (Vec::new(), Tally::default());
    for test in &tests {
        if interrupt.is_asked() {
            break;
        }
        if let Some(reason) = test.target.broken().filter(|_| test.ignored.is_none()) {
            say!("test {} ... not run, the board is broken: {reason}", test.name);
            tally.not_run += 1;
            continue;
        }
        results.push(match &test.ignored {
            Some(reason) => ignored(test, reason, &mut tally),
            None => {
                let outcome = rig.execute(test, &arguments.image_features, &run_folder, seed)?;
                judged(test, outcome, arguments.verbose, &mut tally)
            }
        });
        write_results(arguments.json.as_deref(), &results, results.len() == tests.len())?;
    }
    tally.left = tests.len() - results.len() - tally.not_run;
    say!("\n{tally}");
    Ok(tally.exit_code())
}

/// How many tests came to what.
#[derive(Default)]
struct Tally {
    passed: usize,
    failed: usize,
    bench_failed: usize,
    ignored: usize,
    /// Not run, since their board was broken by then.
    not_run: usize,
    /// Not run, since the run was told to stop.
    left: usize,
}

impl Tally {
    const fn exit_code(&self) -> u8 {
        match self {
            Self { failed: 1.., .. } => exit::FAIL,
            Self { bench_failed: 1.., .. } | Self { not_run: 1.., .. } => exit::INFRASTRUCTURE,
            Self { left: 1.., .. } => exit::INTERRUPTED,
            Self { passed: 0, .. } => exit::NOTHING_SELECTED,
            _ => exit::PASS,
        }
    }
}

impl Display for Tally {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let Self { passed, failed, bench_failed, ignored, not_run, left } = self;
        write!(out, "{passed} passed; {failed} failed; {bench_failed} bench failures; ")?;
        write!(out, "{ignored} ignored")?;
        if *not_run > 0 {
            write!(out, "; {not_run} not run on a broken board")?;
        }
        if *left > 0 { write!(out, "; interrupted: {left} not run") } else { Ok(()) }
    }
}

fn ignored(test: &Test, reason: &str, tally: &mut Tally) -> TestResult {
    say!("test {} ... ignored, {reason}", test.name);
    tally.ignored += 1;
    TestResult {
        test: test.name.clone(),
        verdict: None,
        ignored: Some(reason.to_owned()),
        recovery: None,
        bundle: None,
        wall_ms: 0,
    }
}

fn judged(test: &Test, outcome: Outcome, is_verbose: bool, tally: &mut Tally) -> TestResult {
    let pass = outcome.verdict.is_pass();
    let word = if pass { "ok" } else { "FAILED" };
    say!("test {} ... {word} ({})", test.name, outcome.summary());
    if !pass {
        say!("\n{}", outcome.failure());
    } else if is_verbose {
        say!("{}", text::boots(&outcome.report, text::Detail::Brief));
    }
    *match outcome.verdict.kind {
        VerdictKind::Infrastructure => &mut tally.bench_failed,
        _ if pass => &mut tally.passed,
        _ => &mut tally.failed,
    } += 1;
    TestResult {
        test: test.name.clone(),
        bundle: Some(outcome.bundle.display().to_string()),
        wall_ms: outcome.evidence.wall_ms,
        recovery: outcome.evidence.recovery,
        verdict: Some(outcome.verdict),
        ignored: None,
    }
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
    pub(super) fn of(&self, rig: &Rig) -> Result<Vec<Test>, CommandError> {
        if self.filters.iter().any(String::is_empty) {
            let text = "found an empty filter, expected a part of a test's name";
            return Err(CommandError::Usage(text.to_owned()));
        }
        let filters: Vec<_> = self.filters.iter().map(|part| part.replace('/', "::")).collect();
        let fits = |name: &str, filter: &String| match self.exact {
            true => name == *filter,
            false => name.contains(filter.as_str()),
        };
        let target = self.target.map(|target| target.replace("::", ":").replace(':', "::"));
        let place = target.as_ref().and_then(|target| target.strip_prefix("probe::"));
        let target = target.as_deref().filter(|_| place.is_none());
        let on_target =
            |name: &str| target.is_none_or(|target| name.starts_with(&format!("{target}::")));
        let is_selected = |name: &str| {
            on_target(name)
                && (filters.is_empty() || filters.iter().any(|filter| fits(name, filter)))
        };
        let (tests, broken) = match place {
            Some(name) => rig.tests_on(&[rig.probe_target(name)?], is_selected)?,
            None => rig.tests_wanted(is_selected)?,
        };
        for error in broken {
            complain!("warning: not selected, and not usable: failed to {error}");
        }
        target.map_or(Ok(()), |target| check_target(target, &tests))?;
        for filter in &filters {
            if !tests.iter().any(|test| fits(&test.name, filter)) {
                let hint = self.whole_names(&tests, filter);
                complain!("warning: no test matches {filter}{hint}");
            }
        }
        let selected: Vec<_> = tests.into_iter().filter(|test| is_selected(&test.name)).collect();
        if selected.is_empty() {
            let all = || "any test".to_owned();
            let filters = if filters.is_empty() { all() } else { filters.join(", ") };
            let target = self.target.map_or(String::new(), |target| format!(" on target {target}"));
            return Err(CommandError::NothingSelected(format!("{filters}{target}")));
        }
        Ok(selected)
    }
}

/// Refuses a target that there is not.
fn check_target(target: &str, tests: &[Test]) -> Result<(), CommandError> {
    let mut known = BTreeSet::new();
    for test in tests {
        let (kind, board) = (test.target.name(), &test.target.board().name);
        known.insert(kind.to_owned());
        known.insert(format!("{kind}::{board}"));
    }
    if known.contains(target) {
        return Ok(());
    }
    known.insert("probe:NAME".to_owned());
    let known: Vec<_> = known.into_iter().collect();
    let text = format!("--target: found \"{target}\", expected one of {}", known.join(", "));
    Err(CommandError::Usage(text))
}

impl Selection<'_> {
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
