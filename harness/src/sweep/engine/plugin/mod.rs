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
//! where that failed, or a fault that is carried out in part. What cannot be done is trouble of the
//! bench: accesses to devices as triggers, target time, and changes of flash.

mod effect;
mod guest;
mod way;

use self::guest::{Guest, Slot, to_end};
use self::way::{Base, STRIDE, until};
use super::{BootTrace, Engine, Trace};
use crate::sweep::fault::{Effect, Fault, Link, RamPolicy, Scope};
use crate::sweep::workload::Workload;
use crate::target::{BenchError, Boundary};
use crashrig_qemu::steer::{Command, Reason, Reply, Restored, Stopped, Until};
use std::path::{Path, PathBuf};
use std::slice::SliceIndex;
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

    /// Whether this engine carries a fault out.
    ///
    /// # Errors
    /// Why it does not.
    pub fn check(fault: &Fault) -> Result<(), BenchError> {
        for link in &fault.trigger {
            if matches!(link, Link::TargetTime { .. }) {
                return Err(BenchError("meet a trigger: the plug-in counts no time".to_owned()));
            }
            until(link, 1)?;
        }
        match fault.effect {
            Effect::Reset { .. } => Ok(()),
            _ => effect::command(&fault.effect).map(drop),
        }
    }

    fn warm(&mut self) -> Result<&mut Warm, BenchError> {
        if self.warm.is_none() {
            let (plugin, folder) = (&self.plugin, &self.folder);
            let mut guest = Guest::start(&self.workload, plugin, folder, self.processor)?;
            let boots = guest.golden()?;
            let longest = boots.iter().map(|boot| boot.instructions).max().unwrap_or(0);
            let golden = Trace { boots, ..nothing() };
            let mut warm = Warm { guest, golden, budget: 4 * longest + 1_000_000, base: None };
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
    fn name(&self) -> &'static str {
        "plugin"
    }

    fn run(&mut self, fault: Option<&Fault>) -> Result<Trace, BenchError> {
        let warm = self.warm()?;
        match fault {
            Some(fault) => warm.inject(fault),
            None => warm.golden_again(),
        }
    }

    fn run_all(&mut self, faults: &[Fault]) -> Result<Vec<Trace>, BenchError> {
        let warm = self.warm()?;
        let mut traces = Vec::with_capacity(faults.len());
        for some in faults.chunk_by(are_neighbours).flat_map(|some| some.chunks(TOGETHER)) {
            match some {
                [only] => traces.push(warm.inject(only)?),
                _ => traces.extend(warm.inject_together(some)?),
            }
        }
        Ok(traces)
    }
}

/// Whether two runs begin at the same kept place, and each is over with its effect.
fn are_neighbours(one: &Fault, other: &Fault) -> bool {
    let is_simple =
        |fault: &Fault| fault.scope == Scope::Once && !matches!(fault.effect, Effect::Reset { .. });
    let ((links, steps), (same, more)) = (split(&one.trigger), split(&other.trigger));
    let begin_together = links == same && steps / STRIDE == more / STRIDE;
    one.boot == other.boot && begin_together && is_simple(one) && is_simple(other)
}

/// A trigger's links up to a place, and the instructions behind it.
fn split(trigger: &[Link]) -> (&[Link], u64) {
    match trigger.split_last() {
        Some((Link::Instructions { count }, links)) => (links, *count),
        _ => (trigger, 0),
    }
}

/// A run with a fault, up to the end of its boot.
struct Prepared {
    commands: Vec<Command>,
    /// Which of them reads where the effect comes.
    pc_at: usize,
    /// Instructions of the boot before.
    after: u64,
    /// The boot.
    index: usize,
}

impl Prepared {
    /// The beginning of the trace.
    fn fired(&self, replies: &[Reply]) -> Trace {
        let fired_at = match replies.get(self.pc_at) {
            Some(Reply::Register(pc)) => Some(*pc),
            _ => None,
        };
        Trace { fired: 1, fired_at, fired_after: Some(self.after), ..nothing() }
    }
}

/// A run in which no effect came.
const fn nothing() -> Trace {
    Trace { fired: 0, fired_at: None, fired_after: None, boots: Vec::new(), trace_hash: None }
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
        Ok(Trace { boots, ..nothing() })
    }

    /// What a run with a fault begins with; nothing where its trigger is not met, so that the run
    /// is the golden one.
    fn prepare(&mut self, fault: &Fault) -> Result<Option<Prepared>, BenchError> {
        let (links, steps) = split(&fault.trigger);
        let Some(base) = self.reach(fault.boot, links)? else { return Ok(None) };
        let after = base + steps;
        let index = fault.boot.saturating_sub(1) as usize;
        let ends_after = self.golden.boots.get(index).map_or(0, |boot| boot.instructions);
        if after >= ends_after {
            return Ok(None);
        }
        let mut commands = self.way(steps)?;
        commands.push(Command::ReadRegister(PC));
        let pc_at = commands.len() - 1;
        if !matches!(fault.effect, Effect::Reset { .. }) {
            commands.push(effect::command(&fault.effect)?);
            if fault.scope == Scope::Once {
                commands.push(to_end(self.budget.saturating_sub(after)));
                commands.push(Command::Compare(Slot::end_of(index)));
            }
        }
        Ok(Some(Prepared { commands, pc_at, after, index }))
    }

    fn inject(&mut self, fault: &Fault) -> Result<Trace, BenchError> {
        let Some(prepared) = self.prepare(fault)? else { return Ok(self.golden.clone()) };
        let replies = self.guest.carry_out(&prepared.commands)?;
        let Prepared { after, index, .. } = prepared;
        let mut trace = Trace { boots: self.golden_boots(..index), ..prepared.fired(&replies) };
        let (mut end, mut ram) = (Stopped { reason: Reason::Reset, pc: 0, executed: 0 }, None);
        match fault.effect {
            Effect::Reset { ram: policy } => ram = Some((policy, fault.seed)),
            _ if fault.scope == Scope::Once => end = stopped(&replies)?,
            _ => (trace.fired, end) = self.again_and_again(fault, after)?,
        }
        if let Some(trace) = self.converged(&prepared, &replies) {
            return Ok(trace);
        }
        end.executed += after;
        trace.boots = self.go_on(trace.boots, end, ram)?;
        Ok(trace)
    }

    /// Many runs in one message: those that begin at the same place. Each that does not come back
    /// to the golden run is run again, alone, to its end.
    fn inject_together(&mut self, faults: &[Fault]) -> Result<Vec<Trace>, BenchError> {
        let prepared: Vec<_> =
            faults.iter().map(|fault| self.prepare(fault)).collect::<Result<_, _>>()?;
        let commands = prepared.iter().flatten().flat_map(|it| it.commands.iter().cloned());
        let replies = self.guest.carry_out(&commands.collect::<Vec<_>>())?;
        let mut replies = replies.as_slice();
        let mut traces = Vec::new();
        for (fault, prepared) in faults.iter().zip(prepared) {
            let Some(prepared) = prepared else {
                traces.push(self.golden.clone());
                continue;
            };
            let own = replies.split_at_checked(prepared.commands.len());
            let (own, rest) = own.ok_or_else(|| BenchError("read all replies".to_owned()))?;
            replies = rest;
            traces.push(match self.converged(&prepared, own) {
                Some(trace) => trace,
                None => self.inject(fault)?,
            });
        }
        Ok(traces)
    }

    /// The run, if its boot ended with a reset and all RAM as in the golden run.
    fn converged(&self, prepared: &Prepared, replies: &[Reply]) -> Option<Trace> {
        let end = stopped(replies).ok().filter(|end| end.reason == Reason::Reset)?;
        if replies.last() != Some(&Reply::Same(true)) {
            return None;
        }
        let mut boots = self.golden_boots(..);
        let boot = boots.get_mut(prepared.index)?;
        boot.instructions = end.executed + prepared.after;
        Some(Trace { boots, ..prepared.fired(replies) })
    }

    fn golden_boots(
        &self,
        range: impl SliceIndex<[BootTrace], Output = [BootTrace]>,
    ) -> Vec<BootTrace> {
        self.golden.boots.get(range).unwrap_or_default().to_vec()
    }

    /// The effect has come once; it comes again wherever the last link is met again. How often it
    /// came, and where the boot ended, with the instructions since the first time.
    fn again_and_again(&mut self, fault: &Fault, after: u64) -> Result<(u32, Stopped), BenchError> {
        let more = match fault.scope {
            Scope::Once => 0,
            Scope::FromThenOn => u32::MAX,
            Scope::Window(more) => more,
        };
        let until = fault.trigger.last().map(|link| until(link, 1)).transpose()?.flatten();
        let until = until.ok_or_else(|| {
            BenchError("repeat an effect: the trigger's last link is no place".to_owned())
        })?;
        let effect = effect::command(&fault.effect)?;
        let skip = u32::from(!effect::moves_on(&fault.effect));
        let (mut fired, mut executed) = (1, 0);
        loop {
            let limit = self.budget.saturating_sub(after + executed).max(1);
            let until = if fired > more { Until::End } else { until };
            let replies = self.guest.carry_out(&[Command::Run { limit, until, skip }])?;
            let stop = stopped(&replies)?;
            executed += stop.executed;
            if !matches!(stop.reason, Reason::Address | Reason::Access) {
                return Ok((fired, Stopped { executed, ..stop }));
            }
            self.guest.carry_out(std::slice::from_ref(&effect))?;
            fired += 1;
        }
    }

    /// The boots of a run whose present one has stopped.
    fn go_on(
        &mut self,
        mut done: Vec<BootTrace>,
        stopped_at: Stopped,
        mut ram: Option<(RamPolicy, u64)>,
    ) -> Result<Vec<BootTrace>, BenchError> {
        done.push(self.guest.trace(stopped_at, self.budget)?);
        while let Some(index) = self.guest.workload.next(&done) {
            let ran = self.guest.boot_again(index, ram.take(), self.budget)?;
            done.push(self.guest.trace(stopped(&ran)?, self.budget)?);
        }
        Ok(done)
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
