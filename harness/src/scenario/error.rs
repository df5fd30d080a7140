//! Why a file is no scenario, and the name that it would have.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// Why a scenario file was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// The file cannot be read.
    #[error("read scenario {path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The file is not TOML, or has keys or types that no scenario has.
    #[error("parse scenario {path}: {message}")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// What the parser says, with line and column.
        message: String,
    },
    /// The file says things that do not fit together.
    #[error("accept scenario {path}:{}", list(.problems))]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Everything that is wrong: key, what was found, what is expected.
        problems: Vec<String>,
    },
}

impl ScenarioError {
    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::Unreadable { path, .. } | Self::Syntax { path, .. } => path,
            Self::Invalid { path, .. } => path,
        }
    }
}

/// The name that the scenario in a file has: `<family>::<scenario>`.
#[must_use]
pub fn scenario_name(path: &Path) -> String {
    format!("{}::{}", family(path), part(path.file_stem()))
}

pub(super) fn family(path: &Path) -> String {
    part(path.parent().and_then(Path::file_name))
}

fn part(part: Option<&OsStr>) -> String {
    part.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn list(problems: &[String]) -> String {
    problems.iter().map(|problem| format!("\n  {problem}")).collect()
}
