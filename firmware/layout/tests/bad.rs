//! One wrong file per rule, with its message beside it.
//!
//! A file `bad/<rule>.toml` says how to change the files under `good/`, and `bad/<rule>.err`
//! holds the whole message. Keys: `chip` and `board` are laid over `tiny.toml` of that folder (a
//! table laid over an array names entries by their number), `remove` takes keys out, `chip_text`
//! and `board_text` replace a file, `variant` becomes a second board, `load` is the board asked
//! for. `CRASHRIG_BLESS=1` stores new messages.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use crashrig_layout::parse::Board;
use std::path::{Path, PathBuf};
use std::{env, fs};
use toml::{Table, Value};

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

fn table(path: &Path) -> Table {
    fs::read_to_string(path).unwrap().parse().unwrap()
}

/// Lays `top` over `base`.
fn overlay(base: &mut Value, top: Value) {
    match (base, top) {
        (Value::Table(base), Value::Table(top)) => {
            for (key, value) in top {
                match base.get_mut(&key) {
                    Some(below) => overlay(below, value),
                    None => {
                        base.insert(key, value);
                    }
                }
            }
        }
        (Value::Array(base), Value::Table(top)) => {
            for (key, value) in top {
                let index: usize = key.parse().unwrap();
                match base.get_mut(index) {
                    Some(below) => overlay(below, value),
                    None => base.push(value),
                }
            }
        }
        (base, top) => *base = top,
    }
}

/// Takes the value at a dotted path out.
fn remove(value: &mut Value, path: &str) {
    let (first, rest) = path.split_once('.').map_or((path, None), |(a, b)| (a, Some(b)));
    match (value, rest) {
        (Value::Table(table), None) => drop(table.remove(first).unwrap()),
        (Value::Array(array), None) => drop(array.remove(first.parse().unwrap())),
        (Value::Table(table), Some(rest)) => remove(table.get_mut(first).unwrap(), rest),
        (Value::Array(array), Some(rest)) => {
            remove(array.get_mut(first.parse::<usize>().unwrap()).unwrap(), rest);
        }
        _ => panic!("`{path}` leads nowhere"),
    }
}

/// The message that loading the changed files gives.
fn message(rule: &Path) -> String {
    let mut change = table(rule);
    let mut files = Value::Table(Table::new());
    for (kind, folder) in [("chip", "chips"), ("board", "boards")] {
        let good = table(&here().join(format!("good/{folder}/tiny.toml")));
        overlay(&mut files, Value::Table(Table::from_iter([(kind.to_owned(), good.into())])));
        if let Some(top) = change.remove(kind) {
            overlay(files.get_mut(kind).unwrap(), top);
        }
    }
    for path in change.remove("remove").iter().flat_map(|paths| paths.as_array().unwrap()) {
        remove(&mut files, path.as_str().unwrap());
    }
    let mut text_of = |kind: &str| match change.remove(&format!("{kind}_text")) {
        Some(text) => text.as_str().unwrap().to_owned(),
        None => toml::to_string(files.get(kind).unwrap()).unwrap(),
    };
    let (chip, board) = (text_of("chip"), text_of("board"));
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: String| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("chips/tiny.toml", chip);
    write("boards/tiny.toml", board);
    if let Some(variant) = change.remove("variant") {
        write("boards/variant.toml", toml::to_string(&variant).unwrap());
    }
    let load = change
        .remove("load")
        .map_or_else(|| "tiny".to_owned(), |load| load.as_str().unwrap().to_owned());
    assert!(change.is_empty(), "{}: unknown keys {change:?}", rule.display());
    match Board::load(&folder.path().join("boards"), &load) {
        Ok(_) => "loads without a problem\n".to_owned(),
        Err(error) => format!("failed to {error}\n"),
    }
}

fn rules() -> Vec<PathBuf> {
    let entries = fs::read_dir(here().join("bad")).unwrap();
    let mut rules: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "toml"))
        .collect();
    rules.sort();
    rules
}

#[test]
fn the_unchanged_files_load() {
    let board = Board::load(&here().join("good/boards"), "tiny").unwrap();
    assert_eq!((board.chip.name.as_str(), board.layout.crash_start), ("tiny", 0x2000_0080));
}

#[test]
fn each_broken_rule_has_its_message() {
    let mut wrong = Vec::new();
    let rules = rules();
    assert!(!rules.is_empty());
    for rule in rules {
        let stored = rule.with_extension("err");
        let found = message(&rule);
        if env::var_os("CRASHRIG_BLESS").is_some() && found.starts_with("failed to") {
            fs::write(&stored, &found).unwrap();
        }
        let expected = fs::read_to_string(&stored).unwrap_or_default();
        if found != expected {
            wrong.push(format!("{}\nexpected: {expected}\nfound: {found}", rule.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_message_is_left_over() {
    for entry in fs::read_dir(here().join("bad")).unwrap() {
        let path = entry.unwrap().path();
        let rule = path.with_extension("toml");
        assert!(rule.is_file(), "{} belongs to no rule", path.display());
    }
}
