//! From the start of a boot to where a trigger is met, in the golden run, with places kept on the
//! way: points of a sweep lie close together.

use super::{PC, Slot, Warm, stopped};
use crate::sweep::fault::Link;
use crate::target::BenchError;
use crashrig_qemu::RamRange;
use crashrig_qemu::steer::{Command, Reason, Reply, Restored, Until};

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
        let mut stands = slot == Slot::BASE;
        self.guest.carry_out(&[Command::Restore { slot, what: Restored::All }])?;
        let mut base = Base { boot, links: links.to_vec(), after: None, near: None };
        for link in &way {
            let limit = self.budget.saturating_sub(after);
            let (run, wanted) = match link {
                Link::Boot if !stands => continue,
                Link::Instructions { count: 0 } => continue,
                Link::Value { .. } => {
                    let passed = self.meet_value(link, limit)?;
                    let Some(passed) = passed else {
                        self.base = Some(base);
                        return Ok(None);
                    };
                    stands = true;
                    after += passed;
                    continue;
                }
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

    /// Goes on until a word was stored to and holds a value. How many instructions that took;
    /// nothing if the boot is over before.
    fn meet_value(&mut self, link: &Link, limit: u64) -> Result<Option<u64>, BenchError> {
        let Link::Value { address, mask, value, count } = *link else { return Ok(None) };
        let range = RamRange { address, size_bytes: 4 };
        let (mut passed, mut left) = (0, count);
        while left > 0 {
            let rest = limit.saturating_sub(passed).max(1);
            let to_store = Until::Store { range, count: 1 };
            let run = Command::Run { limit: rest, until: to_store, skip: 0 };
            let stop = stopped(&self.guest.carry_out(&[run])?)?;
            passed += stop.executed;
            if stop.reason != Reason::Access {
                return Ok(None);
            }
            // The store itself.
            let run = Command::Run { limit: 1, until: Until::End, skip: 0 };
            let replies = self.guest.carry_out(&[run, Command::Read { address, size_bytes: 4 }])?;
            passed += stopped(&replies)?.executed;
            let word = match replies.last() {
                Some(Reply::Bytes(bytes)) => bytes.first_chunk().copied().map(u32::from_le_bytes),
                _ => None,
            };
            left -= u64::from(word.is_some_and(|word| word & mask == value));
        }
        Ok(Some(passed))
    }

    /// Whether the guest stands where a link is met, which does not count then.
    fn stands_at(&mut self, until: &Until) -> Result<bool, BenchError> {
        let pc = self.guest.carry_out(&[Command::ReadRegister(PC)])?;
        Ok(match until {
            Until::Address { address, .. } => pc.last() == Some(&Reply::Register(*address)),
            // A place of accesses was met by one that is made again.
            _ => true,
        })
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
pub(super) fn until(link: &Link, count_instead: u64) -> Result<Option<Until>, BenchError> {
    /// Where devices begin (DDI0403E B3.1): an access of theirs cannot be made twice.
    const DEVICES: u32 = 0x4000_0000;
    let counted = |count| if count_instead > 0 { count_instead } else { count };
    let range = |address: u32, size_bytes: u32| {
        if address.saturating_add(size_bytes) > DEVICES {
            let reason = "the plug-in does not stop at accesses to devices";
            return Err(BenchError(format!("meet a trigger at {address:#010x}: {reason}")));
        }
        Ok(RamRange { address, size_bytes })
    };
    Ok(match *link {
        Link::Address { address, count } => Some(Until::Address { address, count: counted(count) }),
        Link::Store { address, size_bytes, count } => {
            Some(Until::Store { range: range(address, size_bytes)?, count: counted(count) })
        }
        Link::Load { address, size_bytes, count } => {
            Some(Until::Load { range: range(address, size_bytes)?, count: counted(count) })
        }
        Link::Boot | Link::Value { .. } | Link::Instructions { .. } | Link::TargetTime { .. } => {
            None
        }
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
