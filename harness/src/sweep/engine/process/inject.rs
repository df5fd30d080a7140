//! From the start of a boot through the links of a trigger to the effect, and on to the boot's end.

use super::Run;
use crate::sweep::fault::{Effect, Fault, Link, Scope};
use crate::target::{BenchError, Boundary, Wait};
use crashrig_qemu::is_wide;

/// An effect that comes more often than this changes nothing more.
const FIRING_LIMIT: u32 = 1_000;

/// The private peripheral bus, whose devices only the core reaches (DDI0403E B3.1).
const PRIVATE_BUS: std::ops::Range<u32> = 0xE000_0000..0xE010_0000;

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
        let times = match fault.scope {
            Scope::Once => 1,
            Scope::Window(more) => more.saturating_add(1),
            Scope::FromThenOn => FIRING_LIMIT,
        };
        loop {
            injected.fired += 1;
            if matches!(fault.effect, Effect::Reset { .. }) {
                self.session.clear_breakpoints()?;
                return Ok(injected);
            }
            self.session.clear_breakpoints()?;
            self.effect(&fault.effect)?;
            if let Some(second) = &fault.second {
                if !self.session.step(second.after)? {
                    return Ok(injected);
                }
                self.effect(&second.effect)?;
            }
            if injected.fired == times.min(FIRING_LIMIT) {
                injected.boundary = self.run_on()?;
                return Ok(injected);
            }
            let Some(again) = fault.trigger.last().and_then(once_more) else {
                injected.boundary = self.run_on()?;
                return Ok(injected);
            };
            if let Met::Over(boundary) = self.meet(&again, Some(&again))? {
                injected.boundary = boundary;
                return Ok(injected);
            }
        }
    }

    /// Lets the device run until a link is met. `before` is the link at which it stands.
    fn meet(&mut self, link: &Link, before: Option<&Link>) -> Result<Met, BenchError> {
        // The device stands before the access that was watched: it is made first.
        if matches!(before, Some(Link::Store { .. } | Link::Load { .. }))
            && !matches!(link, Link::Instructions { .. })
            && !self.session.step(1)?
        {
            return Ok(Met::Over(Boundary::Reset));
        }
        match link {
            Link::Boot => Ok(Met::Here),
            Link::Address { address, count } => {
                let stands_there = self.session.register("pc")? == Some(*address);
                let is_the_same =
                    matches!(before, Some(Link::Address { address: old, .. }) if old == address);
                // To stand there without having run since counts, unless that was counted before.
                let counted = u64::from(stands_there && !is_the_same);
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
            Link::Value { .. } => Err(BenchError(
                "stop at a value: the process engine does not look at what is stored".to_owned(),
            )),
            Link::Instructions { count } => {
                let is_there = self.session.step(*count)?;
                Ok(if is_there { Met::Here } else { Met::Over(Boundary::Reset) })
            }
            Link::TargetTime { .. } => Err(BenchError(
                "stop after some target time: the process engine has no such trigger".to_owned(),
            )),
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

    /// Does to the stopped device what the fault says.
    fn effect(&mut self, effect: &Effect) -> Result<(), BenchError> {
        match effect {
            Effect::Word { address, flip, set, clear } => {
                let change = |word: u32| ((word ^ flip) | set) & !clear;
                if PRIVATE_BUS.contains(address) {
                    let word = self.session.core_word(*address)?;
                    return self.session.write_core_word(*address, change(word));
                }
                let mut bytes = [0; 4];
                self.session.read(*address, &mut bytes)?;
                let word = change(u32::from_le_bytes(bytes));
                self.session.write(*address, &word.to_le_bytes())
            }
            Effect::Bytes { address, bytes } => self.session.write(*address, bytes),
            Effect::Register { name, flip, value } => {
                let old = self.register(name)?;
                self.write_register(name, value.unwrap_or(old) ^ flip)
            }
            Effect::Interrupt { number } => self.session.raise_interrupt(*number),
            Effect::Nmi => self.session.raise_nmi(),
            Effect::Skip => {
                let pc = self.register("pc")?;
                let mut bytes = [0; 2];
                self.session.read(pc, &mut bytes)?;
                let size_bytes = if is_wide(u16::from_le_bytes(bytes)) { 4 } else { 2 };
                self.write_register("pc", pc.wrapping_add(size_bytes))
            }
            // The caller ends the boot; the next one starts with a reset.
            Effect::Reset { .. } => Ok(()),
        }
    }

    fn register(&mut self, name: &str) -> Result<u32, BenchError> {
        let value = self.session.register(name)?;
        value.ok_or_else(|| BenchError(format!("read register {name}: the target has none")))
    }

    fn write_register(&mut self, name: &str, value: u32) -> Result<(), BenchError> {
        if self.session.write_register(name, value)? {
            return Ok(());
        }
        Err(BenchError(format!("write register {name}: the target has none")))
    }
}

/// A link that is met the next time it can be; nothing where it cannot.
fn once_more(link: &Link) -> Option<Link> {
    Some(match link {
        Link::Address { address, .. } => Link::Address { address: *address, count: 1 },
        Link::Store { address, size_bytes, .. } => {
            Link::Store { address: *address, size_bytes: *size_bytes, count: 1 }
        }
        Link::Load { address, size_bytes, .. } => {
            Link::Load { address: *address, size_bytes: *size_bytes, count: 1 }
        }
        Link::Boot | Link::Value { .. } | Link::Instructions { .. } | Link::TargetTime { .. } => {
            return None;
        }
    })
}
