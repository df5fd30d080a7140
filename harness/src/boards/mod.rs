//! The boards of this machine's bench: which there are, who holds each, and which are sound.
//!
//! A *board* here is one device on a bench; what kind of device it is stands in
//! `firmware/boards/<port>.toml`. The list is a file of the machine, `boards.toml`, never in git:
//! its template is `boards.example.toml`. Nothing here talks to a device.

mod check;
pub mod hold;
pub mod holder;
pub mod labgrid;
pub mod lock;
mod raw;
pub mod selector;
pub mod template;

pub use self::selector::ProbeSelector;

use self::raw::RawBench;
use crate::scenario::problems::Problems;
use crashrig_layout::parse::Board;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The file's name, at the root of the workspace.
pub const FILE: &str = "boards.toml";
/// The template that is in git.
pub const EXAMPLE_FILE: &str = "boards.example.toml";
/// Names another file.
pub const FILE_VARIABLE: &str = "CRASHRIG_BOARDS";
/// In place of a board's name: any that fits.
pub const AUTO: &str = "auto";

/// The boards of a bench, as their file has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bench {
    /// The file, whether or not it is there.
    pub path: PathBuf,
    /// Whether it is there. Without it a bench has no boards.
    pub is_there: bool,
    /// In the order of the file.
    pub boards: Vec<BenchBoard>,
}

/// One device on a bench.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BenchBoard {
    /// Its name on this bench.
    pub name: String,
    /// Name of its file in `firmware/boards`.
    pub port: String,
    /// Its probe.
    pub probe: ProbeSelector,
    /// Clock of the debug port in kilohertz, 10 to 50,000; without one the probe's own choice.
    pub speed_khz: Option<u32>,
    /// Whether to attach while the reset pin is held, from the first try on.
    pub connect_under_reset: bool,
    /// How its power is switched, if that can be done.
    pub power: Option<Power>,
    /// The machine that its probe hangs on; without one, this one.
    pub remote: Option<Remote>,
    /// What is wired to it.
    pub fixtures: Vec<String>,
    /// Why it is not to be used, if so.
    pub disabled: Option<String>,
}

/// How the power of a board is switched. A command is a program and its arguments; no shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Power {
    /// Takes it away.
    pub off: Vec<String>,
    /// Gives it back.
    pub on: Vec<String>,
    /// How long it stays off, so that the supply has fallen.
    pub off_time: Duration,
    /// How long the board and its probe take until they answer.
    pub settle_time: Duration,
}

/// The machine of a board.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    /// Its name, as `ssh` takes it.
    pub host: String,
    /// The place of labgrid that has the board, if one does.
    pub place: Option<String>,
}

impl Remote {
    /// Whether that is the machine that this process runs on, by the name it has itself.
    #[must_use]
    pub fn is_here(&self) -> bool {
        let this = rustix::system::uname();
        is_name_of(&self.host, &this.nodename().to_string_lossy())
    }
}

/// Whether a host, as `ssh` takes it, is the machine of a name: with its domain or without.
fn is_name_of(host: &str, this: &str) -> bool {
    let (_, host) = host.rsplit_once('@').unwrap_or(("", host));
    let short = |name: &str| name.split_once('.').map_or(name.to_owned(), |(it, _)| it.to_owned());
    let is_short = !host.contains('.') || !this.contains('.');
    ["localhost", "127.0.0.1", "::1", this].contains(&host)
        || (is_short && short(host) == short(this))
}

/// Why a file is no list of boards.
#[derive(Debug, thiserror::Error)]
pub enum BenchFileError {
    /// It cannot be read.
    #[error("read boards in {path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// It is not TOML, or has keys or types that it must not have.
    #[error("parse boards in {path}: {message}")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// What the parser says, with line and column.
        message: String,
    },
    /// It says things that do not fit together.
    #[error("accept boards in {path}:\n  {}", .problems.join("\n  "))]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Everything that is wrong: key, what was found, what is expected.
        problems: Vec<String>,
    },
}

/// Where the list of a workspace's bench is.
#[must_use]
pub fn place(workspace: &Path) -> PathBuf {
    std::env::var_os(FILE_VARIABLE).map_or_else(|| workspace.join(FILE), PathBuf::from)
}

impl Bench {
    /// The bench whose list is a file; one without boards if there is no such file.
    ///
    /// # Errors
    /// See [`BenchFileError`]; all problems of the contents are reported at once.
    pub fn load(path: &Path, ports: &[Board]) -> Result<Self, BenchFileError> {
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(path, &text, ports),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Ok(Self { path: path.to_owned(), is_there: false, boards: Vec::new() })
            }
            Err(source) => Err(BenchFileError::Unreadable { path: path.to_owned(), source }),
        }
    }

    /// The bench of a text.
    ///
    /// # Errors
    /// See [`BenchFileError`].
    pub fn parse(path: &Path, text: &str, ports: &[Board]) -> Result<Self, BenchFileError> {
        let raw: RawBench = toml::from_str(text).map_err(|error| BenchFileError::Syntax {
            path: path.to_owned(),
            message: error.to_string().trim_end().to_owned(),
        })?;
        let mut problems = Problems::default();
        let boards = check::check(&raw, ports, &mut problems);
        if !problems.0.is_empty() {
            return Err(BenchFileError::Invalid { path: path.to_owned(), problems: problems.0 });
        }
        Ok(Self { path: path.to_owned(), is_there: true, boards })
    }

    /// A board by its name.
    #[must_use]
    pub fn board(&self, name: &str) -> Option<&BenchBoard> {
        self.boards.iter().find(|board| board.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_this_machine_by_its_own_name_only() {
        for (host, this, expected) in [
            ("bench-1", "bench-1", true),
            ("tester@bench-1", "bench-1", true),
            ("bench-1.example.org", "bench-1", true),
            ("bench-1", "bench-1.example.org", true),
            ("bench-1.example.org", "bench-1.example.com", false),
            ("bench-2", "bench-1", false),
            ("127.0.0.1", "bench-1", true),
            ("tester@localhost", "bench-1", true),
            ("127.0.0.2", "bench-1", false),
        ] {
            assert_eq!(is_name_of(host, this), expected, "{host} on {this}");
        }
    }
}
