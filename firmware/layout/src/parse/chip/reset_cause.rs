//! Rules of the register that tells why a chip was reset.
//!
//! The record keeps one byte for each reset, so all flags lie within eight bits of the register.
//! Nothing here reads a device.

use super::ChipRegion;
use super::start::{check_bit, check_register, check_source};
use crate::parse::problem::{Problems, listed, quoted};
use crate::parse::raw::RawResetCause;

/// Most bits of flags: one byte of the ledger.
const BYTE_BITS: u8 = 8;

/// The register that tells why a chip was reset.
#[derive(Debug, Clone)]
pub struct ChipResetCause {
    /// Its address.
    pub register: u32,
    /// Lowest bit of the eight that hold the flags, 0 to 24.
    pub shift: u8,
    /// Bit that clears all flags when it is written as one, 0 to 31.
    pub clear_bit: u8,
    /// The flags by name and bit, the lowest bit first.
    pub flags: Vec<(String, u8)>,
    /// Flags of which any one says that power was away, as bits of the register.
    pub power_on: u32,
    /// Flags of which any one says that a watchdog ran out, as bits of the register.
    pub watchdog: u32,
}

impl ChipResetCause {
    /// All flags, as bits of the register.
    #[must_use]
    pub fn mask(&self) -> u32 {
        self.flags.iter().fold(0, |mask, (_, bit)| mask | bit_of(*bit))
    }

    /// Names of the flags that are set in a word of the register, the lowest bit first, with `+`
    /// between them; nothing if none is set.
    #[must_use]
    pub fn words(&self, word: u32) -> Option<String> {
        let set = self.flags.iter().filter(|(_, bit)| word & bit_of(*bit) != 0);
        let names: Vec<_> = set.map(|(name, _)| name.as_str()).collect();
        (!names.is_empty()).then(|| names.join("+"))
    }
}

/// A bit as a word. Of a number that no bit has, the rule was broken and noted: nothing.
fn bit_of(bit: u8) -> u32 {
    1_u32.checked_shl(u32::from(bit)).unwrap_or(0)
}

/// Checks the table: a register outside of memory, flags of its own bits inside of one byte, and
/// names that are flags.
pub(super) fn check(
    raw: &RawResetCause,
    regions: &[ChipRegion],
    problems: &mut Problems<'_>,
) -> ChipResetCause {
    check_register(raw.register, "reset_cause.register", regions, problems);
    check_bit(raw.clear_bit, "reset_cause.clear_bit", problems);
    check_source(&raw.source, "reset_cause.source", problems);
    let last = 32 - BYTE_BITS;
    problems.require(
        raw.shift <= last,
        "reset_cause.shift",
        raw.shift,
        format!("the lowest bit of a byte of the register, 0 to {last}"),
    );
    problems.require(!raw.flags.is_empty(), "reset_cause.flags", "nothing", "at least one flag");
    problems.require(
        !raw.power_on.is_empty(),
        "reset_cause.power_on",
        "nothing",
        "at least one flag, as no reset leaves all of them clear",
    );
    let byte = raw.shift..raw.shift.saturating_add(BYTE_BITS);
    for (name, bit) in &raw.flags {
        let mut others = raw.flags.iter().filter(|(other, _)| *other != name);
        let is_own = *bit != raw.clear_bit && others.all(|(_, other)| other != bit);
        let key = format!("reset_cause.flags.{name}");
        let range = format!("{} to {}", byte.start, byte.end.saturating_sub(1));
        problems.require(byte.contains(bit), key.clone(), bit, format!("a bit of {range}"));
        problems.require(is_own, key, bit, "a bit that nothing else has");
    }
    let mut flags: Vec<_> = raw.flags.iter().map(|(name, bit)| (name.clone(), *bit)).collect();
    flags.sort_by_key(|(_, bit)| *bit);
    ChipResetCause {
        register: raw.register,
        shift: raw.shift,
        clear_bit: raw.clear_bit,
        flags,
        power_on: check_names("power_on", &raw.power_on, raw, problems),
        watchdog: check_names("watchdog", &raw.watchdog, raw, problems),
    }
}

/// Flags by name as bits of the register.
fn check_names(
    key: &str,
    names: &[String],
    raw: &RawResetCause,
    problems: &mut Problems<'_>,
) -> u32 {
    let mut word = 0;
    for (index, name) in names.iter().enumerate() {
        match raw.flags.get(name) {
            Some(bit) => word |= bit_of(*bit),
            None => problems.add(
                format!("reset_cause.{key}[{index}]"),
                quoted(name),
                format!("a flag, one of {}", listed(raw.flags.keys().map(String::as_str))),
            ),
        }
    }
    word
}
