//! The files QEMU writes into, and marks in them.
//!
//! Files and not pipes: an undrained pipe blocks the whole guest, and a file's growth while the
//! guest is stopped is exactly what one boot wrote.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::error::Error;

/// The files of one emulator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputFiles {
    /// Standard output: what the guest writes to `:tt` by semihosting, defmt frames among it.
    pub stdout: PathBuf,
    /// The semihosting console (`SYS_WRITE0`, `SYS_WRITEC`). A file of its own, because QEMU mixes
    /// warnings into standard error, now and then in the middle of a line of the guest.
    pub console: PathBuf,
    /// Standard error: QEMU's own words.
    pub stderr: PathBuf,
    /// QEMU's log: exceptions, guest errors, accesses to devices that are not modelled.
    pub log: PathBuf,
}

/// How long each file was at one moment, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Mark {
    /// Length of [`OutputFiles::stdout`].
    pub stdout_bytes: u64,
    /// Length of [`OutputFiles::console`].
    pub console_bytes: u64,
    /// Length of [`OutputFiles::stderr`].
    pub stderr_bytes: u64,
    /// Length of [`OutputFiles::log`].
    pub log_bytes: u64,
}

impl OutputFiles {
    /// The files of an emulator whose output goes to a folder.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        Self {
            stdout: folder.join("qemu.stdout"),
            console: folder.join("qemu.console"),
            stderr: folder.join("qemu.stderr"),
            log: folder.join("qemu.log"),
        }
    }

    /// How long the files are now; a file that does not exist yet is empty.
    ///
    /// # Errors
    /// When a file cannot be looked at.
    pub fn mark(&self) -> Result<Mark, Error> {
        Ok(Mark {
            stdout_bytes: length(&self.stdout)?,
            console_bytes: length(&self.console)?,
            stderr_bytes: length(&self.stderr)?,
            log_bytes: length(&self.log)?,
        })
    }
}

/// What a file holds from an offset on, at most `limit_bytes` of it.
///
/// # Errors
/// When the file cannot be read.
pub fn read_from(path: &Path, offset: u64, limit_bytes: u64) -> Result<Vec<u8>, Error> {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(offset))?;
        let mut bytes = Vec::new();
        file.take(limit_bytes).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    read().map_err(|source| Error::system(format!("read {}", path.display()), source))
}

fn length(path: &Path) -> Result<u64, Error> {
    match std::fs::metadata(path) {
        Ok(metadata) => Ok(metadata.len()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(0),
        Err(source) => Err(Error::system(format!("look at {}", path.display()), source)),
    }
}
