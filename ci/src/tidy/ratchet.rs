//! `ci/tidy.toml`: what may be longer than usual, why, and how long at most.

use super::shape::{MOST_LINES, USUAL_LINES};
use super::{Finding, Tree};
use serde::Deserialize;

/// Where the exceptions stand.
pub const PLACE: &str = "ci/tidy.toml";

/// The file as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    #[serde(default)]
    long_file: Vec<RawLongFile>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLongFile {
    file: String,
    lines: usize,
    reason: String,
}

/// A source file that may be longer than usual.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LongFile {
    /// The file, relative to the root.
    pub file: String,
    /// How many lines it may have, above the usual limit and up to the hard one.
    pub lines: usize,
}

/// Reads the exceptions, with everything that is wrong about them.
#[must_use]
pub fn read(tree: &Tree) -> (Vec<LongFile>, Vec<Finding>) {
    let Some(source) = tree.file(PLACE) else { return (Vec::new(), Vec::new()) };
    let raw: Raw = match toml::from_str(&source.text) {
        Ok(raw) => raw,
        Err(problem) => {
            let found = problem.message().replace('\n', " ");
            return (Vec::new(), vec![Finding::new(PLACE, 1, found, "tables named long_file")]);
        }
    };
    let mut long_files: Vec<LongFile> = Vec::new();
    let mut findings = Vec::new();
    for RawLongFile { file, lines, reason } in raw.long_file {
        let line = source.line_of(&format!("\"{file}\""));
        let mut add = |found: String, expected: &str| {
            findings.push(Finding::new(PLACE, line, found, expected));
        };
        if tree.file(&file).is_none() {
            add(format!("`{file}`, which does not exist"), "a source file");
        }
        if long_files.iter().any(|known| known.file == file) {
            add(format!("`{file}` twice"), "each file once");
        }
        if !(USUAL_LINES + 1..=MOST_LINES).contains(&lines) {
            let expected = format!("a number from {} to {MOST_LINES}", USUAL_LINES + 1);
            add(format!("{lines} lines"), &expected);
        }
        if reason.split_whitespace().count() < 3 {
            add(format!("the reason `{reason}`"), "a reason in words");
        }
        long_files.push(LongFile { file, lines });
    }
    (long_files, findings)
}

#[cfg(test)]
mod tests {
    use super::super::check_rule;
    use super::*;

    #[test]
    fn every_problem_of_an_exception_is_reported() {
        let text = "[[long_file]]\nfile = \"gone.rs\"\nlines = 900\nreason = \"big\"\n";
        let expected = [
            "ci/tidy.toml:2: found 900 lines, expected a number from 351 to 500",
            "ci/tidy.toml:2: found `gone.rs`, which does not exist, expected a source file",
            "ci/tidy.toml:2: found the reason `big`, expected a reason in words",
        ];
        check_rule(|tree| read(tree).1, &[(PLACE, text)], &expected);
    }

    #[test]
    fn an_unknown_key_is_refused() {
        let tree_text = "[[long_files]]\n";
        let files = vec![super::super::Source::new(PLACE, tree_text)];
        let (_, findings) = read(&Tree { files, packages: Vec::new() });
        assert!(findings[0].found.contains("unknown field `long_files`"), "{findings:?}");
    }
}
