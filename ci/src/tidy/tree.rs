//! The files of the project and its packages, read once, so that rules are plain functions.

use crate::workspace;
use anyhow::{Context as _, Result};
use std::path::Path;

/// The largest file that is looked at, in bytes; what is larger is data, and its own business.
const LARGEST_BYTES: u64 = 1 << 20;

/// The folder, below the tests of a crate, of what a generator is expected to write.
const GENERATED: &str = "/tests/generated/";

/// A text file of the project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Relative to the root, with `/` between the parts.
    pub path: String,
    /// Its content.
    pub text: String,
}

impl Source {
    /// A file with a content.
    #[must_use]
    pub fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    /// Whether its name ends in `.` and one of these.
    #[must_use]
    pub fn is(&self, endings: &[&str]) -> bool {
        self.path.rsplit_once('.').is_some_and(|(_, ending)| endings.contains(&ending))
    }

    /// Its lines with their numbers, from 1.
    pub fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line))
    }

    /// The first line that contains a text, or 1.
    #[must_use]
    pub fn line_of(&self, part: &str) -> usize {
        self.lines().find(|(_, line)| line.contains(part)).map_or(1, |(number, _)| number)
    }
}

/// How a package uses another of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    /// The package that is used.
    pub name: String,
    /// Whether only tests use it.
    pub only_in_tests: bool,
}

/// A package of the workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its folder, relative to the root.
    pub folder: String,
    /// The packages of ours that it uses.
    pub uses: Vec<Use>,
    /// The first source file of each library and program, relative to the root.
    pub entries: Vec<String>,
}

/// Everything the rules look at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree {
    /// The text files that are not ignored by git, in the order of their paths.
    pub files: Vec<Source>,
    /// The packages; empty in samples that have none.
    pub packages: Vec<Package>,
}

impl Tree {
    /// Reads the project at a root folder.
    ///
    /// # Errors
    /// If a file cannot be read or cargo cannot describe the packages.
    pub fn read(root: &Path) -> Result<Self> {
        Ok(Self { files: files(root)?, packages: packages(root)? })
    }

    /// A file by its path.
    #[must_use]
    pub fn file(&self, path: &str) -> Option<&Source> {
        self.files.iter().find(|file| file.path == path)
    }

    /// The source files in Rust. What generators write for tests to compare is data, not source.
    pub fn rust(&self) -> impl Iterator<Item = &Source> {
        self.with_ending(&["rs"]).filter(|file| !file.path.contains(GENERATED))
    }

    /// The files whose names end in `.` and one of these.
    pub fn with_ending<'a>(&'a self, endings: &'a [&str]) -> impl Iterator<Item = &'a Source> {
        self.files.iter().filter(|file| file.is(endings))
    }

    /// Whether a path names a file, or a folder that holds one.
    #[must_use]
    pub fn has(&self, path: &str) -> bool {
        let folder = format!("{path}/");
        self.files.iter().any(|file| file.path == path || file.path.starts_with(&folder))
    }
}

fn files(root: &Path) -> Result<Vec<Source>> {
    let mut walk = ignore::WalkBuilder::new(root);
    walk.hidden(false).parents(false).require_git(false).git_global(false);
    walk.filter_entry(|entry| entry.file_name() != ".git");
    let mut files = Vec::new();
    for entry in walk.build() {
        let entry = entry.context("cannot list the files of the project")?;
        let is_file = entry.file_type().is_some_and(|kind| kind.is_file());
        if !is_file || entry.metadata().is_ok_and(|facts| facts.len() > LARGEST_BYTES) {
            continue;
        }
        let place = entry.path();
        let bytes =
            std::fs::read(place).with_context(|| format!("cannot read {}", place.display()))?;
        if let Ok(text) = String::from_utf8(bytes) {
            files.push(Source { path: workspace::relative(root, place), text });
        }
    }
    files.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(files)
}

fn packages(root: &Path) -> Result<Vec<Package>> {
    let mut command = cargo_metadata::MetadataCommand::new();
    command.manifest_path(root.join("Cargo.toml")).no_deps();
    command.other_options(["--offline".to_owned()]);
    let metadata = command.exec().context("cannot ask cargo for the packages of the workspace")?;
    let ours: Vec<_> = metadata.packages.iter().map(|package| package.name.to_string()).collect();
    let describe = |package: &cargo_metadata::Package| {
        let uses = package.dependencies.iter().filter(|used| ours.contains(&used.name));
        let entries = package.targets.iter().filter(|target| {
            target.is_lib() || target.is_bin() || target.is_proc_macro() || target.is_cdylib()
        });
        Package {
            name: package.name.to_string(),
            folder: package
                .manifest_path
                .parent()
                .map(|folder| workspace::relative(root, folder.as_std_path()))
                .unwrap_or_default(),
            uses: uses
                .map(|used| Use {
                    name: used.name.clone(),
                    only_in_tests: used.kind == cargo_metadata::DependencyKind::Development,
                })
                .collect(),
            entries: entries
                .map(|target| workspace::relative(root, target.src_path.as_std_path()))
                .collect(),
        }
    };
    Ok(metadata.packages.iter().map(describe).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_git_ignores_is_not_looked_at() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, bytes: &[u8]| {
            let place = root.path().join(path);
            std::fs::create_dir_all(place.parent().unwrap()).unwrap();
            std::fs::write(place, bytes).unwrap();
        };
        write(".gitignore", b"/target\n");
        write("target/a.rs", b"");
        write(".ci/run", b"");
        write(".git/config", b"");
        write("a/b.rs", b"");
        write("data.bin", &[0xFF, 0xFE]);
        let paths: Vec<_> = files(root.path()).unwrap().into_iter().map(|f| f.path).collect();
        assert_eq!(paths, [".ci/run", ".gitignore", "a/b.rs"]);
    }
}
