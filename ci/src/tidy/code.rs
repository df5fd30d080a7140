//! Rules about code that look at its tokens, so that comments and texts are never mistaken for it.

use super::crates::{TABLE, Unsafe, row_of};
use super::{Finding, Source, Tree};
use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// The crates that write the record and must not know what was asked for.
const BLIND: &[&str] = &["firmware/memory/", "firmware/port/"];
/// The types by which a host asks for a fault.
const COMMAND_TYPES: &[&str] = &["Fault", "Mailbox"];
/// The module of `wire` that holds them.
const COMMAND_MODULE: &str = "command";

/// What wrote the record is what detected the fault: never the order to produce it.
pub fn blind_record(tree: &Tree) -> Vec<Finding> {
    let blind = |file: &&Source| BLIND.iter().any(|folder| file.path.starts_with(folder));
    let mut findings = Vec::new();
    for file in tree.rust().filter(blind) {
        let words = words(&file.text);
        let from_wire = words.iter().any(|word| word.text == "crashrig_wire");
        for word in &words {
            let module = from_wire && word.text == COMMAND_MODULE;
            if module || COMMAND_TYPES.contains(&word.text.as_str()) {
                let found = format!("`{}`", word.text);
                let expected = "code that does not know what the host asked for";
                findings.push(Finding::new(&file.path, word.line, found, expected));
            }
        }
    }
    findings
}

/// Unsafe code stands where the table of crates allows it, and where it is forbidden the compiler
/// is told so.
pub fn unsafe_places(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in &tree.packages {
        if row_of(package).is_none_or(|row| row.unsafe_code != Unsafe::Forbidden) {
            continue;
        }
        for entry in package.entries.iter().filter_map(|path| tree.file(path)) {
            if !entry.text.lines().any(|line| line == "#![forbid(unsafe_code)]") {
                let expected = "`#![forbid(unsafe_code)]`";
                findings.push(Finding::new(&entry.path, 1, "a crate that may be unsafe", expected));
            }
        }
    }
    for file in tree.rust() {
        let row = TABLE.iter().filter(|row| file.path.starts_with(&format!("{}/", row.folder)));
        let Some(row) = row.max_by_key(|row| row.folder.len()) else { continue };
        let allowed = match row.unsafe_code {
            Unsafe::Forbidden => false,
            Unsafe::Justified => true,
            Unsafe::Below(folder) => file.path.starts_with(&format!("{}/{folder}/", row.folder)),
            Unsafe::Raw => file.path.ends_with("/raw.rs") || implements_allocator(&file.text),
        };
        if !allowed {
            for word in words(&file.text).iter().filter(|word| word.text == "unsafe") {
                let expected = format!("in {}: {}", row.folder, row.unsafe_code.words());
                findings.push(Finding::new(&file.path, word.line, "`unsafe`", expected));
            }
        }
    }
    findings
}

fn implements_allocator(text: &str) -> bool {
    let words = words(text);
    words.windows(2).any(|pair| {
        let [first, second] = pair else { return false };
        first.text == "GlobalAlloc" && second.text == "for"
    })
}

struct Word {
    text: String,
    line: usize,
}

/// The identifiers and keywords of a source file, those of attributes left out: an attribute such
/// as `#[unsafe(no_mangle)]` names a symbol, which the lints of the compiler look after.
fn words(text: &str) -> Vec<Word> {
    let mut words = Vec::new();
    if let Ok(stream) = text.parse::<TokenStream>() {
        collect(stream, &mut words);
    }
    words
}

fn collect(stream: TokenStream, words: &mut Vec<Word>) {
    let mut after_hash = false;
    for token in stream {
        match token {
            TokenTree::Group(group) if after_hash && group.delimiter() == Delimiter::Bracket => {}
            TokenTree::Group(group) => collect(group.stream(), words),
            TokenTree::Ident(word) => {
                words.push(Word { text: word.to_string(), line: word.span().start().line });
            }
            TokenTree::Punct(mark) if mark.as_char() == '#' => {
                after_hash = true;
                continue;
            }
            // `#![…]` is an attribute too.
            TokenTree::Punct(mark) if mark.as_char() == '!' && after_hash => continue,
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
        after_hash = false;
    }
}

#[cfg(test)]
mod tests {
    use super::super::check_rule;
    use super::super::tree::Package;
    use super::*;

    #[test]
    fn what_writes_the_record_does_not_know_the_order() {
        let text = "// Fault\nuse crashrig_wire::{Kind, Mailbox};\nuse crashrig_wire::command;\n\
                    const A: &str = \"Fault\";\nfn f() { Fault::None; }\n";
        let end = "expected code that does not know what the host asked for";
        check_rule(
            blind_record,
            &[
                ("firmware/port/src/a.rs", text),
                (
                    "firmware/memory/src/b.rs",
                    "/// Fault\nfn fault(command: u8) { fault(command) }\n",
                ),
                ("firmware/image/src/c.rs", text),
            ],
            &[
                &format!("firmware/port/src/a.rs:2: found `Mailbox`, {end}"),
                &format!("firmware/port/src/a.rs:3: found `command`, {end}"),
                &format!("firmware/port/src/a.rs:5: found `Fault`, {end}"),
            ],
        );
    }

    #[test]
    fn unsafe_stands_where_the_table_says() {
        let text = "//! Unsafe.\n#[unsafe(no_mangle)]\nfn a() { unsafe { b() } }\n";
        let allocator = "unsafe impl GlobalAlloc for Heap {}\n";
        let raw = "files named `raw.rs`, and the `GlobalAlloc` implementation";
        check_rule(
            unsafe_places,
            &[
                ("firmware/memory/src/heap/raw.rs", text),
                ("firmware/memory/src/heap/global.rs", allocator),
                ("firmware/memory/src/heap/walk.rs", text),
                ("firmware/image/src/faults/bus.rs", text),
                ("firmware/image/src/main.rs", text),
                ("firmware/port/src/mpu.rs", text),
                ("qemu/src/keeper.rs", text),
                ("qemu/plugin/src/lib.rs", text),
            ],
            &[
                "firmware/image/src/main.rs:3: found `unsafe`, expected in firmware/image: below \
                 `src/faults/`, each block justified",
                &format!(
                    "firmware/memory/src/heap/walk.rs:3: found `unsafe`, expected in \
                     firmware/memory: {raw}"
                ),
                "qemu/src/keeper.rs:3: found `unsafe`, expected in qemu: forbidden",
            ],
        );
    }

    #[test]
    fn a_crate_without_unsafe_code_says_so() {
        let package = |entry: &str| Package {
            name: "crashrig-qemu".to_owned(),
            folder: "qemu".to_owned(),
            uses: Vec::new(),
            entries: vec![entry.to_owned()],
        };
        let files = vec![
            Source::new("qemu/src/lib.rs", "//! A.\n"),
            Source::new("qemu/src/main.rs", "//! A.\n#![forbid(unsafe_code)]\n"),
        ];
        let packages = vec![package("qemu/src/lib.rs"), package("qemu/src/main.rs")];
        let findings = unsafe_places(&Tree { files, packages });
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!(findings[0].file, "qemu/src/lib.rs");
    }
}
