//! What ESP-IDF promises and tests of its heap, statement by statement, and what shows it here.
//!
//! The statements stand in a data file beside the tests of the heap; `cargo ci bless` makes
//! `docs/heap_contract.md` of it. A rule of `cargo ci tidy` holds both: each statement names tests
//! or scenarios that exist, or says why it does not apply. Nothing is left for later.

use serde::Deserialize;

/// Where the statements stand, relative to the root.
pub const PLACE: &str = "firmware/memory/tests/heap/contract.toml";
/// What is made of them, relative to the root.
pub const DOCUMENT: &str = "docs/heap_contract.md";

const HEAD: &str = "# The heap's contract

Made by `cargo ci bless` of `firmware/memory/tests/heap/contract.toml`; change that one. Each row is
one statement about the heap of ESP-IDF, in our own words: what its interface promises, or what one
of its tests looks at. *The same* means that it holds here, *differs* that something else does on
purpose, and each of these names what shows it: a test as `crate::file::test`, or a scenario as
`folder/name`. A rule of `cargo ci tidy` fails where one of these does not exist.
";

/// All statements.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contract {
    /// In the order of the document.
    pub area: Vec<Area>,
}

/// Statements about one thing.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Area {
    /// What they are about.
    pub title: String,
    /// In the order of the document.
    pub row: Vec<Row>,
}

/// One statement.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// What holds of ESP-IDF's heap, or what one of its tests looks at.
    pub says: String,
    /// Tests and scenarios that show it.
    #[serde(default)]
    pub shown_by: Vec<String>,
    /// What is otherwise here on purpose, and why. It is shown as well.
    pub differs: Option<String>,
    /// Why there is nothing to show.
    pub does_not_apply: Option<String>,
}

/// Reads the statements.
///
/// # Errors
/// What is wrong about the file, in one line.
pub fn read(text: &str) -> Result<Contract, String> {
    toml::from_str(text).map_err(|problem| problem.message().replace('\n', " "))
}

impl Contract {
    /// Every statement.
    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        self.area.iter().flat_map(|area| &area.row)
    }

    /// The document.
    #[must_use]
    pub fn document(&self) -> String {
        let mut text = HEAD.to_owned();
        for Area { title, row } in &self.area {
            text.push_str(&format!("\n## {title}\n\n| in ESP-IDF | here | shown by |\n"));
            text.push_str("|---|---|---|\n");
            for row in row {
                text.push_str(&row.line());
            }
        }
        text
    }
}

impl Row {
    /// What is wrong about it, apart from the names.
    #[must_use]
    pub fn problem(&self) -> Option<&'static str> {
        let Self { shown_by, differs, does_not_apply, .. } = self;
        let is_reason = |reason: &String| reason.split_whitespace().count() >= 3;
        if !differs.iter().chain(does_not_apply).all(is_reason) {
            return Some("a reason that is none");
        }
        match (shown_by.is_empty(), differs, does_not_apply) {
            (true, _, None) => Some("nothing that shows it, and no reason"),
            (false, _, Some(_)) => Some("what shows it, and a reason why nothing does"),
            (true, Some(_), Some(_)) => Some("that it differs, and that it does not apply"),
            _ => None,
        }
    }

    fn line(&self) -> String {
        let here = match (&self.differs, &self.does_not_apply) {
            (Some(what), _) => format!("differs: {what}"),
            (None, Some(why)) => format!("does not apply: {why}"),
            (None, None) => "the same".to_owned(),
        };
        let names: Vec<_> = self.shown_by.iter().map(|name| format!("`{name}`")).collect();
        let names = if names.is_empty() { "–".to_owned() } else { names.join(", ") };
        format!("| {} | {} | {names} |\n", cell(&self.says), cell(&here))
    }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "[[area]]\ntitle = \"A\"\n";

    fn check(row: &str, line: &str, problem: Option<&str>) {
        let contract = read(&format!("{HEADER}[[area.row]]\nsays = \"s | t\"\n{row}")).unwrap();
        let row = contract.rows().next().unwrap();
        assert_eq!((row.line().trim_end(), row.problem()), (line, problem));
    }

    #[test]
    fn a_row_says_what_shows_it_or_why_nothing_does() {
        check(
            "shown_by = [\"a::b::c\", \"d/e\"]",
            "| s \\| t | the same | `a::b::c`, `d/e` |",
            None,
        );
        check(
            "shown_by = [\"d/e\"]\ndiffers = \"by a lot\"",
            "| s \\| t | differs: by a lot | `d/e` |",
            None,
        );
        check(
            "does_not_apply = \"no such memory\"",
            "| s \\| t | does not apply: no such memory | – |",
            None,
        );
    }

    #[test]
    fn a_row_without_either_or_with_both_is_told() {
        let none = Some("nothing that shows it, and no reason");
        check("", "| s \\| t | the same | – |", none);
        check("differs = \"by a lot\"", "| s \\| t | differs: by a lot | – |", none);
        check(
            "shown_by = [\"d/e\"]\ndoes_not_apply = \"no such memory\"",
            "| s \\| t | does not apply: no such memory | `d/e` |",
            Some("what shows it, and a reason why nothing does"),
        );
        check(
            "differs = \"by a lot\"\ndoes_not_apply = \"no such memory\"",
            "| s \\| t | differs: by a lot | – |",
            Some("that it differs, and that it does not apply"),
        );
        check(
            "does_not_apply = \"later\"",
            "| s \\| t | does not apply: later | – |",
            Some("a reason that is none"),
        );
    }

    #[test]
    fn areas_are_tables_and_unknown_keys_are_refused() {
        let row = "[[area.row]]\nsays = \"s\"\nshown_by = [\"d/e\"]\n";
        let text = read(&format!("{HEADER}{row}")).unwrap().document();
        let table = "\n## A\n\n| in ESP-IDF | here | shown by |\n|---|---|---|\n\
                     | s | the same | `d/e` |\n";
        assert_eq!(text.strip_prefix(HEAD), Some(table));
        assert!(read(&format!("{HEADER}{row}todo = \"x\"\n")).unwrap_err().contains("`todo`"));
    }
}
