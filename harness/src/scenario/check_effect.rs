//! What one link of a sweep's trigger waits for and what its effect does, checked.

use super::Place;
use super::problems::Problems;
use super::raw_sweep::{RawEffect, RawLink, RawMemory};
use super::sweep::{Memory, PlannedEffect, TriggerLink};
use crate::sweep::fault::RamPolicy;
use crashrig_qemu::REGISTER_NAMES;

/// A size that no allocator can give, and whose dressing with canaries does not wrap.
const IMPOSSIBLE_SIZE_BYTES: u32 = 0x7FFF_FFFF;

/// Where no core executes: memory for devices off the chip, in the map of each (DDI0403E B3.1).
const NEVER_EXECUTED: u32 = 0xD000_0000;

/// Checks one link: exactly one key says when.
pub(super) fn check_link(key: &str, raw: &RawLink, problems: &mut Problems) -> Option<TriggerLink> {
    let ways = [
        ("at", raw.at.is_some(), false),
        ("symbol", raw.symbol.is_some(), true),
        ("store", raw.store.is_some(), true),
        ("load", raw.load.is_some(), true),
        ("instructions", raw.instructions.is_some(), false),
        ("milliseconds", raw.milliseconds.is_some(), false),
        ("interrupt", raw.interrupt.is_some(), true),
        ("thread", raw.thread.is_some(), true),
    ];
    let given: Vec<_> = ways.iter().filter(|(_, is_given, _)| *is_given).collect();
    let &[(way, _, can_count)] = given.as_slice() else {
        let known: Vec<_> = ways.iter().map(|(name, ..)| *name).collect();
        let expected = format_args!("exactly one of {}", known.join(", "));
        problems.add(key, format_args!("{} of them", given.len()), expected);
        return None;
    };
    if raw.count == Some(0) || (raw.count.is_some() && !can_count) {
        problems.add(
            format_args!("{key}.count"),
            "a count",
            format_args!("at least 1, not with {way}"),
        );
    }
    if raw.offset.is_some_and(|offset| *way != "symbol" || offset % 2 != 0) {
        let expected = "an even number, only with symbol";
        problems.add(format_args!("{key}.offset"), "another", expected);
    }
    if (raw.value.is_some() && *way != "store") || (raw.mask.is_some() && raw.value.is_none()) {
        let expected = "one only with store, and a mask only with a value";
        problems.add(format_args!("{key}.value"), "a value or a mask", expected);
    }
    let count = raw.count.unwrap_or(1);
    let memory = |raw: &Option<RawMemory>, problems: &mut Problems| {
        check_memory(&format!("{key}.{way}"), raw.as_ref()?, problems)
    };
    match *way {
        "at" => {
            let name = raw.at.as_deref().unwrap_or_default();
            problems.choice(&format!("{key}.at"), name, &[("boot", ())])?;
            Some(TriggerLink::Boot)
        }
        "symbol" => {
            let name = raw.symbol.clone()?;
            Some(TriggerLink::Symbol { name, offset: raw.offset.unwrap_or(0), count })
        }
        "store" => {
            let memory = memory(&raw.store, problems)?;
            Some(match raw.value {
                Some(value) => {
                    let mask = raw.mask.unwrap_or(u32::MAX);
                    TriggerLink::Value { memory, mask, value: value & mask, count }
                }
                None => TriggerLink::Store { memory, count },
            })
        }
        "thread" => {
            let context = problems.name(&format!("{key}.thread"), raw.thread.as_deref()?)?;
            Some(TriggerLink::Thread { context, count })
        }
        "load" => Some(TriggerLink::Load { memory: memory(&raw.load, problems)?, count }),
        "instructions" => raw.instructions.map(TriggerLink::Instructions),
        "milliseconds" => raw.milliseconds.map(TriggerLink::Milliseconds),
        _ => raw.interrupt.map(|number| TriggerLink::Interrupt { number, count }),
    }
}

/// Checks some bytes of memory.
pub(super) fn check_memory(key: &str, raw: &RawMemory, problems: &mut Problems) -> Option<Memory> {
    let place = match (&raw.symbol, &raw.region) {
        (Some(symbol), None) => Place::Symbol(symbol.clone()),
        (None, Some(region)) => Place::Region(region.clone()),
        _ => {
            problems.add(key, "both or neither", "exactly one of symbol and region");
            return None;
        }
    };
    if raw.size == Some(0) {
        problems.add(format_args!("{key}.size"), "0", "at least 1 byte");
    }
    Some(Memory { place, offset: raw.offset.unwrap_or(0), size_bytes: raw.size })
}

/// Checks what is done at each point; `is_bit` says that each point is a bit.
pub(super) fn check_effect(
    raw: &RawEffect,
    is_bit: bool,
    problems: &mut Problems,
) -> Option<PlannedEffect> {
    let effect = raw.effect.as_str();
    if is_bit && effect != "flip" {
        let expected = "\"flip\", because the points are bits";
        problems.add("sweep.effect.do", format_args!("\"{effect}\""), expected);
        return None;
    }
    let keys: &[&str] = match effect {
        "flip" if is_bit => &[],
        "flip" => &["memory", "bits"],
        "write" => &["memory", "bytes"],
        "register" if raw.value.is_some() => &["name", "value"],
        "register" => &["name", "bits"],
        "interrupt" => &["number"],
        "reset" => &["ram"],
        "fail-allocation" => &["name"],
        "fault" | "nmi" | "skip" => &[],
        other => {
            let expected = "one of flip, write, register, fault, interrupt, nmi, skip, \
                            reset, fail-allocation";
            problems.add("sweep.effect.do", format_args!("\"{other}\""), expected);
            return None;
        }
    };
    check_keys(raw, keys, problems);
    let memory = |problems: &mut Problems| {
        check_memory("sweep.effect.memory", raw.memory.as_ref()?, problems)
    };
    Some(match effect {
        "flip" if is_bit => PlannedEffect::FlipPoint,
        "flip" => PlannedEffect::Flip { memory: memory(problems)?, bits: raw.bits? },
        "write" => PlannedEffect::Write { memory: memory(problems)?, bytes: raw.bytes.clone()? },
        "register" | "fail-allocation" => {
            let name = raw.name.clone()?;
            // Of msp and psp, engines beside the plug-in on QEMU 10 change the one that is in use,
            // and say so of the other.
            let known = REGISTER_NAMES.into_iter().filter(|known| *known != "xpsr");
            let known: Vec<_> = known.collect();
            if !known.contains(&name.as_str()) {
                let expected = format_args!("one of {}", known.join(", "));
                problems.add("sweep.effect.name", format_args!("\"{name}\""), expected);
            }
            let value = if effect == "register" { raw.value } else { Some(IMPOSSIBLE_SIZE_BYTES) };
            PlannedEffect::Register { name, flip: raw.bits.unwrap_or(0), value }
        }
        "fault" => {
            PlannedEffect::Register { name: "pc".to_owned(), flip: 0, value: Some(NEVER_EXECUTED) }
        }
        "interrupt" => PlannedEffect::Interrupt(raw.number?),
        "nmi" => PlannedEffect::Nmi,
        "skip" => PlannedEffect::Skip,
        "reset" => {
            let policies = [
                ("kept", RamPolicy::Kept),
                ("noise", RamPolicy::Noise),
                ("decayed", RamPolicy::Decayed),
            ];
            let name = raw.ram.as_deref()?;
            PlannedEffect::Reset(problems.choice("sweep.effect.ram", name, &policies)?)
        }
        _ => return None,
    })
}

/// Each effect has its own keys: all of them, and no others.
fn check_keys(raw: &RawEffect, wanted: &[&str], problems: &mut Problems) {
    for (key, is_given) in [
        ("ram", raw.ram.is_some()),
        ("memory", raw.memory.is_some()),
        ("bits", raw.bits.is_some()),
        ("bytes", raw.bytes.is_some()),
        ("name", raw.name.is_some()),
        ("value", raw.value.is_some()),
        ("number", raw.number.is_some()),
    ] {
        let expected = match (is_given, wanted.contains(&key)) {
            (false, true) => "a value, with this effect",
            (true, false) => "nothing, with this effect",
            _ => continue,
        };
        let found = if is_given { "a value" } else { "nothing" };
        problems.add(format_args!("sweep.effect.{key}"), found, expected);
    }
}
