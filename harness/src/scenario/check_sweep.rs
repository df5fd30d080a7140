//! From the `[sweep]` table to a sweep, or to everything that is wrong with it. What stands in the
//! effect and in links of the trigger is checked in `check_effect.rs`.

use super::check_effect::{check_effect, check_link, check_memory};
use super::problems::Problems;
use super::raw_sweep::{RawAllowed, RawExpected, RawMix, RawSweep};
use super::sweep::{
    Allowed, Expected, Mix, PlannedEffect, Points, Sample, Subject, Sweep, TriggerLink,
    always_good, never_good,
};
use super::{BootPlan, End};
use crate::sweep::fault::Scope;
use crate::sweep::outcome::Outcome;
use crashrig_wire::Fault;

/// Checks the table.
pub(super) fn check_sweep(
    raw: &RawSweep,
    boots: &[BootPlan],
    problems: &mut Problems,
) -> Option<Sweep> {
    let subjects =
        [("record", Subject::Record), ("heap", Subject::Heap), ("other", Subject::Other)];
    let subject = problems.choice("sweep.subject", &raw.subject, &subjects)?;
    if raw.boot == 0 || raw.boot as usize > boots.len() {
        let found = format_args!("{}", raw.boot);
        problems.add("sweep.boot", found, format_args!("1 to {}", boots.len()));
    }
    check_boots(boots, problems);
    let trigger = check_trigger(raw, problems);
    let points = check_points(raw, problems);
    check_points_against_trigger(points.as_ref(), &trigger, raw, problems);
    let until = check_until(raw, points.as_ref(), problems);
    let effect = check_planned(raw, points.as_ref(), problems);
    check_sample(raw, points.as_ref(), problems);
    if raw.late_after_instructions.is_some() && raw.expect.is_empty() {
        let expected = "reports in sweep.expect that can be late";
        problems.add("sweep.late-after-instructions", "a number", expected);
    }
    let second = check_second(raw, problems);
    if raw.latent && raw.effect.as_ref().is_some_and(|effect| effect.effect == "reset") {
        let expected = "another effect: a reset leaves its traces in RAM wherever it comes";
        problems.add("sweep.latent", "true with a reset", expected);
    }
    let is_recurring = !matches!(raw.points.as_str(), "instructions" | "mix")
        && trigger.last().is_none_or(can_recur);
    let scopes = check_scopes(&raw.scopes, is_recurring, problems);
    Some(Sweep {
        subject,
        boot: raw.boot,
        trigger,
        points: points?,
        until,
        effect: effect?,
        second,
        scopes,
        expect: raw.expect.iter().filter_map(|it| check_expected(it, problems)).collect(),
        may_miss: problems.names("sweep.may-miss", &raw.may_miss),
        allow: raw.allow.iter().filter_map(|it| check_allowed(it, subject, problems)).collect(),
        forbid: raw.forbid.iter().filter_map(|name| check_forbidden(name, problems)).collect(),
        sample: raw.sample.as_ref().map(|it| Sample { count: it.count, seed: it.seed, of: it.of }),
        latent: raw.latent,
        late_after_instructions: raw.late_after_instructions,
    })
}

/// Every run of a sweep must be the same but for its fault, on each engine. What the host does
/// while the device runs is not, and what it makes of a record is left to the effect.
fn check_boots(boots: &[BootPlan], problems: &mut Problems) {
    for (index, boot) in boots.iter().enumerate() {
        let found = if matches!(boot.fault, Fault::Await | Fault::HeapScript) {
            "a command that the host follows up"
        } else if boot.tamper.is_some() {
            "a record that is tampered with"
        } else if boot.silent_boots > 0 || !matches!(boot.end, End::Clean | End::Crash) {
            "a boot that ends neither clean nor with a crash"
        } else {
            continue;
        };
        let expected = "none in the golden run of a sweep";
        problems.add(format_args!("boot[{}]", index + 1), found, expected);
    }
}

fn check_trigger(raw: &RawSweep, problems: &mut Problems) -> Vec<TriggerLink> {
    if raw.trigger.is_empty() {
        problems.add("sweep.trigger", "nothing", "at least one link, e.g. { at = \"boot\" }");
    }
    let mut links = Vec::new();
    for (index, link) in raw.trigger.iter().enumerate() {
        let key = format!("sweep.trigger[{}]", index + 1);
        let Some(link) = check_link(&key, link, problems) else { continue };
        if link == TriggerLink::Boot && index > 0 {
            problems.add(key, "the boot behind another link", "it as the first one");
        }
        links.push(link);
    }
    links
}

fn check_points(raw: &RawSweep, problems: &mut Problems) -> Option<Points> {
    let known = ["instructions", "hits", "bits", "values", "mix"];
    for (key, is_given, wanted) in [
        ("memory", raw.memory.is_some(), "bits"),
        ("values", raw.values.is_some(), "values"),
        ("mix", raw.mix.is_some(), "mix"),
    ] {
        if is_given != (raw.points == wanted) && known.contains(&raw.points.as_str()) {
            let found = if is_given { "a table" } else { "nothing" };
            let expected = format!("one exactly where the points are \"{wanted}\"");
            problems.add(format_args!("sweep.{key}"), found, expected);
        }
    }
    match raw.points.as_str() {
        "instructions" => Some(Points::Instructions),
        "hits" => Some(Points::Hits),
        "bits" => Some(Points::Bits(check_memory("sweep.memory", raw.memory.as_ref()?, problems)?)),
        "mix" => check_mix(raw.mix.as_ref()?, problems).map(Points::Mix),
        "values" => {
            let values = raw.values.as_ref()?;
            if values.step == 0 || values.from > values.to {
                let found = format_args!("{} to {} by {}", values.from, values.to, values.step);
                problems.add("sweep.values", found, "a step of at least 1, and at least one value");
            }
            Some(Points::Values { from: values.from, to: values.to, step: values.step })
        }
        other => {
            let expected = format_args!("one of {}", known.join(", "));
            problems.add("sweep.points", format_args!("\"{other}\""), expected);
            None
        }
    }
}

fn check_mix(raw: &RawMix, problems: &mut Problems) -> Option<Mix> {
    let RawMix { memories, within_instructions } = raw;
    if memories.is_empty() || *within_instructions == 0 {
        let expected = "at least one memory, and at least 1 instruction";
        problems.add("sweep.mix", "none", expected);
    }
    let memories =
        memories.iter().map(|memory| check_memory("sweep.mix.memories", memory, problems));
    Some(Mix {
        memories: memories.collect::<Option<_>>()?,
        within_instructions: *within_instructions,
    })
}

/// Whether an effect can come again wherever the link is met again.
const fn can_recur(link: &TriggerLink) -> bool {
    can_count(link) && !matches!(link, TriggerLink::Value { .. } | TriggerLink::Thread { .. })
}

/// Whether a link can be met more than once.
const fn can_count(link: &TriggerLink) -> bool {
    !matches!(link, TriggerLink::Boot | TriggerLink::Instructions(_) | TriggerLink::Milliseconds(_))
}

fn check_until(
    raw: &RawSweep,
    points: Option<&Points>,
    problems: &mut Problems,
) -> Option<TriggerLink> {
    let until = check_link("sweep.until", raw.until.as_ref()?, problems)?;
    if points.is_some_and(|points| *points != Points::Instructions) || !can_count(&until) {
        let expected = "a place that can be reached, with points \"instructions\"";
        problems.add("sweep.until", "a table", expected);
    }
    Some(until)
}

fn check_points_against_trigger(
    points: Option<&Points>,
    trigger: &[TriggerLink],
    raw: &RawSweep,
    problems: &mut Problems,
) {
    let Some(last) = trigger.last() else { return };
    let counts = raw.trigger.last().and_then(|link| link.count).is_some();
    let can_count = can_count(last);
    match points {
        Some(Points::Hits) if counts || !can_count => {
            let expected = "a last link that can be met often, without a count: the point is it";
            problems.add("sweep.trigger", "a last link that has one number", expected);
        }
        // The command is written before the first instruction.
        Some(Points::Values { .. }) if trigger != [TriggerLink::Boot] => {
            problems.add("sweep.trigger", "another one", "{ at = \"boot\" }, with values");
        }
        _ => {}
    }
}

fn check_planned(
    raw: &RawSweep,
    points: Option<&Points>,
    problems: &mut Problems,
) -> Option<PlannedEffect> {
    match (&raw.effect, points) {
        (Some(_), Some(Points::Values { .. } | Points::Mix(_))) => {
            problems.add("sweep.effect", "a table", "none: the points are the effect");
            None
        }
        (None, Some(Points::Mix(_))) => Some(PlannedEffect::Drawn),
        (None, Some(Points::Values { .. })) => Some(PlannedEffect::Parameter),
        (None, _) => {
            problems.add("sweep.effect", "nothing", "what is done at each point");
            None
        }
        (Some(effect), points) => {
            let is_bit = matches!(points, Some(Points::Bits(_)));
            check_effect(effect, is_bit, problems)
        }
    }
}

/// A second effect comes at a drawn place behind the first one, which must leave the device there.
fn check_second(raw: &RawSweep, problems: &mut Problems) -> Option<(u64, PlannedEffect)> {
    let second = raw.second.as_ref()?;
    let effects = [raw.effect.as_ref(), Some(&second.effect)];
    let resets = effects.into_iter().flatten().any(|effect| effect.effect == "reset");
    if second.within == 0 || resets || raw.effect.is_none() || raw.scopes != ["once"] {
        let expected = "an effect within at least 1 instruction, none of the two a reset or a \
                        value, in scope \"once\" alone";
        problems.add("sweep.second", "a table", expected);
    }
    Some((second.within, check_effect(&second.effect, false, problems)?))
}

/// The number of points must be known before the first run, so that a sample is the same in all.
fn check_sample(raw: &RawSweep, points: Option<&Points>, problems: &mut Problems) {
    let Some(sample) = &raw.sample else {
        if matches!(points, Some(Points::Mix(_))) {
            problems.add("sweep.sample", "nothing", "how many faults are drawn, and by which seed");
        }
        return;
    };
    if sample.count == 0 {
        problems.add("sweep.sample.count", "0", "at least 1");
    }
    if matches!(points, Some(Points::Instructions)) != sample.of.is_some() {
        let expected = "a number exactly where the points are \"instructions\"";
        problems.add("sweep.sample.of", "a number or none", expected);
    }
    if matches!(points, Some(Points::Hits)) {
        let expected = "none where the points are \"hits\"";
        problems.add("sweep.sample", "a table", expected);
    }
}

fn check_scopes(names: &[String], is_recurring: bool, problems: &mut Problems) -> Vec<Scope> {
    if names.is_empty() {
        problems.add("sweep.scopes", "nothing", "at least one, e.g. \"once\"");
    }
    let mut scopes = Vec::new();
    for name in names {
        let scope = match name.parse() {
            Ok(Scope::Window(0)) | Err(_) => {
                let expected = "once, from-then-on, or window-1, window-2…";
                problems.add("sweep.scopes", format_args!("\"{name}\""), expected);
                continue;
            }
            Ok(scope) => scope,
        };
        if scope != Scope::Once && !is_recurring {
            let expected = "\"once\", because the trigger is not met again";
            problems.add("sweep.scopes", format_args!("\"{name}\""), expected);
        }
        if scopes.contains(&scope) {
            problems.add("sweep.scopes", format_args!("\"{name}\" twice"), "each once");
        }
        scopes.push(scope);
    }
    scopes
}

fn check_expected(raw: &RawExpected, problems: &mut Problems) -> Option<Expected> {
    Some(Expected {
        detector: problems.name("sweep.expect.detector", &raw.detector)?,
        kind: raw.kind.as_deref().and_then(|name| problems.name("sweep.expect.kind", name)),
        thread: raw.thread.as_deref().and_then(|name| problems.name("sweep.expect.thread", name)),
    })
}

fn check_forbidden(name: &str, problems: &mut Problems) -> Option<Outcome> {
    let choices = [Outcome::Masked, Outcome::DetectedRight].map(|it| (it.name(), it));
    problems.choice("sweep.forbid", name, &choices)
}

fn check_allowed(raw: &RawAllowed, subject: Subject, problems: &mut Problems) -> Option<Allowed> {
    const KEY: &str = "sweep.allow.outcome";
    let choices = Outcome::ALL.map(|outcome| (outcome.name(), outcome));
    let outcome = problems.choice(KEY, &raw.outcome, &choices)?;
    let found = format_args!("\"{}\"", raw.outcome);
    if never_good(outcome, subject) {
        problems.add(KEY, found, "an outcome that such a sweep can ever allow");
    } else if always_good(outcome) {
        problems.add(KEY, found, "an outcome that is not allowed anyway");
    }
    if raw.reason.trim().is_empty() {
        problems.add("sweep.allow.reason", "nothing", "why it may be");
    }
    Some(Allowed { outcome, reason: raw.reason.clone() })
}
