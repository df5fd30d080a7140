//! A sweep's file, a board, an image and an engine, brought together as work.

use super::engine::plugin::PluginEngine;
use super::engine::process::ProcessEngine;
use super::engine::snapshot::SnapshotEngine;
use super::engine::{Engine, Trace};
use super::plan::{Plan, PlanError};
use super::result::PointNumber;
use super::run::Runner;
use super::work::{Allowance, Extent, Identity, InsteadOf, SOURCES, SweepId, Work, Worker};
use super::workload::Workload;
use crate::execute::{JudgeError, load_image, shown};
use crate::image::Image;
use crate::known::check_names;
use crate::rig::{DEFAULT_BOARD, Rig, RigError};
use crate::scenario::check::load;
use crate::scenario::error::ScenarioError;
use crate::suite::{self, Test};
use crate::target::BenchError;
use crate::target::emulator::EmulatorTarget;
use clap::ValueEnum;
use crashrig_layout::Need;
use crashrig_qemu::Program;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

/// How many points of a scope an engine is asked for before it begins, at least.
const CHECKED_POINTS: u64 = 1_000;

/// Which engine carries injections out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum EngineChoice {
    /// The fastest that this machine and the sweep's faults allow.
    Auto,
    /// A fresh emulator for each injection.
    Process,
    /// A warm emulator that goes back to a snapshot.
    Snapshot,
    /// A warm emulator in which the plug-in goes back by itself.
    Plugin,
}

/// Why a file is no work.
#[derive(Debug, thiserror::Error)]
pub enum CampaignError {
    /// The file.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// The machine.
    #[error(transparent)]
    Rig(#[from] RigError),
    /// The image, or a name that it does not have.
    #[error(transparent)]
    Judge(#[from] JudgeError),
    /// The points.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The board.
    #[error("sweep {file}: found board \"{board}\", expected one of {known}")]
    Board {
        /// The sweep's file.
        file: PathBuf,
        /// The board that was asked for.
        board: String,
        /// Boards that the sweep is for and that run here.
        known: String,
    },
    /// The board lacks what the scenario needs.
    #[error("sweep {file} on board {board}: {reason}")]
    Lack {
        /// The sweep's file.
        file: PathBuf,
        /// The board.
        board: String,
        /// What it lacks.
        reason: String,
    },
}

/// What can be run.
pub struct Campaign {
    /// The golden run as a test of its own: it must pass before anything is injected.
    pub test: Test,
    identity: Identity,
    plan: Plan,
    image: Arc<Image>,
    engine: EngineChoice,
    /// Whether flips that need no run are run all the same.
    runs_all: bool,
    program: Program,
    rig: Rig,
    /// Output of the emulators; of no use once they have ended.
    run_folder: OnceLock<PathBuf>,
    /// How many workers there were.
    workers: AtomicUsize,
    /// The golden run of the first worker.
    golden: OnceLock<Trace>,
}

impl Campaign {
    /// The work of a file, on a board; without one, on the default board if the sweep is for it, or
    /// else on the first that it is for.
    ///
    /// # Errors
    /// See [`CampaignError`].
    pub fn open(
        rig: &Rig,
        file: &Path,
        board: Option<&str>,
        engine: EngineChoice,
        seed: u64,
    ) -> Result<Self, CampaignError> {
        let scenario = load(file)?;
        let mut tests = suite::tests(vec![scenario], &rig.targets()?).map_err(RigError::from)?;
        // Engines count instructions.
        tests.retain(|test| test.target.has(Need::InstructionCount).is_ok());
        let names: Vec<_> = tests.iter().map(|it| it.target.board().name.clone()).collect();
        let is_named = |name: &str| names.iter().position(|known| known == name);
        let found = match board {
            Some(board) => is_named(board),
            None => is_named(DEFAULT_BOARD).or((!names.is_empty()).then_some(0)),
        };
        let file = file.to_owned();
        let Some(test) = found.map(|at| tests.swap_remove(at)) else {
            let board = board.unwrap_or(DEFAULT_BOARD).to_owned();
            return Err(CampaignError::Board { file, board, known: names.join(", ") });
        };
        let board = test.target.board().name.clone();
        if let Some(reason) = test.ignored {
            return Err(CampaignError::Lack { file, board, reason });
        }
        let image = load_image(&rig.image(&board, &[])?)?;
        check_names(&image, test.target.board(), &test.scenario).map_err(JudgeError::from)?;
        let plan = Plan::new(&test.scenario, &image, seed)?;
        let identity = identity(&test, &image, &plan, seed);
        let program = crashrig_qemu::discover::find().map_err(BenchError::of);
        let program = program.map_err(RigError::from)?;
        Ok(Self {
            test,
            identity,
            plan,
            image: Arc::new(image),
            engine,
            runs_all: false,
            program,
            rig: rig.clone(),
            run_folder: OnceLock::new(),
            workers: AtomicUsize::new(0),
            golden: OnceLock::new(),
        })
    }

    /// The same with a run for each injection, also for those that need none.
    #[must_use]
    pub fn without_pruning(mut self) -> Self {
        self.runs_all = true;
        self
    }

    /// The folder of this session's evidence, made when it is first asked for.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn run_folder(&self) -> Result<PathBuf, RigError> {
        if let Some(folder) = self.run_folder.get() {
            return Ok(folder.clone());
        }
        let folder = self.rig.run_folder()?;
        // Where two threads come here at once, both have the folder of one of them from now on.
        Ok(self.run_folder.get_or_init(|| folder).clone())
    }

    /// The name of the folder of its results: another sweep, image, target, seed or program has
    /// another one, so that nothing old is gone on with.
    #[must_use]
    pub fn folder_name(&self) -> String {
        format!("{}.{}", self.test.name.replace("::", "."), self.identity.id)
    }
}

fn identity(test: &Test, image: &Image, plan: &Plan, seed: u64) -> Identity {
    let (scenario, target) = (&test.scenario, &test.target);
    let (kind, version) = (target.name(), target.version());
    let target = format!("{kind} {version} {}", target.board().name);
    let extent = match plan.count() {
        None => Extent::Open,
        Some(count) if plan.is_sampled() => Extent::Sampled { count, population: plan.all() },
        Some(count) => Extent::Exhaustive { count },
    };
    let allow = plan.sweep.allow.iter();
    let build = image.build_id_hex();
    let seed_bytes = seed.to_le_bytes();
    Identity {
        id: SweepId::of(&[
            scenario.text.as_bytes(),
            build.as_bytes(),
            target.as_bytes(),
            &seed_bytes,
            SOURCES.as_bytes(),
        ]),
        name: scenario.name.clone(),
        file: shown(&scenario.path),
        image: build,
        target,
        seed,
        sources: SOURCES.to_owned(),
        extent,
        scopes: plan.scopes().to_vec(),
        allowed: allow
            .map(|it| Allowance { outcome: it.outcome, reason: it.reason.clone() })
            .collect(),
        forbidden: plan.sweep.forbid.clone(),
    }
}

impl Campaign {
    /// The engine inside of QEMU, which has tested itself, if the sweep's faults are for it.
    fn inside(
        &self,
        workload: &Arc<Workload>,
        folder: &Path,
        processor: usize,
    ) -> Result<PluginEngine, BenchError> {
        let observer = self.rig.observer().map_err(BenchError::of)?;
        let plugin = observer.file().map_err(BenchError::of)?;
        let folder = folder.join("inside");
        let mut engine = PluginEngine::new(Arc::clone(workload), plugin, &folder, processor);
        engine.start()?;
        self.check(&engine)?;
        Ok(engine)
    }

    /// Whether an engine carries the faults of this sweep out. All points of a scope differ in
    /// nothing that matters for that but where their memory lies: the outermost two and some of the
    /// others are asked for.
    fn check(&self, engine: &dyn Engine) -> Result<(), BenchError> {
        let abilities = engine.abilities();
        let last = self.plan.count().unwrap_or(1).max(1);
        let stride = usize::try_from(last / CHECKED_POINTS).unwrap_or(usize::MAX).max(1);
        for scope in self.plan.scopes() {
            for point in (1..last).step_by(stride).chain([last]) {
                let fault = self.plan.point(PointNumber(point), *scope);
                fault.map_or(Ok(()), |(fault, _)| abilities.check(&fault))?;
            }
        }
        Ok(())
    }
}

impl Work for Campaign {
    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn worker(&self, processor: usize) -> Result<Box<dyn Worker + '_>, BenchError> {
        let number = self.workers.fetch_add(1, Ordering::Relaxed);
        let run_folder = self.run_folder().map_err(BenchError::of)?;
        let folder = run_folder.join(format!("{}-{number}", self.folder_name()));
        std::fs::create_dir_all(&folder).map_err(BenchError::of)?;
        let target = EmulatorTarget::new(self.test.target.board().clone(), self.program.clone())?;
        let observer = Arc::new(self.rig.observer().map_err(BenchError::of)?);
        let target = target.with_observer(observer).for_wild_cores(Some(processor));
        let (image, scenario) = (&self.image, &self.test.scenario);
        let workload = Workload::new(&target, image, scenario, self.identity.seed, &folder)?;
        let workload = Arc::new(workload);
        let inside = match self.engine {
            EngineChoice::Plugin | EngineChoice::Auto => {
                Some(self.inside(&workload, &folder, processor))
            }
            EngineChoice::Process | EngineChoice::Snapshot => None,
        };
        // Whatever stands in its way, there are others; the report says which one, and why.
        let (inside, instead_of) = match inside {
            Some(Err(error)) if self.engine == EngineChoice::Auto => {
                let (engine, reason) = ("plugin".to_owned(), error.to_string());
                (None, Some(InsteadOf { engine, reason }))
            }
            inside => (inside.transpose()?, None),
        };
        let is_slow = self.engine == EngineChoice::Process
            || (self.engine == EngineChoice::Auto && workload.has_host_models);
        let engine: Box<dyn Engine> = match inside {
            Some(engine) => Box::new(engine),
            None if is_slow => {
                let (target, image) = (Arc::new(target), Arc::clone(image));
                Box::new(ProcessEngine::new(target, image, scenario, workload, folder)?)
            }
            None => Box::new(SnapshotEngine::new(workload, &folder, processor)),
        };
        self.check(engine.as_ref())?;
        let runner = Runner::new(&self.plan, engine)?.instead_of(instead_of);
        // Each worker has shown that it repeats itself. They must repeat each other as well.
        if self.golden.get_or_init(|| runner.golden().clone()) != runner.golden() {
            let text = "repeat the golden run: two workers came to different ones".to_owned();
            return Err(BenchError(text));
        }
        Ok(Box::new(if self.runs_all { runner } else { runner.pruning()? }))
    }
}
