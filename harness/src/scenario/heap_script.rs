//! `[[script]]` tables, checked: what is asked of a heap on a boot that carries out `heap-script`.

use super::problems::Problems;
use super::raw::{RawBoot, RawRegion, RawScript, RawStep};
use crate::script::{Region, Script, Step};
use crashrig_layout::Capabilities;
use crashrig_wire::Fault;
use crashrig_wire::script::{Operation, REGION_LIMIT, Request};

/// The alignment of a step that names none: the one that every block has.
const NATURAL_ALIGNMENT: u32 = 8;

/// All scripts. Each belongs to a boot that plays one, and each such boot has one.
pub(super) fn check_scripts(
    scripts: &[RawScript],
    boots: &[RawBoot],
    problems: &mut Problems,
) -> Vec<Script> {
    for (boot, number) in boots.iter().zip(1..) {
        let plays = [&boot.fault, &boot.then].contains(&&Some(Fault::HeapScript.name().to_owned()));
        let times = scripts.iter().filter(|script| script.boot == number).count();
        if times != usize::from(plays) {
            let found = format_args!("{times} tables for boot {number}");
            problems.add(
                "script",
                found,
                "one [[script]] for each boot whose fault is heap-script",
            );
        }
    }
    let scripts = scripts.iter().zip(1..);
    scripts.map(|(script, number)| check_script(number, script, boots.len(), problems)).collect()
}

fn check_script(number: u32, raw: &RawScript, boots: usize, problems: &mut Problems) -> Script {
    let key = |name: &str| format!("script[{number}].{name}");
    if !(1..=boots).contains(&(raw.boot as usize)) {
        problems.add(key("boot"), raw.boot, format_args!("1 to {boots}"));
    }
    if !(1..=REGION_LIMIT).contains(&raw.regions.len()) {
        let expected = format_args!("1 to {REGION_LIMIT}");
        problems.add(key("regions"), raw.regions.len(), expected);
    }
    let mut offset = 0;
    let mut regions = Vec::new();
    for raw in &raw.regions {
        let region = check_region(&key("regions"), raw, offset, problems);
        offset = region.offset.saturating_add(region.size).next_multiple_of(8);
        regions.push(region);
    }
    let steps = raw.steps.iter().zip(1..);
    Script {
        boot: raw.boot,
        level: problems.name(&key("level"), &raw.level).unwrap_or(LEVEL_OF_A_REFUSED),
        regions,
        steps: steps
            .filter_map(|(step, at)| check_step(&key(&format!("steps[{at}]")), step, problems))
            .collect(),
    }
}

/// Stands where the level is unknown; the scenario is refused anyway.
const LEVEL_OF_A_REFUSED: crashrig_wire::script::ScriptLevel =
    crashrig_wire::script::ScriptLevel::Off;

fn check_region(key: &str, raw: &RawRegion, behind: u32, problems: &mut Problems) -> Region {
    if raw.caps.len() > 3 {
        problems.add(format!("{key}.caps"), raw.caps.len(), "up to 3 lists, by priority");
    }
    let mut caps = [Capabilities::NONE; 3];
    for (place, names) in caps.iter_mut().zip(&raw.caps) {
        *place = check_caps(&format!("{key}.caps"), names, problems);
    }
    Region { offset: raw.offset.unwrap_or(behind), size: raw.size, caps }
}

pub(super) fn check_caps(key: &str, names: &[String], problems: &mut Problems) -> Capabilities {
    names.iter().fold(Capabilities::NONE, |caps, name| match Capabilities::from_name(name) {
        Ok(one) => caps.union(one),
        Err(error) => {
            problems.add(key, format_args!("\"{name}\""), error);
            caps
        }
    })
}

/// The keys that an operation takes, besides `do` and `expect`; the first ones must be there.
const fn keys(operation: Operation) -> (&'static [&'static str], &'static [&'static str]) {
    match operation {
        Operation::Allocate | Operation::Reallocate => (&["slot", "size", "caps"], &["alignment"]),
        Operation::Free => (&["slot"], &[]),
        Operation::Overrun => (&["slot", "size"], &[]),
        Operation::Totals => (&["caps"], &[]),
        Operation::Check | Operation::Open | Operation::Region | Operation::Close => (&[], &[]),
    }
}

fn check_step(key: &str, raw: &RawStep, problems: &mut Problems) -> Option<Step> {
    let operation = problems.name(&format!("{key}.do"), &raw.operation)?;
    let (required, optional) = keys(operation);
    let given = [
        ("slot", raw.slot.is_some()),
        ("size", raw.size.is_some()),
        ("caps", raw.caps.is_some()),
        ("alignment", raw.alignment.is_some()),
    ];
    for (name, is_given) in given {
        if required.contains(&name) && !is_given {
            problems.add(format!("{key}.{name}"), "nothing", format_args!("one for {operation}"));
        } else if is_given && !required.contains(&name) && !optional.contains(&name) {
            problems.add(format!("{key}.{name}"), "a value", format_args!("none for {operation}"));
        }
    }
    let (slot, size) = (raw.slot.unwrap_or(0), raw.size.unwrap_or(0));
    let names = raw.caps.as_deref().unwrap_or_default();
    let caps = check_caps(&format!("{key}.caps"), names, problems).bits();
    let alignment = raw.alignment.unwrap_or(NATURAL_ALIGNMENT);
    let request = match operation {
        Operation::Allocate => Request::Allocate { slot, size, caps, alignment },
        Operation::Reallocate => Request::Reallocate { slot, size, caps, alignment },
        Operation::Free => Request::Free { slot },
        Operation::Overrun => Request::Overrun { slot, size },
        Operation::Check => Request::Check,
        Operation::Totals => Request::Totals { caps },
        Operation::Open | Operation::Region | Operation::Close => {
            let expected = "an operation on blocks: the script itself opens, has regions, and ends";
            problems.add(format!("{key}.do"), format_args!("\"{operation}\""), expected);
            return None;
        }
    };
    let expected = raw.expect.as_deref();
    let expected = expected.and_then(|name| problems.name(&format!("{key}.expect"), name));
    Some(Step { request, expected })
}
