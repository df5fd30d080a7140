//! What a scenario breaks, checked: the stack of an overflow, the detectors that are switched off,
//! the application in flash.

use super::problems::Problems;
use super::raw::RawBoot;
use super::{BootPlan, Damage, End, TamperKind};
use crashrig_wire::thread::Context;
use crashrig_wire::{Detector, Fault, Way};

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
