//! A status in words, and a status from what a person wrote.

use super::{Code, Module, Status, Type};
use crate::UnknownName;
use core::fmt;
use core::str::FromStr;

/// A status as words: `system, module kernel, code stack-overflow`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Words(pub(super) Status);

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = self.0;
        let Some(status_type) = status.status_type() else { return f.write_str("no status") };
        write!(f, "{status_type}")?;
        if status_type != Type::Posix {
            match Module::from_code(status.module()) {
                Some(module) => write!(f, ", module {module}")?,
                None => write!(f, ", module {}", status.module())?,
            }
        }
        match status.known_code() {
            Some(code) => write!(f, ", code {code}"),
            None => write!(f, ", code {}", status.code()),
        }
    }
}

/// Why a text is no status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusError {
    /// It has neither of the two forms.
    Form,
    /// A name is not in its list.
    Name(UnknownName),
    /// The parts do not go together: a code outside of its type's range.
    Range,
}

impl fmt::Display for StatusError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form => f.write_str(
                "expected a status such as \"0x80020125\" or \"system, module kernel, \
                 code stack-overflow\"",
            ),
            Self::Name(error) => error.fmt(f),
            Self::Range => f.write_str(
                "expected a code of 256 to 4095 for system, from 4096 for custom, \
                 1 to 255 for posix",
            ),
        }
    }
}

impl core::error::Error for StatusError {}

impl From<UnknownName> for StatusError {
    fn from(error: UnknownName) -> Self {
        Self::Name(error)
    }
}

/// Reads the number of eight hexadecimal digits, or the words.
impl FromStr for Status {
    type Err = StatusError;

    fn from_str(text: &str) -> Result<Self, StatusError> {
        let status = match text.strip_prefix("0x") {
            Some(digits) if digits.len() == 8 => {
                Self(u32::from_str_radix(digits, 16).map_err(|_| StatusError::Form)?)
            }
            Some(_) => return Err(StatusError::Form),
            None => from_words(text)?,
        };
        status.status_type().map(|_| status).ok_or(StatusError::Range)
    }
}

fn from_words(text: &str) -> Result<Status, StatusError> {
    let mut parts = text.split(", ");
    let status_type: Type = parts.next().ok_or(StatusError::Form)?.parse()?;
    let mut part =
        |word| parts.next().and_then(|part| part.strip_prefix(word)).ok_or(StatusError::Form);
    let module = match status_type {
        Type::Posix => 0,
        Type::System | Type::Custom => {
            let text = part("module ")?;
            text.parse().or_else(|_| text.parse().map(Module::code))?
        }
    };
    let text = part("code ")?;
    let code = text.parse().or_else(|_| text.parse().map(Code::code))?;
    match parts.next() {
        None => Ok(Status::new(status_type, module, code)),
        Some(_) => Err(StatusError::Form),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::Misuse;
    use std::format;
    use std::string::ToString;

    #[test]
    fn the_words_of_known_statuses() {
        let check = |word, words: &str| {
            assert_eq!(Status(word).words().to_string(), words);
            assert_eq!(words.parse(), Ok(Status(word)));
            assert_eq!(format!("{word:#010X}").replace('X', "x").parse(), Ok(Status(word)));
        };
        check(0x80FF_013D, "system, module unknown, code hardfault-exception");
        check(0x8002_0125, "system, module kernel, code stack-overflow");
        check(0xA005_1007, "custom, module memory-subsystem, code double-free");
        check(0x804D_010F, "system, module 77, code 271");
        check(0xFFFF_FFFF, "posix, code 1");
        check(0xFFFF_FF01, "posix, code 255");
        assert_eq!(Status(0).words().to_string(), "no status");
    }

    #[test]
    fn every_sound_status_comes_back_from_its_words() {
        for module in [0, 5, 25, 26, 255] {
            for code in 256..=u16::MAX {
                let status_type = if code < 4096 { Type::System } else { Type::Custom };
                let status = Status::new(status_type, module, code);
                assert_eq!(status.words().to_string().parse(), Ok(status));
            }
        }
        for misuse in Misuse::ALL {
            let words = misuse.status().words().to_string();
            assert_eq!(words.parse(), Ok(misuse.status()), "{words}");
        }
    }

    #[test]
    fn what_is_no_status_is_refused_with_its_reason() {
        let refused = |text: &str, reason: &str| {
            let error = text.parse::<Status>().unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        };
        refused("", "unknown type, expected one of system, custom, posix");
        refused("system", "such as");
        refused("0x8002125", "such as");
        refused("0x8002012g", "such as");
        refused("system, module kernel, code stack-overflow, code 1", "such as");
        refused("system, module kernle, code stack-overflow", "unknown module");
        refused("system, module kernel, code stak-overflow", "unknown code");
        refused("custom, module kernel, code stack-overflow", "256 to 4095");
        refused("system, module kernel, code 4096", "256 to 4095");
        refused("posix, code 256", "1 to 255");
        refused("posix, code 0", "1 to 255");
        refused("0x00000000", "256 to 4095");
    }
}
