//! A fault as plain data: when (a chain of links), what (an effect), how often (a scope).
//!
//! Everything is resolved: addresses, no symbols. What resolves names against an image is the plan
//! of a sweep; what carries a fault out is an [`super::engine::Engine`].

use serde::{Deserialize, Serialize};

/// A link of a trigger. A chain is met when its links were met in order, each `count` times after
/// the one before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Link {
    /// The first instruction of the boot is next.
    Boot,
    /// The instruction at an address is next.
    Address {
        /// Its address, bit 0 clear.
        address: u32,
        /// Which time, from 1.
        count: u64,
    },
    /// A store to a range is next or was just made.
    Store {
        /// First byte.
        address: u32,
        /// Length in bytes, at least 1.
        size_bytes: u32,
        /// Which time, from 1.
        count: u64,
    },
    /// A load from a range is next or was just made.
    Load {
        /// First byte.
        address: u32,
        /// Length in bytes, at least 1.
        size_bytes: u32,
        /// Which time, from 1.
        count: u64,
    },
    /// So many more instructions were executed.
    Instructions {
        /// How many; 0 is met at once.
        count: u64,
    },
    /// So much more of the target's own time has passed in which the core did not sleep: a number
    /// of instructions. What passes while it sleeps depends on when a debugger stops it.
    TargetTime {
        /// Nanoseconds.
        nanoseconds: u64,
    },
}

/// What is done to the device where the trigger is met, before the next instruction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Effect {
    /// Bits of a word change: flipped, then set, then cleared.
    Word {
        /// Its address, a multiple of 4; memory, or a register of the System Control Space.
        address: u32,
        /// Bits that are flipped.
        flip: u32,
        /// Bits that are set.
        set: u32,
        /// Bits that are cleared.
        clear: u32,
    },
    /// Memory is written over.
    Bytes {
        /// Where.
        address: u32,
        /// With what.
        bytes: Vec<u8>,
    },
    /// A register of the core gets another value.
    Register {
        /// GDB's name: `r0` to `r12`, `sp`, `lr`, `pc`, `msp`, `psp`.
        name: String,
        /// Bits that are flipped; with `value`, of that.
        flip: u32,
        /// The new value, if not the old one.
        value: Option<u32>,
    },
    /// An external interrupt is made pending.
    Interrupt {
        /// Its number, 0 for the first after the core's own exceptions.
        number: u16,
    },
    /// The non-maskable interrupt is made pending.
    Nmi,
    /// The device is reset here.
    Reset {
        /// What becomes of its RAM.
        ram: RamPolicy,
    },
    /// The next instruction is not executed.
    Skip,
}

/// What becomes of RAM in a reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RamPolicy {
    /// It stays as it is.
    Kept,
    /// All of it is seeded noise.
    Noise,
    /// One bit in 64, chosen by the seed, is flipped.
    Decayed,
}

/// How often the effect comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// Where the trigger is met first.
    Once,
    /// There, and each time its last link is met again.
    FromThenOn,
    /// There, and so many times more.
    Window(u32),
}

/// One fault, at one point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// The boot in which it comes, from 1.
    pub boot: u32,
    /// When; at least one link.
    pub trigger: Vec<Link>,
    /// What.
    pub effect: Effect,
    /// How often.
    pub scope: Scope,
    /// For effects with noise.
    pub seed: u64,
    /// A second effect in the same boot; only with [`Scope::Once`], and not behind a reset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second: Option<Second>,
}

/// A second effect of a fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Second {
    /// Instructions after the first effect, at least 1; if the boot is over before, it does not
    /// come.
    pub after: u64,
    /// What; no reset.
    pub effect: Effect,
}
