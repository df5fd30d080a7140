//! Holds the house style against the files of this project, one test for each rule.
//!
//! The rules have tests of their own, next to each, which prove that they can fail.
#![expect(clippy::expect_used, reason = "a test may end where the project cannot be read")]

use crashrig_ci::tidy::{RULES, Tree, report};
use crashrig_ci::workspace;
use std::sync::LazyLock;

static TREE: LazyLock<Tree> =
    LazyLock::new(|| Tree::read(&workspace::root()).expect("the project can be read"));

fn check(name: &str) {
    let rule = RULES.iter().find(|rule| rule.name == name).expect("the rule is in the table");
    let report = report(rule, &TREE);
    assert!(report.is_empty(), "{}:\n{report}", rule.holds);
}

macro_rules! rules {
    ($($test:ident, $name:literal;)+) => {
        const TESTED: &[&str] = &[$($name,)+];
        $(#[test] fn $test() { check($name); })+
    };
}

rules! {
    source_files_say_what_they_are, "module-docs";
    source_files_are_compiled, "modules";
    source_files_are_short, "file-length";
    lines_are_short, "line-length";
    lines_end_where_they_end, "line-ends";
    functions_are_short, "function-length";
    arrows_between_crates_point_one_way, "crate-table";
    manifests_hold_no_versions, "manifests";
    the_record_does_not_know_the_order, "blind-record";
    unsafe_code_stands_where_it_may, "unsafe-places";
    words_say_what_is_meant, "words";
    no_file_knows_a_machine, "machine-traces";
    documents_have_titles_and_links_that_lead_somewhere, "markdown";
    commands_in_documents_exist, "commands";
    tables_are_up_to_date, "generated";
    overflow_scenarios_are_up_to_date, "matrix";
    the_heap_does_what_its_contract_says, "heap-contract";
}

#[test]
fn every_rule_is_tested() {
    let names: Vec<_> = RULES.iter().map(|rule| rule.name).collect();
    assert_eq!(TESTED, names);
}

#[test]
fn the_project_was_found() {
    assert!(TREE.files.len() > 50, "found {} files, expected the project", TREE.files.len());
    assert_eq!(TREE.packages.len(), 15);
}
