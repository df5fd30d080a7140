//! Rules about the shape of files: how they open, how long they are, how their lines end.

use super::{Finding, Tree, ratchet};

/// What a source file may usually have, in lines.
pub const USUAL_LINES: usize = 350;
/// What no source file may exceed, in lines.
pub const MOST_LINES: usize = 500;
/// What a line may have, in characters.
const LINE_CHARACTERS: usize = 100;
/// How far a number in `ci/tidy.toml` may stand above what it excuses, in lines.
const SLACK_LINES: usize = 25;

/// Every source file opens with `//!` and a sentence.
pub fn module_docs(tree: &Tree) -> Vec<Finding> {
    let opens = |text: &str| text.strip_prefix("//! ").is_some_and(|rest| rest.trim().len() > 1);
    tree.rust()
        .filter(|file| !opens(file.text.lines().next().unwrap_or_default()))
        .map(|file| {
            let line = file.text.lines().next().unwrap_or_default();
            Finding::new(&file.path, 1, format!("`{line}`"), "`//!` and what the file is")
        })
        .collect()
}

/// Source files stay small, but for those with a reason.
pub fn file_length(tree: &Tree) -> Vec<Finding> {
    let (excused, mut findings) = ratchet::read(tree);
    for file in tree.rust() {
        let lines = file.text.lines().count();
        let excuse = excused.iter().find(|long_file| long_file.file == file.path);
        let limit = excuse.map_or(USUAL_LINES, |long_file| long_file.lines);
        let found = format!("{lines} lines");
        if lines > MOST_LINES || lines > limit {
            findings.push(Finding::new(&file.path, limit, found, format!("at most {limit}")));
        } else if excuse.is_some() && (lines <= USUAL_LINES || lines + SLACK_LINES < limit) {
            let expected = format!("the number {limit} in {} to follow it down", ratchet::PLACE);
            findings.push(Finding::new(&file.path, 1, found, expected));
        }
    }
    findings
}

/// Lines of source fit beside each other.
pub fn line_length(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.rust() {
        for (number, line) in file.lines() {
            let characters = line.chars().count();
            if characters > LINE_CHARACTERS {
                let found = format!("{characters} characters");
                let expected = format!("at most {LINE_CHARACTERS}");
                findings.push(Finding::new(&file.path, number, found, expected));
            }
        }
    }
    findings
}

/// Lines end where they end.
pub fn line_ends(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.with_ending(&["rs", "md", "toml", "yml", "x"]) {
        for (number, line) in file.text.split('\n').enumerate() {
            let mut add = |found: &str, expected: &str| {
                findings.push(Finding::new(&file.path, number + 1, found, expected));
            };
            if line.ends_with([' ', '\r']) {
                add("a space at the end", "none");
            }
            if line.contains('\t') {
                add("a tab", "spaces");
            }
        }
        let lines = file.text.lines().count();
        if !file.text.is_empty() && (!file.text.ends_with('\n') || file.text.ends_with("\n\n")) {
            let found = "another end of the file";
            findings.push(Finding::new(&file.path, lines, found, "one line feed"));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::check_rule;
    use super::*;

    #[test]
    fn a_file_says_what_it_is() {
        check_rule(
            module_docs,
            &[
                ("a.rs", "//! The door.\n"),
                ("b.rs", "use std::fmt;\n"),
                ("c.rs", "//!\n"),
                ("d.rs", ""),
                ("e.toml", "a = 1\n"),
                ("f/tests/generated/g.rs", "[1]\n"),
            ],
            &[
                "b.rs:1: found `use std::fmt;`, expected `//!` and what the file is",
                "c.rs:1: found `//!`, expected `//!` and what the file is",
                "d.rs:1: found ``, expected `//!` and what the file is",
            ],
        );
    }

    #[test]
    fn a_long_file_needs_a_reason_and_never_grows() {
        let lines = |count: usize| "x\n".repeat(count);
        let ratchet = "[[long_file]]\nfile = \"b.rs\"\nlines = 400\nreason = \"a flat table\"\n\
                       [[long_file]]\nfile = \"d.rs\"\nlines = 500\nreason = \"a flat table\"\n";
        check_rule(
            file_length,
            &[
                ("a.rs", &lines(351)),
                ("b.rs", &lines(401)),
                ("c.rs", &lines(350)),
                ("d.rs", &lines(400)),
                ("e.rs", &lines(501)),
                ("ci/tidy.toml", ratchet),
            ],
            &[
                "a.rs:350: found 351 lines, expected at most 350",
                "b.rs:400: found 401 lines, expected at most 400",
                "d.rs:1: found 400 lines, expected the number 500 in ci/tidy.toml \
                 to follow it down",
                "e.rs:350: found 501 lines, expected at most 350",
            ],
        );
    }

    #[test]
    fn lines_are_short_and_end_where_they_end() {
        let long = format!("//{}\n", "ü".repeat(99));
        check_rule(
            line_length,
            &[("a.rs", &long), ("a.md", &long)],
            &["a.rs:1: found 101 characters, expected at most 100"],
        );
        check_rule(
            line_ends,
            &[
                ("a.md", "one \ntwo\r\n\tthree"),
                ("b.toml", "a = 1\n\n"),
                ("c.rs", "\n"),
                ("d.rs", ""),
            ],
            &[
                "a.md:1: found a space at the end, expected none",
                "a.md:2: found a space at the end, expected none",
                "a.md:3: found a tab, expected spaces",
                "a.md:3: found another end of the file, expected one line feed",
                "b.toml:2: found another end of the file, expected one line feed",
            ],
        );
    }
}
