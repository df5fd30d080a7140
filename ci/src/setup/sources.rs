//! Package sources of this machine, and the backports source that follows from them.
//!
//! No host is named here: the mirror, its path and the key that signs it are taken from what the
//! machine already uses, in both formats apt knows. What apt passes over is passed over.

use std::path::Path;

/// One source of binary packages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Source {
    /// Where it lies, one or more places with the same content.
    pub places: Vec<String>,
    /// Suites, e.g. `bookworm`.
    pub suites: Vec<String>,
    /// Components, e.g. `main`.
    pub components: Vec<String>,
    /// Further fields that decide how it is fetched and trusted, in the words of the block format.
    pub options: Vec<(String, String)>,
}

/// The options of the one-line format and the fields of the block format that mean the same.
const OPTIONS: &[(&str, &str)] = &[
    ("signed-by", "Signed-By"),
    ("trusted", "Trusted"),
    ("arch", "Architectures"),
    ("check-valid-until", "Check-Valid-Until"),
    ("valid-until-max", "Valid-Until-Max"),
    ("check-date", "Check-Date"),
    ("by-hash", "By-Hash"),
    ("allow-insecure", "Allow-Insecure"),
    ("allow-weak", "Allow-Weak"),
];

/// Reads every source file of a folder that apt reads: `sources.list` and what ends in `.list` or
/// `.sources` below `sources.list.d`.
#[must_use]
pub fn of_machine(apt_folder: &Path) -> Vec<Source> {
    let mut files = vec![apt_folder.join("sources.list")];
    let parts = std::fs::read_dir(apt_folder.join("sources.list.d"));
    files.extend(parts.into_iter().flatten().flatten().map(|entry| entry.path()));
    files.sort();
    let mut sources = Vec::new();
    for file in files {
        let Ok(text) = std::fs::read_to_string(&file) else { continue };
        match file.extension().and_then(|ending| ending.to_str()) {
            Some("list") => sources.extend(one_line(&text)),
            Some("sources") => sources.extend(blocks(&text)),
            _ => {}
        }
    }
    sources
}

/// Reads the one-line format: `deb [option=value …] place suite component…`.
#[must_use]
pub fn one_line(text: &str) -> Vec<Source> {
    text.lines()
        .filter_map(|line| line_source(line.split('#').next().unwrap_or_default()))
        .collect()
}

fn line_source(line: &str) -> Option<Source> {
    let rest = line.trim().strip_prefix("deb")?;
    if !rest.starts_with([' ', '\t', '[']) {
        return None;
    }
    let rest = rest.trim_start();
    let (options, rest) = match rest.strip_prefix('[') {
        Some(inner) => inner.split_once(']')?,
        None => ("", rest),
    };
    let mut words = rest.split_whitespace().map(str::to_owned);
    let place = words.next()?;
    let suite = words.next()?;
    let options = options.split_whitespace().filter_map(|option| {
        let (name, value) = option.split_once('=')?;
        let (_, field) = OPTIONS.iter().find(|(known, _)| *known == name.to_lowercase())?;
        Some(((*field).to_owned(), value.replace(',', " ")))
    });
    Some(Source {
        places: vec![place],
        suites: vec![suite],
        components: words.collect(),
        options: options.collect(),
    })
}

/// Reads the block format: paragraphs of `Field: value` lines, where a value may go on in lines
/// that begin with a space, as a key written into the file does.
#[must_use]
pub fn blocks(text: &str) -> Vec<Source> {
    let mut sources = Vec::new();
    let mut fields: Vec<(String, String)> = Vec::new();
    for line in text.lines().chain([""]) {
        if line.starts_with('#') {
            continue;
        }
        if line.trim().is_empty() {
            sources.extend(block_source(&std::mem::take(&mut fields)));
        } else if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = fields.last_mut() {
                value.push('\n');
                value.push_str(line);
            }
        } else if let Some((name, value)) = line.split_once(':') {
            fields.push((name.trim().to_lowercase(), value.trim().to_owned()));
        }
    }
    sources
}

fn block_source(fields: &[(String, String)]) -> Option<Source> {
    let value =
        |name: &str| fields.iter().find(|(known, _)| known == name).map(|(_, v)| v.as_str());
    let words = |name: &str| -> Vec<String> {
        value(name).unwrap_or_default().split_whitespace().map(str::to_owned).collect()
    };
    let off = ["no", "false", "off", "0"];
    if !words("types").iter().any(|kind| kind == "deb")
        || value("enabled").is_some_and(|state| off.contains(&state.to_lowercase().as_str()))
    {
        return None;
    }
    let options = OPTIONS.iter().filter_map(|(_, field)| {
        value(&field.to_lowercase()).map(|text| ((*field).to_owned(), text.to_owned()))
    });
    Some(Source {
        places: words("uris"),
        suites: words("suites"),
        components: words("components"),
        options: options.collect(),
    })
}

/// The sources that could hold the backports of a version, the most likely first, each as the text
/// of a source file.
///
/// A foreign repository may use the same suite name, so the order goes by what only the
/// distribution has: the backports suite itself, then the updates suite beside it, then a path that
/// says so.
#[must_use]
pub fn backports(sources: &[Source], codename: &str) -> Vec<String> {
    let suite = format!("{codename}-backports");
    let updates = format!("{codename}-updates");
    let usable = |source: &&Source| {
        source.components.iter().any(|component| component == "main")
            && source.suites.iter().any(|name| *name == suite || name == codename)
            && source.places.iter().all(|place| !place.starts_with("cdrom:"))
            && !source.places.is_empty()
    };
    let rank = |source: &Source| {
        let same_place = |other: &&Source| other.places == source.places;
        let has = |name: &str| {
            sources.iter().filter(same_place).any(|other| other.suites.iter().any(|s| s == name))
        };
        let path =
            source.places.iter().any(|place| place.trim_end_matches('/').ends_with("/debian"));
        (!has(&suite), !has(&updates), !path)
    };
    let mut candidates: Vec<&Source> = sources.iter().filter(usable).collect();
    candidates.sort_by_key(|source| rank(source));
    let mut texts: Vec<String> = Vec::new();
    for source in candidates {
        let text = block_text(source, &suite);
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    texts
}

fn block_text(source: &Source, suite: &str) -> String {
    let places = source.places.join(" ");
    let mut text = format!("Types: deb\nURIs: {places}\nSuites: {suite}\nComponents: main\n");
    for (field, value) in &source.options {
        // A key written into the file begins on the line after the name of its field.
        let space = if value.starts_with('\n') { "" } else { " " };
        text.push_str(&format!("{field}:{space}{value}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(sources: &[Source], expected: &[&str]) {
        let found = backports(sources, "bookworm");
        let head = "Types: deb\nURIs: ";
        let places: Vec<_> =
            found.iter().map(|text| text.strip_prefix(head).unwrap().replace('\n', "|")).collect();
        assert_eq!(places, expected);
    }

    const TAIL: &str = "Suites: bookworm-backports|Components: main|";

    #[test]
    fn a_block_gives_its_mirror_path_and_key() {
        let text = "Types: deb deb-src\n# a remark\nURIs: http://mirror.test/snap/2025/debian/\n\
                    Suites: bookworm bookworm-updates\nComponents: main\nSigned-By: /keys/a.gpg\n\n\
                    Types: deb\nURIs: http://mirror.test/debian-security\n\
                    Suites: bookworm-security\nComponents: main\n";
        let line = format!("http://mirror.test/snap/2025/debian/|{TAIL}Signed-By: /keys/a.gpg|");
        check(&blocks(text), &[&line]);
    }

    #[test]
    fn a_key_written_into_a_block_is_kept() {
        let text = "Types: deb\nURIs: http://m.test/debian\nSuites: bookworm\nComponents: main\n\
                    Signed-By:\n -----BEGIN-----\n .\n abc\n";
        let line = format!("http://m.test/debian|{TAIL}Signed-By:| -----BEGIN-----| .| abc|");
        check(&blocks(text), &[&line]);
    }

    #[test]
    fn one_line_sources_give_their_options() {
        let text = "# deb http://off.test/debian bookworm main\n\
                    deb-src http://m.test/debian bookworm main\n\
                    deb [ signed-by=/keys/a.gpg arch=amd64,arm64 lang=en ] \
                    mirror+file:/etc/mirrors.list bookworm main contrib # note\n\
                    deb cdrom:[Debian]/ bookworm main\n";
        let options = "Signed-By: /keys/a.gpg|Architectures: amd64 arm64|";
        check(&one_line(text), &[&format!("mirror+file:/etc/mirrors.list|{TAIL}{options}")]);
    }

    #[test]
    fn the_distribution_comes_before_foreign_repositories() {
        let text = "deb http://foreign.test/tools bookworm main\n\
                    deb http://a.test/debian bookworm main\n\
                    deb http://b.test/snap bookworm main\n\
                    deb http://b.test/snap bookworm-updates main\n\
                    deb http://off.test/debian trixie main\n\
                    deb http://c.test/x bookworm-backports main\n";
        let places = ["http://c.test/x", "http://b.test/snap", "http://a.test/debian"];
        let lines = places.map(|place| format!("{place}|{TAIL}"));
        let foreign = format!("http://foreign.test/tools|{TAIL}");
        check(&one_line(text), &[&lines[0], &lines[1], &lines[2], &foreign]);
    }

    #[test]
    fn what_is_switched_off_or_broken_gives_nothing() {
        check(
            &blocks("Types: deb\nEnabled: no\nURIs: a\nSuites: bookworm\nComponents: main\n"),
            &[],
        );
        check(
            &one_line("deb\ndeb [arch=amd64 http://m.test/debian bookworm main\ndebx a b c\n"),
            &[],
        );
    }

    #[test]
    fn files_that_apt_passes_over_are_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let parts = folder.path().join("sources.list.d");
        std::fs::create_dir(&parts).unwrap();
        let line = "deb http://m.test/debian bookworm main\n";
        std::fs::write(parts.join("a.list"), line).unwrap();
        std::fs::write(parts.join("b.list.disabled"), line).unwrap();
        assert_eq!(of_machine(folder.path()).len(), 1);
    }
}
