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

use self::cut_off::Filmed;
use self::device::{Device, Ran, Saved};
use self::trigger::{Met, leave, meet, pc, step, watch};
use super::{BootTrace, Engine, Trace};
use crate::sweep::fault::{Effect, Fault, Link, RamPolicy, Scope};
use crate::sweep::workload::Workload;
use crate::target::{BenchError, Boundary};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Instructions from one saved place to the next. Saving costs as much as some 20 steps, so that
/// eight points with 3.5 steps each on average come out best.
const STRIDE: u64 = 8;

/// Target time of a boot of the golden run at most, in nanoseconds.
const GOLDEN_NS: u64 = 2_000_000_000;

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
    golden: Option<Trace>,
    warm: Option<Warm>,
}

/// A QEMU with the places that were saved in it.
struct Warm {
    device: Device,
    /// The first instruction of the first boot.
    first: Saved,
    base: Option<Base>,
    near: Option<(u64, Saved)>,
    /// Memory before each of some instructions behind the base.
    filmed: Option<Filmed>,
}

/// Where the links of a trigger were met.
struct Base {
    boot: u32,
    links: Vec<Link>,
    /// The boots before.
    done: Vec<BootTrace>,
    saved: Saved,
    pc: u32,
}

impl Base {
    /// Whether the trigger of a fault leads over this place.
    fn is_of(&self, fault: &Fault) -> bool {
        self.boot == fault.boot && self.links == split(&fault.trigger).0
    }
}

/// The links of a trigger that lead to a place, and how many instructions later it is met.
fn split(trigger: &[Link]) -> (&[Link], u64) {
    match trigger.split_last() {
        Some((Link::Instructions { count }, links)) => (links, *count),
        _ => (trigger, 0),
    }
}

/// Where a run stands when the way to its trigger is over.
struct Reached {
    done: Vec<BootTrace>,
    met: Met,
    /// Instructions of the boot that were executed before.
    after: u64,
}

impl SnapshotEngine {
    /// An engine whose QEMU stays on one processor of the host. Its output goes into a folder.
    #[must_use]
    pub fn new(workload: Arc<Workload>, folder: &Path, processor: usize) -> Self {
        let shift = workload.launch.instruction_shift.unwrap_or_default();
        Self {
            workload,
            folder: folder.to_owned(),
            processor,
            starts: 0,
            budget: GOLDEN_NS >> shift,
            behind_hook: 0,
            has_films: true,
            golden: None,
            warm: None,
        }
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
            device.begin(0, None)?;
            let first = device.save("first")?;
            self.warm = Some(Warm { device, first, base: None, near: None, filmed: None });
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
        Ok(unbroken(boots))
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
        self.budget = 4 * longest + 1_000_000;
        Ok(unbroken(boots))
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
            return Ok(unbroken(warm.go_on_from(done, boundary, None, budget)?));
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
        Ok(Trace { fired, fired_at, fired_after: Some(after), boots, trace_hash: None })
    }
}

impl Engine for SnapshotEngine {
    fn name(&self) -> &'static str {
        "snapshot"
    }

    fn run(&mut self, fault: Option<&Fault>) -> Result<Trace, BenchError> {
        let trace = match fault {
            Some(fault) => self.inject(fault)?,
            None => self.golden()?,
        };
        let is_gone = |boot: &BootTrace| {
            matches!(boot.boundary, Boundary::Lockup { .. } | Boundary::Exit { .. })
        };
        if trace.boots.iter().any(is_gone) {
            self.warm = None;
        }
        Ok(trace)
    }
}

impl Warm {
    /// Brings the device to where a trigger is met.
    fn reach(&mut self, fault: &Fault, budget: u64) -> Result<Reached, BenchError> {
        let (links, steps) = split(&fault.trigger);
        if let Some(reached) = self.go_to_base(fault.boot, links, budget)? {
            return Ok(reached);
        }
        let Some(base) = &self.base else {
            return Err(BenchError("meet a trigger: no place was saved".to_owned()));
        };
        let (done, after) = (base.done.clone(), base.saved.after() + steps);
        let near = self.near.as_ref().filter(|(passed, _)| *passed <= steps);
        let (mut passed, from) = near.map_or((0, &base.saved), |(passed, near)| (*passed, near));
        self.device.restore(from)?;
        for target in [steps - steps % STRIDE, steps] {
            if target > passed {
                let met = step(&mut self.device, target - passed)?;
                if met != Met::Yes {
                    return Ok(Reached { done, met, after });
                }
                passed = target;
                if target % STRIDE == 0 {
                    self.near = Some((passed, self.device.save("near")?));
                }
            }
        }
        Ok(Reached { done, met: Met::Yes, after })
    }

    /// Sees to it that the place where some links are met is saved. Where they are not, the end of
    /// the boot, at which the device stands.
    fn go_to_base(
        &mut self,
        boot: u32,
        links: &[Link],
        budget: u64,
    ) -> Result<Option<Reached>, BenchError> {
        if self.base.as_ref().is_some_and(|base| base.boot == boot && base.links == links) {
            return Ok(None);
        }
        (self.near, self.filmed) = (None, None);
        let step_from_base = self.base.take().and_then(|base| {
            let further = further(&base.links, links).filter(|_| base.boot == boot);
            further.map(|link| (base, link))
        });
        let (done, met) = match step_from_base {
            Some((base, link)) => {
                self.device.restore(&base.saved)?;
                let met = meet(&mut self.device, &link, false, budget)?;
                (base.done, met)
            }
            None => {
                let done = self.go_to_boot(boot, budget)?;
                (done, self.meet_all(links, budget)?)
            }
        };
        if met != Met::Yes {
            return Ok(Some(Reached { done, met, after: 0 }));
        }
        let saved = self.device.save("base")?;
        let pc = pc(&mut self.device)?;
        self.base = Some(Base { boot, links: links.to_vec(), done, saved, pc });
        Ok(None)
    }

    fn meet_all(&mut self, links: &[Link], budget: u64) -> Result<Met, BenchError> {
        let mut is_first = true;
        for link in links {
            let met = meet(&mut self.device, link, is_first, budget)?;
            if met != Met::Yes {
                return Ok(met);
            }
            is_first &= *link == Link::Boot;
        }
        Ok(Met::Yes)
    }

    /// Brings the device to the first instruction of a boot; returns the boots before.
    fn go_to_boot(&mut self, boot: u32, budget: u64) -> Result<Vec<BootTrace>, BenchError> {
        self.device.restore(&self.first)?;
        let mut done = Vec::new();
        while done.len() + 1 < boot as usize {
            let boundary = self.device.run_to_end(budget)?;
            done.push(self.device.trace(boundary, budget)?);
            let next = self.device.workload.next(&done);
            let index = next.ok_or_else(|| {
                BenchError(format!("meet a trigger: the golden run has no boot {boot}"))
            })?;
            self.device.begin(index, None)?;
        }
        Ok(done)
    }

    /// Does what is to be done, as often as it is, and runs to the end of the boot. Returns how
    /// often it came.
    fn carry_out(&mut self, fault: &Fault, budget: u64) -> Result<(u32, Boundary), BenchError> {
        if matches!(fault.effect, Effect::Reset { .. }) {
            return Ok((1, Boundary::Reset));
        }
        effect::carry_out(&mut self.device, &fault.effect)?;
        let more = match fault.scope {
            Scope::Once => return Ok((1, self.device.run_to_end(budget)?)),
            Scope::FromThenOn => u32::MAX,
            Scope::Window(more) => more,
        };
        let last = fault.trigger.last().map(|link| watch(&mut self.device, link)).transpose()?;
        let token = last.flatten().ok_or_else(|| {
            BenchError("repeat an effect: the trigger's last link is no place".to_owned())
        })?;
        let (mut fired, mut stands_there) =
            (1, matches!(fault.trigger.last(), Some(Link::Address { .. })));
        let boundary = loop {
            if fired > more {
                break None;
            }
            if stands_there && !self.device.emulator.pass().map_err(BenchError::of)? {
                break Some(Boundary::Reset);
            }
            match self.device.run(budget)? {
                Ran::Ended(boundary) => break Some(boundary),
                Ran::Point(_) => {
                    effect::carry_out(&mut self.device, &fault.effect)?;
                    fired += 1;
                    stands_there = true;
                }
            }
        };
        let met = boundary.map_or(Met::Yes, Met::Ended);
        match leave(&mut self.device, token, met)? {
            Met::Ended(boundary) => Ok((fired, boundary)),
            Met::Yes => Ok((fired, self.device.run_to_end(budget)?)),
        }
    }

    /// The boots of a run whose present boot has ended.
    fn go_on_from(
        &mut self,
        mut done: Vec<BootTrace>,
        boundary: Boundary,
        mut ram: Option<(RamPolicy, u64)>,
        budget: u64,
    ) -> Result<Vec<BootTrace>, BenchError> {
        done.push(self.device.trace(boundary, budget)?);
        while let Some(index) = self.device.workload.next(&done) {
            self.device.begin(index, ram.take())?;
            let boundary = self.device.run_to_end(budget)?;
            done.push(self.device.trace(boundary, budget)?);
        }
        Ok(done)
    }

    /// All boots of a run whose first boot has just begun.
    fn go_on(&mut self, budget: u64) -> Result<Vec<BootTrace>, BenchError> {
        let boundary = self.device.run_to_end(budget)?;
        self.go_on_from(Vec::new(), boundary, None, budget)
    }
}

/// A run in which nothing was injected.
fn unbroken(boots: Vec<BootTrace>) -> Trace {
    Trace { fired: 0, fired_at: None, fired_after: None, boots, trace_hash: None }
}

/// The way from where some links are met to where others are, if these are the same but for a
/// higher count of the last one.
fn further(from: &[Link], to: &[Link]) -> Option<Link> {
    let ((last_from, before_from), (last_to, before_to)) = (from.split_last()?, to.split_last()?);
    let more = |from: u64, to: u64| to.checked_sub(from).filter(|more| *more > 0);
    let rest = match (last_from, last_to) {
        (Link::Address { address: a, count: from }, Link::Address { address: b, count: to })
            if a == b =>
        {
            Link::Address { address: *a, count: more(*from, *to)? }
        }
        _ => return None,
    };
    (before_from == before_to).then_some(rest)
}
