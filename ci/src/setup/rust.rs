//! The Rust targets of the chips, clippy and rustfmt, added to the pinned toolchain where missing.
//!
//! Looks into the toolchain's own folder instead of asking rustup, because that answers in
//! milliseconds and also holds for a toolchain that rustup did not install.

use crate::step::Step;
use crate::workspace;
use anyhow::{Context as _, Result};
use crashrig_layout::parse::rust_targets;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long one download by rustup may take.
const DOWNLOAD_DEADLINE: Duration = Duration::from_secs(15 * 60);

/// Something a toolchain may lack: where it would lie, and the words that make rustup add it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Part {
    place: String,
    add: [&'static str; 3],
}

/// What the suite needs: the Rust target of every board that has an emulator, clippy and rustfmt.
fn parts(targets: &[&'static str]) -> Vec<Part> {
    let target = |name: &&'static str| Part {
        place: format!("lib/rustlib/{name}/lib"),
        add: ["target", "add", name],
    };
    let component =
        |place: &str, name| Part { place: place.to_owned(), add: ["component", "add", name] };
    let components = [component("bin/cargo-clippy", "clippy"), component("bin/rustfmt", "rustfmt")];
    targets.iter().map(target).chain(components).collect()
}

/// Adds what the toolchain lacks.
///
/// # Errors
/// If the toolchain cannot be found, or rustup cannot add a part.
pub fn provide() -> Result<()> {
    let answer =
        Step::new("rustc").args(["--print", "sysroot"]).in_folder(workspace::root()).answer()?;
    let toolchain = PathBuf::from(answer.trim());
    let boards = workspace::boards()?;
    let targets: Vec<_> = rust_targets(&boards).into_iter().map(|(target, _)| target).collect();
    let missing = missing(&toolchain, parts(&targets));
    for part in &missing {
        Step::new("rustup")
            .args(part.add)
            .in_folder(workspace::root())
            .run_within(DOWNLOAD_DEADLINE)
            .with_context(|| format!("{} lacks {}", toolchain.display(), part.place))?;
    }
    if missing.is_empty() {
        eprintln!("rust: {}, clippy and rustfmt are there", targets.join(", "));
    }
    Ok(())
}

fn missing(toolchain: &Path, mut parts: Vec<Part>) -> Vec<Part> {
    parts.retain(|part| !toolchain.join(&part.place).exists());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_missing_is_added() {
        let toolchain = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(toolchain.path().join("bin/rustfmt")).unwrap();
        std::fs::create_dir_all(toolchain.path().join("lib/rustlib/there/lib")).unwrap();
        let missing = missing(toolchain.path(), parts(&["there", "not-there"]));
        let words: Vec<_> = missing.iter().map(|part| part.add[2]).collect();
        assert_eq!(words, ["not-there", "clippy"]);
    }
}
