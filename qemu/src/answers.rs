//! Remembers what each QEMU program said of itself, so that a run of many test processes asks once:
//! which version it is, and whether it loads plug-ins. Each question has a file of its own.
//!
//! A program is known by path, size and time of change. A file is only a shortcut: when it is
//! missing, unreadable or of another shape the program is asked again, and failing to write it is
//! no error.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Programs remembered at most; the oldest entries go first.
const ENTRY_LIMIT: usize = 32;

/// One file as it lies in the tool cache.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Remembered<T> {
    programs: Vec<Entry<T>>,
}

/// One program and its answer.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry<T> {
    path: PathBuf,
    size_bytes: u64,
    modified_ns: u128,
    answer: T,
}

/// The answer of a program to one question, from memory or by `ask`, whose answer is remembered in
/// the file of that question in `folder`.
pub(crate) fn answer<T: Clone + Serialize + DeserializeOwned, E>(
    folder: Option<&Path>,
    file: &str,
    program: &Path,
    ask: impl FnOnce() -> Result<T, E>,
) -> Result<T, E> {
    let Some((file, identity)) =
        folder.map(|folder| folder.join(file)).and_then(|file| Some((file, identity(program)?)))
    else {
        return ask();
    };
    let mut remembered: Remembered<T> = read(&file);
    let known = remembered.programs.iter().find(|entry| same_program(entry, &identity));
    if let Some(entry) = known {
        return Ok(entry.answer.clone());
    }
    let answer = ask()?;
    let Entry { path, size_bytes, modified_ns, .. } = identity;
    remembered.programs.retain(|entry| entry.path != path);
    remembered.programs.push(Entry { path, size_bytes, modified_ns, answer: answer.clone() });
    let surplus = remembered.programs.len().saturating_sub(ENTRY_LIMIT);
    remembered.programs.drain(..surplus);
    // Without the file the next process asks again, which is slower and not wrong.
    let _ = write(&file, &remembered);
    Ok(answer)
}

fn identity(program: &Path) -> Option<Entry<()>> {
    let metadata = fs::metadata(program).ok()?;
    let modified = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(Entry {
        path: program.to_path_buf(),
        size_bytes: metadata.len(),
        modified_ns: modified.as_nanos(),
        answer: (),
    })
}

fn same_program<T>(left: &Entry<T>, right: &Entry<()>) -> bool {
    left.path == right.path
        && left.size_bytes == right.size_bytes
        && left.modified_ns == right.modified_ns
}

fn read<T: DeserializeOwned>(file: &Path) -> Remembered<T> {
    let read = fs::read(file).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    read.unwrap_or(Remembered { programs: Vec::new() })
}

/// Replaces the file in one step, because other test processes read it at the same time.
fn write<T: Serialize>(file: &Path, remembered: &Remembered<T>) -> std::io::Result<()> {
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

    const FILE: &str = "answers.json";
    const OLD: u32 = 7;
    const NEW: u32 = 10;

    /// Asks a program that would say `says`.
    fn check(folder: &Path, program: &Path, says: u32, expected: u32) {
        let found = answer::<_, ()>(Some(folder), FILE, program, || Ok(says));
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
        fs::write(folder.path().join(FILE), "{\"unknown\": 1}").unwrap();
        check(folder.path(), &program, NEW, NEW);
        check(folder.path(), &program, OLD, NEW);
    }

    #[test]
    fn an_error_is_not_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("program");
        fs::write(&program, "one").unwrap();
        let found = answer::<u32, _>(Some(folder.path()), FILE, &program, || Err("no"));
        assert_eq!(found, Err("no"));
        check(folder.path(), &program, NEW, NEW);
    }
}
