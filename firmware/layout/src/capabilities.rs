//! What a memory region can be used for: a set of capabilities.
//!
//! The values are those of ESP-IDF's capability heap (`MALLOC_CAP_*`), so that its users find
//! what they know.

/// A set of capabilities. Values outside of the named ones never occur.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Capabilities(u32);

/// Name in files, name of the constant, value.
const NAMED: [(&str, &str, Capabilities); 8] = [
    ("exec", "EXEC", Capabilities::EXEC),
    ("32bit", "WORD", Capabilities::WORD),
    ("8bit", "BYTE", Capabilities::BYTE),
    ("dma", "DMA", Capabilities::DMA),
    ("spiram", "SPIRAM", Capabilities::SPIRAM),
    ("internal", "INTERNAL", Capabilities::INTERNAL),
    ("default", "DEFAULT", Capabilities::DEFAULT),
    ("retention", "RETENTION", Capabilities::RETENTION),
];

/// Names of all capabilities as they stand in chip files.
const NAMES: [&str; 8] =
    ["exec", "32bit", "8bit", "dma", "spiram", "internal", "default", "retention"];

impl Capabilities {
    /// No capability.
    pub const NONE: Self = Self(0);
    /// Instructions can be fetched from it (`exec`).
    pub const EXEC: Self = Self(1 << 0);
    /// Aligned 32-bit accesses (`32bit`).
    pub const WORD: Self = Self(1 << 1);
    /// 8-bit accesses (`8bit`).
    pub const BYTE: Self = Self(1 << 2);
    /// At least one DMA engine reaches it (`dma`).
    pub const DMA: Self = Self(1 << 3);
    /// External RAM behind SPI (`spiram`).
    pub const SPIRAM: Self = Self(1 << 10);
    /// On the chip (`internal`).
    pub const INTERNAL: Self = Self(1 << 11);
    /// What a plain allocation may return (`default`).
    pub const DEFAULT: Self = Self(1 << 12);
    /// Kept where other RAM is lost, e.g. in standby (`retention`).
    pub const RETENTION: Self = Self(1 << 14);

    /// The value as `MALLOC_CAP_*` bits.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// The set of such bits, or nothing if one of them has no name.
    #[must_use]
    pub fn from_bits(bits: u32) -> Option<Self> {
        let known = NAMED.iter().fold(0, |known, (.., value)| known | value.0);
        (bits & !known == 0).then_some(Self(bits))
    }

    /// Both sets together.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// This set without the capabilities of another.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether every capability of `other` is in this set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The one capability of a name in a chip file.
    ///
    /// # Errors
    /// The name is unknown; the error lists the known ones.
    pub fn from_name(name: &str) -> Result<Self, crate::UnknownName> {
        NAMED
            .iter()
            .find(|(known, ..)| *known == name)
            .map(|(.., value)| *value)
            .ok_or(crate::UnknownName { what: "capability", known: &NAMES })
    }

    /// Names of the capabilities in this set, as in chip files.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        NAMED.iter().filter(move |(.., value)| self.contains(*value)).map(|(name, ..)| *name)
    }

    /// Names of the constants that make up this set, for generated code.
    #[cfg(feature = "parse")]
    pub(crate) fn constants(self) -> impl Iterator<Item = &'static str> {
        NAMED.iter().filter(move |(.., value)| self.contains(*value)).map(|(_, name, _)| *name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_those_of_esp_idf() {
        let check = |name: &str, bit: u32| {
            assert_eq!(Capabilities::from_name(name).map(Capabilities::bits), Ok(1 << bit));
        };
        let bits = [0, 1, 2, 3, 10, 11, 12, 14];
        for (name, bit) in NAMES.iter().zip(bits) {
            check(name, bit);
        }
    }

    #[test]
    fn a_set_contains_what_it_was_made_of_and_nothing_else() {
        let set = Capabilities::BYTE.union(Capabilities::DMA);
        assert!(set.contains(Capabilities::DMA) && set.contains(Capabilities::NONE));
        assert!(!set.contains(Capabilities::DMA.union(Capabilities::EXEC)));
        assert_eq!(set.names().collect::<Vec<_>>(), ["8bit", "dma"]);
        assert!(Capabilities::from_name("DMA").is_err());
        assert_eq!(Capabilities::from_bits(set.bits()), Some(set));
        assert_eq!(Capabilities::from_bits(set.bits() | 1 << 4), None);
    }
}
