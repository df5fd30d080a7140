//! `cargo ci bless`: writes what documents and lists repeat from the code.
//!
//! Nothing here decides anything: a person reads the difference before it is committed.

use crate::jobs::cargo;
use crate::{ignored, tidy, workspace};
use anyhow::{Context as _, Result};
use crashrig_qemu::discover::{self, OVERRIDE_VARIABLE};
use std::fs;
use std::path::Path;

/// Writes the tables of the documents, then the list of ignored tests for each emulator of this
/// machine.
///
/// # Errors
/// If a file cannot be read or written, or the tests cannot be listed.
pub fn run() -> Result<()> {
    let root = workspace::root();
    for (path, text) in tidy::generated::stale(&tidy::Tree::read(&root)?) {
        write(&root.join(&path), &text)?;
    }
    let place = root.join(ignored::PLACE);
    let old = if place.exists() {
        fs::read_to_string(&place).with_context(|| format!("cannot read {}", place.display()))?
    } else {
        String::new()
    };
    let mut sections = ignored::of_file(&old);
    for program in discover::find_all() {
        let list = cargo(["rig", "list", "--json"]).env(OVERRIDE_VARIABLE, &program.path);
        sections.extend(ignored::of_listing(&list.answer()?)?);
    }
    let new = ignored::text(&sections);
    if new != old {
        write(&place, &new)?;
    }
    Ok(())
}

fn write(place: &Path, text: &str) -> Result<()> {
    if let Some(folder) = place.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    fs::write(place, text).with_context(|| format!("cannot write {}", place.display()))?;
    println!("wrote {}", place.display());
    Ok(())
}
