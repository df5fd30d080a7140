//! One lock for each probe, across all processes of this machine: the kernel's lock of a file
//! (`flock`), which ends with the process that holds it, however that ends.
//!
//! The file is never removed: a process that had opened it could then lock a file that is no longer
//! there. Its contents say who holds the lock, and are only a message. Must never happen here: a
//! wait without a deadline.

use super::ProbeSelector;
use super::holder::Holder;
use std::fs::{File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Names another folder for the locks. All who share a bench must name the same.
pub const FOLDER_VARIABLE: &str = "CRASHRIG_LOCKS";
/// Where locks of all users are, by the Filesystem Hierarchy Standard 3.0, 5.9.
const SYSTEM_FOLDER: &str = "/run/lock";
/// How long between two tries.
const POLL: Duration = Duration::from_millis(50);
/// How long between two messages of one who waits.
const MESSAGE_EVERY: Duration = Duration::from_secs(10);
/// More than any record of a holder.
const RECORD_LIMIT_BYTES: u64 = 4096;

/// Why a board was not locked. Trouble of the bench, never of a test.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// A file or folder.
    #[error("{action} {path}: {source}")]
    File {
        /// What was to be done.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Somebody else had it until the deadline.
    #[error("lock {probe}: busy, {}; waited {waited}", words(.holder.as_deref()))]
    Busy {
        /// The probe.
        probe: ProbeSelector,
        /// Who had it at last.
        holder: Option<Box<Holder>>,
        /// How long it was waited for.
        waited: String,
    },
}

/// What the lock of a probe says, without waiting for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LockState {
    /// Nobody holds it.
    Free,
    /// Somebody does; who, if that was said.
    Held(Option<Holder>),
}

/// The locks of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Locks {
    folder: PathBuf,
}

impl Locks {
    /// Those that all users of this machine share.
    #[must_use]
    pub fn of_machine() -> Self {
        let named = std::env::var_os(FOLDER_VARIABLE).map(PathBuf::from);
        let folder = named.unwrap_or_else(|| {
            let system = Path::new(SYSTEM_FOLDER);
            let parent = if system.is_dir() { system.to_owned() } else { std::env::temp_dir() };
            parent.join("crashrig")
        });
        Self { folder }
    }

    /// Those in a folder.
    #[must_use]
    pub fn in_folder(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Who holds a probe.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn state(&self, probe: &ProbeSelector) -> Result<LockState, LockError> {
        let path = self.path(probe);
        if !path.exists() {
            return Ok(LockState::Free);
        }
        let mut file = self.open(&path)?;
        match file.try_lock() {
            Ok(()) => Ok(LockState::Free),
            Err(TryLockError::WouldBlock) => Ok(LockState::Held(read(&mut file))),
            Err(TryLockError::Error(source)) => Err(failed("lock", &path, source)),
        }
    }

    /// Locks a probe, at the latest at the end of a patience. `say` gets a message when it has to
    /// be waited for, and further ones while it is.
    ///
    /// # Errors
    /// See [`LockError`].
    pub fn acquire(
        &self,
        probe: &ProbeSelector,
        holder: &Holder,
        patience: Duration,
        say: &mut dyn FnMut(&str),
    ) -> Result<BoardLock, LockError> {
        self.make_folder()?;
        let path = self.path(probe);
        let mut file = self.open(&path)?;
        let started = Instant::now();
        let mut next_message = started;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(source)) => return Err(failed("lock", &path, source)),
            }
            let now = Instant::now();
            let waited = now.saturating_duration_since(started);
            if waited >= patience {
                let (holder, probe) = (read(&mut file).map(Box::new), probe.clone());
                let waited = super::holder::age(waited);
                return Err(LockError::Busy { probe, holder, waited });
            }
            if now >= next_message {
                let who = read(&mut file).map_or("held".to_owned(), |holder| holder.words());
                let left = super::holder::age(patience.saturating_sub(waited));
                say(&format!("waiting for {probe}, {who}; gives up in {left}"));
                next_message = now + MESSAGE_EVERY;
            }
            std::thread::sleep(POLL.min(patience.saturating_sub(waited)));
        }
        let mut lock = BoardLock { file, path };
        lock.write(&serde_json::to_vec(holder).unwrap_or_default())?;
        Ok(lock)
    }

    fn path(&self, probe: &ProbeSelector) -> PathBuf {
        self.folder.join(format!("{}.lock", probe.file_name()))
    }

    fn mark(&self, probe: &ProbeSelector) -> PathBuf {
        self.folder.join(format!("{}.broken", probe.file_name()))
    }

    /// Why a board is marked as broken, if it is: by whoever met trouble last.
    #[must_use]
    pub fn broken(&self, probe: &ProbeSelector) -> Option<String> {
        std::fs::read_to_string(self.mark(probe)).ok().map(|text| text.trim().to_owned())
    }

    /// Marks a board as broken, for all who come after; a health check takes the mark away.
    ///
    /// # Errors
    /// The mark cannot be written.
    pub fn mark_broken(&self, probe: &ProbeSelector, why: &str) -> Result<(), LockError> {
        self.make_folder()?;
        let path = self.mark(probe);
        std::fs::write(&path, why).map_err(|source| failed("write", &path, source))
    }

    /// Takes the mark away.
    ///
    /// # Errors
    /// The mark is there and stays.
    pub fn mark_sound(&self, probe: &ProbeSelector) -> Result<(), LockError> {
        let path = self.mark(probe);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result.map_err(|source| failed("remove", &path, source)),
        }
    }

    /// The folder, which every user may put files into.
    fn make_folder(&self) -> Result<(), LockError> {
        let error = |source| failed("create", &self.folder, source);
        if self.folder.is_dir() {
            return Ok(());
        }
        self.folder.parent().map_or(Ok(()), std::fs::create_dir_all).map_err(error)?;
        let everybody = Permissions::from_mode(0o1777);
        match std::fs::create_dir(&self.folder) {
            // Another process was faster.
            Err(fault) if fault.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            made => {
                made.and_then(|()| std::fs::set_permissions(&self.folder, everybody)).map_err(error)
            }
        }
    }

    /// The file of a lock. Not created where it is there: the kernel refuses that for files of
    /// others in a folder of all (`fs.protected_regular`, proc_sys_fs(5)).
    fn open(&self, path: &Path) -> Result<File, LockError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        match options.open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            result => return result.map_err(|source| failed("open", path, source)),
        }
        match options.clone().create_new(true).open(path) {
            // Another process was faster.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                options.open(path).map_err(|source| failed("open", path, source))
            }
            Ok(file) => {
                let everybody = Permissions::from_mode(0o666);
                file.set_permissions(everybody).map_err(|it| failed("create", path, it))?;
                Ok(file)
            }
            Err(source) => Err(failed("create", path, source)),
        }
    }
}

/// A probe that this process holds. Dropping it, or the end of the process, frees it.
#[derive(Debug)]
pub struct BoardLock {
    file: File,
    path: PathBuf,
}

impl BoardLock {
    fn write(&mut self, bytes: &[u8]) -> Result<(), LockError> {
        let Self { file, path } = self;
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(bytes))
            .map_err(|source| failed("write", path, source))
    }
}

impl Drop for BoardLock {
    fn drop(&mut self) {
        // Before the lock ends, so that no record of ours stands in the next one's way.
        let _ = self.write(&[]);
    }
}

fn words(holder: Option<&Holder>) -> String {
    let unknown = || "held by a process that has not said who it is".to_owned();
    holder.map_or_else(unknown, Holder::words)
}

/// Who the file says holds it. Half a record, or none, says nothing.
fn read(file: &mut File) -> Option<Holder> {
    file.rewind().ok()?;
    let mut bytes = Vec::new();
    file.take(RECORD_LIMIT_BYTES).read_to_end(&mut bytes).ok()?;
    serde_json::from_slice(&bytes).ok()
}

fn failed(action: &'static str, path: &Path, source: io::Error) -> LockError {
    LockError::File { action, path: path.to_owned(), source }
}
