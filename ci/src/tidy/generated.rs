//! The tables of facts in documents: what each is made from, and the rule that they are up to date.
//!
//! A fact has one home, and a document repeats it only in a table that this rule knows.
//! `cargo ci bless` writes the tables anew; what stands around them is never touched.

use super::tables::Table;
use super::{Finding, Tree, exit_codes, heap_contract, ignored_table, wire_lists};
use crate::jobs::JOBS;
use crate::matrix;
use crate::mutants::MUTANTS;
use crashrig_wire::field::{Class, FIELDS};
use crashrig_wire::ledger;
use crashrig_wire::section::{SECTION_CLASSES, SectionClass};

/// The document that must hold a table, and what the table is made from.
struct Fact {
    document: &'static str,
    table: fn(&Tree) -> Option<Table>,
}

const GLOSSARY: &str = "docs/glossary.md";
const STYLE: &str = "docs/STYLE.md";

const FACTS: &[Fact] = &[
    Fact { document: "README.md", table: exit_codes },
    Fact { document: "README.md", table: ignored_table::table },
    Fact { document: "docs/record.md", table: |_| Some(record_fields()) },
    Fact { document: "docs/record.md", table: |_| Some(record_sections()) },
    Fact { document: "docs/stacks.md", table: |_| Some(overflows()) },
    Fact { document: "docs/record.md", table: |_| Some(ledger_fields()) },
    Fact { document: STYLE, table: |_| Some(jobs()) },
    Fact { document: STYLE, table: |_| Some(rules()) },
    Fact { document: STYLE, table: |_| Some(mutants()) },
    Fact { document: GLOSSARY, table: |tree| wire_list(tree, "fault", "Fault") },
    Fact { document: GLOSSARY, table: |tree| wire_list(tree, "fault", "Way") },
    Fact { document: GLOSSARY, table: |tree| wire_list(tree, "heap_damage", "HeapDamage") },
    Fact { document: GLOSSARY, table: |tree| wire_list(tree, "detector", "Detector") },
    Fact { document: GLOSSARY, table: |tree| wire_list(tree, "kind", "Kind") },
    Fact { document: GLOSSARY, table: |tree| wire_list(tree, "thread", "Context") },
    Fact { document: GLOSSARY, table: |tree| wire_list(tree, "thread", "Area") },
    Fact { document: GLOSSARY, table: |tree| wire_list(tree, "marker", "Observation") },
    Fact { document: GLOSSARY, table: |tree| wire_list(tree, "marker", "Found") },
    Fact { document: GLOSSARY, table: |tree| wire_list(tree, "ledger", "Phase") },
    Fact { document: GLOSSARY, table: |tree| wire_list(tree, "ledger", "SafeMode") },
    Fact { document: GLOSSARY, table: |tree| wire_list(tree, "ledger", "Class") },
    Fact { document: GLOSSARY, table: |tree| wire_list(tree, "status", "Type") },
    Fact { document: GLOSSARY, table: |tree| numbered_list(tree, "status/module", "Module") },
    Fact { document: GLOSSARY, table: |tree| numbered_list(tree, "status/code", "Code") },
    Fact { document: GLOSSARY, table: |tree| wire_list(tree, "status/misuse", "Misuse") },
    Fact { document: GLOSSARY, table: |tree| numbered_list(tree, "section/mod", "Section") },
];

/// Every document holds its tables, row by row as the code has them.
pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for fact in FACTS {
        let Some(file) = tree.file(fact.document) else { continue };
        let Some(table) = (fact.table)(tree) else {
            let found = "nothing to make its tables from";
            findings.push(Finding::new(&file.path, 1, found, "them in `wire` or `harness`"));
            continue;
        };
        let Some(found) = table.find(&file.text) else {
            let found = format!("no table `{}`", table.titles.join(" | "));
            let expected = "its titles with `|---|` below, and `cargo ci bless`";
            findings.push(Finding::new(&file.path, 1, found, expected));
            continue;
        };
        for index in 0..table.rows.len().max(found.rows.len()) {
            let row = |rows: &[Vec<String>]| {
                rows.get(index)
                    .map_or("no row".to_owned(), |cells| format!("| {} |", cells.join(" | ")))
            };
            let (stands, wanted) = (row(&found.rows), row(&table.rows));
            if stands != wanted {
                let expected = format!("{wanted} (`cargo ci bless` writes it)");
                let line = found.line + 2 + index;
                findings.push(Finding::new(&file.path, line, stands, expected));
                break;
            }
        }
    }
    findings
}

/// The scenarios of the matrix are those that `cargo ci bless` writes.
pub fn check_matrix(tree: &Tree) -> Vec<Finding> {
    let wanted = matrix::files();
    let expected = "what `cargo ci bless` writes there";
    let stale =
        wanted.iter().filter(|(path, text)| tree.file(path).is_none_or(|file| file.text != *text));
    let spare = tree.with_ending(&["toml"]).filter(|file| {
        file.path.starts_with(matrix::FOLDER) && !wanted.iter().any(|(path, _)| *path == file.path)
    });
    stale
        .map(|(path, _)| Finding::new(path, 1, "another text", expected))
        .chain(spare.map(|file| Finding::new(&file.path, 1, "a scenario of no cell", "none")))
        .collect()
}

/// What is made from something else and is not up to date, with the text it should have: tables in
/// documents, the heap's contract, the scenarios of the matrix.
#[must_use]
pub fn stale(tree: &Tree) -> Vec<(String, String)> {
    let mut stale: Vec<_> = matrix::files()
        .into_iter()
        .filter(|(path, text)| tree.file(path).is_none_or(|file| file.text != *text))
        .collect();
    for file in tree.with_ending(&["md"]) {
        let facts = FACTS.iter().filter(|fact| fact.document == file.path);
        let tables = facts.filter_map(|fact| (fact.table)(tree));
        let text = tables.fold(file.text.clone(), |text, table| table.written_into(&text));
        if text != file.text {
            stale.push((file.path.clone(), text));
        }
    }
    stale.extend(heap_contract::stale(tree));
    stale
}

fn closed_list(tree: &Tree, module: &str, list: &str) -> Option<wire_lists::List> {
    let source = tree.file(&format!("firmware/wire/src/{module}.rs"))?;
    wire_lists::find(&source.text, list).ok()?
}

fn wire_list(tree: &Tree, module: &str, list: &str) -> Option<Table> {
    let list = closed_list(tree, module, list)?;
    let rows = list.entries.into_iter().map(|entry| [format!("`{}`", entry.name), entry.meaning]);
    Some(Table::new([list.what.as_str(), "meaning"], rows))
}

/// A list whose codes people know by number, too.
fn numbered_list(tree: &Tree, module: &str, list: &str) -> Option<Table> {
    let list = closed_list(tree, module, list)?;
    let row = |entry: wire_lists::Entry| [format!("`{}`", entry.name), entry.code, entry.meaning];
    Some(Table::new([list.what.as_str(), "number", "meaning"], list.entries.into_iter().map(row)))
}

fn record_fields() -> Table {
    let rows = FIELDS.iter().map(|field| {
        let (offset, size) = (field.offset.to_string(), field.size.to_string());
        [format!("`{}`", field.name), offset, size, class(field.class)]
    });
    Table::new(["field", "offset", "size", "class"], rows)
}

fn record_sections() -> Table {
    let row = |row: &SectionClass| {
        [format!("`{}`", row.section), class(row.class), row.reason.to_owned()]
    };
    Table::new(["section", "class", "because"], SECTION_CLASSES.iter().map(row))
}

fn class(class: Class) -> String {
    match class {
        Class::Exact => "exact".to_owned(),
        Class::ExactBits(mask) => format!("exact in `{mask:#010x}`, else timing"),
        Class::Identity => "identity".to_owned(),
        Class::Timing => "timing".to_owned(),
    }
}

fn ledger_fields() -> Table {
    let rows = ledger::FIELDS.iter().map(|field| {
        let (offset, size) = (field.offset.to_string(), field.size.to_string());
        [format!("`{}`", field.name), offset, size, field.meaning.to_owned()]
    });
    Table::new(["ledger field", "offset", "size", "meaning"], rows)
}

fn exit_codes(tree: &Tree) -> Option<Table> {
    let rows = exit_codes::find(&tree.file(exit_codes::PLACE)?.text)?;
    Some(Table::new(["exit code", "name", "meaning"], rows))
}

fn overflows() -> Table {
    let titles =
        ["stack", "way", "limit", "guard, limit off", "canary, guard off too", "range, all off"];
    Table::new(titles, matrix::rows())
}

fn jobs() -> Table {
    let rows = JOBS.iter().map(|job| [format!("`cargo ci {}`", job.name), job.summary.to_owned()]);
    Table::new(["job", "what it does"], rows)
}

fn rules() -> Table {
    let rows = super::RULES.iter().map(|rule| [format!("`{}`", rule.name), rule.holds.to_owned()]);
    Table::new(["rule", "what it holds"], rows)
}

fn mutants() -> Table {
    let rows =
        MUTANTS.iter().map(|mutant| [format!("`{}`", mutant.feature), mutant.removes.to_owned()]);
    Table::new(["feature of the image", "what it removes"], rows)
}

#[cfg(test)]
mod tests {
    use super::super::{Source, check_rule};
    use super::*;

    const EXIT: (&str, &str) = (
        exit_codes::PLACE,
        "const T: &[ExitCode] = &[ExitCode { code: 1, name: \"fail\", meaning: \"one failed\" },\n\
         ExitCode { code: 2, name: \"usage\", meaning: \"misunderstood\" }];\n",
    );

    /// A list of ignored tests, and its table.
    const IGNORED: (&str, &str) = (crate::ignored::PLACE, "[qemu::b 10.0]\n");
    const IGNORED_TABLE: &str = "| target and board | QEMU | scenarios that cannot run |\n\
         |---|---|---|\n\
         | `qemu::b` | 10.0 | none |\n";

    #[test]
    fn a_stale_row_is_found_and_written_anew() {
        let rows = [["1", "fail", "one failed"], ["2", "usage", "misunderstood"]];
        let table =
            Table::new(["exit code", "name", "meaning"], rows.map(|row| row.map(str::to_owned)));
        let fresh = format!("# A\n\n{}\n\n{IGNORED_TABLE}", table.lines().join("\n"));
        check_rule(check, &[EXIT, IGNORED, ("README.md", &fresh)], &[]);
        let row = table.rows[0].join(" | ");
        let old = fresh.replace(&row, "1 | fail | it went wrong");
        let expected = format!(
            "README.md:5: found | 1 | fail | it went wrong |, expected | {row} | (`cargo ci bless` \
             writes it)"
        );
        check_rule(check, &[EXIT, IGNORED, ("README.md", &old)], &[&expected]);
        let files = vec![
            Source::new(EXIT.0, EXIT.1),
            Source::new(IGNORED.0, IGNORED.1),
            Source::new("README.md", &old),
            Source::new("a.md", &old),
        ];
        let mut stale = stale(&Tree { files, packages: Vec::new() });
        stale.retain(|(path, _)| !path.starts_with(matrix::FOLDER));
        assert_eq!(stale, [("README.md".to_owned(), fresh)]);
    }

    #[test]
    fn a_missing_row_or_table_is_found() {
        let mut table = record_fields();
        let last = table.rows.pop().unwrap().join(" | ");
        let ledger = [ledger_fields(), record_sections()].map(|table| table.lines().join("\n"));
        let ledger = ledger.join("\n\n");
        let text = format!("{}\n\n{ledger}\n", table.lines().join("\n"));
        let missing = format!(
            "docs/record.md:{}: found no row, expected | {last} | (`cargo ci bless` writes it)",
            table.rows.len() + 3
        );
        check_rule(check, &[("docs/record.md", &text)], &[&missing]);
        check_rule(
            check,
            &[IGNORED, ("README.md", &format!("# A\n\n{IGNORED_TABLE}"))],
            &["README.md:1: found nothing to make its tables from, expected them in `wire` or \
               `harness`"],
        );
        check_rule(
            check,
            &[("docs/record.md", &format!("# Record\n\n{ledger}\n"))],
            &["docs/record.md:1: found no table `field | offset | size | class`, expected its \
               titles with `|---|` below, and `cargo ci bless`"],
        );
    }

    #[test]
    fn a_list_of_wire_is_read_from_its_source() {
        let source =
            "closed_list! { /// A.\nKind, \"kind\"; /// A bus error.\nBusFault = 2, \"bus\"; }";
        let files = vec![Source::new("firmware/wire/src/kind.rs", source)];
        let tree = Tree { files, packages: Vec::new() };
        let lines = wire_list(&tree, "kind", "Kind").unwrap().lines();
        assert_eq!(lines, ["| kind | meaning |", "|---|---|", "| `bus` | A bus error. |"]);
        assert_eq!(wire_list(&tree, "kind", "Fault"), None);
    }

    #[test]
    fn every_table_has_rows() {
        for table in [record_fields(), ledger_fields(), rules(), jobs(), mutants()] {
            assert!(table.rows.len() > 4, "{table:?}");
        }
    }
}
