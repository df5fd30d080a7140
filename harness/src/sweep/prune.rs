//! Flips that need no run: of bytes that are overwritten before they are read.
//!
//! One run tells what instructions do first to each byte of the memory whose bits are flipped. A
//! byte that they store to first is dead until then, and a flip of any of its bits is masked. The
//! core itself reads memory too: vectors and stacks of the image are never pruned, and since
//! threads may have stacks elsewhere, one run in which all bits of the byte are flipped must be the
//! golden one before the eight are taken to be. So seven of eight runs are spared, and the results
//! are those of all eight: the same lines, byte by byte.
//!
//! Must never happen here: a result of a flip that could have been another. Source of the method:
//! pruning by definitions and uses, as fault injectors call it.

use super::engine::{Engine, Trace};
use super::fault::{Effect, Fault, Scope};
use super::plan::Plan;
use super::result::PointNumber;
use crate::target::BenchError;
use std::collections::HashMap;

/// What is known of the bytes of one sweep.
#[derive(Debug, Default)]
pub(super) struct Pruning {
    /// Bytes that are stored to first, and whether all of their bits were flipped in vain, once
    /// that was tried.
    bytes: HashMap<u32, Option<bool>>,
}

impl Pruning {
    /// Asks an engine; nothing is pruned where it cannot tell, or the points are no bits.
    pub(super) fn of(plan: &Plan, engine: &mut dyn Engine) -> Result<Self, BenchError> {
        let first = plan.point(PointNumber(1), Scope::Once);
        let (Some((start, size_bytes)), Some((fault, _))) = (plan.bits(), first) else {
            return Ok(Self::default());
        };
        let overwritten = engine.overwritten(&fault, start, size_bytes)?.unwrap_or_default();
        let bytes = (start..).zip(overwritten).filter(|(_, is_first)| *is_first);
        let bytes = bytes.filter(|(address, _)| !plan.is_of_the_core(*address));
        Ok(Self { bytes: bytes.map(|(address, _)| (address, None)).collect() })
    }

    /// Whether a fault leads to the golden run, and need not be run to know.
    pub(super) fn is_dead(
        &mut self,
        fault: &Fault,
        engine: &mut dyn Engine,
        golden: &Trace,
    ) -> Result<bool, BenchError> {
        let Some((address, shift)) = flipped(fault) else { return Ok(false) };
        let Some(known) = self.bytes.get_mut(&(address + shift / 8)) else { return Ok(false) };
        if let Some(is_dead) = known {
            return Ok(*is_dead);
        }
        let flip = 0xff << (shift & !7);
        let effect = Effect::Word { address, flip, set: 0, clear: 0 };
        let is_dead = engine.run(Some(&Fault { effect, ..fault.clone() }))? == *golden;
        *known = Some(is_dead);
        Ok(is_dead)
    }
}

/// The word and the bit of it that a fault flips, once, if that is all it does.
fn flipped(fault: &Fault) -> Option<(u32, u32)> {
    match fault.effect {
        Effect::Word { address, flip, set: 0, clear: 0 }
            if flip.is_power_of_two() && fault.scope == Scope::Once && fault.second.is_none() =>
        {
            Some((address, flip.trailing_zeros()))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep::engine::Abilities;
    use crate::sweep::fault::Link;

    /// Comes to the same run whatever is injected, and counts.
    struct Fake(Trace, u32);

    impl Engine for Fake {
        fn abilities(&self) -> Abilities {
            Abilities {
                engine: "fake",
                changes_flash: true,
                watches_devices: true,
                looks_at_values: true,
                steps: 0,
                instruction_shift: None,
            }
        }

        fn run(&mut self, fault: Option<&Fault>) -> Result<Trace, BenchError> {
            self.1 += 1;
            let effect = Effect::Word { address: 4, flip: 0xff00, set: 0, clear: 0 };
            assert_eq!(fault.unwrap().effect, effect, "all bits of that byte, and no other");
            Ok(self.0.clone())
        }
    }

    fn fault(effect: Effect) -> Fault {
        Fault {
            boot: 1,
            trigger: vec![Link::Boot],
            effect,
            scope: Scope::Once,
            seed: 0,
            second: None,
        }
    }

    fn flip(flip: u32) -> Fault {
        fault(Effect::Word { address: 4, flip, set: 0, clear: 0 })
    }

    fn golden() -> Trace {
        Trace { fired: 1, fired_at: Some(2), fired_after: Some(3), boots: Vec::new() }
    }

    fn check(engine: &mut Fake, pruning: &mut Pruning, fault: &Fault, expected: bool) {
        let is_dead = pruning.is_dead(fault, engine, &golden()).unwrap();
        assert_eq!(is_dead, expected, "{fault:?}");
    }

    #[test]
    fn one_run_is_enough_for_the_bits_of_a_byte() {
        let mut pruning = Pruning { bytes: HashMap::from([(5, None)]) };
        let mut engine = Fake(golden(), 0);
        (8..16).for_each(|bit| check(&mut engine, &mut pruning, &flip(1 << bit), true));
        assert_eq!(engine.1, 1);
        for bit in [0, 7, 16, 31] {
            check(&mut engine, &mut pruning, &flip(1 << bit), false);
        }
        check(&mut engine, &mut pruning, &flip(0x300), false);
        check(&mut engine, &mut pruning, &fault(Effect::Skip), false);
        let again = Fault { scope: Scope::FromThenOn, ..flip(1 << 9) };
        check(&mut engine, &mut pruning, &again, false);
        assert_eq!(engine.1, 1);
    }

    #[test]
    fn a_byte_whose_flip_shows_is_run_bit_by_bit() {
        let mut pruning = Pruning { bytes: HashMap::from([(5, None)]) };
        let mut engine = Fake(Trace { fired: 2, ..golden() }, 0);
        (8..16).for_each(|bit| check(&mut engine, &mut pruning, &flip(1 << bit), false));
        assert_eq!(engine.1, 1);
    }
}
