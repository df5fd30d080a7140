//! A scenario: what is broken, on which boot, and which detector must notice it.
//!
//! [`raw`] is the file as written, [`check`] turns it into the values below or into a list of all
//! its problems. Nothing here knows of a target.

pub mod check;
mod check_effect;
mod check_sweep;
pub mod error;
mod heap_script;
mod injection;
mod place;
mod problems;
pub mod raw;
pub mod raw_sweep;
pub mod sweep;
pub mod transfer;

use crashrig_layout::Need;
use crashrig_layout::parse::Board;
use crashrig_wire::marker::Found;
use crashrig_wire::region::Slot;
use crashrig_wire::section::Section;
use crashrig_wire::thread::Context;
use crashrig_wire::{Detector, Fault, Kind, Observation, Status, Way};
use std::path::PathBuf;

pub use place::Role;
pub use raw::RawFailedAllocation;
pub use sweep::Sweep;
pub use transfer::ExpectedTransfer;

use crate::script::Script;
use crate::verdict::VerdictKind;

/// A checked scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scenario {
    /// `<family>::<scenario>`: folder and file name.
    pub name: String,
    /// The file it was read from.
    pub path: PathBuf,
    /// The text of the file, kept as evidence.
    pub text: String,
    /// One sentence: what must hold.
    pub title: String,
    /// The numbered timeline.
    pub timeline: Vec<String>,
    /// What a target must have.
    pub needs: Vec<Need>,
    /// Boards it runs on; empty stands for every board that is not a variant of another.
    pub boards: Vec<String>,
    /// What is done to the application in flash before the first boot.
    pub application: Damage,
    /// The boots, in order; the number of a boot is its place, from 1.
    pub boots: Vec<BootPlan>,
    /// What the records must say.
    pub crashes: Vec<ExpectedCrash>,
    /// What is asked of heaps of the device while it runs, at most one for each boot.
    pub scripts: Vec<Script>,
    /// For a control: how it must be judged.
    pub control: Option<Control>,
    /// Whether memory is compared before the fault and at the boundary.
    pub measure_bytes_lost: bool,
    /// For a sweep, of which this scenario is the golden run: what is broken besides, and where.
    pub sweep: Option<Sweep>,
}

/// One boot of a scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootPlan {
    /// How it starts.
    pub start: Start,
    /// What to do to the newest good record before it starts.
    pub tamper: Option<Tamper>,
    /// The slot of the history in which a bit is flipped before it starts.
    pub damaged_history: Option<usize>,
    /// What to break.
    pub fault: Fault,
    /// For `await`: the command that is sent while the boot runs.
    pub then: Option<Fault>,
    /// The parameter of the command that a file can state: the first one, but for
    /// `stack-overflow`, whose first ones are its stack and its way.
    pub parameter: u32,
    /// For `stack-overflow`: whose stack, and how.
    pub overflow: Option<(Context, Way)>,
    /// Detectors that are switched off for this boot.
    pub without: Vec<Detector>,
    /// Whether the device marks the records it finds as read.
    pub acknowledge: bool,
    /// How it must end.
    pub end: End,
    /// Observations that the end marker must have.
    pub observed: Vec<Observation>,
    /// Observations that it must not have.
    pub missing: Vec<Observation>,
    /// What the device must have found in slot FIRST when it booted.
    pub first: Option<Found>,
    /// What the device must have found in slot LAST.
    pub last: Option<Found>,
    /// Texts that must stand in the log of this boot.
    pub log: Vec<String>,
    /// Texts that must not stand in the log of this boot.
    pub log_without: Vec<String>,
    /// How many faults the ledger must have counted while records were written.
    pub nested: Option<u32>,
    /// How many crashes the ledger must have counted at the boundary.
    pub crashes: Option<u32>,
    /// Boots of the records that the history must hold at the boundary, the oldest first.
    pub history: Option<Vec<u32>>,
    /// How many boots before this one must have left neither marker nor record.
    pub silent_boots: usize,
    /// How many boots in a row the ledger must count at the boundary as crashed or without end.
    pub crashes_in_a_row: Option<u16>,
    /// Whether the ledger must say at the boundary that the device is in safe mode.
    pub safe_mode: Option<bool>,
    /// Texts that must stand on the console of this boot.
    pub console: Vec<String>,
}

impl BootPlan {
    /// The parameters of its command, with a certain value of the one that a file can state.
    #[must_use]
    pub fn parameters(&self, stated: u32) -> [u32; 4] {
        match self.overflow {
            Some((stack, way)) => [u32::from(stack.code()), u32::from(way.code()), 0, stated],
            None => [stated, 0, 0, 0],
        }
    }
}

/// How a boot starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Power-on: all RAM holds what [`Fill`] says.
    Cold(Fill),
    /// Power-on over noise, but for what a battery keeps.
    Battery,
    /// A reset with RAM as the boot before left it.
    Warm,
}

/// What RAM holds at power-on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fill {
    /// Seeded noise.
    Noise,
    /// Zeros, as a careless emulator gives them.
    Zero,
}

/// What is made of a good record before a boot. On a cold boot it is put into noise; on a warm one
/// it replaces what is in its slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tamper {
    /// The slot.
    pub slot: Slot,
    /// The manipulation.
    pub kind: TamperKind,
}

/// The kinds of noise that resemble a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TamperKind {
    /// Magic, version, length and state of a whole record, the rest noise. Needs no good record.
    Resembling,
    /// The newest good record with so many bits flipped.
    FlipBits(u32),
    /// The newest good record as another version, sealed again.
    OtherVersion,
    /// The newest good record of another build, sealed again.
    OtherBuild,
}

/// What is done to the application before it is put behind a bootloader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    /// Nothing.
    None,
    /// It was written in part; the rest of flash is erased.
    Truncated,
    /// One bit behind the header is another.
    BitFlipped,
    /// One of the first two entries of its vector table leads nowhere.
    WrongVector,
    /// Its header names another build, under a CRC that fits.
    OtherBuild,
}

/// How a boot ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// With the end marker of this boot, build and run, and a reset.
    Clean,
    /// With a record of this boot, and a reset.
    Crash,
    /// With a lockup of the core.
    Lockup,
    /// Not at all, within its deadline.
    Hang,
    /// By a watchdog that ran out, without marker; with a record if the next boot is to write one.
    Watchdog,
    /// With resets, neither marker nor record, until the budget of boots is used up.
    ResetLoop,
    /// With the exit of the emulator, with this status. For images that are not ours.
    Exit(i32),
}

/// What the record of a boot must say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectedCrash {
    /// The boot, from 1.
    pub boot: u32,
    /// What happened.
    pub kind: Kind,
    /// What noticed.
    pub detector: Detector,
    /// Whom it is charged to.
    pub thread: Context,
    /// The name of that thread, if it must be a certain one.
    pub thread_name: Option<String>,
    /// The error status.
    pub status: Option<Status>,
    /// Where the address that could not be accessed must lie.
    pub address: Option<Place>,
    /// Where the program counter must lie.
    pub pc: Option<Place>,
    /// A function that must be in the backtrace.
    pub within: Option<String>,
    /// Sections that must stand behind the record besides those of every record.
    pub sections: Vec<Section>,
    /// Sections of every record that must not stand behind this one.
    pub sections_without: Vec<Section>,
    /// Sections that must say that there was more: these, and the window of the stack at will.
    pub sections_cut_short: Vec<Section>,
    /// The causes of the last resets, this boot's first: names of flags with `+` between them.
    pub reset_causes: Vec<String>,
    /// What must stand in the word of the heap that is named as wrong.
    pub broken_word: Option<u32>,
    /// The controller and stream that must have changed the heap's broken word, as `2.0`.
    pub bus_master: Option<String>,
    /// The allocation that must have failed last.
    pub failed_allocation: Option<RawFailedAllocation>,
    /// The DMA transfers that must stand there, oldest first.
    pub transfers: Vec<ExpectedTransfer>,
    /// How many frames the backtrace must have at least.
    pub frames_at_least: usize,
    /// The slot that must hold the record when the boot is over.
    pub slot: Slot,
    /// Whether only phase one of the record must hold.
    pub partial: bool,
}

impl ExpectedCrash {
    /// Whether a section must not stand behind the record.
    #[must_use]
    pub fn lacks(&self, section: Section) -> bool {
        self.sections_without.contains(&section)
    }
}

/// A place in the image or on the chip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A function, by its path.
    Symbol(String),
    /// An area of the image or a region of the chip; `unmapped` is everything else.
    Region(String),
    /// A region of the chip, by what it is for.
    Role(Role),
    /// One of some regions: what a role means on a board.
    OneOf(Vec<String>),
}

/// How a control must be judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Control {
    /// The verdict.
    pub verdict: VerdictKind,
    /// The subjects of its mismatches, each as `<subject> of boot <number>`, in any order: these
    /// and no others.
    pub mismatches: Vec<String>,
}

/// The function of the image that carries out a fault whose damage can be measured: memory is
/// compared from there to the boundary.
#[must_use]
pub fn measured_function(fault: Fault) -> Option<&'static str> {
    match fault {
        Fault::StackOverflow => Some("crashrig_inject_overflow"),
        _ => None,
    }
}

impl Scenario {
    /// The scenario as it is meant for a board: regions that are named by what they are for become
    /// the ones that its chip has.
    #[must_use]
    pub fn on(mut self, board: &Board) -> Self {
        for crash in &mut self.crashes {
            for place in [&mut crash.address, &mut crash.pc].into_iter().flatten() {
                if let Place::Role(role) = place {
                    *place = Place::OneOf(role.regions(board));
                }
            }
        }
        self
    }

    /// What is asked of a heap on a boot, by its number, from 1.
    #[must_use]
    pub fn script(&self, boot: u32) -> Option<&Script> {
        self.scripts.iter().find(|script| script.boot == boot)
    }

    /// The boot of a number, from 1.
    #[must_use]
    pub fn boot(&self, number: u32) -> Option<&BootPlan> {
        self.boots.get(usize::try_from(number).ok()?.checked_sub(1)?)
    }
}
