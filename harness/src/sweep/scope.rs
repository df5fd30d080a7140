//! Scopes in words: on the command line, in tables and in reports.

use super::fault::Scope;
use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

impl Display for Scope {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Once => out.write_str("once"),
            Self::FromThenOn => out.write_str("from-then-on"),
            Self::Window(times) => write!(out, "window-{times}"),
        }
    }
}

/// A word that is no scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("found \"{0}\", expected once, from-then-on or window-N")]
pub struct NoScope(String);

impl FromStr for Scope {
    type Err = NoScope;

    fn from_str(text: &str) -> Result<Self, NoScope> {
        match text {
            "once" => Ok(Self::Once),
            "from-then-on" => Ok(Self::FromThenOn),
            _ => text
                .strip_prefix("window-")
                .and_then(|times| times.parse().ok())
                .map(Self::Window)
                .ok_or_else(|| NoScope(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_as_they_are_written() {
        for scope in [Scope::Once, Scope::FromThenOn, Scope::Window(0), Scope::Window(7)] {
            assert_eq!(scope.to_string().parse(), Ok(scope));
        }
        for word in ["", "Once", "window", "window-", "window-x", "window--1"] {
            assert_eq!(word.parse::<Scope>(), Err(NoScope(word.to_owned())));
        }
    }
}
