//! Finds the QEMU to use and asks for its version.
//!
//! In this order: the program named by `CRASHRIG_QEMU`, the one in the tool cache, the one on
//! `PATH`. The first that exists is taken; an unusable one is an error and never skipped, because a
//! silent fall back would run the tests on another version than the user thinks.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::{answers, tools};

/// The variable that names the program to use.
pub const OVERRIDE_VARIABLE: &str = "CRASHRIG_QEMU";

/// The name of the program on `PATH`.
pub const PROGRAM_NAME: &str = "qemu-system-arm";

/// The oldest version everything here was measured with.
pub const OLDEST_VERSION: Version = Version { major: 7, minor: 2, patch: 0 };

/// Where versions are remembered, in the tool cache.
const ANSWERS_FILE: &str = "qemu-versions.json";

/// A version of QEMU; ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Version {
    /// 7 in 7.2.22.
    pub major: u32,
    /// 2 in 7.2.22.
    pub minor: u32,
    /// 22 in 7.2.22.
    pub patch: u32,
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// A QEMU that can be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// The program file.
    pub path: PathBuf,
    /// Its version, at least [`OLDEST_VERSION`].
    pub version: Version,
    /// Where its data files are, when they are not where it was built to look (`-L`).
    pub share: Option<PathBuf>,
    /// Where its modules are, when they are not where it was built to look (`QEMU_MODULE_DIR`).
    /// Without this an unpacked QEMU 10 loads the modules of an installed 7.2 and dies.
    pub modules: Option<PathBuf>,
}

/// The QEMU to use.
///
/// # Errors
/// [`Error::NoEmulator`], [`Error::TooOld`] or [`Error::NotQemu`], each naming what to run.
pub fn find() -> Result<Program, Error> {
    at(&first(places())?)
}

/// The first of the places where something is.
fn first(places: [(String, Option<PathBuf>); 3]) -> Result<PathBuf, Error> {
    let mut looked_at = Vec::new();
    for (place, path) in places {
        match path {
            Some(path) => return Ok(path),
            None => looked_at.push(place),
        }
    }
    Err(Error::NoEmulator { looked_at: looked_at.join(", ") })
}

/// Every usable QEMU of this machine, each version once, the one that [`find`] takes first.
#[must_use]
pub fn find_all() -> Vec<Program> {
    let mut programs: Vec<Program> = Vec::new();
    for program in places().into_iter().filter_map(|(_, path)| at(&path?).ok()) {
        if programs.iter().all(|known| known.version != program.version) {
            programs.push(program);
        }
    }
    programs
}

/// The QEMU at a path.
///
/// # Errors
/// [`Error::NotQemu`] when it does not answer like QEMU, [`Error::TooOld`] when it is too old.
pub fn at(path: &Path) -> Result<Program, Error> {
    at_remembering(path, tools::cache_folder().as_deref())
}

/// [`at`], with the folder in which answers are remembered.
fn at_remembering(path: &Path, folder: Option<&Path>) -> Result<Program, Error> {
    let root = tools::unpacked_root(path);
    let share = root.as_ref().map(|root| root.join(tools::SHARE_BELOW_ROOT));
    let modules = root.as_ref().and_then(|root| tools::modules_folder(root));
    let version =
        answers::answer(folder, ANSWERS_FILE, path, || ask_version(path, modules.as_deref()))?;
    if version < OLDEST_VERSION {
        return Err(Error::TooOld {
            program: path.to_path_buf(),
            found: version.to_string(),
            expected: OLDEST_VERSION.to_string(),
        });
    }
    Ok(Program { path: path.to_path_buf(), version, share, modules })
}

/// The places with their description and the program there, if there is one. The override counts as
/// there even if the file is missing, so that a typing error is reported.
fn places() -> [(String, Option<PathBuf>); 3] {
    let named = std::env::var_os(OVERRIDE_VARIABLE).filter(|value| !value.is_empty());
    let cached = tools::cache_folder().map(|folder| tools::qemu_program(&folder));
    let cached_place =
        cached.as_ref().map_or("no tool cache".to_owned(), |path| path.display().to_string());
    let search = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&search)
        .map(|folder| folder.join(PROGRAM_NAME))
        .find(|path| path.is_file());
    [
        (format!("${OVERRIDE_VARIABLE}"), named.map(PathBuf::from)),
        (cached_place, cached.filter(|path| path.is_file())),
        (format!("{PROGRAM_NAME} on PATH"), on_path),
    ]
}

/// Runs `--version`, which takes about 12 ms.
fn ask_version(path: &Path, modules: Option<&Path>) -> Result<Version, Error> {
    let not_qemu = |found: String| Error::NotQemu { program: path.to_path_buf(), found };
    let mut command = Command::new(path);
    command.arg("--version").stdin(Stdio::null());
    if let Some(modules) = modules {
        command.env(crate::command::MODULE_VARIABLE, modules);
    }
    let output = command.output().map_err(|source| not_qemu(source.to_string()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let first_line = text.lines().next().unwrap_or_default();
    parse_version(first_line).ok_or_else(|| not_qemu(first_line.to_owned()))
}

/// Reads `QEMU emulator version 7.2.22 (Debian ...)`.
fn parse_version(line: &str) -> Option<Version> {
    let numbers = line.strip_prefix("QEMU emulator version ")?.split(' ').next()?;
    let mut parts = numbers.split('.').map(|part| part.parse().ok());
    Some(Version { major: parts.next()??, minor: parts.next()??, patch: parts.next()?? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: Option<(u32, u32, u32)>) {
        let expected = expected.map(|(major, minor, patch)| Version { major, minor, patch });
        assert_eq!(parse_version(line), expected, "{line:?}");
    }

    #[test]
    fn versions_are_read_as_each_distribution_prints_them() {
        check("QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18+b3)", Some((7, 2, 22)));
        check("QEMU emulator version 10.0.2 (Debian 1:10.0.2+ds-2~bpo12+1)", Some((10, 0, 2)));
        check("QEMU emulator version 9.1.0", Some((9, 1, 0)));
        check("QEMU emulator version 9.1", None);
        check("qemu-arm version 9.1.0", None);
        check("", None);
    }

    #[test]
    fn versions_are_ordered_by_number_and_not_by_text() {
        assert!(Version { major: 10, minor: 0, patch: 2 } > OLDEST_VERSION);
        assert!(Version { major: 7, minor: 1, patch: 9 } < OLDEST_VERSION);
    }

    /// A program that answers `--version` with a text.
    ///
    /// `install` writes it, not this process: another thread that starts a program at that moment
    /// would hand our open file down to its child, and the system refuses to run a file that
    /// somebody has open for writing ("Text file busy").
    fn program(folder: &Path, name: &str, answer: &str) -> PathBuf {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let text = path.with_extension("text");
        std::fs::write(&text, format!("#!/bin/sh\necho '{answer}'\n")).unwrap();
        let made = Command::new("install").arg("-m755").arg(&text).arg(&path).status().unwrap();
        assert!(made.success(), "install: {made}");
        path
    }

    fn check_refused(answer: &str, expected: &[&str]) {
        let folder = tempfile::tempdir().unwrap();
        let path = program(folder.path(), "qemu-system-arm", answer);
        let message = at_remembering(&path, None).unwrap_err().to_string();
        for part in expected {
            assert!(message.contains(part), "{part:?} in {message:?}");
        }
    }

    #[test]
    fn unusable_programs_are_refused_with_a_way_out() {
        check_refused("QEMU emulator version 7.1.0", &["7.1.0", "7.2.0", "cargo ci setup"]);
        check_refused("something else", &["expected \"QEMU emulator version", "something else"]);
        let message = at_remembering(Path::new("/no/such/qemu"), None).unwrap_err().to_string();
        assert!(message.contains("/no/such/qemu"), "{message}");
    }

    #[test]
    fn the_first_place_counts_and_none_is_an_error() {
        let there = |place: &str| (place.to_owned(), Some(PathBuf::from(place)));
        let empty = |place: &str| (place.to_owned(), None);
        let found = first([empty("one"), there("two"), there("three")]).unwrap();
        assert_eq!(found, Path::new("two"));
        let error = first([empty("one"), empty("two"), empty("three")]).unwrap_err();
        let message = error.to_string();
        assert!(message.contains("one, two, three"), "{message}");
        assert!(message.contains("cargo ci setup"), "{message}");
    }

    #[test]
    fn an_unpacked_program_brings_its_own_data_and_modules() {
        let folder = tempfile::tempdir().unwrap();
        let root = tools::qemu_root(folder.path());
        let path = program(&root, tools::PROGRAM_BELOW_ROOT, "QEMU emulator version 10.0.2");
        assert_eq!(path, tools::qemu_program(folder.path()));
        assert_eq!(at_remembering(&path, None).unwrap().share, None, "nothing lies beside it");
        let modules = root.join(tools::LIBRARIES_BELOW_ROOT).join("some-triplet/qemu");
        let share = root.join(tools::SHARE_BELOW_ROOT);
        std::fs::create_dir_all(&modules).unwrap();
        std::fs::create_dir_all(&share).unwrap();
        let found = at_remembering(&path, None).unwrap();
        assert_eq!((found.share, found.modules), (Some(share), Some(modules)));
    }

    #[test]
    fn a_system_program_is_started_as_it_is() {
        let system = Path::new("/usr/bin/qemu-system-arm");
        assert_eq!(tools::unpacked_root(system), None);
    }
}
