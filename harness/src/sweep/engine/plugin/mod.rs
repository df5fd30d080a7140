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

use self::guest::{Guest, Slot, to_end};
use super::{BootTrace, Engine, Trace};
use crate::sweep::fault::{Effect, Fault, Link, RamPolicy, Scope};
use crate::sweep::workload::Workload;
use crate::target::{BenchError, Boundary};
use crashrig_qemu::steer::{Command, Reason, Reply, Restored, Stopped, Until};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Instructions from one kept place to the next. Keeping one takes as long as a million
/// instructions, and so many of them as long as a tenth of a restore.
const STRIDE: u64 = 16_384;

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

/// Where the links of a trigger are met in the golden run.
struct Base {
    boot: u32,
    links: Vec<Link>,
    /// Instructions of the boot before; nothing if the links are not met.
    after: Option<u64>,
    /// How many instructions further on another place is kept.
    near: Option<u64>,
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
        // As many as one message may hold.
        const AT_ONCE: usize = 25;
        let runs: Vec<_> = run.iter().cycle().take(run.len() * times as usize).cloned().collect();
        runs.chunks(run.len() * AT_ONCE).try_for_each(|some| warm.guest.carry_out(some).map(drop))
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

    fn inject(&mut self, fault: &Fault) -> Result<Trace, BenchError> {
        let (links, steps) = match fault.trigger.split_last() {
            Some((Link::Instructions { count }, links)) => (links, *count),
            _ => (fault.trigger.as_slice(), 0),
        };
        let Some(base) = self.reach(fault.boot, links)? else {
            // It is not met: the run is the golden one.
            return Ok(self.golden.clone());
        };
        let after = base + steps;
        let index = fault.boot.saturating_sub(1) as usize;
        let ends_after = self.golden.boots.get(index).map_or(0, |boot| boot.instructions);
        if after >= ends_after {
            return Ok(self.golden.clone());
        }
        let mut run = self.way(steps)?;
        run.push(Command::ReadRegister(15));
        let pc_at = run.len() - 1;
        let is_reset = matches!(fault.effect, Effect::Reset { .. });
        let is_once = fault.scope == Scope::Once;
        if !is_reset {
            run.push(effect::command(&fault.effect)?);
            if is_once {
                run.push(to_end(self.budget.saturating_sub(after)));
                run.push(Command::Compare(Slot::end_of(index)));
            }
        }
        let replies = self.guest.carry_out(&run)?;
        let fired_at = match replies.get(pc_at) {
            Some(Reply::Register(pc)) => Some(*pc),
            _ => None,
        };
        let mut trace = Trace { fired: 1, fired_at, fired_after: Some(after), ..nothing() };
        trace.boots = self.golden.boots.get(..index).unwrap_or_default().to_vec();
        let (mut end, mut ram) = (Stopped { reason: Reason::Reset, pc: 0, executed: 0 }, None);
        match fault.effect {
            Effect::Reset { ram: policy } => ram = Some((policy, fault.seed)),
            _ if is_once => end = stopped(&replies)?,
            _ => (trace.fired, end) = self.again_and_again(fault, after)?,
        }
        end.executed += after;
        if end.reason == Reason::Reset && replies.last() == Some(&Reply::Same(true)) {
            trace.boots.extend(self.golden.boots.iter().skip(index).cloned());
            if let Some(boot) = trace.boots.get_mut(index) {
                boot.instructions = end.executed;
            }
            return Ok(trace);
        }
        trace.boots = self.go_on(trace.boots, end, ram)?;
        Ok(trace)
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

    /// Sees to it that the place where some links are met in the golden run is kept. Answers with
    /// the instructions of its boot before; nothing if they are not met.
    fn reach(&mut self, boot: u32, links: &[Link]) -> Result<Option<u64>, BenchError> {
        if let Some(base) = &self.base
            && base.boot == boot
            && base.links == links
        {
            return Ok(base.after);
        }
        let index = boot.saturating_sub(1) as usize;
        if index >= self.golden.boots.len() {
            return Err(BenchError(format!("meet a trigger: the golden run has no boot {boot}")));
        }
        let before = self.base.take().filter(|base| base.boot == boot);
        let further = before.and_then(|base| Some((base.after?, further(&base.links, links)?)));
        let (slot, mut after, way) = match further {
            Some((after, link)) => (Slot::BASE, after, vec![link]),
            None => (Slot::start_of(index), 0, links.to_vec()),
        };
        let mut stands = slot == Slot::BASE;
        self.guest.carry_out(&[Command::Restore { slot, what: Restored::All }])?;
        let mut base = Base { boot, links: links.to_vec(), after: None, near: None };
        for link in &way {
            let limit = self.budget.saturating_sub(after);
            let (run, wanted) = match link {
                Link::Boot if !stands => continue,
                Link::Instructions { count: 0 } => continue,
                Link::Instructions { count } => {
                    let limit = *count;
                    (Command::Run { limit, until: Until::End, skip: 0 }, Reason::Instructions)
                }
                _ => {
                    let met = until(link, 0)?.ok_or_else(|| {
                        BenchError(format!("meet a trigger: {link:?} is none for the plug-in"))
                    })?;
                    let is_address = matches!(met, Until::Address { .. });
                    let skip = u32::from(stands && self.stands_at(&met)?);
                    let wanted = if is_address { Reason::Address } else { Reason::Access };
                    (Command::Run { limit, until: met, skip }, wanted)
                }
            };
            let stop = stopped(&self.guest.carry_out(&[run])?)?;
            stands = true;
            after += stop.executed;
            if stop.reason != wanted {
                self.base = Some(base);
                return Ok(None);
            }
        }
        self.guest.carry_out(&[Command::Save { slot: Slot::BASE, whole: false }])?;
        base.after = Some(after);
        self.base = Some(base);
        Ok(Some(after))
    }

    /// Whether the guest stands where a link is met, which does not count then.
    fn stands_at(&mut self, until: &Until) -> Result<bool, BenchError> {
        let pc = self.guest.carry_out(&[Command::ReadRegister(15)])?;
        Ok(match until {
            Until::Address { address, .. } => pc.last() == Some(&Reply::Register(*address)),
            // A place of accesses was met by one that is made again.
            _ => true,
        })
    }

    /// From the nearest kept place to so many instructions behind the base.
    fn way(&mut self, steps: u64) -> Result<Vec<Command>, BenchError> {
        let near = self.base.as_ref().and_then(|base| base.near).filter(|near| *near <= steps);
        let (slot, passed) = near.map_or((Slot::BASE, 0), |near| (Slot::NEAR, near));
        let restore = |slot| Command::Restore { slot, what: Restored::All };
        let go = |limit| (limit > 0).then_some(Command::Run { limit, until: Until::End, skip: 0 });
        let target = steps - steps % STRIDE;
        if target <= passed {
            return Ok([restore(slot)].into_iter().chain(go(steps - passed)).collect());
        }
        let save = Command::Save { slot: Slot::NEAR, whole: false };
        let there: Vec<_> = [restore(slot)].into_iter().chain(go(target - passed)).collect();
        self.guest.carry_out(&there)?;
        self.guest.carry_out(&[save])?;
        if let Some(base) = &mut self.base {
            base.near = Some(target);
        }
        Ok([restore(Slot::NEAR)].into_iter().chain(go(steps - target)).collect())
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

/// A link as the end of a run, with another count where one is given; nothing for a link that is
/// no place.
fn until(link: &Link, count_instead: u64) -> Result<Option<Until>, BenchError> {
    /// Where devices begin (DDI0403E B3.1): an access of theirs cannot be made twice.
    const DEVICES: u32 = 0x4000_0000;
    let counted = |count| if count_instead > 0 { count_instead } else { count };
    let range = |address: u32, size_bytes: u32| {
        if address.saturating_add(size_bytes) > DEVICES {
            let reason = "the plug-in does not stop at accesses to devices";
            return Err(BenchError(format!("meet a trigger at {address:#010x}: {reason}")));
        }
        Ok(crashrig_qemu::RamRange { address, size_bytes })
    };
    Ok(match *link {
        Link::Address { address, count } => Some(Until::Address { address, count: counted(count) }),
        Link::Store { address, size_bytes, count } => {
            Some(Until::Store { range: range(address, size_bytes)?, count: counted(count) })
        }
        Link::Load { address, size_bytes, count } => {
            Some(Until::Load { range: range(address, size_bytes)?, count: counted(count) })
        }
        Link::Boot | Link::Instructions { .. } | Link::TargetTime { .. } => None,
    })
}

/// The way from where some links are met to where others are, if these are the same but for a
/// higher count of the last one.
fn further(from: &[Link], to: &[Link]) -> Option<Link> {
    let ((last_from, before_from), (last_to, before_to)) = (from.split_last()?, to.split_last()?);
    let (Link::Address { address, count: from }, Link::Address { address: same, count: to }) =
        (last_from, last_to)
    else {
        return None;
    };
    let count = to.checked_sub(*from).filter(|more| *more > 0)?;
    (address == same && before_from == before_to)
        .then_some(Link::Address { address: *address, count })
}

/// Where a boot ended that stopped.
fn boundary(reason: Reason) -> Boundary {
    match reason {
        Reason::Reset => Boundary::Reset,
        Reason::Lockup => Boundary::Lockup { text: "Lockup: seen by the plug-in".to_owned() },
        _ => Boundary::Hang { limit: crate::target::TARGET_TIME.to_owned(), pc: None },
    }
}
