//! Where things are on this machine: workspace, boards, scenarios, runs, and the targets there are.

mod bench;

use crate::boards::BenchFileError;
use crate::execute::{JudgeError, Outcome, Setting, execute, judge_bundle, load_image};
use crate::firmware::{BOARDS_FOLDER, FirmwareError, Request, bench_image, image};
use crate::heaps::{self, Comparison, Wanted};
use crate::scenario::Scenario;
use crate::scenario::error::ScenarioError;
use crate::suite::{self, SuiteError, Test, scenarios_wanted, tests, tests_among};
use crate::target::emulator::EmulatorTarget;
use crate::target::heap_bench::HeapBench;
use crate::target::observer::ObserverSource;
use crate::target::{BenchError, Target};
use crashrig_layout::parse::Board;
use crashrig_qemu::Program;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The board of the demonstration, the benchmark and the look at this machine.
pub const DEFAULT_BOARD: &str = "netduinoplus2";
/// The seed of a run that names none. Every run is the same until somebody asks for another.
pub const DEFAULT_SEED: u64 = 0x5EED;
/// Sets the seed.
pub const SEED_VARIABLE: &str = "CRASHRIG_SEED";
/// Runs whose evidence is kept; older ones are removed when a new one starts.
const RUNS_KEPT: usize = 6;
/// A run that changed within this time may still be in use by a process beside this one.
const IN_USE: Duration = Duration::from_secs(15 * 60);

/// Why the rig cannot work.
#[derive(Debug, thiserror::Error)]
pub enum RigError {
    /// No emulator, or none that can be used.
    #[error("{0}")]
    Bench(#[from] BenchError),
    /// A board file is not what it should be.
    #[error("{0}")]
    Board(String),
    /// The list of the bench's boards.
    #[error(transparent)]
    BenchFile(#[from] BenchFileError),
    /// The list of tests.
    #[error(transparent)]
    Suite(#[from] SuiteError),
    /// The image.
    #[error(transparent)]
    Firmware(#[from] FirmwareError),
    /// A bundle.
    #[error(transparent)]
    Judge(#[from] JudgeError),
    /// A folder of this rig.
    #[error("{action} {path}: {source}")]
    Folder {
        /// What was to be done.
        action: &'static str,
        /// The folder.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A bundle that is judged again comes to another verdict than the run it is of.
    #[error("judge {bundle} again: the run came to {live}, the bundle comes to {again}")]
    NotTheSame {
        /// The bundle.
        bundle: PathBuf,
        /// The verdict of the run.
        live: String,
        /// The verdict of the bundle.
        again: String,
    },
    /// A seed that is no number.
    #[error("read {SEED_VARIABLE}: found \"{0}\", expected a number, decimal or with 0x in front")]
    Seed(String),
}

/// This machine.
#[derive(Debug, Clone)]
pub struct Rig {
    /// Root of the workspace.
    pub workspace: PathBuf,
    /// Build products, images and runs.
    pub target_folder: PathBuf,
}

impl Rig {
    /// The workspace that this program was built in, or the one that cargo runs it in.
    #[must_use]
    pub fn here() -> Self {
        let package = std::env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let workspace = package
            .ancestors()
            .find(|folder| folder.join(BOARDS_FOLDER).is_dir())
            .map_or_else(|| package.clone(), Path::to_path_buf);
        let target_folder = std::env::var_os("CARGO_TARGET_DIR")
            .map_or_else(|| workspace.join("target"), PathBuf::from);
        Self { workspace, target_folder }
    }

    /// Folder of the board files.
    #[must_use]
    pub fn boards(&self) -> PathBuf {
        self.workspace.join(BOARDS_FOLDER)
    }

    /// Every board that runs under the emulator of this machine.
    ///
    /// # Errors
    /// No usable emulator, or a board file that is not what it should be.
    pub fn targets(&self) -> Result<Vec<Arc<dyn Target>>, RigError> {
        let program = crashrig_qemu::discover::find().map_err(BenchError::of)?;
        let observer = Arc::new(self.observer_of(&program));
        let mut targets: Vec<Arc<dyn Target>> = Vec::new();
        let boards = self.all_boards()?;
        for board in boards.iter().filter(|board| board.emulator().is_some()) {
            let target = EmulatorTarget::new(board.clone(), program.clone())?;
            targets.push(Arc::new(target.with_observer(Arc::clone(&observer))));
        }
        targets.extend(bench::virtual_targets(&boards, &program, &observer)?);
        Ok(targets)
    }

    /// The plug-in for the emulator of this machine.
    ///
    /// # Errors
    /// No usable emulator.
    pub fn observer(&self) -> Result<ObserverSource, RigError> {
        let program = crashrig_qemu::discover::find().map_err(BenchError::of)?;
        Ok(self.observer_of(&program))
    }

    fn observer_of(&self, program: &Program) -> ObserverSource {
        let (workspace, target_folder) = (self.workspace.clone(), self.target_folder.clone());
        ObserverSource::new(program.clone(), workspace, target_folder)
    }

    /// Every board there is, in the order of names.
    ///
    /// # Errors
    /// A board file that is not what it should be.
    pub fn all_boards(&self) -> Result<Vec<Board>, RigError> {
        Board::load_all(&self.boards()).map_err(|error| RigError::Board(error.to_string()))
    }

    /// All tests of this machine.
    ///
    /// # Errors
    /// See [`RigError`].
    pub fn tests(&self) -> Result<Vec<Test>, RigError> {
        Ok(self.tests_wanted(|_| true)?.0)
    }

    /// The tests of this machine, and what is wrong with scenario files of which no test is wanted.
    ///
    /// # Errors
    /// See [`RigError`].
    pub fn tests_wanted(
        &self,
        is_wanted: impl Fn(&str) -> bool,
    ) -> Result<(Vec<Test>, Vec<ScenarioError>), RigError> {
        let targets = self.targets()?;
        let (scenarios, broken) = self.scenarios_on(&targets, is_wanted)?;
        Ok((tests(scenarios, &targets)?, broken))
    }

    /// The same on some targets: scenarios may name boards that these are not.
    ///
    /// # Errors
    /// See [`RigError`].
    pub fn tests_on(
        &self,
        targets: &[Arc<dyn Target>],
        is_wanted: impl Fn(&str) -> bool,
    ) -> Result<(Vec<Test>, Vec<ScenarioError>), RigError> {
        let (scenarios, broken) = self.scenarios_on(targets, is_wanted)?;
        let known: Vec<_> = self.all_boards()?.into_iter().map(|board| board.name).collect();
        Ok((tests_among(scenarios, targets, &known)?, broken))
    }

    fn scenarios_on(
        &self,
        targets: &[Arc<dyn Target>],
        is_wanted: impl Fn(&str) -> bool,
    ) -> Result<(Vec<Scenario>, Vec<ScenarioError>), RigError> {
        let names: Vec<_> = targets.iter().map(|target| suite::prefix(target.as_ref())).collect();
        let is_wanted =
            |name: &str| names.iter().any(|target| is_wanted(&format!("{target}::{name}")));
        let folder = self.workspace.join("scenarios");
        Ok(scenarios_wanted(&folder, is_wanted)?)
    }

    /// The image of a board, built if need be, with its bootloader beside it if the board has one.
    ///
    /// # Errors
    /// The board file, or see [`FirmwareError`].
    pub fn image(&self, board: &str, features: &[String]) -> Result<PathBuf, RigError> {
        let board = Board::load(&self.boards(), board);
        let board = &board.map_err(|error| RigError::Board(error.to_string()))?;
        let request = Request {
            workspace: &self.workspace,
            target_folder: &self.target_folder,
            board,
            features,
        };
        Ok(image(&request)?)
    }

    /// Compares heaps on the board that is the default.
    ///
    /// # Errors
    /// No emulator that can load the plug-in, or see [`RigError`].
    pub fn compare_heaps(&self, wanted: &Wanted) -> Result<Comparison, RigError> {
        let program = crashrig_qemu::discover::find().map_err(BenchError::of)?;
        let board = Board::load(&self.boards(), DEFAULT_BOARD);
        let board = &board.map_err(|error| RigError::Board(error.to_string()))?;
        let (workspace, target_folder) = (&self.workspace, &self.target_folder);
        let path = bench_image(&Request { workspace, target_folder, board, features: &[] })?;
        let observer = self.observer_of(&program);
        let (image, folder) = (load_image(&path)?, self.run_folder()?);
        let mut bench = HeapBench::start(&program, board, &image, &observer, &folder)?;
        Ok(heaps::measure(&mut bench, wanted)?)
    }

    /// A folder for the bundles of one run of the command.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn run_folder(&self) -> Result<PathBuf, RigError> {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let seconds = now.map_or(0, |time| time.as_secs());
        self.make_run_folder(&format!("{seconds}-{}", std::process::id()))
    }

    /// A folder for the bundles of the test binary. Under nextest, where each test is a process,
    /// all of a run share one.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn test_run_folder(&self) -> Result<PathBuf, RigError> {
        match std::env::var("NEXTEST_RUN_ID") {
            Ok(run) => self.make_run_folder(&run),
            Err(_) => self.run_folder(),
        }
    }

    fn make_run_folder(&self, name: &str) -> Result<PathBuf, RigError> {
        let runs = self.target_folder.join("crashrig/runs");
        let folder = runs.join(name);
        if !folder.is_dir() {
            remove_old_runs(&runs);
            std::fs::create_dir_all(&folder).map_err(|source| RigError::Folder {
                action: "create",
                path: folder.clone(),
                source,
            })?;
            point_to_newest(&runs, &folder);
        }
        Ok(folder)
    }

    /// Runs a test, judges it, and judges its bundle once more: both must come to the same.
    ///
    /// # Errors
    /// See [`RigError`]. A failing test is an outcome, not an error.
    pub fn execute(
        &self,
        test: &Test,
        features: &[String],
        run_folder: &Path,
        seed: u64,
    ) -> Result<Outcome, RigError> {
        let image = self.image(&test.target.board().name, features)?;
        let setting = Setting { image: &image, run_folder, seed };
        let outcome = execute(test, &setting)?;
        let again = judge_bundle(&outcome.bundle, &self.boards())?;
        if again.verdict != outcome.verdict {
            return Err(RigError::NotTheSame {
                bundle: outcome.bundle,
                live: format!("{:?}", outcome.verdict),
                again: format!("{:?}", again.verdict),
            });
        }
        Ok(outcome)
    }
}

/// The seed of this run.
///
/// # Errors
/// The variable holds no number.
pub fn seed() -> Result<u64, RigError> {
    let Ok(text) = std::env::var(SEED_VARIABLE) else { return Ok(DEFAULT_SEED) };
    let number = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    number.map_err(|_| RigError::Seed(text))
}

/// The name under which the newest run can be found.
const NEWEST: &str = "latest";

/// Lets `latest` point to a run. It is a convenience: where it cannot be made, nothing is lost.
fn point_to_newest(runs: &Path, folder: &Path) {
    let unfinished = runs.join(format!("{NEWEST}-{}", std::process::id()));
    let target = folder.file_name().unwrap_or_default();
    if std::os::unix::fs::symlink(target, &unfinished).is_ok() {
        let _ = std::fs::rename(&unfinished, runs.join(NEWEST));
    }
}

/// Removes the oldest runs. A run that cannot be removed is left: it is only evidence.
fn remove_old_runs(runs: &Path) {
    let Ok(entries) = std::fs::read_dir(runs) else { return };
    let mut folders: Vec<_> = entries
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    folders.sort();
    let surplus = folders.len().saturating_sub(RUNS_KEPT - 1);
    for (changed, folder) in folders.into_iter().take(surplus) {
        if changed.elapsed().is_ok_and(|age| age < IN_USE) {
            continue;
        }
        let _ = std::fs::remove_dir_all(folder);
    }
}
