//! A checked board: a part of a chip, the choices a program makes, and what stands behind its
//! target.
//!
//! Read from `boards/<name>.toml`. A file with a `base` states only what differs from it.

mod choices;
pub(crate) mod emulator;
pub(crate) mod host_models;
mod load;
pub(crate) mod map;
mod support;

pub use support::Support;

use super::chip::Chip;
use super::range::AddressRange;
use super::static_layout::StaticLayout;
use crate::Need;
use emulator::{Emulator, UnknownVersion, Version};
use map::ExpectedRange;

crate::names::closed_list! {
    /// Where the crash region lies.
    CrashPlace, "place of the crash region";
    /// Directly behind the vector table in RAM, as in Mbed OS.
    AfterVectorTable = "after-vector-table";
    /// Directly below the guard of the ISR stack.
    EndOfSram2 = "end-of-sram2";
    /// The last bytes of core-coupled memory.
    EndOfCcm = "end-of-ccm";
}

/// A board.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Board {
    /// Name of its file without the ending.
    pub name: String,
    /// Whether its file has a `base`: it is another board but for what the file states.
    pub is_variant: bool,
    /// The files it was read from, relative to the folder that holds `boards` and `chips`.
    pub files: Vec<String>,
    /// The chip, as the part that the board carries.
    pub chip: Chip,
    /// Name of that part.
    pub part: String,
    /// Clock of the core in hertz.
    pub core_clock_hz: u32,
    /// Where the crash region lies.
    pub crash_place: CrashPlace,
    /// Sizes of stacks and guards.
    pub stacks: Stacks,
    /// The part of RAM that may hold code, if any.
    pub executable: Option<Executable>,
    /// What of flash a bootloader has, if there is one: whole sectors from the first on. The
    /// application has the rest.
    pub bootloader: Option<AddressRange>,
    /// Features of the test image, which is not built for this board without them.
    pub image_features: Vec<String>,
    /// What stands behind the target.
    pub target: TargetKind,
    /// Addresses that follow.
    pub layout: StaticLayout,
}

/// Sizes of stacks and guards, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stacks {
    /// Stack of the main thread; a multiple of 8, at least 256.
    pub main_bytes: u32,
    /// Stack of the timer thread; a multiple of 8, at least 256.
    pub timer_bytes: u32,
    /// Stack of the idle thread; a multiple of 8, at least 256.
    pub idle_bytes: u32,
    /// Stack of interrupts and of the scheduler; a multiple of 8, at least 256.
    pub isr_bytes: u32,
    /// Guard below every stack; a power of two, at least 128.
    pub guard_bytes: u32,
}

/// A part of RAM that may hold code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Executable {
    /// The region that it lies in.
    pub region: String,
    /// Where it lies.
    pub range: AddressRange,
}

/// Which of the programs in flash is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// What the board is for.
    Application,
    /// What a board may have in front of it, to check it.
    Bootloader,
}

/// What stands behind a target.
#[derive(Debug, Clone)]
pub enum TargetKind {
    /// An emulated machine.
    Emulator(Emulator),
    /// A board behind a debug probe.
    Probe(Probe),
}

/// A board behind a debug probe.
#[derive(Debug, Clone)]
pub struct Probe {
    /// Name of the chip in probe-rs.
    pub chip: String,
    /// What it has and lacks.
    pub support: Support,
}

impl Board {
    /// The emulator behind the board, if it has one.
    #[must_use]
    pub const fn emulator(&self) -> Option<&Emulator> {
        match &self.target {
            TargetKind::Emulator(emulator) => Some(emulator),
            TargetKind::Probe(_) => None,
        }
    }

    /// The flash of the program that resets start: of the bootloader if there is one. Nothing if
    /// the chip has no flash.
    #[must_use]
    pub fn flash_of(&self, program: Program) -> Option<AddressRange> {
        let flash = self.chip.flash()?.range;
        match (program, self.bootloader) {
            (Program::Bootloader, bootloader) => bootloader,
            (Program::Application, None) => Some(flash),
            (Program::Application, Some(taken)) => Some(AddressRange {
                start: flash.start.saturating_add(taken.size_bytes),
                size_bytes: flash.size_bytes.saturating_sub(taken.size_bytes),
            }),
        }
    }

    /// What the board itself requires of its target, whatever the scenario.
    pub fn needs(&self) -> impl Iterator<Item = Need> {
        (self.crash_place == CrashPlace::EndOfCcm).then_some(Need::Ccm).into_iter()
    }

    /// Why a target lacks a need, or nothing if it has it. `version` is that of the emulator as
    /// (major, minor); a probe ignores it. A version that the file does not declare lacks
    /// everything.
    #[must_use]
    pub fn lacks(&self, version: (u32, u32), need: Need) -> Option<String> {
        let support = match &self.target {
            TargetKind::Probe(probe) => &probe.support,
            TargetKind::Emulator(emulator) => match emulator.version(version) {
                Ok(version) => &version.support,
                Err(unknown) => return Some(unknown.to_string()),
            },
        };
        support.lacks(need).map(str::to_owned)
    }

    /// RAM and ROM that the memory map of an emulator must show, lowest first, after the declared
    /// deviations; ranges of the same kind that touch are one. Anything else in it is undeclared.
    ///
    /// # Errors
    /// The board has no emulator, or the file does not declare the version.
    pub fn expected_map(&self, version: (u32, u32)) -> Result<Vec<ExpectedRange>, UnknownVersion> {
        let emulator = self.emulator().ok_or_else(|| UnknownVersion {
            version: Version::from(version),
            known: format!("none: board `{}` is behind a probe", self.name),
        })?;
        Ok(map::expected(&self.chip, &emulator.version(version)?.deviations))
    }
}

/// The Rust targets that images are built for, each with the first board that wants it. Boards
/// without an emulator count only once they can be reached.
#[must_use]
pub fn rust_targets(boards: &[Board]) -> Vec<(&'static str, &Board)> {
    let mut targets: Vec<(&'static str, &Board)> = Vec::new();
    for board in boards.iter().filter(|board| board.emulator().is_some()) {
        let target = board.chip.core.rust_target();
        if targets.iter().all(|(known, _)| *known != target) {
            targets.push((target, board));
        }
    }
    targets
}
