//! Tables in documents, recognised by their titles: read, compared, and written anew.
//!
//! What stands around a table belongs to its author and is never touched. Columns are not padded,
//! so that one longer row does not change all the others.

/// A table of facts: titles and rows, each row with as many cells as there are titles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// The titles of its columns.
    pub titles: Vec<String>,
    /// Its rows.
    pub rows: Vec<Vec<String>>,
}

/// A table as it stands in a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The line of its titles, from 1. The first row stands two lines below.
    pub line: usize,
    /// Its rows.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// A table of some titles and rows.
    pub fn new<const COLUMNS: usize>(
        titles: [&str; COLUMNS],
        rows: impl IntoIterator<Item = [String; COLUMNS]>,
    ) -> Self {
        let rows = rows.into_iter().map(|row| row.to_vec()).collect();
        Self { titles: titles.map(str::to_owned).to_vec(), rows }
    }

    /// The table as lines of a document.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let line = |cells: &Vec<String>| format!("| {} |", cells.join(" | "));
        let mut lines = vec![line(&self.titles), format!("|{}", "---|".repeat(self.titles.len()))];
        lines.extend(self.rows.iter().map(line));
        lines
    }

    /// The first table of a document that has these titles.
    #[must_use]
    pub fn find(&self, text: &str) -> Option<Found> {
        find(text, |titles| titles == self.titles)
    }

    /// The document with the first table of these titles replaced by this one; the document itself
    /// if it has none.
    #[must_use]
    pub fn written_into(&self, text: &str) -> String {
        let Some(found) = self.find(text) else { return text.to_owned() };
        let old_end = found.line + 1 + found.rows.len();
        let mut result = String::new();
        for (index, line) in text.lines().enumerate() {
            if index + 1 == found.line {
                self.lines().iter().for_each(|new| result.push_str(&format!("{new}\n")));
            } else if index + 1 < found.line || index + 1 > old_end {
                result.push_str(&format!("{line}\n"));
            }
        }
        result
    }
}

/// The first table of a document whose titles are the wanted ones.
#[must_use]
pub fn find(text: &str, wanted: impl Fn(&[String]) -> bool) -> Option<Found> {
    let lines: Vec<_> = text.lines().collect();
    let start = lines.windows(2).position(|pair| {
        let [titles, rule] = pair else { return false };
        rule.starts_with("|--") && cells(titles).is_some_and(|titles| wanted(&titles))
    })?;
    let rows = lines.iter().skip(start + 2).map_while(|line| cells(line)).collect();
    Some(Found { line: start + 1, rows })
}

/// The cells of a line of a table; nothing if the line is none. A bar behind `\` is part of a cell.
fn cells(line: &str) -> Option<Vec<String>> {
    let inside = line.trim().strip_prefix('|')?.strip_suffix('|')?;
    let mut cells = vec![String::new()];
    let mut escaped = false;
    for c in inside.chars() {
        match cells.last_mut() {
            Some(cell) if c != '|' || escaped => cell.push(c),
            _ => cells.push(String::new()),
        }
        escaped = c == '\\';
    }
    Some(cells.iter().map(|cell| cell.trim().to_owned()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let rows = [["1", "one \\| first"], ["2", "two"]].map(|row| row.map(str::to_owned));
        Table::new(["code", "meaning"], rows)
    }

    fn check(text: &str, expected: &str) {
        assert_eq!(table().written_into(text), expected);
        assert_eq!(table().written_into(expected), expected, "twice is once");
    }

    #[test]
    fn only_the_table_with_these_titles_is_replaced() {
        let fresh = "| code | meaning |\n|---|---|\n| 1 | one \\| first |\n| 2 | two |\n";
        check("| code | meaning |\n|---|---|\n", fresh);
        check(
            "a\n\n|code|  meaning |\n|-----|---|\n| 9 | nine |\n\nb\n",
            &format!("a\n\n{fresh}\nb\n"),
        );
        let other = "| code | name |\n|---|---|\n| 1 | one |\n";
        check(&format!("{other}\n{fresh}"), &format!("{other}\n{fresh}"));
        check(other, other);
    }

    #[test]
    fn what_is_written_is_read_again() {
        let text = format!("x\n{}\n", table().lines().join("\n"));
        assert_eq!(table().find(&text), Some(Found { line: 2, rows: table().rows }));
    }
}
