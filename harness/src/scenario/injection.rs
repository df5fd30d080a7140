//! What a scenario breaks, checked: the stack of an overflow, the word of the heap, the detectors
//! that are switched off, the record before a boot, the application in flash.

use super::check::FLIP_LIMIT;
use super::heap_script::check_caps;
use super::problems::Problems;
use super::raw::{RawBoot, RawTamper};
use super::{BootPlan, Damage, End, Tamper, TamperKind};
use crashrig_wire::thread::Context;
use crashrig_wire::{Detector, Fault, HeapDamage, Way};

/// Whose stack and how: both for a stack overflow, neither for anything else.
pub(super) fn check_overflow(
    key: impl Fn(&str) -> String,
    raw: &RawBoot,
    fault: Option<Fault>,
    problems: &mut Problems,
) -> Option<(Context, Way)> {
    let overflow = fault == Some(Fault::StackOverflow);
    for (name, value) in [("stack", &raw.stack), ("way", &raw.way)] {
        let found = value.as_deref().unwrap_or("nothing");
        if overflow && value.is_none() {
            problems.add(key(name), found, "a name, because the fault is \"stack-overflow\"");
        } else if !overflow && value.is_some() {
            problems.add(key(name), found, "nothing unless the fault is \"stack-overflow\"");
        }
    }
    let stack = problems.name(&key("stack"), raw.stack.as_deref()?);
    let way = problems.name(&key("way"), raw.way.as_deref()?);
    stack.zip(way)
}

/// The first parameter of the command: a number, or what the fault has names for.
pub(super) fn check_parameter(
    key: &impl Fn(&str) -> String,
    raw: &RawBoot,
    fault: Option<Fault>,
    problems: &mut Problems,
) -> u32 {
    let wanted = match fault {
        Some(Fault::HeapCorrupt) => "damage",
        Some(Fault::HeapExhaustion | Fault::HeapFragmentation | Fault::HeapRounds) => {
            "capabilities"
        }
        _ => "parameter",
    };
    for (name, is_given) in [
        ("parameter", raw.parameter.is_some()),
        ("damage", raw.damage.is_some()),
        ("capabilities", raw.capabilities.is_some()),
    ] {
        if is_given && name != wanted {
            problems.add(key(name), "a value", format_args!("{wanted} at most, with this fault"));
        } else if !is_given && name == wanted && wanted != "parameter" {
            problems.add(key(name), "nothing", "a value, with this fault");
        }
    }
    let damage = raw.damage.as_deref();
    let damage = damage.and_then(|name| problems.name::<HeapDamage>(&key("damage"), name));
    let names = raw.capabilities.as_deref().unwrap_or_default();
    let caps = check_caps(&key("capabilities"), names, problems);
    match wanted {
        "damage" => damage.map_or(0, |damage| damage.code().into()),
        "capabilities" => caps.bits(),
        _ => raw.parameter.unwrap_or(0),
    }
}

/// Names of detectors that can be switched off.
pub(super) fn check_without(key: &str, names: &[String], problems: &mut Problems) -> Vec<Detector> {
    let mut detectors = Vec::new();
    for name in names {
        let Some(detector) = problems.name::<Detector>(key, name) else { continue };
        if Detector::SWITCHABLE.contains(&detector) {
            detectors.push(detector);
        } else {
            let known: Vec<_> = Detector::SWITCHABLE.iter().map(|known| known.name()).collect();
            let expected = format!("one that can be switched off: {}", known.join(", "));
            problems.add(key.to_owned(), name, expected);
        }
    }
    detectors
}

/// What is done to the application in flash.
pub(super) fn check_application(name: Option<&str>, problems: &mut Problems) -> Damage {
    let choices = [
        ("good", Damage::None),
        ("truncated", Damage::Truncated),
        ("bit-flipped", Damage::BitFlipped),
        ("wrong-vector", Damage::WrongVector),
        ("other-build", Damage::OtherBuild),
    ];
    name.and_then(|name| problems.choice("application", name, &choices)).unwrap_or(Damage::None)
}

/// What is done to a record before the boot.
pub(super) fn check_tamper(
    key: &impl Fn(&str) -> String,
    raw: &RawTamper,
    problems: &mut Problems,
) -> Option<Tamper> {
    let count = raw.count.unwrap_or(0);
    let kinds = [
        ("resembling", TamperKind::Resembling),
        ("flip-bits", TamperKind::FlipBits(count)),
        ("other-version", TamperKind::OtherVersion),
        ("other-build", TamperKind::OtherBuild),
    ];
    let kind = problems.choice(&key("tamper.kind"), &raw.kind, &kinds)?;
    let flips = matches!(kind, TamperKind::FlipBits(_));
    if flips && !(1..=FLIP_LIMIT).contains(&count) {
        problems.add(key("tamper.count"), count, format_args!("1 to {FLIP_LIMIT} bits"));
    } else if !flips && raw.count.is_some() {
        problems.add(key("tamper.count"), count, "no count unless the kind is \"flip-bits\"");
    }
    let slot = problems.slot(&key("tamper.slot"), raw.slot.as_deref());
    Some(Tamper { slot, kind })
}

/// A boot before one whose tampering begins with a good record must leave that: whether it does is
/// the firmware's affair.
pub(super) fn check_tampered(boots: &[BootPlan], problems: &mut Problems) {
    for (index, boot) in boots.iter().enumerate() {
        let needs = boot.tamper.is_some_and(|tamper| tamper.kind != TamperKind::Resembling);
        let mut before = boots.iter().take(index);
        if needs && !before.any(|boot| boot.end == End::Crash) {
            let key = format!("boot[{}].tamper", index + 1);
            problems.add(key, "no record to tamper with", "a boot before it that ends in a crash");
        }
    }
}
