//! `ci/ignored.txt`: the tests that cannot run, one section for each board of a target and version,
//! blessed.
//!
//! A skip is never silent: the suite holds what it ignores against this file. Sections of versions
//! that are not on this machine are kept as they are.

use anyhow::{Context as _, Result};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// Where the list stands, relative to the root.
pub const PLACE: &str = "ci/ignored.txt";

/// What stands above the first section.
const HEADER: &str = "\
# The tests that cannot run on a target, with the reason. One section for each board and version.
# The suite fails when it ignores anything else; `cargo ci bless` writes what this machine ignores.
";

/// What `crashrig list --json` prints, as far as it matters here. Fields may be added to it.
#[derive(Debug, Deserialize)]
struct Listing {
    tests: Vec<Row>,
}

#[derive(Debug, Deserialize)]
struct Row {
    test: String,
    target: String,
    board: String,
    version: String,
    ignored: Option<String>,
}

/// The sections of the file: title, lines.
pub type Sections = BTreeMap<String, BTreeSet<String>>;

/// The sections that a listing of this machine gives, one for each board and version in it.
///
/// # Errors
/// If the listing is not what `crashrig list --json` prints.
pub fn of_listing(text: &str) -> Result<Sections> {
    let listing: Listing =
        serde_json::from_str(text).context("cannot read what `cargo rig list --json` prints")?;
    let mut sections = Sections::new();
    for row in listing.tests {
        let version: Vec<_> = row.version.split('.').take(2).collect();
        let title = format!("[{}::{} {}]", row.target, row.board, version.join("."));
        let lines = sections.entry(title).or_default();
        lines.extend(row.ignored.map(|reason| format!("{}: {reason}", row.test)));
    }
    Ok(sections)
}

/// The sections of the file as it stands.
#[must_use]
pub fn of_file(text: &str) -> Sections {
    let mut sections = Sections::new();
    let mut title = String::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if line.starts_with('[') {
            title = line.to_owned();
            sections.entry(title.clone()).or_default();
        } else if let Some(lines) = sections.get_mut(&title) {
            lines.insert(line.to_owned());
        }
    }
    sections
}

/// The text of the file.
#[must_use]
pub fn text(sections: &Sections) -> String {
    let mut text = HEADER.to_owned();
    for (title, lines) in sections {
        text.push_str(&format!("\n{title}\n"));
        lines.iter().for_each(|line| text.push_str(&format!("{line}\n")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_becomes_a_section_for_its_version() {
        let row = |test: &str, ignored: &str| {
            format!(
                r#"{{"test": "qemu::a::{test}", "target": "qemu", "board": "a",
                "version": "7.2.22", "ignored": {ignored}}}"#
            )
        };
        let rows = [row("b", "\"no ccm\""), row("c", "null")].join(", ");
        let listing = format!(r#"{{"schema": 1, "tests": [{rows}]}}"#);
        let mut sections = of_file("# old\n\n[qemu::a 10.0]\n\n[qemu::a 7.2]\nqemu::gone: x\n");
        assert_eq!(sections.len(), 2);
        sections.extend(of_listing(&listing).unwrap());
        let expected = format!("{HEADER}\n[qemu::a 10.0]\n\n[qemu::a 7.2]\nqemu::a::b: no ccm\n");
        assert_eq!(text(&sections), expected);
        assert_eq!(of_file(&expected), sections, "what is written is read again");
        assert!(of_listing("{}").is_err());
    }
}
