//! The Rust target of the chip, clippy and rustfmt, added to the pinned toolchain where missing.
//!
//! Looks into the toolchain's own folder instead of asking rustup, because that answers in
//! milliseconds and also holds for a toolchain that rustup did not install.

use crate::step::Step;
use crate::workspace;
use anyhow::{Context as _, Result};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The target of the Cortex-M4F chips.
pub const CHIP_TARGET: &str = "thumbv7em-none-eabihf";

/// How long one download by rustup may take.
const DOWNLOAD_DEADLINE: Duration = Duration::from_secs(15 * 60);

/// Something a toolchain may lack: where it would lie, and the words that make rustup add it.
struct Part {
    place: &'static str,
    add: [&'static str; 3],
}

const PARTS: &[Part] = &[
    Part { place: "lib/rustlib/thumbv7em-none-eabihf/lib", add: ["target", "add", CHIP_TARGET] },
    Part { place: "bin/cargo-clippy", add: ["component", "add", "clippy"] },
    Part { place: "bin/rustfmt", add: ["component", "add", "rustfmt"] },
];

/// Adds what the toolchain lacks.
///
/// # Errors
/// If the toolchain cannot be found, or rustup cannot add a part.
pub fn provide() -> Result<()> {
    let answer =
        Step::new("rustc").args(["--print", "sysroot"]).in_folder(workspace::root()).answer()?;
    let toolchain = PathBuf::from(answer.trim());
    let missing = missing(&toolchain);
    for part in &missing {
        Step::new("rustup")
            .args(part.add)
            .in_folder(workspace::root())
            .run_within(DOWNLOAD_DEADLINE)
            .with_context(|| format!("{} lacks {}", toolchain.display(), part.place))?;
    }
    if missing.is_empty() {
        eprintln!("rust: target {CHIP_TARGET}, clippy and rustfmt are there");
    }
    Ok(())
}

fn missing(toolchain: &Path) -> Vec<&'static Part> {
    PARTS.iter().filter(|part| !toolchain.join(part.place).exists()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_missing_is_added() {
        let toolchain = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(toolchain.path().join("bin/rustfmt")).unwrap();
        let words: Vec<_> = missing(toolchain.path()).iter().map(|part| part.add[2]).collect();
        assert_eq!(words, [CHIP_TARGET, "clippy"]);
    }
}
