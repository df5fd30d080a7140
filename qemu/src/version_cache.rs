//! Remembers which version each QEMU program is, so that a run of many test processes asks once.
//!
//! A program is known by path, size and time of change. The file is only a shortcut: when it is
//! missing, unreadable or of another shape the program is asked again, and failing to write it is
//! no error.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

use crate::discover::Version;

/// Programs remembered at most; the oldest entries go first.
const ENTRY_LIMIT: usize = 32;

/// The file as it lies in the tool cache.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Remembered {
    programs: Vec<Entry>,
}

/// One program and its answer.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    path: PathBuf,
    size_bytes: u64,
    modified_ns: u128,
    major: u32,
    minor: u32,
    patch: u32,
}

/// The version of a program, from memory or by `ask`, whose answer is remembered in `folder`.
pub(crate) fn version<E>(
    folder: Option<&Path>,
    program: &Path,
    ask: impl FnOnce() -> Result<Version, E>,
) -> Result<Version, E> {
    let Some((file, identity)) = folder
        .map(|folder| folder.join("qemu-versions.json"))
        .and_then(|file| Some((file, identity(program)?)))
    else {
        return ask();
    };
    let mut remembered = read(&file);
    let known = remembered.programs.iter().find(|entry| same_program(entry, &identity));
    if let Some(entry) = known {
        return Ok(Version { major: entry.major, minor: entry.minor, patch: entry.patch });
    }
    let answer = ask()?;
    let Version { major, minor, patch } = answer;
    remembered.programs.retain(|entry| entry.path != identity.path);
    remembered.programs.push(Entry { major, minor, patch, ..identity });
    let surplus = remembered.programs.len().saturating_sub(ENTRY_LIMIT);
    remembered.programs.drain(..surplus);
    // Without the file the next process asks again, which is slower and not wrong.
    let _ = write(&file, &remembered);
    Ok(answer)
}

fn identity(program: &Path) -> Option<Entry> {
    let metadata = fs::metadata(program).ok()?;
    let modified = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(Entry {
        path: program.to_path_buf(),
        size_bytes: metadata.len(),
        modified_ns: modified.as_nanos(),
        major: 0,
        minor: 0,
        patch: 0,
    })
}

fn same_program(left: &Entry, right: &Entry) -> bool {
    left.path == right.path
        && left.size_bytes == right.size_bytes
        && left.modified_ns == right.modified_ns
}

fn read(file: &Path) -> Remembered {
    fs::read(file).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
}

/// Replaces the file in one step, because other test processes read it at the same time.
fn write(file: &Path, remembered: &Remembered) -> std::io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut fresh = tempfile::NamedTempFile::new_in(folder)?;
    fresh.write_all(&serde_json::to_vec_pretty(remembered)?)?;
    fresh.persist(file)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: Version = Version { major: 7, minor: 2, patch: 22 };
    const NEW: Version = Version { major: 10, minor: 0, patch: 2 };

    /// Asks for the version of a program that would answer `answer`.
    fn check(folder: &Path, program: &Path, answer: Version, expected: Version) {
        let found = version::<()>(Some(folder), program, || Ok(answer));
        assert_eq!(found, Ok(expected));
    }

    #[test]
    fn a_program_is_asked_once_until_it_changes() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("program");
        fs::write(&program, "one").unwrap();
        check(folder.path(), &program, OLD, OLD);
        check(folder.path(), &program, NEW, OLD);
        fs::write(&program, "longer").unwrap();
        check(folder.path(), &program, NEW, NEW);
    }

    #[test]
    fn a_damaged_memory_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("program");
        fs::write(&program, "one").unwrap();
        fs::write(folder.path().join("qemu-versions.json"), "{\"unknown\": 1}").unwrap();
        check(folder.path(), &program, NEW, NEW);
        check(folder.path(), &program, OLD, NEW);
    }

    #[test]
    fn an_error_is_not_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("program");
        fs::write(&program, "one").unwrap();
        assert_eq!(version(Some(folder.path()), &program, || Err("no")), Err("no"));
        check(folder.path(), &program, NEW, NEW);
    }
}
