//! The table of the README that says what cannot run where: made from the list of ignored tests,
//! which the suite itself holds against what it ignores.

use super::Tree;
use super::tables::Table;
use crate::ignored::{PLACE, of_file};
use std::collections::{BTreeMap, BTreeSet};

/// One row for each board and version; nothing if there is no list.
pub(super) fn table(tree: &Tree) -> Option<Table> {
    let sections = of_file(&tree.file(PLACE)?.text);
    let rows = sections.iter().filter_map(|(title, lines)| {
        let (board, version) = title.strip_prefix('[')?.strip_suffix(']')?.split_once(' ')?;
        Some([format!("`{board}`"), version.to_owned(), without(lines)])
    });
    Some(Table::new(["target and board", "QEMU", "scenarios that cannot run"], rows))
}

/// How many, by reason, each once.
fn without(lines: &BTreeSet<String>) -> String {
    let mut reasons = BTreeMap::<&str, usize>::new();
    for (_, reason) in lines.iter().filter_map(|line| line.split_once(": ")) {
        *reasons.entry(reason).or_default() += 1;
    }
    let words: Vec<_> =
        reasons.iter().map(|(reason, count)| format!("{count}: {reason}")).collect();
    if words.is_empty() { "none".to_owned() } else { words.join("; ") }
}

#[cfg(test)]
mod tests {
    use super::super::Source;
    use super::*;

    #[test]
    fn reasons_are_counted_by_board_and_version() {
        let list = "# a\n\n[qemu::b 10.0]\nx::a: needs ccm: none\nx::b: needs ccm: none\n\
                    x::c: needs mpu\n\n[qemu::c 7.2]\n";
        let files = vec![Source::new(PLACE, list)];
        let table = table(&Tree { files, packages: Vec::new() }).unwrap();
        let lines = table.lines();
        assert_eq!(lines[2], "| `qemu::b` | 10.0 | 2: needs ccm: none; 1: needs mpu |");
        assert_eq!(lines[3], "| `qemu::c` | 7.2 | none |");
    }
}
