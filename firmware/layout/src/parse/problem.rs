//! Problems of chip and board files: all of them at once, each with file, key, found and expected.

use std::fmt;

/// One rule that a file breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file, relative to the folder that holds `boards` and `chips`.
    pub file: String,
    /// The key as a dotted path, e.g. `region[3].start`; empty for the file as a whole.
    pub key: String,
    /// What stands there.
    pub found: String,
    /// What must stand there instead.
    pub expected: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.file)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        write!(f, "found {}, expected {}", self.found, self.expected)
    }
}

/// A board could not be loaded. The text fits behind "failed to".
#[derive(Debug, thiserror::Error)]
#[error("load board `{board}`: {}{}", count(.problems), list(.problems))]
pub struct LoadError {
    /// Name of the board that was asked for.
    pub board: String,
    /// Every problem that was found, in the order of the files; never empty.
    pub problems: Vec<Problem>,
}

fn count(problems: &[Problem]) -> String {
    match problems.len() {
        1 => "1 problem".to_owned(),
        several => format!("{several} problems"),
    }
}

fn list(problems: &[Problem]) -> String {
    problems.iter().map(|problem| format!("\n  {problem}")).collect()
}

/// Collects the problems of one file.
#[derive(Debug)]
pub(crate) struct Problems<'a> {
    file: String,
    list: &'a mut Vec<Problem>,
}

impl<'a> Problems<'a> {
    pub(crate) fn new(file: impl Into<String>, list: &'a mut Vec<Problem>) -> Self {
        Self { file: file.into(), list }
    }

    /// Notes one problem.
    pub(crate) fn add(
        &mut self,
        key: impl Into<String>,
        found: impl fmt::Display,
        expected: impl fmt::Display,
    ) {
        self.list.push(Problem {
            file: self.file.clone(),
            key: key.into(),
            found: found.to_string(),
            expected: expected.to_string(),
        });
    }

    /// Notes a problem unless a rule holds, and tells whether it does.
    pub(crate) fn require(
        &mut self,
        holds: bool,
        key: impl Into<String>,
        found: impl fmt::Display,
        expected: impl fmt::Display,
    ) -> bool {
        if !holds {
            self.add(key, found, expected);
        }
        holds
    }

    /// Parses a name of a closed list; an unknown one is noted.
    pub(crate) fn name<T>(&mut self, key: impl Into<String>, name: &str) -> Option<T>
    where
        T: std::str::FromStr<Err = crate::UnknownName>,
    {
        match name.parse() {
            Ok(value) => Some(value),
            Err(unknown) => {
                self.add(key, quoted(name), unknown);
                None
            }
        }
    }

    /// Parses names of a closed list, each at most once.
    pub(crate) fn names<T>(&mut self, key: &str, names: &[String]) -> Vec<T>
    where
        T: std::str::FromStr<Err = crate::UnknownName> + PartialEq,
    {
        let mut values = Vec::new();
        for (index, name) in names.iter().enumerate() {
            let key = format!("{key}[{index}]");
            let Some(value) = self.name(key.clone(), name) else { continue };
            if self.require(!values.contains(&value), key, quoted(name), "each name once") {
                values.push(value);
            }
        }
        values
    }
}

/// A name in back quotes.
pub(crate) fn quoted(name: &str) -> String {
    format!("`{name}`")
}

/// A list of names in back quotes, or "nothing".
pub(crate) fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.into_iter().map(quoted).collect();
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}

/// An address or a size as it stands in the files.
pub(crate) fn hex(value: impl Into<u64>) -> String {
    let value = value.into();
    if value > 0xFFFF {
        format!("0x{:X}_{:04X}", value >> 16, value & 0xFFFF)
    } else {
        format!("0x{value:X}")
    }
}
