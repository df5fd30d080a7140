//! What a memory region can be used for: a set of capabilities.
//!
//! Names and values are those of ESP-IDF's capability heap (`MALLOC_CAP_*`, `esp_heap_caps.h`), so
//! that its users find what they know. Two names differ, as a name cannot begin with a digit:
//! `MALLOC_CAP_32BIT` is `WORD` and `MALLOC_CAP_8BIT` is `BYTE`. Chip files name those that mean
//! something on a Cortex-M; the others are constants only, and no region here has them.

/// A set of capabilities. Values outside of the named ones never occur.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Capabilities(u32);

/// How many priorities a heap region gives its capabilities. A request goes to a region that has
/// what it asks for at an early priority before one that has it at a later one.
pub const PRIORITIES: usize = 3;

/// Name in files, name of the constant, value.
const NAMED: [(&str, &str, Capabilities); NAMES.len()] = [
    ("exec", "EXEC", Capabilities::EXEC),
    ("32bit", "WORD", Capabilities::WORD),
    ("8bit", "BYTE", Capabilities::BYTE),
    ("dma", "DMA", Capabilities::DMA),
    ("spiram", "SPIRAM", Capabilities::SPIRAM),
    ("internal", "INTERNAL", Capabilities::INTERNAL),
    ("default", "DEFAULT", Capabilities::DEFAULT),
    ("retention", "RETENTION", Capabilities::RETENTION),
    ("spm", "SPM", Capabilities::SPM),
];

/// Names of all capabilities that may stand in chip files.
const NAMES: [&str; 9] =
    ["exec", "32bit", "8bit", "dma", "spiram", "internal", "default", "retention", "spm"];

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
    /// Of a process id of the ESP32; a constant only.
    pub const PID2: Self = Self(1 << 4);
    /// As `PID2`.
    pub const PID3: Self = Self(1 << 5);
    /// As `PID2`.
    pub const PID4: Self = Self(1 << 6);
    /// As `PID2`.
    pub const PID5: Self = Self(1 << 7);
    /// As `PID2`.
    pub const PID6: Self = Self(1 << 8);
    /// As `PID2`.
    pub const PID7: Self = Self(1 << 9);
    /// RAM outside of the chip (`spiram`).
    pub const SPIRAM: Self = Self(1 << 10);
    /// On the chip (`internal`).
    pub const INTERNAL: Self = Self(1 << 11);
    /// What a plain allocation may return (`default`).
    pub const DEFAULT: Self = Self(1 << 12);
    /// Instruction RAM of the ESP32 with 8-bit accesses; a constant only.
    pub const IRAM_8BIT: Self = Self(1 << 13);
    /// Kept where other RAM is lost, e.g. in standby (`retention`).
    pub const RETENTION: Self = Self(1 << 14);
    /// RAM of the ESP32's real-time clock; a constant only.
    pub const RTCRAM: Self = Self(1 << 15);
    /// On a bus of the core's own: core-coupled or tightly coupled memory (`spm`).
    pub const SPM: Self = Self(1 << 16);
    /// Holds descriptors of a DMA engine on AHB; a constant only.
    pub const DMA_DESC_AHB: Self = Self(1 << 17);
    /// Holds descriptors of a DMA engine on AXI; a constant only.
    pub const DMA_DESC_AXI: Self = Self(1 << 18);
    /// Aligned to lines of a cache; a constant only.
    pub const CACHE_ALIGNED: Self = Self(1 << 19);
    /// Aligned for vector instructions; a constant only.
    pub const SIMD: Self = Self(1 << 20);
    /// RAM outside of the chip, without encryption; a constant only.
    pub const SPIRAM_NO_ENC: Self = Self(1 << 21);
    /// No region has it, so a request for it fails.
    pub const INVALID: Self = Self(1 << 31);

    /// All that chip files can name.
    pub const OF_CHIP_FILES: Self = {
        let (mut all, mut rest) = (Self::NONE, NAMED.as_slice());
        while let [(_, _, one), others @ ..] = rest {
            all = all.union(*one);
            rest = others;
        }
        all
    };

    /// Those of some bits that chip files can name.
    #[must_use]
    pub const fn from_named_bits(bits: u32) -> Self {
        Self(bits & Self::OF_CHIP_FILES.0)
    }

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

    /// What both sets have.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// This set without the capabilities of another.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// All capabilities that a region has at any priority.
    #[must_use]
    pub const fn of_priorities(priorities: &[Self; PRIORITIES]) -> Self {
        let [first, second, third] = *priorities;
        first.union(second).union(third)
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

    /// Bits of `esp_heap_caps.h`, of ESP-IDF's master of 2026-07-23.
    const OF_ESP_IDF: [(Capabilities, u32); 23] = [
        (Capabilities::EXEC, 0),
        (Capabilities::WORD, 1),
        (Capabilities::BYTE, 2),
        (Capabilities::DMA, 3),
        (Capabilities::PID2, 4),
        (Capabilities::PID3, 5),
        (Capabilities::PID4, 6),
        (Capabilities::PID5, 7),
        (Capabilities::PID6, 8),
        (Capabilities::PID7, 9),
        (Capabilities::SPIRAM, 10),
        (Capabilities::INTERNAL, 11),
        (Capabilities::DEFAULT, 12),
        (Capabilities::IRAM_8BIT, 13),
        (Capabilities::RETENTION, 14),
        (Capabilities::RTCRAM, 15),
        (Capabilities::SPM, 16),
        (Capabilities::DMA_DESC_AHB, 17),
        (Capabilities::DMA_DESC_AXI, 18),
        (Capabilities::CACHE_ALIGNED, 19),
        (Capabilities::SIMD, 20),
        (Capabilities::SPIRAM_NO_ENC, 21),
        (Capabilities::INVALID, 31),
    ];

    #[test]
    fn values_are_those_of_esp_idf() {
        for (capability, bit) in OF_ESP_IDF {
            assert_eq!(capability.bits(), 1 << bit);
        }
        let constants = NAMED.map(|(_, _, value)| value);
        for (name, value) in NAMES.iter().zip(constants) {
            assert_eq!(Capabilities::from_name(name), Ok(value));
        }
    }

    #[test]
    fn constants_without_a_meaning_here_do_not_stand_in_files() {
        for name in ["pid2", "iram-8bit", "rtcram", "simd", "cache-aligned", "invalid"] {
            assert!(Capabilities::from_name(name).is_err(), "{name}");
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
