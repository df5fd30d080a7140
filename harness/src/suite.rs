//! The tests there are: scenario files × targets, with the reason for each that cannot run. Instant
//! and silent: no device is touched to list them, and nothing is built but the observer's plug-in,
//! once, where it is not fresh: whether it can be is a reason.

use crate::scenario::Scenario;
use crate::scenario::check::load;
use crate::scenario::error::{ScenarioError, scenario_name};
use crate::target::Target;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One test.
#[derive(Clone)]
pub struct Test {
    /// `<target>::<board>::<family>::<scenario>`.
    pub name: String,
    /// The scenario.
    pub scenario: Arc<Scenario>,
    /// Where it would run.
    pub target: Arc<dyn Target>,
    /// Why it cannot run there, if it cannot.
    pub ignored: Option<String>,
}

/// Why the tests cannot be listed.
#[derive(Debug, thiserror::Error)]
pub enum SuiteError {
    /// The folder of the scenarios cannot be read.
    #[error("list scenarios in {folder}: {source}")]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Some scenario files are not what they should be; all of them are reported.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\nfailed to "))]
    Scenarios(Vec<ScenarioError>),
    /// Something in the folder is no scenario, and none of what else may be there.
    #[error(
        "list scenarios: found {}, expected files <family>/<scenario>.toml in {folder}",
        .found.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
    )]
    Misplaced {
        /// The folder.
        folder: PathBuf,
        /// What is there.
        found: Vec<PathBuf>,
    },
    /// There is no scenario at all.
    #[error("list scenarios in {0}: found no file <family>/<scenario>.toml, expected at least one")]
    Empty(PathBuf),
    /// A scenario names a board that no target has.
    #[error("accept scenario {scenario}: boards: found \"{board}\", expected one of {known}")]
    Board {
        /// The file.
        scenario: PathBuf,
        /// The name.
        board: String,
        /// Every board of the targets.
        known: String,
    },
}

/// Reads all scenarios `<folder>/<family>/<scenario>.toml`, in the order of their names.
///
/// # Errors
/// See [`SuiteError`].
pub fn scenarios(folder: &Path) -> Result<Vec<Scenario>, SuiteError> {
    Ok(scenarios_wanted(folder, |_| true)?.0)
}

/// As [`scenarios`], and the files that are not what they should be but are none that is wanted, by
/// the name that the scenario would have: one broken file keeps nobody from the others.
///
/// # Errors
/// See [`SuiteError`].
pub fn scenarios_wanted(
    folder: &Path,
    is_wanted: impl Fn(&str) -> bool,
) -> Result<(Vec<Scenario>, Vec<ScenarioError>), SuiteError> {
    let (mut paths, mut others) = (Vec::new(), Vec::new());
    for family in entries(folder)? {
        match name(&family).as_str() {
            "src" | "tests" | "target" | "Cargo.toml" | "README.md" => {}
            _ if !family.is_dir() => others.push(family),
            _ => {
                let is_scenario =
                    |path: &PathBuf| path.is_file() && path.extension() == Some("toml".as_ref());
                let (files, rest): (Vec<_>, Vec<_>) =
                    entries(&family)?.into_iter().partition(is_scenario);
                paths.extend(files);
                others.extend(rest);
            }
        }
    }
    // What an editor or a system hides is nobody's scenario.
    others.retain(|path| !name(path).starts_with('.') && !name(path).ends_with('~'));
    others.sort();
    if !others.is_empty() {
        return Err(SuiteError::Misplaced { folder: folder.to_owned(), found: others });
    }
    paths.sort();
    let (mut scenarios, mut errors) = (Vec::new(), Vec::new());
    for path in &paths {
        match load(path) {
            Ok(scenario) => scenarios.push(scenario),
            Err(error) => errors.push(error),
        }
    }
    if errors.iter().any(|error| is_wanted(&scenario_name(error.path()))) {
        return Err(SuiteError::Scenarios(errors));
    }
    if scenarios.is_empty() && errors.is_empty() {
        return Err(SuiteError::Empty(folder.to_owned()));
    }
    Ok((scenarios, errors))
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, SuiteError> {
    let error = |source| SuiteError::Folder { folder: folder.to_owned(), source };
    std::fs::read_dir(folder)
        .map_err(error)?
        .map(|entry| entry.map(|entry| entry.path()).map_err(error))
        .collect()
}

fn name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// What the names of all tests on a target begin with.
#[must_use]
pub fn prefix(target: &dyn Target) -> String {
    format!("{}::{}", target.name(), target.board().name)
}

/// All tests. A scenario that names no board runs on every board that is not a variant of another.
///
/// # Errors
/// A scenario names a board that no target has.
pub fn tests(
    scenarios: Vec<Scenario>,
    targets: &[Arc<dyn Target>],
) -> Result<Vec<Test>, SuiteError> {
    let known: Vec<_> = targets.iter().map(|target| target.board().name.clone()).collect();
    tests_among(scenarios, targets, &known)
}

/// The same on some of the targets there are: scenarios may name boards that others have.
///
/// # Errors
/// A scenario names a board that is not among the known ones.
pub fn tests_among(
    scenarios: Vec<Scenario>,
    targets: &[Arc<dyn Target>],
    known: &[String],
) -> Result<Vec<Test>, SuiteError> {
    let mut tests = Vec::new();
    for scenario in scenarios {
        let scenario = Arc::new(scenario);
        let wanted = &scenario.boards;
        for board in wanted {
            if !known.contains(board) {
                return Err(SuiteError::Board {
                    scenario: scenario.path.clone(),
                    board: board.clone(),
                    known: known.join(", "),
                });
            }
        }
        let chosen = targets.iter().filter(|target| {
            let board = target.board();
            wanted.contains(&board.name) || (wanted.is_empty() && !board.is_variant)
        });
        for target in chosen {
            let mut needs = target.board().needs().chain(scenario.needs.iter().copied());
            let lack = needs.find_map(|need| target.has(need).err());
            tests.push(Test {
                name: format!("{}::{}", prefix(target.as_ref()), scenario.name),
                scenario: Arc::clone(&scenario),
                target: Arc::clone(target),
                ignored: lack.map(|lack| lack.reason),
            });
        }
    }
    tests.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(tests)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A scenario in the wrong place would never run, and nobody would know.
    #[test]
    fn what_lies_in_the_wrong_place_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let family = folder.path().join("family");
        std::fs::create_dir_all(family.join("deeper")).unwrap();
        let files = ["top.toml", "family/x.TOML", "family/.hidden", "README.md"];
        files.iter().for_each(|file| std::fs::write(folder.path().join(file), "").unwrap());
        let error = scenarios(folder.path()).unwrap_err().to_string();
        for found in ["top.toml", "x.TOML", "deeper"] {
            assert!(error.contains(found), "{error}");
        }
        assert!(!error.contains("hidden") && !error.contains("README"), "{error}");
    }

    /// One broken file keeps nobody from the other scenarios, and is named.
    #[test]
    fn a_broken_file_stands_in_the_way_of_its_own_tests_alone() {
        let folder = tempfile::tempdir().unwrap();
        let family = folder.path().join("family");
        std::fs::create_dir_all(&family).unwrap();
        std::fs::write(family.join("broken.toml"), "timeline = [").unwrap();
        let error = scenarios(folder.path()).unwrap_err().to_string();
        assert!(error.contains("family/broken.toml"), "{error}");
        let wanted = |part: &'static str| {
            scenarios_wanted(folder.path(), move |name: &str| name.contains(part))
        };
        assert!(matches!(wanted("family::broken"), Err(SuiteError::Scenarios(_))));
        let (scenarios, broken) = wanted("family::whole").unwrap();
        assert_eq!((scenarios.len(), broken.len()), (0, 1));
        assert!(broken[0].path().ends_with("family/broken.toml"));
    }
}
