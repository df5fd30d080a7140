//! What an engine can carry out, asked for each effect and trigger before anything runs.
//!
//! One home for all refusals: what no engine can do is refused by each in the same words, and what
//! one of them cannot do names that engine. Must never happen here: a fault that an engine takes
//! and carries out in part.

use super::effect::{CORE_DEVICES, END_OF_FLASH, is_register};
use super::trigger::{FIRING_LIMIT, is_place};
use crate::sweep::fault::{Effect, Fault, Link, Scope};
use crate::target::BenchError;

/// Where devices begin (DDI0403E B3.1).
const DEVICES: u32 = 0x4000_0000;

/// What an engine can carry out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Abilities {
    /// Its name.
    pub engine: &'static str,
    /// Whether it changes flash.
    pub changes_flash: bool,
    /// Whether it stops at accesses to devices.
    pub watches_devices: bool,
    /// Whether it looks at what is stored.
    pub looks_at_values: bool,
    /// Instructions that it executes at most for one link of target time. One that steps them is
    /// slow.
    pub steps: u64,
    /// Nanoseconds of target time in an instruction, as a power of two; nothing where instructions
    /// are not counted.
    pub instruction_shift: Option<u8>,
}

impl Abilities {
    /// Whether a fault is carried out, and all of it.
    ///
    /// # Errors
    /// Why it is not.
    pub fn check(&self, fault: &Fault) -> Result<(), BenchError> {
        self.check_trigger(fault)?;
        if let Some(second) = &fault.second {
            if fault.scope != Scope::Once || matches!(second.effect, Effect::Reset { .. }) {
                return refuse(
                    "carry out a second effect: it is no reset, and comes once".to_owned(),
                );
            }
            self.check_effect(&second.effect)?;
        }
        self.check_effect(&fault.effect)
    }

    fn check_effect(&self, effect: &Effect) -> Result<(), BenchError> {
        let Self { engine, .. } = self;
        match effect {
            Effect::Word { address, .. } | Effect::Bytes { address, .. }
                if *address < END_OF_FLASH && !self.changes_flash =>
            {
                refuse(format!("change {address:#010x}: engine {engine} does not change flash"))
            }
            Effect::Word { address, .. } if address % 4 != 0 => {
                refuse(format!("change the word at {address:#010x}: expected a multiple of 4"))
            }
            Effect::Bytes { address, bytes }
                if *address >= CORE_DEVICES && (address % 4 != 0 || bytes.len() % 4 != 0) =>
            {
                refuse(format!("write to {address:#010x}: devices of the core take whole words"))
            }
            Effect::Register { name, .. } if !is_register(name) => {
                refuse(format!("change register {name}: it is not known"))
            }
            _ => Ok(()),
        }
    }

    fn check_trigger(&self, fault: &Fault) -> Result<(), BenchError> {
        let Some(last) = fault.trigger.last() else {
            return refuse("meet a trigger: it has no link".to_owned());
        };
        if fault.scope != Scope::Once && !is_place(last) {
            return refuse("repeat an effect: the trigger's last link is no place".to_owned());
        }
        if matches!(fault.scope, Scope::Window(more) if more >= FIRING_LIMIT) {
            let limit = format_args!("{FIRING_LIMIT} times at most");
            return refuse(format!("repeat an effect: found {:?}, expected {limit}", fault.scope));
        }
        let mut links = fault.trigger.iter().enumerate();
        links.try_for_each(|(index, link)| self.check_link(link, index == 0))
    }

    fn check_link(&self, link: &Link, is_first: bool) -> Result<(), BenchError> {
        let Self { engine, .. } = self;
        match link {
            Link::Boot if !is_first => {
                refuse("meet a trigger: `boot` is its first link".to_owned())
            }
            Link::Store { address, size_bytes, .. } | Link::Load { address, size_bytes, .. }
                if address.saturating_add(*size_bytes) > DEVICES && !self.watches_devices =>
            {
                let reason = format_args!("engine {engine} does not stop at accesses to devices");
                refuse(format!("meet a trigger at {address:#010x}: {reason}"))
            }
            Link::Value { address, .. } if !self.looks_at_values => {
                let reason = format_args!("engine {engine} does not look at what is stored");
                refuse(format!("meet a value at {address:#010x}: {reason}"))
            }
            Link::TargetTime { nanoseconds } => match self.instruction_shift {
                None => refuse("meet a trigger: instructions are not counted".to_owned()),
                Some(shift) if nanoseconds >> shift > self.steps => {
                    let (found, most) = (nanoseconds >> shift, self.steps);
                    let reason = format_args!("engine {engine} steps {most} at most");
                    refuse(format!("meet a trigger {found} instructions later: {reason}"))
                }
                Some(_) => Ok(()),
            },
            _ => Ok(()),
        }
    }
}

fn refuse(reason: String) -> Result<(), BenchError> {
    Err(BenchError(reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOME: Abilities = Abilities {
        engine: "some",
        changes_flash: false,
        watches_devices: false,
        looks_at_values: false,
        steps: 1_000,
        instruction_shift: Some(5),
    };
    const ALL: Abilities =
        Abilities { changes_flash: true, watches_devices: true, looks_at_values: true, ..SOME };

    fn fault(trigger: Vec<Link>, effect: Effect) -> Fault {
        Fault { boot: 1, trigger, effect, scope: Scope::Once, seed: 1, second: None }
    }

    #[test]
    fn what_one_engine_cannot_do_names_it() {
        let check = |trigger, effect, part: &str| {
            let fault = fault(vec![trigger], effect);
            let message = SOME.check(&fault).unwrap_err().to_string();
            assert!(message.contains(part) && message.contains("engine some"), "{message}");
            assert_eq!(ALL.check(&fault).is_ok(), part != "steps", "{message}");
        };
        check(
            Link::Boot,
            Effect::Word { address: 0x0800_0000, flip: 1, set: 0, clear: 0 },
            "flash",
        );
        check(Link::Boot, Effect::Bytes { address: 0, bytes: vec![1] }, "flash");
        let device = Link::Store { address: 0xe000_ed0c, size_bytes: 4, count: 1 };
        check(device, Effect::Skip, "devices");
        let value = Link::Value { address: 0x2000_0000, mask: 1, value: 1, count: 1 };
        check(value, Effect::Skip, "stored");
        check(Link::TargetTime { nanoseconds: 40_000 }, Effect::Skip, "steps");
    }

    #[test]
    fn what_no_engine_can_do_is_refused_by_each() {
        let check = |fault: Fault, part: &str| {
            let message = ALL.check(&fault).unwrap_err().to_string();
            assert!(message.contains(part), "{part:?} in {message:?}");
        };
        let steps = vec![Link::Boot, Link::Instructions { count: 3 }];
        check(fault(Vec::new(), Effect::Skip), "no link");
        check(fault(vec![Link::Instructions { count: 1 }, Link::Boot], Effect::Skip), "first link");
        check(Fault { scope: Scope::FromThenOn, ..fault(steps, Effect::Skip) }, "no place");
        let place = vec![Link::Address { address: 2, count: 1 }];
        let often = Scope::Window(FIRING_LIMIT);
        check(Fault { scope: often, ..fault(place, Effect::Skip) }, "at most");
        let register = Effect::Register { name: "s0".into(), flip: 1, value: None };
        check(fault(vec![Link::Boot], register), "s0");
        let odd = Effect::Word { address: 0x2000_0001, flip: 1, set: 0, clear: 0 };
        check(fault(vec![Link::Boot], odd), "multiple of 4");
        let byte = Effect::Bytes { address: 0xe000_ed08, bytes: vec![1] };
        check(fault(vec![Link::Boot], byte), "whole words");
    }
}
