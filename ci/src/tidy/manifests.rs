//! Rule about manifests: one home for versions and lints.

use super::{Finding, Tree};
use toml::{Table, Value};

/// The root manifest.
const ROOT: &str = "Cargo.toml";
/// The tables of a manifest that hold dependencies.
const KINDS: &[&str] = &["dependencies", "dev-dependencies", "build-dependencies"];

/// Versions stand in the root manifest and nowhere else, each is used, and lints are inherited.
pub fn check(tree: &Tree) -> Vec<Finding> {
    let Some(root) = tree.file(ROOT) else { return Vec::new() };
    let mut findings = Vec::new();
    let mut used: Vec<String> = Vec::new();
    for file in tree.files.iter().filter(|file| file.path.ends_with("/Cargo.toml")) {
        let Some(table) = parsed(&file.text) else {
            findings.push(Finding::new(&file.path, 1, "a broken manifest", "a manifest"));
            continue;
        };
        let lints = table.get("lints").and_then(|lints| lints.get("workspace"));
        if lints.and_then(Value::as_bool) != Some(true) {
            let expected = "`workspace = true` below `[lints]`";
            findings.push(Finding::new(&file.path, 1, "lints of its own", expected));
        }
        for (name, value) in dependencies(&table) {
            let inherited = value.get("workspace").and_then(Value::as_bool) == Some(true);
            if !inherited {
                let line = file.line_of(&name);
                let found = format!("a version or place of `{name}`");
                findings.push(Finding::new(&file.path, line, found, "`workspace = true`"));
            }
            used.push(name);
        }
    }
    let stated: Option<Vec<String>> = parsed(&root.text).and_then(|table| {
        Some(table.get("workspace")?.get("dependencies")?.as_table()?.keys().cloned().collect())
    });
    for name in stated.unwrap_or_default().into_iter().filter(|name| !used.contains(name)) {
        let line = root.line_of(&format!("{name} = "));
        let found = format!("the dependency `{name}`, which no crate uses");
        findings.push(Finding::new(ROOT, line, found, "only what is used"));
    }
    findings
}

fn parsed(text: &str) -> Option<Table> {
    text.parse::<Table>().ok()
}

/// The dependencies of a manifest, those of single targets included.
fn dependencies(manifest: &Table) -> Vec<(String, Value)> {
    let targets = manifest.get("target").and_then(Value::as_table);
    let per_target = targets.into_iter().flat_map(Table::values).filter_map(Value::as_table);
    let tables = std::iter::once(manifest).chain(per_target);
    let kinds = tables.flat_map(|table| KINDS.iter().filter_map(|kind| table.get(*kind)));
    let entries = kinds.filter_map(Value::as_table).flatten();
    entries.map(|(name, value)| (name.clone(), value.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::super::check_rule;
    use super::*;

    #[test]
    fn manifests_hold_no_versions_and_no_lints() {
        let root = "[workspace.dependencies]\nserde = \"1\"\ntoml = \"1\"\ncc = \"1\"\n";
        let sound = "[lints]\nworkspace = true\n[dependencies]\nserde.workspace = true\n\
                     [target.'cfg(unix)'.build-dependencies]\ncc = { workspace = true }\n";
        let own = "[dependencies]\nserde = { version = \"1\" }\n";
        check_rule(
            check,
            &[
                ("Cargo.toml", root),
                ("a/Cargo.toml", sound),
                ("b/Cargo.toml", own),
                ("c/Cargo.toml", "["),
            ],
            &[
                "Cargo.toml:3: found the dependency `toml`, which no crate uses, expected \
                 only what is used",
                "b/Cargo.toml:1: found lints of its own, expected `workspace = true` below \
                 `[lints]`",
                "b/Cargo.toml:2: found a version or place of `serde`, expected `workspace = true`",
                "c/Cargo.toml:1: found a broken manifest, expected a manifest",
            ],
        );
    }
}
