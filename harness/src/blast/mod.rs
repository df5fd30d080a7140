//! Blast radius: what an overflow has destroyed outside of its stack when its detector runs its
//! first instruction, and how many instructions after the first bad write that is.
//!
//! Memory is compared between the injection and the detector's first instruction. Bytes that change
//! as well in the same run without the overflow are no damage: the clock counts on, and handlers
//! use the ISR stack. Where the guard or the limit register refuses the overflow itself, nothing is
//! taken away: nothing else runs between the two moments.
//!
//! Instructions are counted in a run of its own that is not stopped in between, where there is an
//! observer. What the core itself stacks is seen by no watchpoint and stands in no log of stores:
//! where it writes first, its handler's first instruction counts as that write, and the straight
//! way from there to the check is counted with stops.

mod count;
mod measure;
pub mod sizes;

pub use measure::measure;

use crate::scenario::Scenario;
use crashrig_wire::thread::Context;
use crashrig_wire::{Detector, Way};

/// What an overflow is, as its scenario says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Injection {
    /// Whose stack.
    pub stack: Context,
    /// How it is used beyond its limit.
    pub way: Way,
    /// What must notice.
    pub detector: Detector,
}

impl Injection {
    /// The overflow of the first boot of a scenario, if it is about one.
    #[must_use]
    pub fn of(scenario: &Scenario) -> Option<Self> {
        let (stack, way) = scenario.boots.first()?.overflow?;
        let crash = scenario.crashes.iter().find(|crash| crash.boot == 1)?;
        Some(Self { stack, way, detector: crash.detector })
    }

    /// Whether the detector refuses the overflow itself, so that nothing may be destroyed: a guard
    /// that is not jumped, or a limit register.
    #[must_use]
    pub const fn is_refused(&self) -> bool {
        matches!(self.detector, Detector::MpuGuard | Detector::StackLimit)
    }
}

/// What made the first write outside of the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirstWrite {
    /// None got through: the first attempt was refused.
    Refused,
    /// A store.
    Store,
    /// The core, stacking an exception.
    Core,
}

/// How instructions were counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The observer's log of stores, the device not stopped in between.
    Log,
    /// The device stopped where counting begins and ends. The clock's period starts anew at a stop,
    /// so a latency that contains a wait for the clock is one of this method.
    Stops,
}

impl Source {
    /// The word for tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Stops => "stops",
        }
    }
}

/// What was measured of one overflow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blast {
    /// Bytes outside of the stack that the overflow changed.
    pub bytes: u32,
    /// What changed the first of them.
    pub first_write: FirstWrite,
    /// Instructions from that write to the detector's first one.
    pub instructions: u64,
    /// How they were counted.
    pub source: Source,
}
