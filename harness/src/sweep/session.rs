//! One shard of a sweep from its golden run to its report, as the command and the tests of sweeps
//! alike do it.

use super::campaign::Campaign;
use super::report::Report;
use super::schedule::{self, End, Orders, Progress, ScheduleError};
use super::store::table::{Table, TableError};
use super::work::Work;
use crate::rig::{Rig, RigError};
use std::path::{Path, PathBuf};

/// Why there is no conclusion.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The golden run.
    #[error(transparent)]
    Rig(#[from] RigError),
    /// The injections.
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    /// Their results.
    #[error(transparent)]
    Table(#[from] TableError),
}

/// How a session ended.
#[derive(Debug)]
pub enum Conclusion {
    /// The scenario fails without any fault of the sweep, so nothing was injected: its failure in
    /// words.
    NotGolden(String),
    /// All that was asked for was injected, or it was told to stop.
    Injected {
        /// Which of them.
        end: End,
        /// Where its results are.
        folder: PathBuf,
        /// What the shard came to, with the sessions before.
        report: Box<Report>,
    },
}

/// Runs the golden run, then what is left of a shard. Results go into a folder of the sweep's own,
/// below the one that is named.
///
/// # Errors
/// See [`SessionError`].
pub fn conduct(
    rig: &Rig,
    campaign: &Campaign,
    sweeps_folder: &Path,
    orders: &Orders<'_>,
    on_progress: &mut dyn FnMut(&Progress),
) -> Result<Conclusion, SessionError> {
    let sweep = campaign.identity();
    let golden = rig.execute(&campaign.test, &[], &campaign.run_folder()?, sweep.seed)?;
    if !golden.verdict.is_pass() {
        return Ok(Conclusion::NotGolden(golden.failure()));
    }
    let folder = sweeps_folder.join(campaign.folder_name());
    let end = schedule::run(campaign, &folder, orders, on_progress)?;
    let mut table = Table::in_memory()?;
    table.merge_folder(&folder)?;
    let report = Box::new(Report::of(&table, sweep, orders.shard)?);
    Ok(Conclusion::Injected { end, folder, report })
}
