//! The tool cache: where `cargo ci setup` puts a QEMU of its own, and where it is looked for.
//!
//! ```text
//! <cache>/crashrig/tools/            <cache> is $XDG_CACHE_HOME or ~/.cache
//!     qemu-10/                       the unpacked packages, as they would lie under /
//!         usr/bin/qemu-system-arm
//!         usr/share/qemu             needs `-L`
//!         usr/lib/<triplet>/qemu     needs QEMU_MODULE_DIR
//!     qemu-versions.json             answers to `--version`, so that each is asked for once
//! ```
//! The layout is stated here once; setup and discovery both use these functions.

use std::path::{Path, PathBuf};

/// Name of the folder of the unpacked QEMU in the tool cache.
pub const QEMU_FOLDER: &str = "qemu-10";

/// Path of the program below the root of a distribution or of an unpacked package.
pub const PROGRAM_BELOW_ROOT: &str = "usr/bin/qemu-system-arm";

/// Path of the data files below such a root.
pub const SHARE_BELOW_ROOT: &str = "usr/share/qemu";

/// The folder that holds one folder per machine triplet, each with the modules in `qemu`.
pub const LIBRARIES_BELOW_ROOT: &str = "usr/lib";

/// The tool cache, or `None` when neither `XDG_CACHE_HOME` nor `HOME` is an absolute path. The
/// folder need not exist.
#[must_use]
pub fn cache_folder() -> Option<PathBuf> {
    let absolute =
        |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
    Some(base.join("crashrig").join("tools"))
}

/// The root of the unpacked QEMU in a tool cache.
#[must_use]
pub fn qemu_root(cache_folder: &Path) -> PathBuf {
    cache_folder.join(QEMU_FOLDER)
}

/// The program of the unpacked QEMU in a tool cache.
#[must_use]
pub fn qemu_program(cache_folder: &Path) -> PathBuf {
    qemu_root(cache_folder).join(PROGRAM_BELOW_ROOT)
}

/// The root below which a program lies, if it lies in an unpacked package and not in the system.
#[must_use]
pub fn unpacked_root(program: &Path) -> Option<PathBuf> {
    let root = program.ancestors().nth(3)?;
    let inside = root.join(PROGRAM_BELOW_ROOT) == program && root.parent().is_some();
    (inside && root.join(SHARE_BELOW_ROOT).is_dir()).then(|| root.to_path_buf())
}

/// The folder of QEMU's modules below such a root.
#[must_use]
pub fn modules_folder(root: &Path) -> Option<PathBuf> {
    let triplets = std::fs::read_dir(root.join(LIBRARIES_BELOW_ROOT)).ok()?;
    let mut found: Vec<PathBuf> = triplets
        .filter_map(|entry| Some(entry.ok()?.path().join("qemu")))
        .filter(|path| path.is_dir())
        .collect();
    found.sort();
    found.into_iter().next()
}
