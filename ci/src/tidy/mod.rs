//! The house style, executed: rules over the files of the project, each able to fail.
//!
//! A rule that is not executed is a wish. Every rule looks at text or at cargo's own metadata,
//! knows nothing of the others, and answers findings with file, line, what was found and what is
//! expected. Rules only ever tighten: what may be longer than usual is listed with its reason in
//! `ci/tidy.toml`, and such a number is never raised.

pub mod code;
pub mod commands;
pub mod crates;
pub mod exit_codes;
pub mod functions;
pub mod generated;
pub mod heap_contract;
mod ignored_table;
pub mod manifests;
pub mod markdown;
pub mod modules;
pub mod ratchet;
pub mod shape;
pub mod tables;
pub mod tree;
pub mod wire_lists;
pub mod words;

pub use tree::{Source, Tree};

/// Something that is not as the house style wants it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The file, relative to the root of the workspace.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What stands there.
    pub found: String,
    /// What should stand there.
    pub expected: String,
}

impl Finding {
    /// A finding in a file.
    pub fn new(
        file: &str,
        line: usize,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) -> Self {
        Self { file: file.to_owned(), line, found: found.into(), expected: expected.into() }
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { file, line, found, expected } = self;
        write!(f, "{file}:{line}: found {found}, expected {expected}")
    }
}

/// A rule of the house style.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// Its name, as `docs/STYLE.md` uses it.
    pub name: &'static str,
    /// What it holds to be true, in one line.
    pub holds: &'static str,
    /// Answers what breaks it.
    pub check: fn(&Tree) -> Vec<Finding>,
}

/// Every rule; the name says what is looked at.
pub const RULES: &[Rule] = &[
    Rule {
        name: "module-docs",
        holds: "every source file opens by saying what it is",
        check: shape::module_docs,
    },
    Rule { name: "modules", holds: "every source file is part of a crate", check: modules::check },
    Rule {
        name: "file-length",
        holds: "a source file has at most 350 lines, or its reason in `ci/tidy.toml`",
        check: shape::file_length,
    },
    Rule {
        name: "line-length",
        holds: "a line of source has at most 100 characters",
        check: shape::line_length,
    },
    Rule {
        name: "line-ends",
        holds: "no tabs, no spaces at the end of a line, one line feed at the end of a file",
        check: shape::line_ends,
    },
    Rule {
        name: "function-length",
        holds: "a function has at most 70 lines",
        check: functions::check,
    },
    Rule {
        name: "crate-table",
        holds: "a crate uses only what the table of crates allows it",
        check: crates::check,
    },
    Rule {
        name: "manifests",
        holds: "versions stand in the root manifest, all are used, and lints are inherited",
        check: manifests::check,
    },
    Rule {
        name: "blind-record",
        holds: "`memory` and `port` never name what the host asked for",
        check: code::blind_record,
    },
    Rule {
        name: "unsafe-places",
        holds: "unsafe code stands only where the table of crates allows it",
        check: code::unsafe_places,
    },
    Rule {
        name: "words",
        holds: "words that hide what is meant are replaced",
        check: words::banned,
    },
    Rule {
        name: "machine-traces",
        holds: "no file names a place or a package host of one machine",
        check: words::machine_traces,
    },
    Rule {
        name: "markdown",
        holds: "a document has one title, and its links lead somewhere",
        check: markdown::check,
    },
    Rule {
        name: "commands",
        holds: "documents and workflows name jobs that exist, the README both main ones",
        check: commands::check,
    },
    Rule {
        name: "generated",
        holds: "tables in documents are what `cargo ci bless` writes",
        check: generated::check,
    },
    Rule {
        name: "matrix",
        holds: "tables in documents are what `cargo ci bless` writes",
        check: generated::check_matrix,
    },
    Rule {
        name: "heap-contract",
        holds: "each statement about the heap is shown by what exists, or has its reason",
        check: heap_contract::check,
    },
];

/// What a rule finds, as text with one line per finding; empty if it holds.
#[must_use]
pub fn report(rule: &Rule, tree: &Tree) -> String {
    let mut findings = (rule.check)(tree);
    findings.sort();
    findings.iter().map(|finding| format!("{finding}\n")).collect()
}

/// Holds a rule against files that are written down in a test.
#[cfg(test)]
pub(crate) fn check_rule(
    rule: fn(&Tree) -> Vec<Finding>,
    files: &[(&str, &str)],
    expected: &[&str],
) {
    let files = files.iter().map(|(path, text)| Source::new(path, text)).collect();
    let mut findings = rule(&Tree { files, packages: Vec::new() });
    findings.sort();
    let found: Vec<String> = findings.iter().map(Finding::to_string).collect();
    assert_eq!(found, expected);
}
