//! Faults of many kinds, each drawn by a seed and its number alone: what engines are compared by.
//!
//! They come in the order of their instructions, evenly spread, so that an engine which steps from
//! one to the next has a short way. Interrupts are those of the lowest numbers, which every chip
//! has.

use super::PlanError;
use super::resolve::{Bytes, Resolver};
use crate::noise::Noise;
use crate::scenario::sweep::{Mix, Sample};
use crate::sweep::fault::{Effect, RamPolicy};
use crashrig_qemu::REGISTER_NAMES;

/// Interrupts that every chip has.
const INTERRUPTS: u32 = 32;

/// Makes seeds of neighbouring numbers differ in all their bits: 2^64 divided by the golden ratio.
const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;

/// Those that are flipped: r0 to pc.
const REGISTERS: u32 = 16;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mixture {
    memories: Vec<Bytes>,
    within: u64,
    sample: Sample,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Drawn {
    /// Instructions behind the trigger.
    pub after: u64,
    pub effect: Effect,
    /// In words.
    pub name: String,
}

impl Mixture {
    pub(super) fn new(
        mix: &Mix,
        sample: Option<Sample>,
        names: &Resolver<'_>,
    ) -> Result<Self, PlanError> {
        let memories = mix.memories.iter().map(|memory| names.memory(memory));
        let memories = memories.collect::<Result<_, _>>()?;
        // The checks of the file see to a sample.
        let sample = sample.unwrap_or(Sample { count: 1, seed: 0, of: None });
        Ok(Self { memories, within: mix.within_instructions, sample })
    }

    /// How many there are.
    pub(super) const fn count(&self) -> u64 {
        self.sample.count
    }

    /// The one with a number from 1; nothing behind the last.
    pub(super) fn draw(&self, number: u64) -> Option<Drawn> {
        let Sample { count, seed, .. } = self.sample;
        let index = number.checked_sub(1).filter(|index| *index < count)?;
        let mut noise = Noise::new(seed ^ number.wrapping_mul(SPREAD));
        let after = u128::from(index) * u128::from(self.within) / u128::from(count.max(1));
        let after = u64::try_from(after).unwrap_or(u64::MAX);
        let (effect, name) = match noise.below(8) {
            0..=2 => self.bit_of_memory(&mut noise)?,
            3..=4 => bit_of_register(&mut noise)?,
            5 => (Effect::Skip, "the next instruction skipped".to_owned()),
            6 => reset(&mut noise),
            _ => interrupt(&mut noise),
        };
        Some(Drawn { after, effect, name })
    }

    fn bit_of_memory(&self, noise: &mut Noise) -> Option<(Effect, String)> {
        let which = noise.below(u32::try_from(self.memories.len()).ok()?);
        let Bytes { start, size_bytes, name } = self.memories.get(which as usize)?;
        let (byte, bit) = (noise.below(*size_bytes), noise.below(8));
        let address = start.wrapping_add(byte);
        let flip = 1 << (8 * (address % 4) + bit);
        let effect = Effect::Word { address: address & !3, flip, set: 0, clear: 0 };
        Some((effect, format!("bit {bit} of byte {byte:#05x} of {name}")))
    }
}

fn bit_of_register(noise: &mut Noise) -> Option<(Effect, String)> {
    let name = *REGISTER_NAMES.get(noise.below(REGISTERS) as usize)?;
    let bit = noise.below(32);
    let effect = Effect::Register { name: name.to_owned(), flip: 1 << bit, value: None };
    Some((effect, format!("bit {bit} of {name}")))
}

fn reset(noise: &mut Noise) -> (Effect, String) {
    let (ram, name) = match noise.below(3) {
        0 => (RamPolicy::Kept, "kept"),
        1 => (RamPolicy::Noise, "noise"),
        _ => (RamPolicy::Decayed, "decayed"),
    };
    (Effect::Reset { ram }, format!("a reset with RAM {name}"))
}

fn interrupt(noise: &mut Noise) -> (Effect, String) {
    if noise.below(4) == 0 {
        return (Effect::Nmi, "a non-maskable interrupt".to_owned());
    }
    let number = noise.below(INTERRUPTS);
    let effect = Effect::Interrupt { number: u16::try_from(number).unwrap_or(0) };
    (effect, format!("interrupt {number}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_kind_is_drawn_and_each_number_gives_the_same_again() {
        let memory = Bytes { start: 0x2000_0001, size_bytes: 6, name: "six bytes".to_owned() };
        let sample = Sample { count: 400, seed: 7, of: None };
        let mixture = Mixture { memories: vec![memory], within: 2_000, sample };
        let all: Vec<_> = (1..=400).map(|number| mixture.draw(number).unwrap()).collect();
        assert!(all.is_sorted_by_key(|drawn| drawn.after), "in the order of instructions");
        assert!(all.iter().all(|drawn| drawn.after < 2_000));
        assert_eq!(mixture.draw(17).as_ref(), all.get(16));
        assert_eq!((mixture.draw(0), mixture.draw(401)), (None, None));
        let kinds: BTreeSet<_> = all.iter().map(|drawn| kind(&drawn.effect)).collect();
        assert_eq!(kinds.len(), 6, "{kinds:?}");
        for drawn in &all {
            if let Effect::Word { address, flip, .. } = drawn.effect {
                let byte = address + flip.trailing_zeros() / 8;
                assert!((0x2000_0001..0x2000_0007).contains(&byte), "{address:#x} {flip:#x}");
            }
        }
    }

    fn kind(effect: &Effect) -> &'static str {
        match effect {
            Effect::Word { .. } => "word",
            Effect::Register { .. } => "register",
            Effect::Interrupt { .. } => "interrupt",
            Effect::Nmi => "nmi",
            Effect::Reset { .. } => "reset",
            Effect::Skip => "skip",
            _ => "another",
        }
    }
}
