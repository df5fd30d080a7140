//! Trouble on the bench, on purpose: what a cable, a colleague or a wrong board does to a session.

use std::fmt;
use std::str::FromStr;

/// One trouble. Counts are of transfers from when it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The probe leaves the bus after so many transfers, and is not found any more.
    DropOff(u64),
    /// The same, counted while a program runs whose resets are caught: amid a scenario, however
    /// many transfers its beginning took.
    DropOffRunning(u64),
    /// So many transfers to the access port are answered with WAIT.
    Wait(u64),
    /// So many transfers to the access port are answered with FAULT, each by a sticky error.
    Fault(u64),
    /// The chip says that it is another one.
    ChipId(u32),
    /// Something holds the reset line low.
    ResetLow,
    /// Programming flash leaves bits as they were.
    FlashWorn,
    /// The core reads its first instruction's address wrong, though a probe reads it right, until
    /// the sector is erased: cells that were programmed in part.
    FlashWeak,
    /// Somebody else has the probe.
    Busy,
    /// The chip loses its power after so many transfers; only a power switch brings it back.
    PowerLost(u64),
    /// The program has taken the pins of the port for itself: it is silent, but in reset and for so
    /// many transfers after one. A core that is halted in that time takes nothing any more.
    PinsTaken(u64),
}

/// What can be asked for, as it is written.
pub const TROUBLES: &[&str] = &[
    "drop-off=TRANSFERS",
    "drop-off-running=TRANSFERS",
    "wait=TRANSFERS",
    "fault=TRANSFERS",
    "chip-id=VALUE",
    "reset-low",
    "flash-worn",
    "flash-weak",
    "busy",
    "power-lost=TRANSFERS",
    "pins-taken=TRANSFERS",
];

impl fmt::Display for Trouble {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DropOff(count) => write!(formatter, "drop-off={count}"),
            Self::DropOffRunning(count) => write!(formatter, "drop-off-running={count}"),
            Self::Wait(count) => write!(formatter, "wait={count}"),
            Self::Fault(count) => write!(formatter, "fault={count}"),
            Self::ChipId(value) => write!(formatter, "chip-id={value:#010x}"),
            Self::ResetLow => formatter.write_str("reset-low"),
            Self::FlashWorn => formatter.write_str("flash-worn"),
            Self::FlashWeak => formatter.write_str("flash-weak"),
            Self::Busy => formatter.write_str("busy"),
            Self::PowerLost(count) => write!(formatter, "power-lost={count}"),
            Self::PinsTaken(count) => write!(formatter, "pins-taken={count}"),
        }
    }
}

/// A text that names no trouble.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("understand the trouble {found:?}: expected one of {}", TROUBLES.join(", "))]
pub struct UnknownTrouble {
    /// The text.
    pub found: String,
}

impl FromStr for Trouble {
    type Err = UnknownTrouble;

    fn from_str(text: &str) -> Result<Self, UnknownTrouble> {
        let unknown = || UnknownTrouble { found: text.to_owned() };
        let number = |digits: &str| match digits.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16).ok(),
            None => digits.parse().ok(),
        };
        let trouble = match text.split_once('=') {
            None => match text {
                "reset-low" => Some(Self::ResetLow),
                "flash-worn" => Some(Self::FlashWorn),
                "flash-weak" => Some(Self::FlashWeak),
                "busy" => Some(Self::Busy),
                _ => None,
            },
            Some((name, value)) => number(value).and_then(|value| match name {
                "drop-off" => Some(Self::DropOff(value)),
                "drop-off-running" => Some(Self::DropOffRunning(value)),
                "wait" => Some(Self::Wait(value)),
                "fault" => Some(Self::Fault(value)),
                "chip-id" => u32::try_from(value).ok().map(Self::ChipId),
                "power-lost" => Some(Self::PowerLost(value)),
                "pins-taken" => Some(Self::PinsTaken(value)),
                _ => None,
            }),
        };
        trouble.ok_or_else(unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_can_be_read() {
        let all = [
            Trouble::DropOff(7),
            Trouble::DropOffRunning(5),
            Trouble::Wait(1),
            Trouble::Fault(2),
            Trouble::ChipId(0x1000_6411),
            Trouble::ResetLow,
            Trouble::FlashWorn,
            Trouble::FlashWeak,
            Trouble::Busy,
            Trouble::PowerLost(0),
            Trouble::PinsTaken(64),
        ];
        assert_eq!(all.len(), TROUBLES.len());
        for (trouble, text) in all.iter().zip(TROUBLES) {
            assert_eq!(trouble.to_string().parse(), Ok(*trouble));
            let name = |text: &str| text.split('=').next().map(str::to_owned);
            assert_eq!(name(text), name(&trouble.to_string()));
        }
    }

    #[test]
    fn what_is_unknown_is_refused_with_what_is_known() {
        for text in ["", "wait", "wait=", "wait=x", "busy=1", "chip-id=0x100000000"] {
            let error = text.parse::<Trouble>().unwrap_err().to_string();
            assert!(error.contains(&format!("{text:?}")) && error.contains("drop-off=TRANSFERS"));
        }
    }
}
