//! The engine that keeps one unmodified QEMU warm: each run begins with a state that was saved.
//!
//! The golden run is taken to where the trigger's last link but instructions is met, once, and
//! saved there; so is a place up to some instructions further on, which moves with the points. A
//! run restores it, goes the few instructions that are left, does what is to be done, and goes on
//! to the end of its boots. After a lockup, which ends QEMU, a new one takes over.
//!
//! A stop lets QEMU's clock jump to its next deadline, so a run with a trigger has its next clock
//! tick earlier than the golden run has. It is the same in each run with that trigger; a fault
//! whose effect changes nothing (a word of which no bit is flipped) is its golden run.
//!
//! Must never happen here: anything of one run in the next. Memory, core, devices and target time
//! come back with the state; breakpoints are taken back.

pub mod bench;
mod cut_off;
pub(super) mod device;
mod effect;
mod film;
mod trigger;
mod warm;

use self::device::Device;
use self::trigger::{Met, pc};
use self::warm::{Reached, Warm};
use super::trigger::counted;
use super::{Abilities, BootTrace, Engine, GOLDEN_NS, Trace, budget_of};
use crate::sweep::fault::{Effect, Fault};
use crate::sweep::workload::Workload;
use crate::target::{BenchError, Boundary};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Instructions that are stepped at most for one link of target time: some 15 seconds of the host.
const STEPS: u64 = 100_000;

/// See the module.
pub struct SnapshotEngine {
    workload: Arc<Workload>,
    folder: PathBuf,
    processor: usize,
    /// How often a QEMU was started.
    starts: u32,
    /// Instructions that a boot may take.
    budget: u64,
    /// Instructions from the hook of resets to the reset itself.
    behind_hook: u64,
    /// Whether runs that a reset cuts off begin with memory instead of a state.
    has_films: bool,
    hashes_ram: bool,
    golden: Option<Trace>,
    warm: Option<Warm>,
}

impl SnapshotEngine {
    /// An engine whose QEMU stays on one processor of the host. Its output goes into a folder.
    #[must_use]
    pub fn new(workload: Arc<Workload>, folder: &Path, processor: usize) -> Self {
        let hashes_ram = workload.hashes_ram;
        let shift = workload.launch.instruction_shift.unwrap_or_default();
        Self {
            workload,
            folder: folder.to_owned(),
            processor,
            starts: 0,
            budget: GOLDEN_NS >> shift,
            behind_hook: 0,
            has_films: true,
            hashes_ram,
            golden: None,
            warm: None,
        }
    }

    /// The same with a hash of RAM in each boot's trace, but for boots that a reset cuts off.
    #[must_use]
    pub fn hashing_ram(mut self) -> Self {
        self.hashes_ram = true;
        self
    }

    /// The same without what makes it fast where a reset cuts runs off: each run begins with a
    /// state that is restored. For comparisons.
    #[must_use]
    pub fn without_films(mut self) -> Self {
        self.has_films = false;
        self
    }

    fn warm(&mut self) -> Result<&mut Warm, BenchError> {
        if self.warm.is_none() {
            self.starts += 1;
            let folder = self.folder.join(format!("start-{}", self.starts));
            let mut device = Device::start(&self.workload, &folder, self.processor)?;
            device.behind_hook = self.behind_hook;
            device.hashes_ram = self.hashes_ram;
            device.begin(0, None)?;
            let first = device.save("first")?;
            self.warm = Some(Warm::new(device, first));
        }
        self.warm.as_mut().ok_or_else(|| BenchError("keep an emulator".to_owned()))
    }

    /// The golden run.
    fn golden(&mut self) -> Result<Trace, BenchError> {
        if self.golden.is_none() {
            self.golden = Some(self.first_golden()?);
        }
        let budget = self.budget;
        let warm = self.warm()?;
        warm.device.restore(&warm.first)?;
        let boots = warm.go_on(budget)?;
        Ok(Trace::without_effect(boots))
    }

    /// The first golden run, which tells how long a boot may take, and what lies between the hook
    /// and the reset.
    fn first_golden(&mut self) -> Result<Trace, BenchError> {
        let budget = self.budget;
        let warm = self.warm()?;
        warm.device.end_at_hook(false);
        warm.device.restore(&warm.first)?;
        let boots = warm.go_on(budget)?;
        warm.device.end_at_hook(true);
        if let Some(first) = boots.first().filter(|boot| boot.boundary == Boundary::Reset) {
            warm.device.restore(&warm.first)?;
            let boundary = warm.device.run_to_end(budget)?;
            let to_hook = warm.device.trace(boundary, budget)?.instructions;
            let behind_hook = first.instructions.saturating_sub(to_hook);
            warm.device.behind_hook = behind_hook;
            self.behind_hook = behind_hook;
        }
        let longest = boots.iter().map(|boot| boot.instructions).max().unwrap_or(0);
        self.budget = budget_of(longest);
        Ok(Trace::without_effect(boots))
    }

    fn once(&mut self, fault: Option<&Fault>) -> Result<Trace, BenchError> {
        match fault {
            Some(fault) => self.inject(fault),
            None => self.golden(),
        }
    }

    fn inject(&mut self, fault: &Fault) -> Result<Trace, BenchError> {
        if self.golden.is_none() {
            self.golden = Some(self.first_golden()?);
        }
        let (budget, has_films) = (self.budget, self.has_films);
        let warm = self.warm()?;
        if let Effect::Reset { ram } = fault.effect
            && has_films
            && let Some(trace) = warm.cut_off(fault, ram, budget)?
        {
            return Ok(trace);
        }
        let Reached { done, met, after } = warm.reach(fault, budget)?;
        if let Met::Ended(boundary) = met {
            return Ok(Trace::without_effect(warm.go_on_from(done, boundary, None, budget)?));
        }
        let at_base = warm.base.as_ref().filter(|base| base.saved.after() == after);
        let fired_at = match at_base {
            Some(base) => Some(base.pc),
            None => Some(pc(&mut warm.device)?),
        };
        let (fired, boundary) = warm.carry_out(fault, budget)?;
        let ram = match fault.effect {
            Effect::Reset { ram } => Some((ram, fault.seed)),
            _ => None,
        };
        let boots = warm.go_on_from(done, boundary, ram, budget)?;
        Ok(Trace { fired, fired_at, fired_after: Some(after), boots })
    }
}

impl Engine for SnapshotEngine {
    fn abilities(&self) -> Abilities {
        Abilities {
            engine: "snapshot",
            changes_flash: true,
            watches_devices: true,
            looks_at_values: false,
            steps: STEPS,
            instruction_shift: self.workload.launch.instruction_shift,
        }
    }

    fn run(&mut self, fault: Option<&Fault>) -> Result<Trace, BenchError> {
        let Abilities { instruction_shift, .. } = self.abilities();
        fault.map_or(Ok(()), |fault| self.abilities().check(fault))?;
        let fault = fault.map(|fault| counted(fault, instruction_shift)).transpose()?;
        let fault = fault.as_deref();
        // Each run begins anew, so another QEMU carries out the same one: a QEMU that stood still
        // on a busy machine must not end a sweep. Twice is a broken bench.
        let trace = self.once(fault).or_else(|error| {
            // Seen, though it changes no result: why QEMU stands still then is not known.
            let _ = writeln!(std::io::stderr(), "warning: another QEMU takes over: {error}");
            self.warm = None;
            self.once(fault)
        })?;
        let is_gone = |boot: &BootTrace| {
            matches!(boot.boundary, Boundary::Lockup { .. } | Boundary::Exit { .. })
        };
        if trace.boots.iter().any(is_gone) {
            self.warm = None;
        }
        Ok(trace)
    }
}
