//! `crashrig sweep`: a fault at every point of a run. Here is what can be asked; [`run`] injects,
//! [`results`] merges and reports.

mod progress;
mod results;
mod run;

use super::CommandError;
use crate::exit;
use crate::sweep::campaign::{CampaignError, EngineChoice};
use crate::sweep::fault::Scope;
use crate::sweep::schedule::ScheduleError;
use crate::sweep::session::SessionError;
use crate::sweep::shard::Shard;
use crate::sweep::shard::environment::BadVariables;
use crate::sweep::store::StoreError;
use crate::sweep::store::table::TableError;
use clap::Subcommand;
use std::num::NonZeroUsize;
use std::path::PathBuf;

const EXAMPLES: &str = "\
A sweep can be stopped or killed at any moment; the same command goes on with it.

Examples:
  cargo rig sweep scenarios/sweep/record_bits.toml
  cargo rig sweep scenarios/sweep/record_bits.toml --only 17 --scope once
  cargo rig sweep scenarios/sweep/record_bits.toml --shard 2/8 --out results
  cargo rig sweep merge all.sqlite results/*
  cargo rig sweep report all.sqlite";

/// Arguments of `sweep`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, after_help = EXAMPLES)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    run: Run,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Put results of shards into one database, each once. Repeatable.
    Merge(Merge),
    /// Say what sweeps came to.
    Report(Report),
}

/// What is to be injected, and where.
#[derive(Debug, clap::Args)]
struct Run {
    /// Sweep files: scenarios with a table `[sweep]`.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Run part I of N, from 1 to N. Without it, what a Slurm array or a Kubernetes indexed job
    /// says, or else everything.
    #[arg(long, value_name = "I/N")]
    shard: Option<Shard>,
    /// Workers, each with an emulator and a processor. Without it, one for each processor.
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
    /// What carries injections out.
    #[arg(long, value_enum, default_value_t = EngineChoice::Auto)]
    engine: EngineChoice,
    /// The board. Without it, the usual one if the sweep is for it, or else the first that it is
    /// for.
    #[arg(long, value_name = "NAME")]
    board: Option<String>,
    /// Folder in which each sweep has a folder for its results.
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Run this one point and keep nothing.
    #[arg(long, value_name = "POINT", conflicts_with_all = ["shard", "jobs", "out", "report"])]
    only: Option<u64>,
    /// With --only: the scope. Without it, the sweep's first.
    #[arg(long, value_name = "SCOPE", requires = "only")]
    scope: Option<Scope>,
    /// Run flips of bytes that are overwritten before they are read, too. The results are the same.
    #[arg(long)]
    no_prune: bool,
    /// Write the reports into this file as well, as JSON.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Print JSON: with --only the result, otherwise the reports.
    #[arg(long)]
    json: bool,
}

/// What is to be merged.
#[derive(Debug, clap::Args)]
struct Merge {
    /// The database, made if need be.
    database: PathBuf,
    /// Folders of results, or single files `shard-I-of-N.jsonl`.
    #[arg(required = true)]
    results: Vec<PathBuf>,
}

/// What is to be reported.
#[derive(Debug, clap::Args)]
struct Report {
    /// Databases, or folders of results.
    #[arg(required = true, value_name = "DATABASE|FOLDER")]
    places: Vec<PathBuf>,
    /// Print JSON.
    #[arg(long, conflicts_with = "markdown")]
    json: bool,
    /// Print a table for a document.
    #[arg(long)]
    markdown: bool,
}

pub(super) fn sweep(arguments: &Arguments) -> Result<u8, CommandError> {
    match &arguments.action {
        Some(Action::Merge(arguments)) => Ok(results::merge(arguments)?),
        Some(Action::Report(arguments)) => Ok(results::report(arguments)?),
        None => run::run(&arguments.run),
    }
}

/// What stops a sweep.
#[derive(Debug, thiserror::Error)]
pub(super) enum SweepError {
    #[error(transparent)]
    Campaign(#[from] CampaignError),
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    #[error(transparent)]
    Table(#[from] TableError),
    #[error(transparent)]
    Variables(#[from] BadVariables),
}

impl From<SweepError> for CommandError {
    fn from(error: SweepError) -> Self {
        match error {
            SweepError::Campaign(CampaignError::Rig(error)) => Self::Rig(error),
            SweepError::Campaign(CampaignError::Judge(error)) => Self::Judge(error),
            error => Self::Sweep(error),
        }
    }
}

impl From<SessionError> for SweepError {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Rig(error) => Self::Campaign(CampaignError::Rig(error)),
            SessionError::Schedule(error) => Self::Schedule(error),
            SessionError::Table(error) => Self::Table(error),
        }
    }
}

impl SweepError {
    pub(super) fn exit_code(&self) -> u8 {
        match self {
            Self::Campaign(_) => exit::BAD_INPUT,
            Self::Schedule(ScheduleError::Store(error)) | Self::Table(TableError::Store(error)) => {
                store_exit_code(error)
            }
            Self::Schedule(_) | Self::Table(TableError::Database { .. }) => exit::INFRASTRUCTURE,
            Self::Table(_) => exit::BAD_INPUT,
            Self::Variables(_) => exit::USAGE,
        }
    }
}

fn store_exit_code(error: &StoreError) -> u8 {
    match error {
        StoreError::File { action: "read", .. } => exit::BAD_INPUT,
        StoreError::File { .. } | StoreError::Locked(_) => exit::INFRASTRUCTURE,
        StoreError::Broken { .. } | StoreError::OtherSweep { .. } | StoreError::Empty(_) => {
            exit::BAD_INPUT
        }
    }
}

/// The worst of several exit codes: what fails is said before what could not be found out.
fn worst(codes: impl IntoIterator<Item = u8>) -> u8 {
    const ORDER: [u8; 5] =
        [exit::FAIL, exit::INFRASTRUCTURE, exit::INTERRUPTED, exit::NOTHING_SELECTED, exit::PASS];
    let rank = |code: u8| ORDER.iter().position(|known| *known == code);
    codes.into_iter().min_by_key(|code| rank(*code)).unwrap_or(exit::PASS)
}
