//! Appends results to the file of a shard, and knows what was there before.

use super::line::{Header, Line, VERSION};
use super::read::scan;
use super::{StoreError, shard_files};
use crate::sweep::fault::Scope;
use crate::sweep::outcome::Outcome;
use crate::sweep::result::InjectionResult;
use crate::sweep::shard::Shard;
use crate::sweep::work::Identity;
use std::collections::{HashMap, HashSet};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// Which injections are over.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Done {
    points: HashSet<(Scope, u64)>,
    ends: HashMap<Scope, u64>,
}

impl Done {
    /// Takes note of a result; says whether it is a new one. One of a bench that failed is none:
    /// its point is run again.
    pub fn note(&mut self, result: &InjectionResult) -> bool {
        let (scope, point) = (result.scope, result.point.0);
        match result.outcome {
            Outcome::HarnessError => return false,
            Outcome::NotActivated => {
                self.ends.entry(scope).and_modify(|end| *end = point.min(*end)).or_insert(point);
            }
            _ => {}
        }
        self.points.insert((scope, point))
    }

    /// Whether an injection is over.
    #[must_use]
    pub fn has(&self, scope: Scope, point: u64) -> bool {
        self.points.contains(&(scope, point))
    }

    /// The first point known not to be activated, which ends an open sweep's scope.
    #[must_use]
    pub fn end(&self, scope: Scope) -> Option<u64> {
        self.ends.get(&scope).copied()
    }

    /// How many injections of a shard are over.
    #[must_use]
    pub fn count_in(&self, shard: Shard) -> u64 {
        let count = self.points.iter().filter(|(_, point)| shard.has(*point)).count();
        u64::try_from(count).unwrap_or(u64::MAX)
    }
}

/// The file of a shard, locked.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    file: File,
    is_synchronised: bool,
}

impl Store {
    /// Opens the file of a shard in the folder of its sweep, both made if need be, and cuts off
    /// what a kill left. What is done in any shard of the folder is done.
    ///
    /// # Errors
    /// See [`StoreError`]: no access, another sweep's folder, a broken file, a shard that another
    /// process runs.
    pub fn open(folder: &Path, sweep: &Identity, shard: Shard) -> Result<(Self, Done), StoreError> {
        std::fs::create_dir_all(folder).map_err(StoreError::file("create", folder))?;
        let path = folder.join(format!("shard-{}.jsonl", shard.stem()));
        // Before the file is made: nothing is added to the folder of another sweep.
        let mut done = Done::default();
        for other in shard_files(folder)?.iter().filter(|other| **other != path) {
            read_done(other, sweep, &mut done)?;
        }
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(&path)
            .map_err(StoreError::file("open", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StoreError::Locked(path)),
            Err(TryLockError::Error(source)) => {
                return Err(StoreError::File { action: "lock", path, source });
            }
        }
        let mut store = Self { path, file, is_synchronised: true };
        let header = Header { version: VERSION, sweep: sweep.clone(), shard };
        match read_done(&store.path, sweep, &mut done)? {
            Some(length_bytes) => store.cut(length_bytes)?,
            None => store.begin(header, folder)?,
        }
        Ok((store, done))
    }

    /// Where results are kept.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends lines, in one write.
    ///
    /// # Errors
    /// The system says no. What was written of a line is cut off when the file is opened next.
    pub fn append(&mut self, lines: &[Line]) -> Result<(), StoreError> {
        let text = text_of(lines, &self.path)?;
        self.is_synchronised = self.is_synchronised && text.is_empty();
        self.file.write_all(&text).map_err(StoreError::file("append to", &self.path))
    }

    /// Waits until the disk has everything.
    ///
    /// # Errors
    /// The system says no.
    pub fn synchronise(&mut self) -> Result<(), StoreError> {
        if !self.is_synchronised {
            self.file.sync_data().map_err(StoreError::file("synchronise", &self.path))?;
            self.is_synchronised = true;
        }
        Ok(())
    }

    fn cut(&mut self, length_bytes: u64) -> Result<(), StoreError> {
        let length = self.file.metadata().map_err(StoreError::file("look at", &self.path))?.len();
        if length > length_bytes {
            self.file.set_len(length_bytes).map_err(StoreError::file("cut", &self.path))?;
            self.is_synchronised = false;
        }
        self.synchronise()
    }

    /// Writes the header of a file that has none.
    fn begin(&mut self, header: Header, folder: &Path) -> Result<(), StoreError> {
        let text = text_of(&[Line::Header(header)], &self.path)?;
        let mut found = Vec::new();
        self.file.read_to_end(&mut found).map_err(StoreError::file("read", &self.path))?;
        // A header is cut off like every line, but only if it is one: this may be any file.
        if !text.starts_with(&found) {
            return Err(StoreError::Broken {
                path: self.path.clone(),
                line: 1,
                problem: "found no header of this sweep".to_owned(),
            });
        }
        self.file.set_len(0).map_err(StoreError::file("cut", &self.path))?;
        self.file.write_all(&text).map_err(StoreError::file("append to", &self.path))?;
        self.is_synchronised = false;
        self.synchronise()?;
        // The name of a new file is kept by its folder.
        let folder_file = File::open(folder).map_err(StoreError::file("open", folder))?;
        folder_file.sync_all().map_err(StoreError::file("synchronise", folder))
    }
}

fn text_of(lines: &[Line], path: &Path) -> Result<Vec<u8>, StoreError> {
    let mut text = Vec::new();
    for line in lines {
        serde_json::to_writer(&mut text, line)
            .map_err(|error| StoreError::file("append to", path)(error.into()))?;
        text.push(b'\n');
    }
    Ok(text)
}

/// Takes note of what is done in a file; the length of its whole lines, `None` without a header.
fn read_done(path: &Path, sweep: &Identity, done: &mut Done) -> Result<Option<u64>, StoreError> {
    let check = |header: &Header| match header.sweep.id == sweep.id {
        true => Ok(()),
        false => Err(StoreError::OtherSweep {
            folder: path.parent().unwrap_or(path).to_owned(),
            found: header.sweep.id.clone(),
            expected: sweep.id.clone(),
        }),
    };
    let sound = scan(path, |_, header, line| {
        check(header)?;
        if let Line::Result(result) = line {
            done.note(&result);
        }
        Ok::<(), StoreError>(())
    })?;
    sound.header.iter().try_for_each(check)?;
    Ok(sound.header.map(|_| sound.length_bytes))
}
