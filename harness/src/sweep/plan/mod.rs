//! A sweep and an image, resolved: which fault each point is. Touches no device.

mod error;
mod mix;
mod resolve;
mod sample;

pub use self::error::PlanError;
use self::mix::Mixture;
use self::resolve::{Bytes, Resolver};
use super::commands::commands;
use super::fault::{Effect, Fault, Link, Scope, Second};
use super::result::PointNumber;
use crate::image::Image;
use crate::noise::Noise;
use crate::scenario::sweep::{PlannedEffect, Points, Sweep, TriggerLink};
use crate::scenario::{BootPlan, Scenario};
use crashrig_wire::command::{MAILBOX_SYMBOL, Mailbox};
use std::ops::Range;

/// The points of a sweep.
#[derive(Debug, Clone, PartialEq, Eq)]
enum ResolvedPoints {
    Instructions,
    Hits,
    Bits(Bytes),
    Values { from: u32, step: u32, count: u64 },
    Mix(Mixture),
}

/// What is done at a point.
#[derive(Debug, Clone, PartialEq, Eq)]
enum ResolvedEffect {
    /// The same at each.
    Fixed(Effect),
    /// What was drawn for the point.
    Drawn,
    /// The bit that is the point is flipped.
    Bit,
    /// The value that is the point becomes the command's parameter.
    Parameter { mailbox_address: u32, command: Mailbox, boot: Box<BootPlan> },
}

/// A sweep whose names are looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// As the file has it.
    pub sweep: Sweep,
    /// The crash region of the image.
    pub crash_region: Range<u32>,
    boot: u32,
    trigger: Vec<Link>,
    /// Where the points end, if the boot does not end them.
    until: Option<Link>,
    /// The trigger in words.
    trigger_name: String,
    points: ResolvedPoints,
    effect: ResolvedEffect,
    /// Memory that the core reads and writes without instructions: vectors and stacks.
    of_the_core: Vec<Range<u32>>,
    /// A second effect, and within how many instructions it comes.
    second: Option<(u64, Effect)>,
    /// The points of a sample.
    drawn: Option<Vec<u64>>,
    seed: u64,
}

impl Plan {
    /// The plan of a scenario with a sweep, for an image. `seed` is that of the whole run.
    ///
    /// # Errors
    /// See [`PlanError`].
    pub fn new(scenario: &Scenario, image: &Image, seed: u64) -> Result<Self, PlanError> {
        let no_sweep = || PlanError::NoSweep(scenario.name.clone());
        let sweep = scenario.sweep.clone().ok_or_else(no_sweep)?;
        let names = Resolver::new(image);
        let points = match &sweep.points {
            Points::Instructions => ResolvedPoints::Instructions,
            Points::Hits => ResolvedPoints::Hits,
            Points::Bits(memory) => ResolvedPoints::Bits(names.memory(memory)?),
            Points::Mix(mix) => ResolvedPoints::Mix(Mixture::new(mix, sweep.sample, &names)?),
            Points::Values { from, to, step } => ResolvedPoints::Values {
                from: *from,
                step: *step,
                count: u64::from(to.saturating_sub(*from) / (*step).max(1)) + 1,
            },
        };
        let index = (sweep.boot as usize).saturating_sub(1);
        let command = commands(scenario, seed).get(index).copied().ok_or_else(no_sweep)?;
        let boot = scenario.boots.get(index).ok_or_else(no_sweep)?;
        let until = sweep.until.as_ref().map(|link| names.link(link)).transpose()?;
        let crash_region = names.crash_region()?;
        let mut plan = Self {
            crash_region,
            until,
            boot: sweep.boot,
            trigger: sweep.trigger.iter().map(|link| names.link(link)).collect::<Result<_, _>>()?,
            trigger_name: sweep.trigger.iter().map(name_of).collect::<Vec<_>>().join(", then "),
            points,
            second: sweep.second.as_ref().map(|second| fixed(second, &names)).transpose()?,
            effect: resolved_effect(&sweep.effect, &names, command, boot)?,
            of_the_core: of_the_core(image),
            drawn: None,
            seed,
            sweep,
        };
        plan.drawn = plan.sweep.sample.zip(plan.all()).and_then(|(it, all)| sample::drawn(it, all));
        Ok(plan)
    }

    /// How many points there are; nothing where only the stop rule can say.
    #[must_use]
    pub fn count(&self) -> Option<u64> {
        if let ResolvedPoints::Mix(mixture) = &self.points {
            return Some(mixture.count());
        }
        self.drawn.as_ref().map(|drawn| drawn.len() as u64).or_else(|| self.all())
    }

    /// Whether the points are some of all.
    #[must_use]
    pub const fn is_sampled(&self) -> bool {
        self.drawn.is_some() || matches!(self.points, ResolvedPoints::Mix(_))
    }

    /// How many points there are without a sample.
    #[must_use]
    pub fn all(&self) -> Option<u64> {
        match &self.points {
            ResolvedPoints::Instructions => self.sweep.sample.and_then(|sample| sample.of),
            ResolvedPoints::Hits | ResolvedPoints::Mix(_) => None,
            ResolvedPoints::Bits(bytes) => Some(8 * u64::from(bytes.size_bytes)),
            ResolvedPoints::Values { count, .. } => Some(*count),
        }
    }

    /// First address and size in bytes of the memory whose bits are the points, if they are that.
    #[must_use]
    pub const fn bits(&self) -> Option<(u32, u32)> {
        match &self.points {
            ResolvedPoints::Bits(bytes) => Some((bytes.start, bytes.size_bytes)),
            _ => None,
        }
    }

    /// Whether the core itself may read or write a byte, with no instruction that says so.
    #[must_use]
    pub fn is_of_the_core(&self, address: u32) -> bool {
        self.of_the_core.iter().any(|range| range.contains(&address))
    }

    /// How often the effect comes, in each of the sweeps that this is.
    #[must_use]
    pub fn scopes(&self) -> &[Scope] {
        &self.sweep.scopes
    }

    /// The fault that a point is, and where that is in words; nothing where there is no such point.
    /// Of a sweep with a stop rule there are always more.
    #[must_use]
    pub fn point(&self, number: PointNumber, scope: Scope) -> Option<(Fault, String)> {
        let index = number.0.checked_sub(1)?;
        let ordinal = match &self.drawn {
            Some(drawn) => *drawn.get(usize::try_from(index).ok()?)?,
            None => number.0,
        };
        if self.all().is_some_and(|all| ordinal > all) {
            return None;
        }
        let mut trigger = self.trigger.clone();
        let place = match &self.points {
            ResolvedPoints::Instructions => {
                trigger.push(Link::Instructions { count: ordinal - 1 });
                format!("instruction {ordinal} from {}", self.trigger_name)
            }
            ResolvedPoints::Mix(mixture) => {
                let drawn = mixture.draw(ordinal)?;
                let (after, trigger_name) = (drawn.after, &self.trigger_name);
                trigger.push(Link::Instructions { count: after });
                let place = format!("{}, {after} instructions from {trigger_name}", drawn.name);
                let (boot, effect) = (self.boot, drawn.effect);
                let seed = self.seed ^ ordinal;
                return Some((Fault { boot, trigger, effect, scope, seed, second: None }, place));
            }
            ResolvedPoints::Hits => {
                set_count(trigger.last_mut()?, ordinal);
                format!("time {ordinal} of {}", self.trigger_name)
            }
            ResolvedPoints::Bits(bytes) => {
                let (byte, bit) = ((ordinal - 1) / 8, (ordinal - 1) % 8);
                format!("bit {bit} of byte {byte:#05x} of {} at {}", bytes.name, self.trigger_name)
            }
            ResolvedPoints::Values { from, step, .. } => {
                format!("parameter {}", value(*from, *step, ordinal))
            }
        };
        let (effect, seed) = (self.effect(ordinal), self.seed ^ ordinal);
        let second = self.second.as_ref().map(|(within, effect)| {
            let after = 1 + Noise::new(seed).next_word() % (*within).max(1);
            Second { after, effect: effect.clone() }
        });
        let place = match &second {
            Some(second) => format!("{place}, and {} instructions later", second.after),
            None => place,
        };
        Some((Fault { boot: self.boot, trigger, effect, scope, seed, second }, place))
    }

    /// The first point with nothing done: what the device does anyway where it is stopped there.
    #[must_use]
    pub fn neutral(&self) -> Option<Fault> {
        let (fault, _) = self.point(PointNumber(1), Scope::Once)?;
        // No bit of the first word of the crash region is another.
        let effect = Effect::Word { address: self.crash_region.start, flip: 0, set: 0, clear: 0 };
        Some(Fault { effect, second: None, ..fault })
    }

    /// The same where the points end, for a sweep that says where they do.
    #[must_use]
    pub fn neutral_end(&self) -> Option<Fault> {
        let (mut fault, until) = (self.neutral()?, self.until.clone()?);
        fault.trigger.push(until);
        Some(fault)
    }

    fn effect(&self, ordinal: u64) -> Effect {
        match (&self.effect, &self.points) {
            (ResolvedEffect::Bit, ResolvedPoints::Bits(bytes)) => {
                let bit = (ordinal - 1) % 8;
                let byte = u32::try_from((ordinal - 1) / 8).unwrap_or(0);
                let address = bytes.start.wrapping_add(byte);
                let flip = 1 << (8 * u64::from(address % 4) + bit);
                Effect::Word { address: address & !3, flip, set: 0, clear: 0 }
            }
            (
                ResolvedEffect::Parameter { mailbox_address, command, boot },
                ResolvedPoints::Values { from, step, .. },
            ) => {
                let parameters = boot.parameters(value(*from, *step, ordinal));
                let bytes = Mailbox { parameters, ..*command }.to_bytes().to_vec();
                Effect::Bytes { address: *mailbox_address, bytes }
            }
            (ResolvedEffect::Fixed(effect), _) => effect.clone(),
            // The checks of the file keep bits with bits and values with values.
            _ => Effect::Skip,
        }
    }
}

fn of_the_core(image: &Image) -> Vec<Range<u32>> {
    let areas = image.areas().iter();
    let areas = areas.filter(|area| area.name == "vectors" || area.name.ends_with("-stack"));
    areas.map(|area| area.start..area.end).collect()
}

fn value(from: u32, step: u32, ordinal: u64) -> u32 {
    let steps = u32::try_from(ordinal - 1).unwrap_or(0);
    from.wrapping_add(step.wrapping_mul(steps))
}

const fn set_count(link: &mut Link, times: u64) {
    match link {
        Link::Address { count, .. }
        | Link::Store { count, .. }
        | Link::Load { count, .. }
        | Link::Value { count, .. } => {
            *count = times;
        }
        Link::Boot | Link::Instructions { .. } | Link::TargetTime { .. } => {}
    }
}

fn resolved_effect(
    effect: &PlannedEffect,
    names: &Resolver<'_>,
    command: Mailbox,
    boot: &BootPlan,
) -> Result<ResolvedEffect, PlanError> {
    Ok(match effect {
        PlannedEffect::FlipPoint => ResolvedEffect::Bit,
        PlannedEffect::Drawn => ResolvedEffect::Drawn,
        PlannedEffect::Parameter => {
            let (mailbox_address, boot) = (names.symbol(MAILBOX_SYMBOL)?, Box::new(boot.clone()));
            ResolvedEffect::Parameter { mailbox_address, command, boot }
        }
        other => ResolvedEffect::Fixed(names.effect(other)?),
    })
}

fn fixed(
    (within, effect): &(u64, PlannedEffect),
    names: &Resolver<'_>,
) -> Result<(u64, Effect), PlanError> {
    Ok((*within, names.effect(effect)?))
}

/// A link in words.
fn name_of(link: &TriggerLink) -> String {
    let times = |text: String, count: u64| match count {
        1 => text,
        _ => format!("time {count} of {text}"),
    };
    match link {
        TriggerLink::Boot => "the start of the boot".to_owned(),
        TriggerLink::Symbol { name, offset: 0, count } => times(name.clone(), *count),
        TriggerLink::Symbol { name, offset, count } => times(format!("{name}+{offset:#x}"), *count),
        TriggerLink::Store { memory, count } => {
            times(format!("stores to {}", memory.place), *count)
        }
        TriggerLink::Value { memory, value, count, .. } => {
            times(format!("{value:#x} stored to {}", memory.place), *count)
        }
        TriggerLink::Thread { context, count } => {
            times(format!("the switch to {}", context.name()), *count)
        }
        TriggerLink::Load { memory, count } => {
            times(format!("loads from {}", memory.place), *count)
        }
        TriggerLink::Instructions(count) => format!("{count} instructions"),
        TriggerLink::Milliseconds(ms) => format!("{ms} ms"),
        TriggerLink::Interrupt { number, count } => times(format!("exception {number}"), *count),
    }
}
