//! Rule: what the heap's contract names exists, and its document is made of it.

use super::{Finding, Source, Tree};
use crate::contract::{self, Contract, DOCUMENT, PLACE};
use std::collections::BTreeSet;
use syn::visit::{self, Visit};

/// A macro of the tests of the heap: each name behind the list of levels is a test.
const AT_EACH_LEVEL: &str = "at_each_level";

/// Each statement is shown by something that exists, or has a reason; the document says the same.
pub fn check(tree: &Tree) -> Vec<Finding> {
    let Some(source) = tree.file(PLACE) else {
        let document = tree.file(DOCUMENT).into_iter();
        let finding = |_| Finding::new(DOCUMENT, 1, "nothing that it is made of", PLACE);
        return document.map(finding).collect();
    };
    let contract = match contract::read(&source.text) {
        Ok(contract) => contract,
        Err(problem) => {
            return vec![Finding::new(PLACE, 1, problem, "areas with rows")];
        }
    };
    let mut findings = about_rows(tree, source, &contract);
    if tree.file(DOCUMENT).is_none_or(|file| file.text != contract.document()) {
        let expected = "what `cargo ci bless` writes there";
        findings.push(Finding::new(DOCUMENT, 1, "another text", expected));
    }
    findings
}

/// The document as it should be, if it is not.
pub(super) fn stale(tree: &Tree) -> Option<(String, String)> {
    let text = contract::read(&tree.file(PLACE)?.text).ok()?.document();
    let is_stale = tree.file(DOCUMENT).is_none_or(|file| file.text != text);
    is_stale.then(|| (DOCUMENT.to_owned(), text))
}

fn about_rows(tree: &Tree, source: &Source, contract: &Contract) -> Vec<Finding> {
    let tests = tests(tree);
    let mut said = BTreeSet::new();
    let mut findings = Vec::new();
    for row in contract.rows() {
        let line = source.line_of(&row.says);
        let mut add = |line, found: String, expected: &str| {
            findings.push(Finding::new(PLACE, line, found, expected));
        };
        if !said.insert(row.says.as_str()) {
            add(line, format!("`{}` twice", row.says), "each statement once");
        }
        if let Some(problem) = row.problem() {
            add(line, problem.to_owned(), "tests or scenarios, or a reason in words");
        }
        for name in &row.shown_by {
            let exists = match name.split_once('/') {
                Some(_) => tree.file(&format!("scenarios/{name}.toml")).is_some(),
                None => tests.contains(name),
            };
            if !exists {
                let line = source.line_of(&format!("\"{name}\""));
                let expected = "a test as `crate::file::test`, or a scenario as `folder/name`";
                add(line, format!("`{name}`, which does not exist"), expected);
            }
        }
    }
    findings
}

/// Every test, as `crate::file::test`. A crate goes by the name of its folder, and a
/// `mod.rs` by that of its own.
fn tests(tree: &Tree) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for file in tree.rust() {
        let Some((package, module)) = place(&file.path) else { continue };
        let Ok(syntax) = syn::parse_file(&file.text) else { continue };
        let mut tests = Tests(Vec::new());
        tests.visit_file(&syntax);
        names.extend(tests.0.iter().map(|test| format!("{package}::{module}::{test}")));
    }
    names
}

/// The folder of the crate, and the name of the module.
fn place(path: &str) -> Option<(&str, &str)> {
    let (package, rest) = path.split_once("/src/").or_else(|| path.split_once("/tests/"))?;
    let module = rest.strip_suffix(".rs")?;
    let module = module.strip_suffix("/mod").unwrap_or(module);
    Some((package.rsplit('/').next()?, module.rsplit('/').next()?))
}

struct Tests(Vec<String>);

impl<'ast> Visit<'ast> for Tests {
    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        if function.attrs.iter().any(|attribute| attribute.path().is_ident("test")) {
            self.0.push(function.sig.ident.to_string());
        }
        visit::visit_item_fn(self, function);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        if call.path.segments.last().is_some_and(|last| last.ident == AT_EACH_LEVEL) {
            let names = call.tokens.clone().into_iter().filter_map(|token| match token {
                proc_macro2::TokenTree::Ident(name) => Some(name.to_string()),
                _ => None,
            });
            self.0.extend(names);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::check_rule;
    use super::*;

    const TESTS: &str = "mod at { at_each_level!([Off, Light]: kept, told,); }\n\
                         fn kept() {}\n#[test]\nfn refused() {}\nfn asleep() {}\n";

    fn contract(rows: &str) -> (String, String) {
        let text = format!("[[area]]\ntitle = \"A\"\n{rows}");
        let document = contract::read(&text).unwrap().document();
        (text, document)
    }

    fn check_contract(rows: &str, expected: &[&str]) {
        let (text, document) = contract(rows);
        let files = [
            (PLACE, text.as_str()),
            (DOCUMENT, &document),
            ("firmware/memory/tests/heap/blocks.rs", TESTS),
            ("scenarios/heap/hooks.toml", ""),
        ];
        check_rule(check, &files, expected);
    }

    #[test]
    fn what_is_named_exists() {
        check_contract(
            "[[area.row]]\nsays = \"s\"\nshown_by = [\"memory::blocks::told\",\n\
             \"memory::blocks::refused\", \"heap/hooks\"]\n",
            &[],
        );
        let end = "expected a test as `crate::file::test`, or a scenario as `folder/name`";
        let gone = |line: usize, name: &str| {
            format!("{PLACE}:{line}: found `{name}`, which does not exist, {end}")
        };
        check_contract(
            "[[area.row]]\nsays = \"s\"\nshown_by = [\n\"memory::blocks::asleep\",\n\
             \"memory::blocks::Off\",\n\"memory::other::told\",\n\"heap/gone\",\n\"told\"]\n",
            &[
                &gone(6, "memory::blocks::asleep"),
                &gone(7, "memory::blocks::Off"),
                &gone(8, "memory::other::told"),
                &gone(9, "heap/gone"),
                &gone(10, "told"),
            ],
        );
    }

    #[test]
    fn a_row_is_there_once_and_complete() {
        check_contract(
            "[[area.row]]\nsays = \"s\"\n[[area.row]]\nsays = \"s\"\nshown_by = [\"heap/hooks\"]\n",
            &[
                &format!("{PLACE}:4: found `s` twice, expected each statement once"),
                &format!(
                    "{PLACE}:4: found nothing that shows it, and no reason, expected tests or \
                     scenarios, or a reason in words"
                ),
            ],
        );
    }

    #[test]
    fn the_document_is_made_of_the_statements() {
        let (text, document) =
            contract("[[area.row]]\nsays = \"s\"\nshown_by = [\"heap/hooks\"]\n");
        let finding = format!(
            "{DOCUMENT}:1: found another text, expected what `cargo ci bless` writes there"
        );
        let scenario = ("scenarios/heap/hooks.toml", "");
        check_rule(check, &[(PLACE, &text), scenario], &[&finding]);
        check_rule(check, &[(PLACE, &text), scenario, (DOCUMENT, "# Old\n")], &[&finding]);
        let alone = format!("{DOCUMENT}:1: found nothing that it is made of, expected {PLACE}");
        check_rule(check, &[(DOCUMENT, &document)], &[&alone]);
        let files = vec![Source::new(PLACE, &text), Source::new(DOCUMENT, "# Old\n")];
        let stale = stale(&Tree { files, packages: Vec::new() });
        assert_eq!(stale, Some((DOCUMENT.to_owned(), document)));
    }
}
