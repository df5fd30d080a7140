//! Which probe is meant: in words that name exactly one, never "the first that is found".

use std::fmt;
use std::str::FromStr;

/// What stands in front of the name of a board that is emulated behind a virtual probe.
const VIRTUAL: &str = "virtual:";
/// What a selector looks like, for messages.
pub const FORM: &str = "VID:PID:SERIAL in hexadecimal, or virtual:BOARD";

/// A probe.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProbeSelector {
    /// The virtual probe in front of an emulator of this machine.
    Virtual {
        /// Name of a file in `firmware/boards`.
        board: String,
    },
    /// Whatever probe-rs finds under these numbers.
    Attached {
        /// USB vendor.
        vendor: u16,
        /// USB product.
        product: u16,
        /// The interface, where one device holds several probes.
        interface: Option<u8>,
        /// Never empty: two boards of one kind differ in nothing else. May hold `:` and `/`.
        serial: String,
    },
}

/// A text that selects no probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected {FORM}")]
pub struct SelectorError;

impl ProbeSelector {
    /// Whether the probe is no USB device, which lists of those cannot hold: its serial is an
    /// address, as of probe-rs's Glasgow driver.
    #[must_use]
    pub fn is_in_no_list(&self) -> bool {
        let is_address =
            |serial: &String| serial.starts_with("unix:") || serial.starts_with("tcp:");
        matches!(self, Self::Attached { serial, .. } if is_address(serial))
    }

    /// A name for files that stand for the probe. The same for all interfaces of one device, since
    /// USB hands out devices; different for different serials.
    #[must_use]
    pub fn file_name(&self) -> String {
        let text = match self {
            Self::Virtual { board } => format!("{VIRTUAL}{board}"),
            Self::Attached { vendor, product, serial, .. } => {
                format!("{vendor:04x}:{product:04x}:{serial}")
            }
        };
        let safe = |byte: u8| match byte {
            b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'-' => char::from(byte).to_string(),
            b':' => "_".to_owned(),
            other => format!("%{other:02x}"),
        };
        text.bytes().map(safe).collect()
    }
}

impl fmt::Display for ProbeSelector {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Virtual { board } => write!(out, "{VIRTUAL}{board}"),
            Self::Attached { vendor, product, interface, serial } => {
                write!(out, "{vendor:04x}:{product:04x}")?;
                interface.map_or(Ok(()), |number| write!(out, "-{number}"))?;
                write!(out, ":{serial}")
            }
        }
    }
}

impl FromStr for ProbeSelector {
    type Err = SelectorError;

    fn from_str(text: &str) -> Result<Self, SelectorError> {
        if let Some(board) = text.strip_prefix(VIRTUAL) {
            let board = board.to_owned();
            return if board.is_empty() { Err(SelectorError) } else { Ok(Self::Virtual { board }) };
        }
        let mut parts = text.splitn(3, ':');
        let (vendor, product) = (number(parts.next())?, parts.next().ok_or(SelectorError)?);
        let serial = parts.next().filter(|serial| !serial.is_empty()).ok_or(SelectorError)?;
        let (product, interface) = match product.split_once('-') {
            Some((product, interface)) => {
                (product, Some(interface.parse().map_err(|_| SelectorError)?))
            }
            None => (product, None),
        };
        let product = number(Some(product))?;
        Ok(Self::Attached { vendor, product, interface, serial: serial.to_owned() })
    }
}

fn number(text: Option<&str>) -> Result<u16, SelectorError> {
    // `from_str_radix` would take a sign.
    let digits = text.filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()));
    digits.and_then(|text| u16::from_str_radix(text, 16).ok()).ok_or(SelectorError)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selector_is_read_as_it_is_written() {
        for text in ["0483:374b:066EFF", "20b7:9db1:unix:/a/b.sock", "0483:374b-1:1"] {
            assert_eq!(text.parse::<ProbeSelector>().unwrap().to_string(), text);
        }
        let selector: ProbeSelector = "virtual:netduinoplus2".parse().unwrap();
        assert_eq!(selector.to_string(), "virtual:netduinoplus2");
    }

    #[test]
    fn what_names_no_single_probe_is_refused() {
        for text in
            ["", "0483:374b", "0483:374b:", "virtual:", "0483", "x:1:2", "+1:2:3", "1-x:2:3"]
        {
            assert_eq!(text.parse::<ProbeSelector>(), Err(SelectorError), "{text}");
        }
    }

    #[test]
    fn interfaces_of_one_device_share_a_file_and_serials_do_not() {
        let name = |text: &str| text.parse::<ProbeSelector>().unwrap().file_name();
        assert_eq!(name("0483:374b-1:ab"), name("0483:374B-2:ab"));
        assert_ne!(name("1:2:a/b"), name("1:2:a_b"));
        assert_ne!(name("1:2:a:b"), name("1:2:a_b"));
        assert!(!name("1:2:../x").contains(['/', '.']));
    }
}
