//! Chip and board files: read, checked, and computed into a static layout. For hosts only.
//!
//! One way: file → raw (plain values) → checked ([`Chip`], [`Board`]) →
//! [`StaticLayout`]. A [`Board`] that was handed out breaks no rule; all broken rules of both
//! files come in one error.

mod board;
mod chip;
mod problem;
mod range;
mod raw;
mod static_layout;

pub use board::emulator::{
    Deviation, DeviationKind, Emulator, ProbeDifference, UnknownVersion, Version, VersionRange,
};
pub use board::host_models::HostModel;
pub use board::map::{ExpectedKind, ExpectedRange};
pub use board::{
    Board, CrashPlace, Executable, Probe, Program, Stacks, Support, TargetKind, rust_targets,
};
pub use chip::{
    BootMode, Chip, ChipAlias, ChipBackup, ChipClockEnable, ChipRegion, ChipResetCause, Core, Part,
};
pub use problem::{LoadError, Problem};
pub use range::AddressRange;
pub use static_layout::{SMALLEST_CRASH_REGION, StaticLayout};
