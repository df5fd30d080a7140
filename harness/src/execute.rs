//! One test from image to verdict: run, bundle, decode, judge. The test binary and `crashrig run`
//! both come through here, and `crashrig judge` takes the second half on a stored bundle.

use crate::decode::{assemble, beside, twin};
use crate::evidence::{self, BOOTLOADER_FILE, BundleError, Evidence, IMAGE_FILE, SCENARIO_FILE};
use crate::image::{Image, ImageError};
use crate::judge::{Identity, judge};
use crate::known::{NameError, check_names};
use crate::output::text;
use crate::report::Report;
use crate::run::{RunIdentity, run};
use crate::scenario::Scenario;
use crate::scenario::check::parse;
use crate::scenario::error::ScenarioError;
use crate::suite::Test;
use crate::target::Target;
use crate::verdict::Verdict;
use crashrig_layout::Need;
use crashrig_layout::parse::Board;
use std::path::{Path, PathBuf};

/// Why a bundle cannot be judged.
#[derive(Debug, thiserror::Error)]
pub enum JudgeError {
    /// The bundle's files.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The bundle's scenario.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// The bundle's image.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// A name in the scenario that image and board do not have.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The board that the bundle names is not here.
    #[error("load board {board} of the bundle: {message}")]
    Board {
        /// The name.
        board: String,
        /// What is wrong.
        message: String,
    },
}

impl JudgeError {
    /// Whether it is the bench that failed, and not what was handed in: evidence cannot be written.
    #[must_use]
    pub fn is_bench(&self) -> bool {
        matches!(self, Self::Bundle(BundleError::File { action, .. }) if *action != "read")
    }
}

/// A test that was run, or a bundle that was judged again.
#[derive(Debug)]
pub struct Outcome {
    /// The scenario.
    pub scenario: Scenario,
    /// What the run left.
    pub evidence: Evidence,
    /// What happened.
    pub report: Report,
    /// The judgement.
    pub verdict: Verdict,
    /// Where the evidence is.
    pub bundle: PathBuf,
}

impl Outcome {
    /// The report of a failure.
    #[must_use]
    pub fn failure(&self) -> String {
        let places =
            text::Places { scenario: &shown(&self.scenario.path), bundle: &shown(&self.bundle) };
        text::failure(&self.scenario, &self.evidence, &self.report, &self.verdict, &places)
    }

    /// One line for a test that is over.
    #[must_use]
    pub fn summary(&self) -> String {
        let summary = text::summary(&self.evidence);
        match self.scenario.control {
            Some(_) if self.verdict.is_pass() => format!("{summary}, judged fail as it must be"),
            _ => summary,
        }
    }
}

/// A path as people read it: relative where it lies below the current folder.
#[must_use]
pub fn shown(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(&here).unwrap_or(path).display().to_string()
}

/// Where and with what a test is run.
#[derive(Debug, Clone)]
pub struct Setting<'a> {
    /// The image's file.
    pub image: &'a Path,
    /// Folder in which the bundle is made.
    pub run_folder: &'a Path,
    /// Everything random comes from here.
    pub seed: u64,
}

/// The folder in a bundle that holds the bundle of the second run.
const SECOND_RUN: &str = "at-entry";
/// The folder in a bundle that holds the bundle of the run without a probe.
const RUN_BESIDE: &str = "without-probe";

/// Runs a test and judges it. The bundle stays, whatever the verdict.
///
/// A scenario with crashes is run a second time, stopped where each capture begins: its records
/// must hold what the host reads there, and be those of the first run. One behind a virtual probe
/// is run a third time, without: its records must be the same there.
///
/// # Errors
/// The image is not one, or the bundle cannot be written. Trouble of the bench is a verdict.
pub fn execute(test: &Test, setting: &Setting<'_>) -> Result<Outcome, JudgeError> {
    let bundle = setting.run_folder.join(test.name.replace("::", "."));
    let _ = std::fs::remove_dir_all(&bundle);
    let image = load_image(setting.image)?;
    check_names(&image, test.target.board(), &test.scenario)?;
    let identity = RunIdentity {
        test: &test.name,
        run_id: run_id(&test.name, setting),
        seed: setting.seed,
        stop_at_entry: false,
        watch: None,
    };
    let first = run_into(&bundle, test, setting, &image, &identity)?;
    let is_wanted = test.scenario.control.is_none() && !test.scenario.crashes.is_empty();
    if !first.verdict.is_pass() || !is_wanted {
        return Ok(first);
    }
    let at_entry = RunIdentity { stop_at_entry: true, watch: to_watch(&first), ..identity };
    let second = run_into(&bundle.join(SECOND_RUN), test, setting, &image, &at_entry)?;
    let outcome = join(first, second);
    let Some(emulator) = test.target.beside().filter(|_| outcome.verdict.is_pass()) else {
        return Ok(outcome);
    };
    let folder = bundle.join(RUN_BESIDE);
    let beside = run_on(emulator, &folder, test, setting, &image, &identity)?;
    Ok(join_beside(outcome, beside, test.target.board()))
}

/// The word of the heap that the first run found wrong: the second one sees who writes to it, where
/// it is observed.
fn to_watch(first: &Outcome) -> Option<u32> {
    let is_observed = first.scenario.needs.contains(&Need::StoreLog);
    let mut crashes = first.report.boots.iter().filter_map(|boot| boot.crash.as_ref());
    let broken = crashes.find_map(|crash| crash.sections.broken_block.as_ref());
    broken.filter(|_| is_observed).map(|broken| broken.address)
}

/// One run into a folder of its own.
fn run_into(
    bundle: &Path,
    test: &Test,
    setting: &Setting<'_>,
    image: &Image,
    identity: &RunIdentity<'_>,
) -> Result<Outcome, JudgeError> {
    run_on(test.target.as_ref(), bundle, test, setting, image, identity)
}

/// The same on another target than that of the test.
fn run_on(
    target: &dyn Target,
    bundle: &Path,
    test: &Test,
    setting: &Setting<'_>,
    image: &Image,
    identity: &RunIdentity<'_>,
) -> Result<Outcome, JudgeError> {
    std::fs::create_dir_all(bundle).map_err(|source| BundleError::File {
        action: "create",
        path: bundle.to_owned(),
        source,
    })?;
    evidence::link_image(bundle, setting.image)?;
    let evidence = run(target, image, &test.scenario, identity, bundle);
    evidence::write(bundle, &evidence, &test.scenario.text)?;
    let scenario = test.scenario.as_ref().clone();
    Ok(conclude(scenario, evidence, image, test.target.board(), bundle.to_owned()))
}

/// The outcome of both runs of a test: the second one if it fails, otherwise the first with
/// whatever differs in the second.
fn join(mut first: Outcome, second: Outcome) -> Outcome {
    if !second.verdict.is_pass() {
        return second;
    }
    let runs = [&first, &second].map(|outcome| (&outcome.evidence, &outcome.report));
    let [one, other] = runs;
    first.verdict = Verdict::of(twin::differences(&first.scenario, one, other));
    first.evidence.wall_ms += second.evidence.wall_ms;
    first.evidence.recovery = first.evidence.recovery.or(second.evidence.recovery);
    first.report.recovery.clone_from(&first.evidence.recovery);
    for (boot, other) in first.report.boots.iter_mut().zip(second.report.boots) {
        if let (Some(crash), Some(other)) = (&mut boot.crash, other.crash) {
            crash.changed_by = other.changed_by;
        }
    }
    first
}

/// The outcome of a test behind a probe, with whatever differs in the emulator alone.
fn join_beside(mut outcome: Outcome, beside: Outcome, board: &Board) -> Outcome {
    if !beside.verdict.is_pass() {
        return beside;
    }
    let declared = board.emulator().map_or(&[][..], |emulator| &emulator.probe_differences);
    let runs = [&outcome, &beside].map(|outcome| (&outcome.evidence, &outcome.report));
    let [one, other] = runs;
    outcome.verdict = Verdict::of(beside::differences(&outcome.scenario, one, other, declared));
    outcome.evidence.wall_ms += beside.evidence.wall_ms;
    outcome
}

/// Judges a stored bundle again, without a device, and that of the second run in it.
///
/// # Errors
/// The bundle, its scenario, its image or its board are not what they should be.
pub fn judge_bundle(bundle: &Path, boards: &Path) -> Result<Outcome, JudgeError> {
    let first = judge_run(bundle, boards)?;
    let second = bundle.join(SECOND_RUN);
    if !first.verdict.is_pass() || !second.join(evidence::EVIDENCE_FILE).is_file() {
        return Ok(first);
    }
    let outcome = join(first, judge_run(&second, boards)?);
    let beside = bundle.join(RUN_BESIDE);
    if !outcome.verdict.is_pass() || !beside.join(evidence::EVIDENCE_FILE).is_file() {
        return Ok(outcome);
    }
    let board = board_of(&outcome.evidence, boards)?;
    Ok(join_beside(outcome, judge_run(&beside, boards)?, &board))
}

fn board_of(evidence: &Evidence, boards: &Path) -> Result<Board, JudgeError> {
    Board::load(boards, &evidence.board).map_err(|error| JudgeError::Board {
        board: evidence.board.clone(),
        message: error.to_string(),
    })
}

fn judge_run(bundle: &Path, boards: &Path) -> Result<Outcome, JudgeError> {
    let evidence = evidence::read(bundle)?;
    let scenario = scenario_of(bundle, &evidence)?;
    let image = load_image(&bundle.join(IMAGE_FILE))?;
    let board = board_of(&evidence, boards)?;
    Ok(conclude(scenario, evidence, &image, &board, bundle.to_owned()))
}

/// Reads an image, and the bootloader that lies beside it if there is one.
///
/// # Errors
/// A file cannot be read, or is no image.
pub fn load_image(path: &Path) -> Result<Image, JudgeError> {
    let load = |path: &Path| -> Result<Image, JudgeError> {
        Ok(Image::parse(evidence::read_file(path)?, path)?)
    };
    let (image, bootloader) = (load(path)?, path.with_file_name(BOOTLOADER_FILE));
    if !bootloader.is_file() || bootloader == path {
        return Ok(image);
    }
    Ok(image.behind(load(&bootloader)?))
}

/// The scenario of a bundle. Its file is called otherwise there, so the name comes from the
/// evidence.
fn scenario_of(bundle: &Path, evidence: &Evidence) -> Result<Scenario, JudgeError> {
    let bytes = evidence::read_file(&bundle.join(SCENARIO_FILE))?;
    let name: PathBuf = evidence.scenario.split("::").collect();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    Ok(parse(&name.with_extension("toml"), text)?)
}

fn conclude(
    scenario: Scenario,
    evidence: Evidence,
    image: &Image,
    board: &Board,
    bundle: PathBuf,
) -> Outcome {
    let scenario = scenario.on(board);
    let report = assemble::report(&evidence, image, board);
    let identity = Identity {
        build_id: image.build_id(),
        bootloader: image.bootloader().map(Image::build_id),
        run_id: evidence.run_id,
    };
    let verdict = judge(&scenario, &report, &identity);
    Outcome { scenario, evidence, report, verdict, bundle }
}

/// A number for this run that no other run of this test is likely to have: FNV-1a over name, seed,
/// process and time. Never 0.
fn run_id(test: &str, setting: &Setting<'_>) -> u32 {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |time| time.as_nanos() as u64);
    let words = [setting.seed, u64::from(std::process::id()), now];
    let bytes = test.bytes().chain(words.into_iter().flat_map(u64::to_le_bytes));
    let hash = bytes
        .fold(0x811C_9DC5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    hash.max(1)
}
