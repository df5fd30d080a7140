//! One run with a fault, or many at once: as commands of the plug-in, and what its replies say.

use super::guest::{Guest, Slot, to_end};
use super::way::until;
use super::{PC, Warm, effect, stopped};
use crate::sweep::engine::trigger::{Next, endless, is_access, next, split};
use crate::sweep::engine::{BootTrace, Trace};
use crate::sweep::fault::{Effect, Fault, Link, RamPolicy, Scope};
use crate::target::BenchError;
use crashrig_qemu::RamRange;
use crashrig_qemu::steer::{Command, Reason, Reply, STORED_FIRST, Stopped, Until};
use std::slice::SliceIndex;

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
        Trace {
            fired: 1,
            fired_at,
            fired_after: Some(self.after),
            ..Trace::without_effect(Vec::new())
        }
    }
}

impl Warm {
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
            if fault.scope == Scope::Once && fault.second.is_none() {
                commands.push(to_end(self.budget.saturating_sub(after)));
                commands.push(Command::Compare(Slot::end_of(index)));
                commands.extend(self.guest.reads());
            }
        }
        Ok(Some(Prepared { commands, pc_at, after, index }))
    }

    pub(super) fn inject(&mut self, fault: &Fault) -> Result<Trace, BenchError> {
        let Some(prepared) = self.prepare(fault)? else { return Ok(self.golden.clone()) };
        let replies = self.guest.carry_out(&prepared.commands)?;
        let Prepared { after, index, .. } = prepared;
        let mut trace = Trace { boots: self.golden_boots(..index), ..prepared.fired(&replies) };
        let (mut end, mut ram) = (Stopped { reason: Reason::Reset, pc: 0, executed: 0 }, None);
        match fault.effect {
            Effect::Reset { ram: policy } => ram = Some((policy, fault.seed)),
            _ if fault.second.is_some() => end = self.second(fault, after)?,
            _ if fault.scope == Scope::Once => end = stopped(&replies)?,
            _ => match self.again_and_again(fault, after)? {
                (fired, Some(stopped)) => (trace.fired, end) = (fired, stopped),
                (fired, None) => {
                    let instructions = self.budget;
                    trace
                        .boots
                        .push(BootTrace { instructions, ..BootTrace::without_memory(endless()) });
                    return Ok(Trace { fired, ..trace });
                }
            },
        }
        if let Some(trace) = self.over(&prepared, &replies) {
            return Ok(trace);
        }
        end.executed += after;
        trace.boots = self.go_on(trace.boots, end, ram)?;
        Ok(trace)
    }

    /// See [`crate::sweep::engine::Engine::overwritten`].
    pub(super) fn overwritten(
        &mut self,
        fault: &Fault,
        start: u32,
        size_bytes: u32,
    ) -> Result<Option<Vec<bool>>, BenchError> {
        let (links, steps) = split(&fault.trigger);
        if self.reach(fault.boot, links)?.is_none() {
            return Ok(None);
        }
        let mut commands = self.way(steps)?;
        commands.push(Command::Watch(RamRange { address: start, size_bytes }));
        commands.extend([to_end(self.budget), Command::First(size_bytes)]);
        let replies = self.guest.carry_out(&commands)?;
        let Some(Reply::Bytes(first)) = replies.last() else { return Ok(None) };
        Ok(Some(first.iter().map(|first| *first == STORED_FIRST).collect()))
    }

    /// Many runs in one message: those that begin at the same place. Each whose further boots are
    /// not known from that is run again, alone, to its end.
    pub(super) fn inject_together(&mut self, faults: &[Fault]) -> Result<Vec<Trace>, BenchError> {
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
            traces.push(match self.over(&prepared, own) {
                Some(trace) => trace,
                None => self.inject(fault)?,
            });
        }
        Ok(traces)
    }

    /// The run, if no boot of it is still to come: where its boot ended with a reset and all RAM as
    /// in the golden run, the others are those of that run; or there are no others.
    fn over(&self, prepared: &Prepared, replies: &[Reply]) -> Option<Trace> {
        let [.., Reply::Stopped(end), Reply::Same(same), region, marker] = replies else {
            return None;
        };
        let end = Stopped { executed: end.executed + prepared.after, ..*end };
        let mut boots = self.golden_boots(..prepared.index);
        if *same && end.reason == Reason::Reset {
            boots = self.golden_boots(..);
            boots.get_mut(prepared.index)?.instructions = end.executed;
        } else if self.guest.workload.hashes_ram {
            // Its RAM is another, and is read where it still stands: the run alone.
            return None;
        } else {
            let read = [region.clone(), marker.clone()];
            boots.push(Guest::trace_of(end, self.budget, &read));
            if self.guest.workload.next(&boots).is_some() {
                return None;
            }
        }
        Some(Trace { boots, ..prepared.fired(replies) })
    }

    fn golden_boots(
        &self,
        range: impl SliceIndex<[BootTrace], Output = [BootTrace]>,
    ) -> Vec<BootTrace> {
        self.golden.boots.get(range).unwrap_or_default().to_vec()
    }

    /// The first effect has come; the second one comes behind it. Where the boot ended, with the
    /// instructions since the first.
    fn second(&mut self, fault: &Fault, after: u64) -> Result<Stopped, BenchError> {
        let Some(second) = &fault.second else {
            return Err(BenchError("carry out a second effect: there is none".to_owned()));
        };
        let limit = second.after.min(self.budget.saturating_sub(after)).max(1);
        let run = Command::Run { limit, until: Until::End, skip: 0 };
        let way = stopped(&self.guest.carry_out(&[run])?)?;
        if way.reason != Reason::Instructions {
            return Ok(way);
        }
        let rest = self.budget.saturating_sub(after + way.executed).max(1);
        let commands = [effect::command(&second.effect)?, to_end(rest)];
        let end = stopped(&self.guest.carry_out(&commands)?)?;
        Ok(Stopped { executed: way.executed + end.executed, ..end })
    }

    /// The effect has come once; it comes again wherever the last link is met again. How often it
    /// came, and where the boot ended, with the instructions since the first time; nothing where
    /// it comes without end.
    fn again_and_again(
        &mut self,
        fault: &Fault,
        after: u64,
    ) -> Result<(u32, Option<Stopped>), BenchError> {
        let last = fault.trigger.last();
        let (Some(last), Some(place)) = (last, last.and_then(|link| until(link, 1))) else {
            return Err(BenchError("repeat an effect: there is no place".to_owned()));
        };
        let effect = effect::command(&fault.effect)?;
        let (mut fired, mut executed) = (1, 0);
        loop {
            let until = match next(fault.scope, fired) {
                Next::Again => place,
                Next::End => Until::End,
                Next::Never => return Ok((fired, None)),
            };
            let mut commands = Vec::new();
            let skip = match last {
                Link::Address { address, .. } => u32::from(self.pc()? == *address),
                _ => 0,
            };
            if is_access(last) {
                self.forget_near();
                commands.push(Command::Save { slot: Slot::NEAR, whole: false });
                commands.push(Command::Run { limit: 1, until: Until::End, skip: 0 });
            }
            let limit = self.budget.saturating_sub(after + executed).max(1);
            commands.push(Command::Run { limit, until, skip });
            let (stop, passed) = self.run(&commands)?;
            executed += passed;
            match stop.reason {
                Reason::Address => {}
                Reason::Access => self.go_again(Slot::NEAR, passed)?,
                _ => return Ok((fired, Some(Stopped { executed, ..stop }))),
            }
            self.guest.carry_out(std::slice::from_ref(&effect))?;
            fired += 1;
        }
    }

    /// The boots of a run whose present one has stopped.
    pub(super) fn go_on(
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
