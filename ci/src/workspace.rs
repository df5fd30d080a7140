//! Where the workspace lies, and how files in it are named in messages.

use anyhow::{Context as _, Result};
use crashrig_layout::parse::Board;
use std::path::{Path, PathBuf};

/// The root folder of the workspace this binary was built from.
///
/// `cargo ci` is run by cargo from the checkout it belongs to, so the place is known when it
/// compiles.
#[must_use]
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// Every board there is.
///
/// # Errors
/// A board file is not what it should be.
pub fn boards() -> Result<Vec<Board>> {
    Board::load_all(&root().join("firmware/boards")).context("failed to know the boards")
}

/// A path below `root` as messages show it: relative, with `/` between its parts.
#[must_use]
pub fn relative(root: &Path, path: &Path) -> String {
    let inside = path.strip_prefix(root).unwrap_or(path);
    let parts: Vec<_> = inside.iter().map(|part| part.to_string_lossy()).collect();
    parts.join("/")
}
