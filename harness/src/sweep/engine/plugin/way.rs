//! From the start of a boot to where a trigger is met, in the golden run, with places kept on the
//! way: points of a sweep lie close together.

use super::{PC, Slot, Warm, stopped};
use crate::sweep::engine::trigger::{further, is_access};
use crate::sweep::fault::Link;
use crate::target::BenchError;
use crashrig_qemu::RamRange;
use crashrig_qemu::steer::{Command, Reason, Reply, Restored, Stopped, Until};

/// Instructions from one kept place to the next. Keeping one takes as long as a million
/// instructions, and so many of them as long as a tenth of a restore.
pub(super) const STRIDE: u64 = 16_384;

/// Where the links of a trigger are met in the golden run.
pub(super) struct Base {
    boot: u32,
    links: Vec<Link>,
    /// Instructions of the boot before; nothing if the links are not met.
    after: Option<u64>,
    /// How many instructions further on another place is kept.
    near: Option<u64>,
}

impl Warm {
    /// Sees to it that the place where some links are met in the golden run is kept. Answers with
    /// the instructions of its boot before; nothing if they are not met.
    pub(super) fn reach(&mut self, boot: u32, links: &[Link]) -> Result<Option<u64>, BenchError> {
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
        self.guest.carry_out(&[Command::Restore { slot, what: Restored::All }])?;
        let mut base = Base { boot, links: links.to_vec(), after: None, near: None };
        // One that leads further is met at an address, as the one before it was.
        let mut before = (slot == Slot::BASE).then(|| links.last().cloned()).flatten();
        let (began, has_access) = (after, way.iter().any(is_access));
        for link in way {
            let (met, executed) = match link {
                Link::Value { .. } => self.meet_value(&link, before.as_ref(), after)?,
                _ => self.meet(&link, before.as_ref(), after)?,
            };
            after += executed;
            if !met {
                self.base = Some(base);
                return Ok(None);
            }
            before = Some(link);
        }
        if has_access {
            self.go_again(slot, after - began)?;
        }
        self.guest.carry_out(&[Command::Save { slot: Slot::BASE, whole: false }])?;
        base.after = Some(after);
        self.base = Some(base);
        Ok(Some(after))
    }

    /// From a slot so many instructions on. A run that ends at an access has made it already; this
    /// one ends before.
    pub(super) fn go_again(&mut self, slot: u8, instructions: u64) -> Result<(), BenchError> {
        let restored = Command::Restore { slot, what: Restored::All };
        let run = Command::Run { limit: instructions, until: Until::End, skip: 0 };
        let commands: Vec<_> =
            [restored].into_iter().chain((instructions > 0).then_some(run)).collect();
        let replies = self.guest.carry_out(&commands)?;
        match replies.last() {
            Some(Reply::Stopped(stop)) if stop.reason != Reason::Instructions => {
                Err(BenchError(format!("go to a place again: found {stop:?}")))
            }
            _ => Ok(()),
        }
    }

    /// Forgets the place behind the base, whose slot is used for another.
    pub(super) fn forget_near(&mut self) {
        if let Some(base) = &mut self.base {
            base.near = None;
        }
    }

    /// Lets the guest go on from where the link before is met to where a link is met. Whether it
    /// is, and the instructions until then; `after` are those of the boot before.
    fn meet(
        &mut self,
        link: &Link,
        before: Option<&Link>,
        after: u64,
    ) -> Result<(bool, u64), BenchError> {
        let run = |limit, until, skip| Command::Run { limit, until, skip };
        let (commands, wanted) = match link {
            Link::Boot | Link::Instructions { count: 0 } => return Ok((true, 0)),
            Link::Instructions { count } => {
                (vec![run(*count, Until::End, 0)], Reason::Instructions)
            }
            _ => {
                let place = until(link, 0)
                    .ok_or_else(|| BenchError("meet a trigger: time is not counted".to_owned()))?;
                let limit = self.budget.saturating_sub(after);
                let is_behind_access = before.is_some_and(is_access);
                let mut commands = Vec::new();
                if is_behind_access {
                    commands.push(run(1, Until::End, 0));
                }
                let counts_here = is_behind_access || matches!(before, None | Some(Link::Boot));
                let skip = match link {
                    Link::Address { address, .. } if !counts_here => {
                        u32::from(self.pc()? == *address)
                    }
                    _ => 0,
                };
                commands.push(run(limit, place, skip));
                let wanted = if is_access(link) { Reason::Access } else { Reason::Address };
                (commands, wanted)
            }
        };
        let (stop, executed) = self.run(&commands)?;
        Ok((stop.reason == wanted, executed))
    }

    /// As [`Self::meet`], to where a word was just stored to and holds a value.
    fn meet_value(
        &mut self,
        link: &Link,
        before: Option<&Link>,
        after: u64,
    ) -> Result<(bool, u64), BenchError> {
        let Link::Value { address, mask, value, count } = *link else { return Ok((false, 0)) };
        let run = |limit, until| Command::Run { limit, until, skip: 0 };
        let to_store = Until::Store { range: RamRange { address, size_bytes: 4 }, count: 1 };
        let is_behind_access = before.is_some_and(is_access);
        let mut passed = 0;
        if is_behind_access {
            passed = self.run(&[run(1, Until::End)])?.1;
        }
        let mut left = count;
        while left > 0 {
            let limit = self.budget.saturating_sub(after.saturating_add(passed)).max(1);
            let (stop, executed) = self.run(&[run(limit, to_store)])?;
            passed += executed;
            if stop.reason != Reason::Access {
                return Ok((false, passed));
            }
            // The store itself.
            let commands = [run(1, Until::End), Command::Read { address, size_bytes: 4 }];
            let replies = self.guest.carry_out(&commands)?;
            passed += stopped(&replies)?.executed;
            let word = match replies.last() {
                Some(Reply::Bytes(bytes)) => bytes.first_chunk().copied().map(u32::from_le_bytes),
                _ => None,
            };
            left -= u64::from(word.is_some_and(|word| word & mask == value));
        }
        Ok((true, passed))
    }

    /// Carries some runs out, each behind the other. The last stop, and the instructions of all.
    pub(super) fn run(&mut self, runs: &[Command]) -> Result<(Stopped, u64), BenchError> {
        let replies = self.guest.carry_out(runs)?;
        let executed = replies.iter().map(|reply| match reply {
            Reply::Stopped(stopped) => stopped.executed,
            _ => 0,
        });
        Ok((stopped(&replies)?, executed.sum()))
    }

    /// Where the guest stands.
    pub(super) fn pc(&mut self) -> Result<u32, BenchError> {
        match self.guest.carry_out(&[Command::ReadRegister(PC)])?.last() {
            Some(Reply::Register(pc)) => Ok(*pc),
            other => Err(BenchError(format!("read register pc: found {other:?}"))),
        }
    }

    /// From the nearest kept place to so many instructions behind the base.
    pub(super) fn way(&mut self, steps: u64) -> Result<Vec<Command>, BenchError> {
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
}

/// A link as the end of a run, with another count where one is given; nothing for a link that is
/// no place.
pub(super) fn until(link: &Link, count_instead: u64) -> Option<Until> {
    let counted = |count| if count_instead > 0 { count_instead } else { count };
    match *link {
        Link::Address { address, count } => Some(Until::Address { address, count: counted(count) }),
        Link::Store { address, size_bytes, count } => {
            Some(Until::Store { range: RamRange { address, size_bytes }, count: counted(count) })
        }
        Link::Load { address, size_bytes, count } => {
            Some(Until::Load { range: RamRange { address, size_bytes }, count: counted(count) })
        }
        Link::Boot | Link::Value { .. } | Link::Instructions { .. } | Link::TargetTime { .. } => {
            None
        }
    }
}
