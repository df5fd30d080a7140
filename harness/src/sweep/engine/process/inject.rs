//! From the start of a boot through the links of a trigger to the effect, and on to the boot's end.

use super::{Run, hang};
use crate::sweep::engine::effect::{Still, carry_out};
use crate::sweep::engine::trigger::{Next, endless, is_access, next, once_more};
use crate::sweep::fault::{Effect, Fault, Link};
use crate::target::{BenchError, Boundary, Wait};

/// How a boot with a fault went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Injected {
    pub boundary: Boundary,
    /// How often the effect came.
    pub fired: u32,
    /// Where it came first.
    pub pc: Option<u32>,
    /// Instructions of the session before it came first.
    pub after: Option<u64>,
}

impl Injected {
    /// A boot without an effect.
    pub(super) const fn nothing(boundary: Boundary) -> Self {
        Self { boundary, fired: 0, pc: None, after: None }
    }
}

/// Where a link led to.
enum Met {
    /// The device stands where it is met.
    Here,
    /// The boot was over before.
    Over(Boundary),
}

impl Run {
    /// A boot with a fault.
    pub(super) fn inject(&mut self, fault: &Fault) -> Result<Injected, BenchError> {
        let mut before = None;
        for link in &fault.trigger {
            if let Met::Over(boundary) = self.meet(link, before)? {
                return Ok(Injected::nothing(boundary));
            }
            before = Some(link);
        }
        let pc = self.session.register("pc")?;
        let after = self.session.instructions()?;
        let mut injected = Injected { boundary: Boundary::Reset, fired: 0, pc, after };
        let again = fault.trigger.last().and_then(once_more);
        loop {
            self.session.clear_breakpoints()?;
            injected.fired += 1;
            if matches!(fault.effect, Effect::Reset { .. }) {
                return Ok(injected);
            }
            carry_out(&mut *self, &fault.effect)?;
            if let Some(second) = &fault.second {
                if !self.session.step(second.after)? {
                    return Ok(injected);
                }
                carry_out(&mut *self, &second.effect)?;
            }
            let met = match (next(fault.scope, injected.fired), &again) {
                (Next::Again, Some(again)) => self.meet(again, Some(again))?,
                (Next::Never, _) => Met::Over(endless()),
                (Next::End | Next::Again, _) => Met::Over(self.run_on()?),
            };
            let over = match met {
                Met::Over(boundary) => Some(boundary),
                Met::Here => self.is_budget_used_up()?.then(hang),
            };
            if let Some(boundary) = over {
                injected.boundary = boundary;
                return Ok(injected);
            }
        }
    }

    /// Whether the boot has had its instructions. Each wait for a place has all of them anew.
    fn is_budget_used_up(&mut self) -> Result<bool, BenchError> {
        let count = self.session.instructions()?.unwrap_or(0);
        Ok(count.saturating_sub(self.instructions) > self.budget)
    }

    /// Lets the device run until a link is met. `before` is the link at which it stands.
    fn meet(&mut self, link: &Link, before: Option<&Link>) -> Result<Met, BenchError> {
        // The device stands before the access that was watched: it is made first.
        let is_behind_access =
            before.is_some_and(is_access) && !matches!(link, Link::Instructions { .. });
        if is_behind_access && !self.session.step(1)? {
            return Ok(Met::Over(Boundary::Reset));
        }
        // Elsewhere a link is met behind where the device stands.
        let counts_here = is_behind_access || matches!(before, None | Some(Link::Boot));
        match link {
            Link::Boot => Ok(Met::Here),
            Link::Address { address, count } => {
                let stands_there = self.session.register("pc")? == Some(*address);
                let counted = u64::from(stands_there && counts_here);
                self.session.set_breakpoint(*address)?;
                self.pass(count.saturating_sub(counted))
            }
            Link::Store { address, size_bytes, count } => {
                self.session.watch_stores(*address, *size_bytes)?;
                self.pass(*count)
            }
            Link::Load { address, size_bytes, count } => {
                self.session.watch_loads(*address, *size_bytes)?;
                self.pass(*count)
            }
            Link::Instructions { count } => {
                let is_there = self.session.step(*count)?;
                Ok(if is_there { Met::Here } else { Met::Over(Boundary::Reset) })
            }
            Link::Value { .. } | Link::TargetTime { .. } => {
                Err(BenchError(format!("meet a trigger: {link:?} was not refused")))
            }
        }
    }

    /// Lets the device run to the breakpoint or watchpoint that is set, so many times, and takes it
    /// back.
    fn pass(&mut self, times: u64) -> Result<Met, BenchError> {
        for _ in 0..times {
            self.session.resume()?;
            if let Wait::Boundary(boundary) = self.wait()? {
                return Ok(Met::Over(boundary));
            }
        }
        self.session.clear_breakpoints()?;
        Ok(Met::Here)
    }
}

impl Still for Run {
    fn read(&mut self, address: u32, bytes: &mut [u8]) -> Result<(), BenchError> {
        self.session.read(address, bytes)
    }

    fn write(&mut self, address: u32, bytes: &[u8]) -> Result<(), BenchError> {
        self.session.write(address, bytes)
    }

    fn write_program(&mut self, address: u32, bytes: &[u8]) -> Result<(), BenchError> {
        self.session.write_program(address, bytes)
    }

    fn core_word(&mut self, address: u32) -> Result<u32, BenchError> {
        self.session.core_word(address)
    }

    fn write_core_word(&mut self, address: u32, value: u32) -> Result<(), BenchError> {
        self.session.write_core_word(address, value)
    }

    fn register(&mut self, name: &str) -> Result<Option<u32>, BenchError> {
        self.session.register(name)
    }

    fn write_register(&mut self, name: &str, value: u32) -> Result<bool, BenchError> {
        self.session.write_register(name, value)
    }

    fn raise_interrupt(&mut self, number: u16) -> Result<(), BenchError> {
        self.session.raise_interrupt(number)
    }

    fn raise_nmi(&mut self) -> Result<(), BenchError> {
        self.session.raise_nmi()
    }
}
