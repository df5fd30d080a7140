//! The engine inside of QEMU: the plug-in restores, stops and injects on the thread of the CPU,
//! which takes some fifty microseconds, and needs neither GDB nor a stop of QEMU's clock.
//!
//! The golden run is kept at the first instruction of each of its boots and at their ends. A run
//! with a fault begins where the trigger's last link but instructions is met, which is kept too,
//! and goes on to the end of its boot. Where all RAM is what it was there in the golden run, what
//! follows is that of the golden run: a reset leaves nothing else of what was before. Otherwise
//! each further boot begins with the CPU and the devices of its start in the golden run, and RAM as
//! it is.
//!
//! Before the first run the engine tests itself: the first boot, restored, must take the same way
//! as before, by a hash over all its instructions. Must never happen here: an engine that is used
//! where that failed, or a fault that is carried out in part. Accesses to devices as triggers and
//! changes of flash are refused: the one would be made twice, the other would have no effect.

mod effect;
mod guest;
mod inject;
mod way;

use self::guest::{Guest, Slot, to_end};
use self::way::{Base, STRIDE};
use super::trigger::{counted, split};
use super::{Abilities, Engine, Trace, budget_of};
use crate::sweep::fault::{Effect, Fault, Link, Scope};
use crate::sweep::workload::Workload;
use crate::target::{BenchError, Boundary};
use crashrig_qemu::steer::{Command, Reason, Reply, Restored, Stopped, Until};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Most runs in one message.
const TOGETHER: usize = 25;

/// The number of the program counter among registers.
const PC: u8 = 15;

/// See the module.
pub struct PluginEngine {
    workload: Arc<Workload>,
    /// The plug-in's file.
    plugin: PathBuf,
    folder: PathBuf,
    processor: usize,
    warm: Option<Warm>,
}

/// A QEMU that is steered, with what is kept in it.
struct Warm {
    guest: Guest,
    golden: Trace,
    /// Instructions that a boot may take.
    budget: u64,
    base: Option<Base>,
}

impl PluginEngine {
    /// An engine whose QEMU stays on one processor of the host. Its output goes into a folder.
    #[must_use]
    pub fn new(workload: Arc<Workload>, plugin: &Path, folder: &Path, processor: usize) -> Self {
        let (plugin, folder) = (plugin.to_owned(), folder.to_owned());
        Self { workload, plugin, folder, processor, warm: None }
    }

    /// Starts QEMU, if that was not done, with the golden run and the test of itself. So it is
    /// known at once whether this engine can be used here.
    ///
    /// # Errors
    /// It cannot: the scenario needs devices of the host, this QEMU lacks something, or a restored
    /// run is another one.
    pub fn start(&mut self) -> Result<(), BenchError> {
        self.warm().map(drop)
    }

    fn warm(&mut self) -> Result<&mut Warm, BenchError> {
        if self.warm.is_none() {
            let (plugin, folder) = (&self.plugin, &self.folder);
            let mut guest = Guest::start(&self.workload, plugin, folder, self.processor)?;
            let boots = guest.golden()?;
            let longest = boots.iter().map(|boot| boot.instructions).max().unwrap_or(0);
            let golden = Trace::without_effect(boots);
            let mut warm = Warm { guest, golden, budget: budget_of(longest), base: None };
            warm.test_itself()?;
            self.warm = Some(warm);
        }
        self.warm.as_mut().ok_or_else(|| BenchError("keep an emulator".to_owned()))
    }

    /// The floor of runs with a fault: its place is restored, and the guest runs to the end of its
    /// boot, so many times. Nothing is injected, compared or read. A run with the fault comes
    /// before.
    ///
    /// # Errors
    /// The bench failed, or no run came before.
    pub fn restore_and_run(&mut self, times: u32) -> Result<(), BenchError> {
        let warm = self.warm()?;
        let limit = warm.budget;
        let run = [
            Command::Restore { slot: Slot::BASE, what: Restored::All },
            Command::Run { limit, until: Until::End, skip: 0 },
        ];
        let runs: Vec<_> = run.iter().cycle().take(run.len() * times as usize).cloned().collect();
        runs.chunks(run.len() * TOGETHER).try_for_each(|some| warm.guest.carry_out(some).map(drop))
    }
}

impl Engine for PluginEngine {
    fn abilities(&self) -> Abilities {
        Abilities {
            engine: "plugin",
            changes_flash: false,
            watches_devices: false,
            looks_at_values: true,
            steps: u64::MAX,
            instruction_shift: self.workload.launch.instruction_shift,
        }
    }

    fn together(&self) -> usize {
        TOGETHER
    }

    fn run(&mut self, fault: Option<&Fault>) -> Result<Trace, BenchError> {
        let Abilities { instruction_shift, .. } = self.abilities();
        fault.map_or(Ok(()), |fault| self.abilities().check(fault))?;
        let warm = self.warm()?;
        match fault {
            Some(fault) => warm.inject(&*counted(fault, instruction_shift)?),
            None => warm.golden_again(),
        }
    }

    fn overwritten(
        &mut self,
        fault: &Fault,
        start: u32,
        size_bytes: u32,
    ) -> Result<Option<Vec<bool>>, BenchError> {
        let Abilities { instruction_shift, .. } = self.abilities();
        let warm = self.warm()?;
        warm.overwritten(&*counted(fault, instruction_shift)?, start, size_bytes)
    }

    fn run_all(&mut self, faults: &[Fault]) -> Result<Vec<Trace>, BenchError> {
        let abilities = self.abilities();
        faults.iter().try_for_each(|fault| abilities.check(fault))?;
        let warm = self.warm()?;
        let mut traces = Vec::with_capacity(faults.len());
        for some in faults.chunk_by(are_neighbours).flat_map(|some| some.chunks(TOGETHER)) {
            match some {
                [only] => traces.push(warm.inject(&*counted(only, abilities.instruction_shift)?)?),
                _ => traces.extend(warm.inject_together(some)?),
            }
        }
        Ok(traces)
    }
}

/// Whether two runs begin at the same kept place, and each is over with its effect.
fn are_neighbours(one: &Fault, other: &Fault) -> bool {
    let is_simple = |fault: &Fault| {
        let resets = matches!(fault.effect, Effect::Reset { .. });
        let is_timed = fault.trigger.iter().any(|link| matches!(link, Link::TargetTime { .. }));
        fault.scope == Scope::Once && fault.second.is_none() && !resets && !is_timed
    };
    let ((links, steps), (same, more)) = (split(&one.trigger), split(&other.trigger));
    let begin_together = links == same && steps / STRIDE == more / STRIDE;
    one.boot == other.boot && begin_together && is_simple(one) && is_simple(other)
}

impl Warm {
    fn test_itself(&mut self) -> Result<(), BenchError> {
        self.guest.carry_out(&[Command::Trace(true)])?;
        let run = [
            Command::Restore { slot: Slot::start_of(0), what: Restored::All },
            to_end(self.budget),
            Command::State,
            Command::Compare(Slot::end_of(0)),
        ];
        let first = self.guest.carry_out(&run)?;
        let again = self.guest.carry_out(&run)?;
        self.guest.carry_out(&[Command::Trace(false)])?;
        if first == again && first.last() == Some(&Reply::Same(true)) {
            return Ok(());
        }
        Err(BenchError(format!("repeat a restored run: found {again:?}, expected {first:?}")))
    }

    /// The golden run once more, all of it.
    fn golden_again(&mut self) -> Result<Trace, BenchError> {
        let restored = Command::Restore { slot: Slot::start_of(0), what: Restored::All };
        let ran = self.guest.carry_out(&[restored, to_end(self.budget)])?;
        let boots = self.go_on(Vec::new(), stopped(&ran)?, None)?;
        Ok(Trace::without_effect(boots))
    }
}

/// The last stop among some replies.
fn stopped(replies: &[Reply]) -> Result<Stopped, BenchError> {
    let stops = replies.iter().rev();
    let last = stops.filter_map(|reply| match reply {
        Reply::Stopped(stopped) => Some(*stopped),
        _ => None,
    });
    last.into_iter().next().ok_or_else(|| BenchError("run a boot: it was not run".to_owned()))
}

/// Where a boot ended that stopped.
fn boundary(reason: Reason) -> Boundary {
    match reason {
        Reason::Reset => Boundary::Reset,
        Reason::Lockup => Boundary::Lockup { text: "Lockup: seen by the plug-in".to_owned() },
        _ => Boundary::Hang { limit: crate::target::TARGET_TIME.to_owned(), pc: None },
    }
}
