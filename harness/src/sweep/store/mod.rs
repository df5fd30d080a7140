//! Results on disk: a folder for each sweep, in it a file `shard-I-of-N.jsonl` for each process
//! that ran a part of it. Files only grow, by whole lines.
//!
//! * A line is handed to the system as soon as its injection is over, in one write. What is killed
//!   leaves whole lines and at most one torn one, at the end, which the next run cuts off.
//! * The file is synchronised with the disk once a second and at the end. A machine that loses its
//!   power loses a second of results at most, and they are run again.
//! * A broken line anywhere else was not made by a kill, and is an error.
//! * The file is locked while a process appends to it.
//!
//! [`merge`] puts files into a database ([`table`]), where each result stands once ([`row`]).

pub mod append;
pub mod line;
pub mod merge;
pub mod read;
pub mod row;
pub mod table;

use crate::sweep::work::SweepId;
use std::path::{Path, PathBuf};

/// Why results cannot be kept or read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The system says no.
    #[error("{action} {path}: {source}")]
    File {
        /// What was to be done.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A file that was not written by a sweep, or was changed since.
    #[error("read {path}, line {line}: {problem}")]
    Broken {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong.
        problem: String,
    },
    /// Results of another sweep are where these were to be kept.
    #[error(
        "keep results in {folder}: found those of sweep {found}, expected {expected}: the sweep's \
         file, the image, the target's version or the seed changed since; move the folder away, or \
         name another with --out"
    )]
    OtherSweep {
        /// The folder.
        folder: PathBuf,
        /// The sweep there.
        found: SweepId,
        /// The sweep that was to be kept there.
        expected: SweepId,
    },
    /// Another process appends to the same file.
    #[error("append to {0}: another process runs this shard")]
    Locked(PathBuf),
    /// There are no results where some were to be.
    #[error("find results in {0}: found no file shard-I-of-N.jsonl, expected at least one")]
    Empty(PathBuf),
}

impl StoreError {
    fn file(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::File { action, path: path.to_owned(), source }
    }
}

/// The files of results in a folder, in the order of their names. A folder that is not there has
/// none.
///
/// # Errors
/// It cannot be listed.
pub fn shard_files(folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(StoreError::file("read", folder))?,
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(StoreError::file("read", folder))?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        if name.is_some_and(|name| name.starts_with("shard-") && name.ends_with(".jsonl")) {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}
