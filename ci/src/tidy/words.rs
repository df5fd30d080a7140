//! Rules about words: those that hide what is meant, and traces of the machine they were written
//! on.
//!
//! The tables put their words together from halves, so that this file obeys its own rules.

use super::{Finding, Source, Tree};

/// A text that is not used, where, and what stands in its place.
struct Banned {
    text: &'static str,
    only_in_rust: bool,
    instead: &'static str,
}

const fn anywhere(text: &'static str, instead: &'static str) -> Banned {
    Banned { text, only_in_rust: false, instead }
}

const fn in_rust(text: &'static str, instead: &'static str) -> Banned {
    Banned { text, only_in_rust: true, instead }
}

const BANNED: &[Banned] = &[
    anywhere(concat!("white", "list"), "`allowed list`, or what is allowed"),
    anywhere(concat!("black", "list"), "`refused list`, or what is refused"),
    anywhere(concat!("san", "ity"), "`check`, and of what"),
    anywhere(concat!("grand", "fathered"), "`exempt`, and why"),
    anywhere(concat!("TO", "DO"), "an issue, or the work"),
    anywhere(concat!("FIX", "ME"), "an issue, or the repair"),
    anywhere(concat!("XX", "X"), "an issue, or words"),
    in_rust(concat!("todo", "!"), "the work"),
    in_rust(concat!("unimpl", "emented!"), "the work, or an error"),
    in_rust(concat!("#[", "allow("), "`#[expect(…, reason = …)]`"),
    in_rust(concat!("#![", "allow("), "`#![expect(…, reason = …)]`"),
    in_rust(concat!("#[", "ignore"), "a need of the scenario, with its reason"),
    in_rust(concat!("thread::", "sleep_ms"), "a wait for an event, with a deadline"),
];

/// Places that exist on one machine only; each is found where a path begins.
const PLACES: &[&str] = &[
    concat!("/ho", "me/"),
    concat!("/Us", "ers/"),
    concat!("/ro", "ot/"),
    concat!("/wo", "rk/"),
    concat!("../sh", "ared"),
    concat!("fac", "ts/"),
];

/// How the names of hosts begin that serve packages.
const PACKAGE_HOSTS: &[&str] =
    &["deb.", "security.", "registry.", "static.", "index.", "files.", "pypi.", "snapshot."];

/// Words with a better replacement.
pub fn banned(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.files.iter().filter(|file| !is_lock(file)) {
        let rust = file.is(&["rs"]);
        for (number, line) in file.lines() {
            for word in BANNED.iter().filter(|word| rust || !word.only_in_rust) {
                if holds_word(line, word.text) {
                    let found = format!("`{}`", word.text);
                    findings.push(Finding::new(&file.path, number, found, word.instead));
                }
            }
        }
    }
    findings
}

/// Traces of one machine: home folders, neighbours of the checkout, package hosts.
pub fn machine_traces(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in &tree.files {
        for (number, line) in file.lines() {
            for place in PLACES.iter().filter(|place| begins_path(line, place)) {
                let found = format!("`{place}`");
                findings.push(Finding::new(&file.path, number, found, "a path of the project"));
            }
            for host in hosts(line).filter(|host| PACKAGE_HOSTS.iter().any(|h| host.starts_with(h)))
            {
                let expected = "what the machine is set up with";
                findings.push(Finding::new(&file.path, number, format!("`{host}`"), expected));
            }
        }
    }
    findings
}

fn is_lock(file: &Source) -> bool {
    file.path == "Cargo.lock" || file.path.starts_with("LICENSE")
}

/// Whether a line holds a word on its own. Capital letters count only in words that have them, so
/// that `xxx` in a hexadecimal sample is no finding.
fn holds_word(line: &str, word: &str) -> bool {
    let capitals = word.chars().any(char::is_uppercase);
    let text = if capitals { line.to_owned() } else { line.to_lowercase() };
    let alone = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric());
    let bounded = word.starts_with(char::is_alphanumeric);
    text.match_indices(word).any(|(at, _)| {
        let before = text.get(..at).and_then(|head| head.chars().next_back());
        let after = text.get(at + word.len()..).and_then(|tail| tail.chars().next());
        let open_end = !word.ends_with(char::is_alphanumeric);
        !bounded || (alone(before) && (open_end || alone(after)))
    })
}

fn begins_path(line: &str, place: &str) -> bool {
    line.match_indices(place).any(|(at, _)| {
        let before = line.get(..at).and_then(|head| head.chars().next_back());
        before.is_none_or(|c| !c.is_alphanumeric() && !"._-}/*~".contains(c))
    })
}

fn hosts(line: &str) -> impl Iterator<Item = &str> {
    let starts = line.match_indices("://").filter_map(|(at, _)| line.get(at + 3..));
    starts.map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && !"-.".contains(c));
        rest.get(..end.unwrap_or(rest.len())).unwrap_or_default()
    })
}

#[cfg(test)]
mod tests {
    use super::super::check_rule;
    use super::*;

    #[test]
    fn every_banned_word_is_found() {
        for word in BANNED {
            let text = format!("fine\n a {}: b\n", word.text);
            let expected = format!("a.rs:2: found `{}`, expected {}", word.text, word.instead);
            check_rule(banned, &[("a.rs", &text)], &[&expected]);
        }
    }

    #[test]
    fn words_are_found_whole_and_in_any_case() {
        let capital = concat!("a San", "ity check\n");
        let expected = concat!("a.md:1: found `san", "ity`, expected `check`, and of what");
        check_rule(banned, &[("a.md", capital)], &[expected]);
        let fine = concat!("0xXX", "XX autodo", "! insan", "ity #[expect(a)] clippy::allow(\n");
        check_rule(banned, &[("a.rs", fine), ("a.md", concat!("#[", "ignore]\n"))], &[]);
    }

    #[test]
    fn every_trace_of_a_machine_is_found() {
        for place in PLACES {
            let text = format!("see \"{place}a\"\n");
            let expected = format!("a.toml:1: found `{place}`, expected a path of the project");
            check_rule(machine_traces, &[("a.toml", &text)], &[&expected]);
        }
        for host in PACKAGE_HOSTS {
            let text = format!("from https://{host}example.test:80/x\n");
            let expected = format!(
                "a.md:1: found `{host}example.test`, expected what the machine is set up with"
            );
            check_rule(machine_traces, &[("a.md", &text)], &[&expected]);
        }
    }

    #[test]
    fn relative_places_and_other_hosts_are_fine() {
        let text = concat!(
            "arti",
            "artifac",
            "ts/a target/wo",
            "rk/b https://docs.test/deb.html {}/ro",
            "ot/c\n"
        );
        check_rule(machine_traces, &[("a.md", text)], &[]);
    }
}
