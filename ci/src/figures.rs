//! Figures that the command measures, and the tables of documents that are made of them.

use crate::tidy::tables::Table;
use crate::workspace;
use anyhow::{Context as _, Result, bail};
use serde::de::DeserializeOwned;
use std::fs;

/// Reads what a command of `cargo rig` wrote into a file, relative to the root.
///
/// # Errors
/// If the file cannot be read, or holds something else.
pub fn read<T: DeserializeOwned>(command: &str, file: &str) -> Result<T> {
    let path = workspace::root().join(file);
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {file}"))?;
    serde_json::from_str(&text)
        .with_context(|| format!("cannot read what `cargo rig {command}` wrote into {file}"))
}

/// Writes tables into a document, relative to the root, in place of those with the same titles.
///
/// # Errors
/// If the document cannot be read or written, or lacks one of the tables.
pub fn write(document: &str, tables: impl IntoIterator<Item = Table>) -> Result<()> {
    let path = workspace::root().join(document);
    let mut text = fs::read_to_string(&path).with_context(|| format!("cannot read {document}"))?;
    for table in tables {
        if table.find(&text).is_none() {
            bail!("{document} has no table `{}`", table.titles.join(" | "));
        }
        text = table.written_into(&text);
    }
    fs::write(&path, text).with_context(|| format!("cannot write {document}"))?;
    println!("wrote {}", path.display());
    Ok(())
}
