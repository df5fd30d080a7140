//! One QEMU with the places that were saved in it, and the ways from there through a run.

use super::cut_off::Filmed;
use super::device::{Device, Ran, Saved};
use super::effect;
use super::trigger::{Met, leave, meet, pc, step, watch};
use crate::sweep::engine::BootTrace;
use crate::sweep::engine::effect::{carry_out, read_word};
use crate::sweep::engine::trigger::{Next, endless, further, is_access, next, split};
use crate::sweep::fault::{Effect, Fault, Link, RamPolicy, Scope};
use crate::target::{BenchError, Boundary};

/// Instructions from one saved place to the next. Saving costs as much as some 20 steps, so that
/// eight points with 3.5 steps each on average come out best.
const STRIDE: u64 = 8;

/// A QEMU with the places that were saved in it.
pub(super) struct Warm {
    pub(super) device: Device,
    /// The first instruction of the first boot.
    pub(super) first: Saved,
    pub(super) base: Option<Base>,
    pub(super) near: Option<(u64, Saved)>,
    /// Memory before each of some instructions behind the base.
    pub(super) filmed: Option<Filmed>,
}

/// Where the links of a trigger were met.
pub(super) struct Base {
    boot: u32,
    links: Vec<Link>,
    /// The boots before.
    pub(super) done: Vec<BootTrace>,
    pub(super) saved: Saved,
    pub(super) pc: u32,
    /// The word of RAM that was read there last.
    word: Option<(u32, u32)>,
}

impl Base {
    /// Whether the trigger of a fault leads over this place.
    pub(super) fn is_of(&self, fault: &Fault) -> bool {
        self.boot == fault.boot && self.links == split(&fault.trigger).0
    }
}

/// Where a run stands when the way to its trigger is over.
pub(super) struct Reached {
    pub(super) done: Vec<BootTrace>,
    pub(super) met: Met,
    /// Instructions of the boot that were executed before.
    pub(super) after: u64,
}

impl Warm {
    /// A device that stands before the first instruction of its first boot.
    pub(super) fn new(device: Device, first: Saved) -> Self {
        Self { device, first, base: None, near: None, filmed: None }
    }

    /// Brings the device to where a trigger is met.
    pub(super) fn reach(&mut self, fault: &Fault, budget: u64) -> Result<Reached, BenchError> {
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
                let met = meet(&mut self.device, &link, base.links.last(), budget)?;
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
        self.base = Some(Base { boot, links: links.to_vec(), done, saved, pc, word: None });
        Ok(None)
    }

    fn meet_all(&mut self, links: &[Link], budget: u64) -> Result<Met, BenchError> {
        let mut before = None;
        for link in links {
            let met = meet(&mut self.device, link, before, budget)?;
            if met != Met::Yes {
                return Ok(met);
            }
            before = Some(link);
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

    /// The word that an effect at the saved place changes, read once for all runs that follow.
    fn known_word(&mut self, fault: &Fault) -> Result<Option<u32>, BenchError> {
        let (_, steps) = split(&fault.trigger);
        let address = effect::word_of_ram(&self.device, &fault.effect).filter(|_| steps == 0);
        let (Some(address), Some(base)) = (address, &mut self.base) else { return Ok(None) };
        if let Some((known, value)) = base.word
            && known == address
        {
            return Ok(Some(value));
        }
        let value = read_word(&mut self.device, address)?;
        base.word = Some((address, value));
        Ok(Some(value))
    }

    /// Does what is to be done, as often as it is, and runs to the end of the boot. Returns how
    /// often it came.
    pub(super) fn carry_out(
        &mut self,
        fault: &Fault,
        budget: u64,
    ) -> Result<(u32, Boundary), BenchError> {
        if matches!(fault.effect, Effect::Reset { .. }) {
            return Ok((1, Boundary::Reset));
        }
        if let Some(second) = &fault.second {
            carry_out(&mut self.device, &fault.effect)?;
            if let Met::Ended(boundary) = step(&mut self.device, second.after)? {
                return Ok((1, boundary));
            }
            carry_out(&mut self.device, &second.effect)?;
            return Ok((1, self.device.run_to_end(budget)?));
        }
        if fault.scope == Scope::Once {
            let known = self.known_word(fault)?;
            effect::carry_out_and_go(&mut self.device, &fault.effect, known)?;
            return Ok((1, self.device.run_to_end(budget)?));
        }
        self.again_and_again(fault, budget)
    }

    /// Does what is to be done, and once more wherever the last link is met again.
    fn again_and_again(
        &mut self,
        fault: &Fault,
        budget: u64,
    ) -> Result<(u32, Boundary), BenchError> {
        let last = fault.trigger.last();
        let token = last.map(|link| watch(&mut self.device, link)).transpose()?.flatten();
        let (Some(last), Some(token)) = (last, token) else {
            return Err(BenchError("repeat an effect: there is no place".to_owned()));
        };
        let mut fired = 0;
        let met = loop {
            carry_out(&mut self.device, &fault.effect)?;
            fired += 1;
            match next(fault.scope, fired) {
                Next::Again => {}
                Next::End => break Met::Yes,
                Next::Never => break Met::Ended(endless()),
            }
            if self.stands_at(last)? && !self.device.emulator.pass().map_err(BenchError::of)? {
                break Met::Ended(Boundary::Reset);
            }
            if let Ran::Ended(boundary) = self.device.run(budget)? {
                break Met::Ended(boundary);
            }
        };
        match leave(&mut self.device, token, met)? {
            Met::Ended(boundary) => Ok((fired, boundary)),
            Met::Yes => Ok((fired, self.device.run_to_end(budget)?)),
        }
    }

    /// Whether the device, after an effect, still stands where a link is met.
    fn stands_at(&mut self, link: &Link) -> Result<bool, BenchError> {
        match link {
            Link::Address { address, .. } => Ok(pc(&mut self.device)? == *address),
            _ => Ok(is_access(link)),
        }
    }

    /// The boots of a run whose present boot has ended.
    pub(super) fn go_on_from(
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
    pub(super) fn go_on(&mut self, budget: u64) -> Result<Vec<BootTrace>, BenchError> {
        let boundary = self.device.run_to_end(budget)?;
        self.go_on_from(Vec::new(), boundary, None, budget)
    }
}
