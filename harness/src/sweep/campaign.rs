//! A sweep's file, a board, an image and an engine, brought together as work.

use super::engine::Engine;
use super::engine::process::ProcessEngine;
use super::injector::{Golden, Injector};
use super::plan::{Plan, PlanError};
use super::work::{Allowance, Extent, Identity, SweepId, Work, Worker};
use super::workload::Workload;
use crate::execute::{JudgeError, load_image, shown};
use crate::image::Image;
use crate::known::check_names;
use crate::rig::{Rig, RigError};
use crate::scenario::check::load;
use crate::scenario::error::ScenarioError;
use crate::suite::{self, Test};
use crate::target::BenchError;
use clap::ValueEnum;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

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
    rig: Rig,
    identity: Identity,
    plan: Plan,
    workload: Workload,
    golden: Golden,
    engine: EngineChoice,
    run_folder: OnceLock<PathBuf>,
    /// Workers so far, each with a folder of its own.
    workers: AtomicUsize,
}

impl Campaign {
    /// The work of a file.
    ///
    /// # Errors
    /// See [`CampaignError`].
    pub fn open(
        rig: &Rig,
        file: &Path,
        board: &str,
        engine: EngineChoice,
        seed: u64,
    ) -> Result<Self, CampaignError> {
        let scenario = load(file)?;
        let tests = suite::tests(vec![scenario], &rig.targets()?).map_err(RigError::from)?;
        let names: Vec<_> = tests.iter().map(|it| it.target.board().name.clone()).collect();
        let found = tests.into_iter().find(|test| test.target.board().name == board);
        let (file, board) = (file.to_owned(), board.to_owned());
        let Some(test) = found else {
            return Err(CampaignError::Board { file, board, known: names.join(", ") });
        };
        if let Some(reason) = test.ignored {
            return Err(CampaignError::Lack { file, board, reason });
        }
        let image = load_image(&rig.image(&board, &[])?)?;
        check_names(&image, test.target.board(), &test.scenario).map_err(JudgeError::from)?;
        let plan = Plan::new(&test.scenario, &image, seed)?;
        let identity = identity(&test, &image, &plan, seed);
        let workload = Workload::new(&test.scenario, Arc::new(image), seed);
        Ok(Self {
            test,
            rig: rig.clone(),
            identity,
            plan,
            workload: workload.map_err(RigError::from)?,
            golden: Golden::default(),
            engine,
            run_folder: OnceLock::new(),
            workers: AtomicUsize::new(0),
        })
    }

    /// The folder of this session's evidence, made when it is first asked for.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn run_folder(&self) -> Result<&Path, RigError> {
        if self.run_folder.get().is_none() {
            let folder = self.rig.run_folder()?;
            // Another thread may have been first; theirs is as good.
            let _ = self.run_folder.set(folder);
        }
        Ok(self.run_folder.get().map_or(Path::new("."), PathBuf::as_path))
    }

    /// The name of the folder of its results, the same for the same sweep on the same board.
    #[must_use]
    pub fn folder_name(&self) -> String {
        self.test.name.replace("::", ".")
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
        ]),
        name: scenario.name.clone(),
        file: shown(&scenario.path),
        image: build,
        target,
        seed,
        extent,
        scopes: plan.scopes().to_vec(),
        allowed: allow
            .map(|it| Allowance { outcome: it.outcome, reason: it.reason.clone() })
            .collect(),
    }
}

impl Work for Campaign {
    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn worker(&self, _processor: Option<usize>) -> Result<Box<dyn Worker + '_>, BenchError> {
        let engine = self.engine()?;
        let places = self.workload.places;
        Ok(Box::new(Injector::new(&self.plan, places, &self.golden, engine)?))
    }
}

impl Campaign {
    fn engine(&self) -> Result<Box<dyn Engine>, BenchError> {
        match self.engine {
            EngineChoice::Auto | EngineChoice::Process => {
                let number = self.workers.fetch_add(1, Ordering::Relaxed) + 1;
                let folder = self.run_folder().map_err(BenchError::of)?;
                let folder = folder.join(format!("worker-{number}"));
                std::fs::create_dir_all(&folder).map_err(BenchError::of)?;
                let (target, workload) = (Arc::clone(&self.test.target), self.workload.clone());
                Ok(Box::new(ProcessEngine::new(target, workload, folder)))
            }
            EngineChoice::Snapshot | EngineChoice::Plugin => {
                Err(BenchError("found no such engine, expected auto or process".to_owned()))
            }
        }
    }
}
