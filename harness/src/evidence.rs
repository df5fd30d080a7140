//! Evidence: raw bytes of one run in a folder, which can be judged again, offline. Interprets
//! nothing.
//!
//! A bundle holds `evidence.json` (this module's types), the scenario's own text, the image (a hard
//! link where the file system allows) and per boot the memory and streams. `evidence.json` is
//! written last and at once, so a bundle without it is one of a run that did not end.

use crate::entry::EntryReading;
use crate::target::probe::ladder::Recovery;
use crate::target::{Boundary, BusWrite};
use serde::{Deserialize, Serialize};
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Version of the bundle format.
pub const SCHEMA: u32 = 1;
/// The file that makes a folder a bundle.
pub const EVIDENCE_FILE: &str = "evidence.json";
/// The scenario's text in a bundle.
pub const SCENARIO_FILE: &str = "scenario.toml";
/// The image in a bundle.
pub const IMAGE_FILE: &str = "image.elf";

/// The bootloader's image, beside the image, where the board has one.
pub const BOOTLOADER_FILE: &str = "bootloader.elf";

/// Bundle trouble: the files are not what a run leaves.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// A file cannot be read or written.
    #[error("{action} {path}: {source}")]
    File {
        /// `read` or `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// `evidence.json` is not one.
    #[error("parse {path}: {message}")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// What the parser says.
        message: String,
    },
    /// Written by another version.
    #[error("read {path}: found schema {found}, expected {SCHEMA}")]
    Schema {
        /// The file.
        path: PathBuf,
        /// The version it says.
        found: u32,
    },
    /// A file of the bundle has not the length that `evidence.json` gives.
    #[error("read {path}: found {found} bytes, expected {expected}")]
    Length {
        /// The file.
        path: PathBuf,
        /// Its length.
        found: u64,
        /// The length that `evidence.json` gives.
        expected: u64,
    },
}

/// Everything one run left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// Version of this format.
    pub schema: u32,
    /// Name of the test: `<target>::<board>::<family>::<scenario>`.
    pub test: String,
    /// `<family>::<scenario>`.
    pub scenario: String,
    /// Name of the target.
    pub target: String,
    /// Version of what stands behind the target.
    pub target_version: String,
    /// Name of the board.
    pub board: String,
    /// How the device was started.
    pub command_line: Vec<String>,
    /// The number from which everything random of this run came.
    pub seed: u64,
    /// The run, as the device was told.
    pub run_id: u32,
    /// First address of the crash region.
    pub crash_start: u32,
    /// Whether the target keeps a record of exceptions of its own, which every crash must agree
    /// with.
    pub has_witness: bool,
    /// Why the bench failed, if it did.
    pub bench_problem: Option<String>,
    /// What has helped a board that was in trouble at first.
    #[serde(default)]
    pub recovery: Option<Recovery>,
    /// The boots, in order.
    pub boots: Vec<BootEvidence>,
    /// Time on the wall from the start of the target to the last boundary.
    pub wall_ms: u64,
}

/// One boot. Byte fields stand in files of their own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BootEvidence {
    /// The boot of the scenario this one was to be, from 1. A boot that is repeated keeps it.
    pub planned: u32,
    /// Where it ended.
    pub boundary: Boundary,
    /// Instructions it executed, where the target counts them.
    pub instructions: Option<u64>,
    /// What the host read where a capture began, if it stopped there.
    #[serde(default)]
    pub entry: Option<EntryReading>,
    /// What the device answered to a script, if there was one.
    #[serde(default)]
    pub answers: Blob,
    /// The crash region before the first instruction.
    pub region_before: Blob,
    /// The crash region at the boundary; empty if RAM was gone.
    pub region_after: Blob,
    /// The end marker's bytes at the boundary; empty if RAM was gone.
    pub marker: Blob,
    /// The registers on a battery at the boundary, where the host supplies them.
    #[serde(default)]
    pub backup_registers: Blob,
    /// The history of records at the boundary, likewise.
    #[serde(default)]
    pub history: Blob,
    /// What bus masters that the host supplies wrote in this boot.
    #[serde(default)]
    pub bus_writes: Vec<BusWrite>,
    /// The word that was watched for stores of the core, if one was.
    #[serde(default)]
    pub watched: Option<Watched>,
    /// RAM at the boundary.
    pub ram: Vec<RamEvidence>,
    /// RAM directly before the fault, if the scenario measures.
    pub ram_before_fault: Vec<RamEvidence>,
    /// Log frames of this boot.
    pub frames: Blob,
    /// Console of this boot.
    pub console: Blob,
    /// The emulator's own messages of this boot.
    pub messages: Blob,
    /// The emulator's own record of this boot.
    pub witness: Blob,
}

/// A word that was watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Watched {
    /// Its address.
    pub address: u32,
    /// The number of the last instruction since power-on that wrote to it; 0 if none did.
    pub last_store: u64,
}

/// A range of RAM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RamEvidence {
    /// First address.
    pub start: u32,
    /// Its bytes.
    pub bytes: Blob,
}

/// Bytes that stand in a file of the bundle. In memory they are here; in JSON only name and length.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Blob {
    /// Name of the file in the bundle; empty for no bytes.
    file: String,
    /// Length in bytes.
    length: u64,
    /// The bytes.
    #[serde(skip)]
    bytes: Vec<u8>,
}

impl Blob {
    /// Bytes that will stand in a file.
    #[must_use]
    pub fn new(file: impl Into<String>, bytes: Vec<u8>) -> Self {
        let file = if bytes.is_empty() { String::new() } else { file.into() };
        Self { file, length: bytes.len() as u64, bytes }
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn write(&self, folder: &Path) -> Result<(), BundleError> {
        if self.file.is_empty() {
            return Ok(());
        }
        write_file(&folder.join(&self.file), &self.bytes)
    }

    fn load(&mut self, folder: &Path) -> Result<(), BundleError> {
        // Only a plain name: a bundle from elsewhere must not make us read what is not in it.
        let name = Path::new(&self.file).file_name();
        let Some(name) = name.filter(|_| !self.file.is_empty()) else { return Ok(()) };
        let path = folder.join(name);
        self.bytes = read_file(&path)?;
        let found = self.bytes.len() as u64;
        if found != self.length {
            return Err(BundleError::Length { path, found, expected: self.length });
        }
        Ok(())
    }
}

impl BootEvidence {
    fn blobs(&mut self) -> impl Iterator<Item = &mut Blob> {
        [
            &mut self.answers,
            &mut self.region_before,
            &mut self.region_after,
            &mut self.marker,
            &mut self.backup_registers,
            &mut self.history,
            &mut self.frames,
            &mut self.console,
            &mut self.messages,
            &mut self.witness,
        ]
        .into_iter()
        .chain(self.ram.iter_mut().map(|ram| &mut ram.bytes))
        .chain(self.ram_before_fault.iter_mut().map(|ram| &mut ram.bytes))
    }
}

/// Writes a bundle. `evidence.json` comes last, and by rename.
///
/// # Errors
/// A file cannot be written.
pub fn write(folder: &Path, evidence: &Evidence, scenario_text: &str) -> Result<(), BundleError> {
    write_file(&folder.join(SCENARIO_FILE), scenario_text.as_bytes())?;
    let mut copy = evidence.clone();
    for boot in &mut copy.boots {
        for blob in boot.blobs() {
            blob.write(folder)?;
        }
    }
    let path = folder.join(EVIDENCE_FILE);
    let json = serde_json::to_vec_pretty(evidence)
        .map_err(|error| BundleError::Syntax { path: path.clone(), message: error.to_string() })?;
    let unfinished = path.with_extension("unfinished");
    write_file(&unfinished, &json)?;
    std::fs::rename(&unfinished, &path).map_err(|source| BundleError::File {
        action: "write",
        path,
        source,
    })
}

/// Puts the image, and the bootloader beside it, into a bundle that has none: hard links, or copies
/// where those cannot be.
///
/// # Errors
/// The image can neither be linked nor copied, or the bundle has one already. Copying over what may
/// be a link to the very same file would empty it.
pub fn link_image(folder: &Path, image: &Path) -> Result<(), BundleError> {
    link(image, folder.join(IMAGE_FILE))?;
    let bootloader = image.with_file_name(BOOTLOADER_FILE);
    if bootloader.is_file() { link(&bootloader, folder.join(BOOTLOADER_FILE)) } else { Ok(()) }
}

fn link(image: &Path, path: PathBuf) -> Result<(), BundleError> {
    let copied = match std::fs::hard_link(image, &path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            std::fs::copy(image, &path).map(|_| ())
        }
        linked => linked,
    };
    copied.map_err(|source| BundleError::File { action: "write", path, source })
}

/// Reads a bundle with all its bytes.
///
/// # Errors
/// See [`BundleError`].
pub fn read(folder: &Path) -> Result<Evidence, BundleError> {
    let path = folder.join(EVIDENCE_FILE);
    let text = read_file(&path)?;
    let syntax = |error: serde_json::Error| BundleError::Syntax {
        path: path.clone(),
        message: error.to_string(),
    };
    let value: serde_json::Value = serde_json::from_slice(&text).map_err(syntax)?;
    let found = value.get("schema").and_then(serde_json::Value::as_u64).unwrap_or(0);
    if found != u64::from(SCHEMA) {
        return Err(BundleError::Schema { path, found: u32::try_from(found).unwrap_or(u32::MAX) });
    }
    let mut evidence: Evidence = serde_json::from_value(value).map_err(syntax)?;
    for boot in &mut evidence.boots {
        for blob in boot.blobs() {
            blob.load(folder)?;
        }
    }
    Ok(evidence)
}

/// No file that is read here is longer: an image with all of its debug information is not.
const LONGEST_FILE_BYTES: u64 = 1 << 28;

/// Reads a file of a bundle, or one that was handed in.
///
/// # Errors
/// The file cannot be read, is no ordinary file, or is longer than any input of ours.
pub fn read_file(path: &Path) -> Result<Vec<u8>, BundleError> {
    read_limited(path).map_err(|source| BundleError::File {
        action: "read",
        path: path.to_owned(),
        source,
    })
}

fn read_limited(path: &Path) -> std::io::Result<Vec<u8>> {
    let metadata = std::fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(std::io::Error::other("found a folder or device, expected an ordinary file"));
    }
    let mut bytes = Vec::new();
    // What a file says of its length need not be true.
    std::fs::File::open(path)?.take(LONGEST_FILE_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LONGEST_FILE_BYTES {
        let text = format!("found more than {LONGEST_FILE_BYTES} bytes, the most that is read");
        return Err(std::io::Error::other(text));
    }
    Ok(bytes)
}

fn write_file(path: &Path, bytes: &[u8]) -> Result<(), BundleError> {
    std::fs::write(path, bytes).map_err(|source| BundleError::File {
        action: "write",
        path: path.to_owned(),
        source,
    })
}
