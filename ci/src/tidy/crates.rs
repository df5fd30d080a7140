//! The table of crates: which of ours a crate may use, and where it may be unsafe.
//!
//! This is where the direction of the data is held: `harness` knows a device only through bytes,
//! `wire` and `layout`, so it can test firmware that is not ours; `memory` runs on the host because
//! it never sees a register. `docs/ARCHITECTURE.md` explains the same table and is held against it.

use super::tree::Package;
use super::{Finding, Source, Tree, tables};

/// Where a crate may hold unsafe code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsafe {
    /// Nowhere: each library and program says `#![forbid(unsafe_code)]`.
    Forbidden,
    /// In files named `raw.rs`, and in a file that implements `GlobalAlloc`.
    Raw,
    /// Below one folder of the crate's sources.
    Below(&'static str),
    /// Everywhere, each block justified.
    Justified,
}

impl Unsafe {
    /// The words of the table in the documents.
    #[must_use]
    pub fn words(self) -> String {
        match self {
            Self::Forbidden => "forbidden".to_owned(),
            Self::Raw => "files named `raw.rs`, and the `GlobalAlloc` implementation".to_owned(),
            Self::Below(folder) => format!("below `{folder}/`, each block justified"),
            Self::Justified => "each block justified".to_owned(),
        }
    }
}

/// One row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// The folder of the crate; the package of `x/y` is `crashrig-y`.
    pub folder: &'static str,
    /// The folders of the crates it may use.
    pub may_use: &'static [&'static str],
    /// The folders of crates that only its tests may use.
    pub tests_may_use: &'static [&'static str],
    /// Where it may be unsafe.
    pub unsafe_code: Unsafe,
}

const fn row(
    folder: &'static str,
    may_use: &'static [&'static str],
    tests_may_use: &'static [&'static str],
    unsafe_code: Unsafe,
) -> Row {
    Row { folder, may_use, tests_may_use, unsafe_code }
}

const LAYOUT: &str = "firmware/layout";
const WIRE: &str = "firmware/wire";
const MEMORY: &str = "firmware/memory";
const PORT: &str = "firmware/port";
const SCRIPT: &str = "firmware/script";

/// The table, from what everything rests on to what uses it.
pub const TABLE: &[Row] = &[
    row(LAYOUT, &[], &[], Unsafe::Forbidden),
    row(WIRE, &[], &[], Unsafe::Forbidden),
    row(MEMORY, &[WIRE, LAYOUT], &[], Unsafe::Raw),
    row(PORT, &[WIRE, LAYOUT, MEMORY], &[], Unsafe::Justified),
    row(SCRIPT, &[WIRE, LAYOUT, MEMORY], &[], Unsafe::Forbidden),
    row("firmware/image", &[WIRE, LAYOUT, MEMORY, PORT, SCRIPT], &[], Unsafe::Below("src/faults")),
    row("firmware/bench", &[LAYOUT, MEMORY, PORT], &[], Unsafe::Justified),
    row("firmware/bootloader", &[LAYOUT, MEMORY, PORT], &[], Unsafe::Forbidden),
    row("firmware/hal", &[LAYOUT], &[], Unsafe::Justified),
    row("firmware/rtt", &[LAYOUT], &[], Unsafe::Forbidden),
    row("qemu", &[LAYOUT], &[], Unsafe::Forbidden),
    row("qemu/plugin", &[], &[], Unsafe::Justified),
    row("harness", &[WIRE, LAYOUT, "qemu"], &[], Unsafe::Forbidden),
    row("scenarios", &["harness", "qemu"], &[WIRE, LAYOUT, MEMORY, SCRIPT], Unsafe::Forbidden),
    row("ci", &["harness", LAYOUT, "qemu", WIRE], &[], Unsafe::Forbidden),
];

/// The package in a folder.
#[must_use]
pub fn package_name(folder: &str) -> String {
    format!("crashrig-{}", folder.rsplit('/').next().unwrap_or(folder))
}

/// The row of a package, found by its folder.
#[must_use]
pub fn row_of(package: &Package) -> Option<&'static Row> {
    TABLE.iter().find(|row| row.folder == package.folder)
}

/// The document that explains the table.
const DOCUMENT: &str = "docs/ARCHITECTURE.md";

/// Every package stands in the table, is named after its folder, and uses what its row allows; the
/// document says the same.
pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings: Vec<_> =
        tree.packages.iter().flat_map(|package| in_package(tree, package)).collect();
    if let Some(document) = tree.file(DOCUMENT) {
        findings.extend(in_document(document));
    }
    findings
}

/// Compares the table of the document, whose columns are the crate, what it is, what it may use and
/// whether it may be unsafe. Words in parentheses are remarks.
fn in_document(document: &Source) -> Vec<Finding> {
    let is_ours = |titles: &[String]| titles.first().is_some_and(|title| title == "crate");
    let Some(found) = tables::find(&document.text, is_ours) else {
        let expected = "one whose first column is `crate`";
        return vec![Finding::new(&document.path, 1, "no table of crates", expected)];
    };
    let mut findings = Vec::new();
    for row in TABLE {
        let name = format!("`{}`", row.folder);
        let index = found.rows.iter().position(|cells| cells.first() == Some(&name));
        let Some((index, cells)) = index.and_then(|at| Some((at, found.rows.get(at)?))) else {
            let expected = format!("a row for {name}");
            findings.push(Finding::new(&document.path, found.line, "no such row", expected));
            continue;
        };
        let line = found.line + 2 + index;
        let used = cells.get(2).map(String::as_str).unwrap_or_default();
        let mut stated: Vec<_> =
            used.split(',').filter_map(|word| word.split_whitespace().next()).collect();
        stated.retain(|word| *word != "–");
        stated.sort_unstable();
        let folders = row.may_use.iter().chain(row.tests_may_use);
        let mut allowed: Vec<_> = folders.filter_map(|folder| folder.rsplit('/').next()).collect();
        allowed.sort_unstable();
        if stated != allowed {
            let found = format!("{name} may use `{used}`");
            let list = if allowed.is_empty() { "–".to_owned() } else { allowed.join(", ") };
            findings.push(Finding::new(&document.path, line, found, list));
        }
        let forbidden = cells.get(3).is_some_and(|cell| cell.starts_with("forbid"));
        if forbidden != (row.unsafe_code == Unsafe::Forbidden) {
            let found = format!("{name} with another rule for unsafe code");
            findings.push(Finding::new(&document.path, line, found, row.unsafe_code.words()));
        }
    }
    findings
}

fn in_package(tree: &Tree, package: &Package) -> Vec<Finding> {
    let manifest = format!("{}/Cargo.toml", package.folder);
    let Some(row) = row_of(package) else {
        let found = format!("the crate `{}`", package.folder);
        return vec![Finding::new(&manifest, 1, found, "a row in the table of crates")];
    };
    let mut findings = Vec::new();
    let name = package_name(row.folder);
    if package.name != name {
        let found = format!("the name `{}`", package.name);
        findings.push(Finding::new(&manifest, 1, found, format!("`{name}`, after the folder")));
    }
    let names = |folders: &[&str]| -> Vec<String> {
        folders.iter().map(|folder| package_name(folder)).collect()
    };
    for used in &package.uses {
        let mut allowed = names(row.may_use);
        if used.only_in_tests {
            allowed.extend(names(row.tests_may_use));
            // A crate's own tests may name the crate itself, to switch its features on.
            allowed.push(name.clone());
        }
        if !allowed.contains(&used.name) {
            let line = tree.file(&manifest).map_or(1, |file| file.line_of(&used.name));
            let list = if allowed.is_empty() { "none".to_owned() } else { allowed.join(", ") };
            let found = format!("a use of `{}`", used.name);
            findings.push(Finding::new(&manifest, line, found, format!("of ours: {list}")));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::check_rule;
    use super::super::tree::Use;
    use super::*;

    fn check_package(folder: &str, name: &str, uses: &[(&str, bool)], expected: &[&str]) {
        let uses = uses.iter().map(|(name, only_in_tests)| Use {
            name: (*name).to_owned(),
            only_in_tests: *only_in_tests,
        });
        let package = Package {
            name: name.to_owned(),
            folder: folder.to_owned(),
            uses: uses.collect(),
            entries: Vec::new(),
        };
        let manifest = Source::new(&format!("{folder}/Cargo.toml"), "[a]\ncrashrig-memory = 1\n");
        let findings = check(&Tree { files: vec![manifest], packages: vec![package] });
        let found: Vec<String> = findings.iter().map(Finding::to_string).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn arrows_point_one_way() {
        let memory = ("crashrig-memory", false);
        check_package("harness", "crashrig-harness", &[("crashrig-qemu", false)], &[]);
        check_package(
            "harness",
            "crashrig-harness",
            &[memory],
            &["harness/Cargo.toml:2: found a use of `crashrig-memory`, expected of ours: \
               crashrig-wire, crashrig-layout, crashrig-qemu"],
        );
        check_package("scenarios", "crashrig-scenarios", &[("crashrig-wire", true)], &[]);
        check_package(
            "scenarios",
            "crashrig-scenarios",
            &[("crashrig-wire", false)],
            &["scenarios/Cargo.toml:1: found a use of `crashrig-wire`, expected of ours: \
               crashrig-harness, crashrig-qemu"],
        );
    }

    #[test]
    fn a_new_crate_needs_a_row_and_the_name_of_its_folder() {
        let row =
            "tools/Cargo.toml:1: found the crate `tools`, expected a row in the table of crates";
        check_package("tools", "crashrig-tools", &[], &[row]);
        let name = "qemu/Cargo.toml:1: found the name `emulator`, expected `crashrig-qemu`, after \
                    the folder";
        check_package("qemu", "emulator", &[], &[name]);
    }

    #[test]
    fn the_document_says_what_the_table_says() {
        let mut text = "| crate | what | may use (ours) | unsafe |\n|---|---|---|---|\n".to_owned();
        for row in TABLE.iter().filter(|row| row.folder != "qemu") {
            let folders = row.may_use.iter().chain(row.tests_may_use);
            let names: Vec<_> = folders.filter_map(|folder| folder.rsplit('/').next()).collect();
            let names = if names.is_empty() { "–".to_owned() } else { names.join(", ") };
            let words = row.unsafe_code.words();
            text.push_str(&format!("| `{}` | a | {names} | {words} |\n", row.folder));
        }
        let text = text.replace(
            "| harness, qemu, wire, layout, memory, script |",
            "| harness, memory (tests) |",
        );
        let text = text.replace("| harness, layout, qemu, wire |", "| harness, memory (tests) |");
        let text = text.replace("| a | – | forbidden", "| a | – | allowed");
        let place = "docs/ARCHITECTURE.md";
        let layout = "with another rule for unsafe code, expected forbidden";
        let uses = "may use `harness, memory (tests)`, expected harness";
        check_rule(
            check,
            &[(place, &text)],
            &[
                &format!("{place}:1: found no such row, expected a row for `qemu`"),
                &format!("{place}:3: found `firmware/layout` {layout}"),
                &format!("{place}:4: found `firmware/wire` {layout}"),
                &format!(
                    "{place}:15: found `scenarios` {uses}, layout, memory, qemu, script, wire"
                ),
                &format!("{place}:16: found `ci` {uses}, layout, qemu, wire"),
            ],
        );
        check_rule(
            check,
            &[(place, "# A\n")],
            &[&format!(
                "{place}:1: found no table of crates, expected one whose first column is `crate`"
            )],
        );
    }
}
