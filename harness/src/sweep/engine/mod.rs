//! What carries injections out. An engine knows the workload of one sweep (image, boots, commands);
//! it is asked for one fault after another and leaves nothing of one in the next.

mod abilities;
mod effect;
pub mod plugin;
pub mod process;
mod ram;
pub mod snapshot;
mod trigger;

pub use self::abilities::Abilities;
pub use self::trigger::FIRING_LIMIT;

use super::fault::Fault;
use crate::target::{BenchError, Boundary};

/// One boot of an injected run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootTrace {
    /// Where it ended; a hang is always one of the budget of instructions.
    pub boundary: Boundary,
    /// Instructions it executed.
    pub instructions: u64,
    /// The crash region at its end.
    pub region: Vec<u8>,
    /// The end marker's bytes at its end.
    pub marker: Vec<u8>,
    /// FNV-1a over all other RAM at its end, where the engine was asked for it: what differs from
    /// the golden run in nothing else is latent.
    pub ram_hash: Option<u64>,
}

impl BootTrace {
    /// A boot of which nothing is left but how it ended.
    const fn without_memory(boundary: Boundary) -> Self {
        Self { boundary, instructions: 0, region: Vec::new(), marker: Vec::new(), ram_hash: None }
    }
}

/// What an engine saw of one injected run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// How often the effect came. 0: the trigger was never met.
    pub fired: u32,
    /// Program counter where it came first.
    pub fired_at: Option<u32>,
    /// Instructions of its boot that were executed before it came first.
    pub fired_after: Option<u64>,
    /// The boots, in order; those after the last planned one are repeated while they are silent, at
    /// most [`crate::run::SILENT_BOOT_BUDGET`].
    pub boots: Vec<BootTrace>,
}

impl Trace {
    /// A run in which no effect came.
    const fn without_effect(boots: Vec<BootTrace>) -> Self {
        Self { fired: 0, fired_at: None, fired_after: None, boots }
    }
}

/// Target time of a boot of the golden run at most, in nanoseconds.
const GOLDEN_NS: u64 = 2_000_000_000;

/// Instructions after which a boot of an injected run counts as one that hangs: far more than the
/// longest boot of the golden run takes. The same for all engines, which must come to equal
/// results.
#[must_use]
pub const fn budget_of(longest_boot: u64) -> u64 {
    longest_boot.saturating_mul(4).saturating_add(1_000_000)
}

/// Carries out injections, one after another.
pub trait Engine {
    /// `process`, `snapshot` or `plugin`.
    fn name(&self) -> &'static str {
        self.abilities().engine
    }

    /// What it can carry out.
    fn abilities(&self) -> Abilities;

    /// How many faults are best handed to it together, at least 1.
    fn together(&self) -> usize {
        1
    }

    /// One run with a fault, or the golden run without. Each starts from the same state.
    ///
    /// # Errors
    /// The bench failed, and the engine is not used any more; or the fault is one that it does not
    /// carry out ([`Abilities::check`]).
    fn run(&mut self, fault: Option<&Fault>) -> Result<Trace, BenchError>;

    /// Whether instructions overwrite each byte of some memory before they read it, in the boot of
    /// the golden run in which a fault's trigger is met, from there on; nothing where the engine
    /// cannot tell. What the core reads of itself is not looked at.
    ///
    /// # Errors
    /// As for [`Engine::run`].
    fn overwritten(
        &mut self,
        _fault: &Fault,
        _start: u32,
        _size_bytes: u32,
    ) -> Result<Option<Vec<bool>>, BenchError> {
        Ok(None)
    }

    /// Runs with many faults, in their order: what [`Engine::run`] says of each.
    ///
    /// # Errors
    /// As there.
    fn run_all(&mut self, faults: &[Fault]) -> Result<Vec<Trace>, BenchError> {
        faults.iter().map(|fault| self.run(Some(fault))).collect()
    }
}
