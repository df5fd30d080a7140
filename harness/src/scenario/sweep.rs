//! What the `[sweep]` table of a scenario means, names not yet looked up in an image.

use super::Place;
use crate::sweep::fault::{RamPolicy, Scope};
use crate::sweep::outcome::Outcome;
use crashrig_wire::thread::Context;
use crashrig_wire::{Detector, Kind, Observation};

/// A sweep: one fault at each of its points.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sweep {
    /// What it is about.
    pub subject: Subject,
    /// The boot in which the fault comes, from 1.
    pub boot: u32,
    /// Links of the trigger, in order; at least one.
    pub trigger: Vec<TriggerLink>,
    /// The points.
    pub points: Points,
    /// For instructions: where the golden run comes to the end of them, before its boot ends.
    pub until: Option<TriggerLink>,
    /// What is done at each.
    pub effect: PlannedEffect,
    /// A second effect at each point, at most so many instructions after the first one.
    pub second: Option<(u64, PlannedEffect)>,
    /// How often it comes; at least one.
    pub scopes: Vec<Scope>,
    /// Reports that are right.
    pub expect: Vec<Expected>,
    /// Observations that the device need not make after the effect: it was told of that, and its
    /// end marker says so.
    pub may_miss: Vec<Observation>,
    /// Outcomes that do not make the sweep fail, besides those that never do.
    pub allow: Vec<Allowed>,
    /// Outcomes that make the sweep fail, of those that elsewhere never do: where nothing may stay
    /// unnoticed, for example.
    pub forbid: Vec<Outcome>,
    /// Some points in place of all.
    pub sample: Option<Sample>,
    /// Whether RAM at the end is compared with that of the golden run, besides the crash region.
    pub latent: bool,
    /// From so many instructions after the effect on, a right report comes late.
    pub late_after_instructions: Option<u64>,
}

/// What a sweep is about: what must never become of its injections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// The crash record and what writes and reads it.
    Record,
    /// The heap and what it says of itself.
    Heap,
    /// Anything else.
    Other,
}

/// When, by names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TriggerLink {
    /// The first instruction of the boot.
    Boot,
    /// An instruction of a function.
    Symbol {
        /// The function.
        name: String,
        /// Bytes behind its start.
        offset: u32,
        /// Which time, from 1.
        count: u64,
    },
    /// A store to memory.
    Store {
        /// Where.
        memory: Memory,
        /// Which time, from 1.
        count: u64,
    },
    /// A word was stored to and holds a value.
    Value {
        /// Where.
        memory: Memory,
        /// Bits that count.
        mask: u32,
        /// What they must be.
        value: u32,
        /// Which time, from 1.
        count: u64,
    },
    /// The kernel has switched to a thread, which runs as soon as the switch is left.
    Thread {
        /// Which.
        context: Context,
        /// Which time, from 1.
        count: u64,
    },
    /// A load from memory.
    Load {
        /// Where.
        memory: Memory,
        /// Which time, from 1.
        count: u64,
    },
    /// So many instructions later.
    Instructions(u64),
    /// So many milliseconds of target time later, in which the core does not sleep.
    Milliseconds(u64),
    /// The handler of an exception begins: what stands in the vector table of the running image.
    Interrupt {
        /// Its number in the table, 16 for the first interrupt.
        number: u32,
        /// Which time, from 1.
        count: u64,
    },
}

/// Bytes of memory, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Memory {
    /// A variable, an area of the image, or a part of the crash region ([`CRASH_PARTS`]).
    pub place: Place,
    /// Bytes behind its start.
    pub offset: u32,
    /// How many; all the rest without it.
    pub size_bytes: Option<u32>,
}

/// Parts of the crash region that sweeps can name, besides areas of the image.
pub const CRASH_PARTS: [&str; 5] =
    ["record-first", "record-last", "slot-first", "slot-last", "ledger"];

/// Registers of the core that sweeps can name like memory, with their first address and size in
/// bytes: those of the System Control Block, the MPU and the NVIC (DDI0403E B3.2.2, B3.5, B3.4).
pub const CORE_REGISTERS: [(&str, u32, u32); 9] = [
    ("vector-table-offset", 0xE000_ED08, 4),
    ("configuration", 0xE000_ED14, 4),
    ("system-handlers", 0xE000_ED24, 4),
    ("mpu-control", 0xE000_ED94, 4),
    ("mpu-region", 0xE000_ED9C, 4),
    ("mpu-region-attributes", 0xE000_EDA0, 4),
    ("interrupts-enabled", 0xE000_E100, 32),
    ("interrupts-pending", 0xE000_E200, 32),
    ("interrupt-priorities", 0xE000_E400, 240),
];

/// What the points of a sweep are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Points {
    /// Before the first, second, third… instruction from where the trigger is met on, until the
    /// boot is over before it comes.
    Instructions,
    /// The first, second, third… time that the last link is met, until it is met no more.
    Hits,
    /// Every bit of some memory, lowest address and bit first.
    Bits(Memory),
    /// Every value of the parameter of the boot's command.
    Values {
        /// The first.
        from: u32,
        /// The last, if the steps meet it.
        to: u32,
        /// From one to the next, at least 1.
        step: u32,
    },
    /// Faults of many kinds, drawn by the seed of the sample.
    Mix(Mix),
}

/// What faults of many kinds are drawn from: bits of memory and of registers, instructions that are
/// not executed, resets, interrupts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mix {
    /// Memory whose bits are flipped; at least one.
    pub memories: Vec<Memory>,
    /// Instructions behind the trigger within which they come, evenly spread; at least 1.
    pub within_instructions: u64,
}

/// What is done at each point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlannedEffect {
    /// What was drawn for the point.
    Drawn,
    /// The bit that is the point is flipped.
    FlipPoint,
    /// The value that is the point is the parameter of the command.
    Parameter,
    /// Bits of a word are flipped.
    Flip {
        /// Where.
        memory: Memory,
        /// Which.
        bits: u32,
    },
    /// Memory is written over.
    Write {
        /// Where.
        memory: Memory,
        /// With what.
        bytes: Vec<u8>,
    },
    /// A register of the core gets another value.
    Register {
        /// GDB's name.
        name: String,
        /// Bits that are flipped.
        flip: u32,
        /// The value, if not the old one.
        value: Option<u32>,
    },
    /// An external interrupt is made pending.
    Interrupt(u16),
    /// The non-maskable interrupt is made pending.
    Nmi,
    /// The next instruction is not executed.
    Skip,
    /// The device is reset.
    Reset(RamPolicy),
}

/// What a right report says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    /// Who noticed.
    pub detector: Detector,
    /// What happened, if that is certain.
    pub kind: Option<Kind>,
    /// Whom it is charged to, if that is certain.
    pub thread: Option<Context>,
}

/// An outcome that may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowed {
    /// The outcome.
    pub outcome: Outcome,
    /// Why.
    pub reason: String,
}

/// A sample of the points, drawn without replacement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// How many.
    pub count: u64,
    /// Which.
    pub seed: u64,
    /// Out of how many, where the points themselves do not say.
    pub of: Option<u64>,
}

/// Outcomes of which no file needs to speak.
#[must_use]
pub const fn always_good(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::NotActivated | Outcome::Masked | Outcome::DetectedRight)
}

/// Outcomes that no file can allow for a subject.
#[must_use]
pub const fn never_good(outcome: Outcome, subject: Subject) -> bool {
    match outcome {
        Outcome::TornAccepted | Outcome::HarnessError => true,
        Outcome::SilentDataCorruption | Outcome::Hang => {
            matches!(subject, Subject::Record | Subject::Heap)
        }
        _ => false,
    }
}
