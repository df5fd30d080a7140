//! The `[sweep]` table of a scenario file as it is written. What the values mean is decided in
//! `check_sweep.rs`.

use serde::Deserialize;

/// `[sweep]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RawSweep {
    /// What the sweep is about.
    pub subject: String,
    /// The boot in which the fault comes, from 1.
    pub boot: u32,
    /// Links of the trigger, in order.
    pub trigger: Vec<RawLink>,
    /// What the points are.
    pub points: String,
    /// For `instructions`: where they end.
    pub until: Option<RawLink>,
    /// For `bits`: whose.
    pub memory: Option<RawMemory>,
    /// For `values`: which.
    pub values: Option<RawValues>,
    /// For `mix`: of what.
    pub mix: Option<RawMix>,
    /// What is done at each point; none for `values` and `mix`.
    pub effect: Option<RawEffect>,
    /// A second effect, in the same boot.
    pub second: Option<RawSecond>,
    /// How often it comes.
    pub scopes: Vec<String>,
    /// Reports that are right.
    #[serde(default)]
    pub expect: Vec<RawExpected>,
    /// Observations that the device may not make, because it was told no.
    #[serde(default)]
    pub may_miss: Vec<String>,
    /// Outcomes that do not make the sweep fail.
    #[serde(default)]
    pub allow: Vec<RawAllowed>,
    /// Outcomes that make the sweep fail, though elsewhere they are good.
    #[serde(default)]
    pub forbid: Vec<String>,
    /// Some points in place of all.
    pub sample: Option<RawSample>,
    /// Whether RAM at the end is compared with that of the golden run.
    #[serde(default)]
    pub latent: bool,
    /// From so many instructions after the effect on, a right report comes late.
    pub late_after_instructions: Option<u64>,
}

/// One link: one of the keys that say when, and how often.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RawLink {
    /// `boot`.
    pub at: Option<String>,
    /// A function.
    pub symbol: Option<String>,
    /// Bytes behind its start.
    pub offset: Option<u32>,
    /// Memory that is written.
    pub store: Option<RawMemory>,
    /// With `store`: what the word must hold then.
    pub value: Option<u32>,
    /// With `value`: bits of it that count.
    pub mask: Option<u32>,
    /// A thread that is switched to.
    pub thread: Option<String>,
    /// Memory that is read.
    pub load: Option<RawMemory>,
    /// So many instructions later.
    pub instructions: Option<u64>,
    /// So much target time later.
    pub milliseconds: Option<u64>,
    /// The handler of an exception, by its number in the vector table, begins.
    pub interrupt: Option<u32>,
    /// Which time.
    pub count: Option<u64>,
}

/// Bytes of memory: those of a symbol or of a region, all of them or some.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RawMemory {
    /// A variable.
    pub symbol: Option<String>,
    /// An area of the image, or a part of the crash region.
    pub region: Option<String>,
    /// Bytes behind its start.
    pub offset: Option<u32>,
    /// How many.
    pub size: Option<u32>,
}

/// Values of the parameter of the boot's command.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RawValues {
    /// The first.
    pub from: u32,
    /// The last, if the steps meet it.
    pub to: u32,
    /// From one to the next.
    pub step: u32,
}

/// What faults of many kinds are drawn from.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RawMix {
    /// Memory whose bits are flipped.
    pub memories: Vec<RawMemory>,
    /// Instructions behind the trigger within which they come.
    pub within_instructions: u64,
}

/// What is done.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RawEffect {
    /// Name of an effect.
    #[serde(rename = "do")]
    pub effect: String,
    /// For `reset`: what becomes of RAM.
    pub ram: Option<String>,
    /// For `flip` and `write`: where, unless the points say so.
    pub memory: Option<RawMemory>,
    /// For `flip` of a word or register: which bits.
    pub bits: Option<u32>,
    /// For `write`: what.
    pub bytes: Option<Vec<u8>>,
    /// For `register`: GDB's name; for `fail-allocation`: that of the one with the size.
    pub name: Option<String>,
    /// For `register`: the new value.
    pub value: Option<u32>,
    /// For `interrupt`: its number, 0 for the first after the core's exceptions.
    pub number: Option<u16>,
}

/// A report that is right.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RawExpected {
    /// Name of a detector.
    pub detector: String,
    /// Name of a kind.
    pub kind: Option<String>,
    /// Name of a thread.
    pub thread: Option<String>,
}

/// An outcome that may be.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RawAllowed {
    /// Its name.
    pub outcome: String,
    /// Why.
    pub reason: String,
}

/// A sample of the points.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RawSample {
    /// How many.
    pub count: u64,
    /// Which.
    pub seed: u64,
    /// For `instructions`: out of how many.
    pub of: Option<u64>,
}

/// `second`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RawSecond {
    /// At most so many instructions after the first effect.
    pub within: u64,
    /// What.
    pub effect: RawEffect,
}
