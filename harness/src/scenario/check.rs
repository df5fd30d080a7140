//! From a file to a scenario, or to everything that is wrong with it.

use super::check_sweep::check_sweep;
use super::error::{ScenarioError, family, scenario_name};
use super::heap_script::check_scripts;
use super::injection::{
    check_application, check_overflow, check_parameter, check_tamper, check_tampered, check_without,
};
use super::problems::Problems;
use super::raw::{RawBoot, RawCrash, RawPlace, RawScenario};
use super::{
    BootPlan, Control, End, ExpectedCrash, Fill, Place, Role, Scenario, Start, measured_function,
};
use crate::verdict::VerdictKind;
use crashrig_wire::Fault;
use std::path::Path;

/// The folder of scenarios that must be judged fail.
pub const CONTROL_FAMILY: &str = "control";
/// More boots than this are a mistake of the file.
pub const BOOT_LIMIT: usize = 64;
/// More flipped bits than this are noise, not a damaged record.
pub const FLIP_LIMIT: u32 = 64;

/// Reads and checks one scenario. Its name comes from its folder and its file name.
///
/// # Errors
/// See [`ScenarioError`]; all problems of the contents are reported at once.
pub fn load(path: &Path) -> Result<Scenario, ScenarioError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| ScenarioError::Unreadable { path: path.to_owned(), source })?;
    parse(path, text)
}

/// Checks the text of a scenario file.
///
/// # Errors
/// See [`ScenarioError`].
pub fn parse(path: &Path, text: String) -> Result<Scenario, ScenarioError> {
    let raw: RawScenario = toml::from_str(&text).map_err(|error| ScenarioError::Syntax {
        path: path.to_owned(),
        message: error.to_string(),
    })?;
    let mut problems = Problems::default();
    let scenario = check(path, text, &raw, &mut problems);
    if problems.0.is_empty() {
        Ok(scenario)
    } else {
        Err(ScenarioError::Invalid { path: path.to_owned(), problems: problems.0 })
    }
}

fn check(path: &Path, text: String, raw: &RawScenario, problems: &mut Problems) -> Scenario {
    if !text.trim_start().starts_with("timeline") {
        problems.add("timeline", "another key first", "the file to open with its timeline");
    }
    for (index, line) in raw.timeline.iter().enumerate() {
        let number = format!("{}. ", index + 1);
        if !line.starts_with(&number) {
            let key = format!("timeline[{index}]");
            problems.add(key, format_args!("\"{line}\""), format_args!("\"{number}…\""));
        }
    }
    if raw.title.trim().is_empty() {
        problems.add("title", "nothing", "one sentence: what must hold");
    }
    if raw.boards.as_ref().is_some_and(Vec::is_empty) {
        let expected = "names of boards, or no such key: every board that is not a variant";
        problems.add("boards", "an empty list", expected);
    }
    if raw.timeline.is_empty() {
        problems.add("timeline", "nothing", "at least one step");
    }
    let boots = check_boots(&raw.boot, problems);
    let crashes: Vec<_> = raw
        .crash
        .iter()
        .enumerate()
        .filter_map(|(index, crash)| check_crash(index, crash, problems))
        .collect();
    check_boots_against_crashes(&boots, raw, problems);
    check_tampered(&boots, problems);
    check_control(&family(path), raw, problems);
    let measurements = [("bytes-lost", ())];
    for name in &raw.measure {
        problems.choice("measure", name, &measurements);
    }
    let measurable = |boot: &BootPlan| measured_function(boot.fault).is_some();
    if !raw.measure.is_empty() && !boots.first().is_some_and(measurable) {
        problems.add("measure", "a first boot without it", "a fault of a stack in the first boot");
    }
    let sweep = raw.sweep.as_ref().and_then(|sweep| check_sweep(sweep, &boots, problems));
    Scenario {
        name: scenario_name(path),
        path: path.to_owned(),
        text,
        title: raw.title.clone(),
        timeline: raw.timeline.clone(),
        needs: problems.names("needs", &raw.needs),
        boards: raw.boards.clone().unwrap_or_default(),
        application: check_application(raw.application.as_deref(), problems),
        boots,
        crashes,
        scripts: check_scripts(&raw.script, &raw.boot, problems),
        control: raw.control.as_ref().map(|control| Control {
            verdict: verdict(&control.verdict, problems),
            mismatches: control.mismatches.clone(),
        }),
        measure_bytes_lost: !raw.measure.is_empty(),
        sweep,
    }
}

fn verdict(name: &str, problems: &mut Problems) -> VerdictKind {
    let choices = VerdictKind::ALL.map(|kind| (kind.name(), kind));
    problems.choice("control.verdict", name, &choices).unwrap_or(VerdictKind::Pass)
}

fn check_control(family: &str, raw: &RawScenario, problems: &mut Problems) {
    match &raw.control {
        None if family == CONTROL_FAMILY => {
            problems.add("control", "nothing", "how this control must be judged");
        }
        Some(_) if family != CONTROL_FAMILY => {
            problems.add("control", "a table", "none outside of the folder control/");
        }
        Some(control) if control.verdict == VerdictKind::Pass.name() => {
            problems.add("control.verdict", "\"pass\"", "a verdict other than pass");
        }
        Some(control) if control.mismatches.is_empty() => {
            problems.add("control.mismatches", "nothing", "the subjects that do not match");
        }
        _ => {}
    }
}

fn check_boots(boots: &[RawBoot], problems: &mut Problems) -> Vec<BootPlan> {
    match boots.len() {
        0 => problems.add("boot", "nothing", "at least one boot"),
        count if count > BOOT_LIMIT => {
            problems.add("boot", format_args!("{count} boots"), format_args!("up to {BOOT_LIMIT}"));
        }
        _ => {}
    }
    if boots.first().is_some_and(|boot| boot.start != "cold") {
        problems.add("boot[1].start", "a warm start", "\"cold\", since nothing ran before");
    }
    boots.iter().enumerate().map(|(index, boot)| check_boot(index + 1, boot, problems)).collect()
}

fn check_boot(number: usize, raw: &RawBoot, problems: &mut Problems) -> BootPlan {
    let key = |name: &str| format!("boot[{number}].{name}");
    let fill = raw.fill.as_deref().map_or(Some(Fill::Noise), |name| {
        problems.choice(&key("fill"), name, &[("noise", Fill::Noise), ("zero", Fill::Zero)])
    });
    let starts = [("cold", Start::Cold(fill.unwrap_or(Fill::Noise))), ("warm", Start::Warm)];
    let start = problems.choice(&key("start"), &raw.start, &starts).unwrap_or(Start::Warm);
    if raw.fill.is_some() && start == Start::Warm {
        problems.add(key("fill"), "a fill", "none on a warm start, which keeps RAM");
    }
    let status = raw.status.unwrap_or_default();
    let ends = [
        ("clean", End::Clean),
        ("crash", End::Crash),
        ("lockup", End::Lockup),
        ("hang", End::Hang),
        ("watchdog", End::Watchdog),
        ("reset-loop", End::ResetLoop),
        ("exit", End::Exit(status)),
    ];
    let end = problems.choice(&key("end"), &raw.end, &ends).unwrap_or(End::Clean);
    if matches!(end, End::Exit(_)) != raw.status.is_some() {
        problems.add(key("status"), "a status or none", "one exactly where the end is \"exit\"");
    }
    if end != End::Clean && !(raw.observed.is_empty() && raw.missing.is_empty()) {
        problems.add(key("observed"), "observations", "none unless the end is \"clean\"");
    }
    if end != End::Clean && (raw.first.is_some() || raw.last.is_some()) {
        problems.add(key("first"), "a finding", "none unless the end is \"clean\"");
    }
    check_ledger(&key, raw, problems);
    let fault: Option<Fault> =
        raw.fault.as_deref().map_or(Some(Fault::None), |name| problems.name(&key("fault"), name));
    let then = raw.then.as_deref().and_then(|name| problems.name(&key("then"), name));
    if (fault == Some(Fault::Await)) != raw.then.is_some() {
        problems.add(key("then"), "a fault or none", "one exactly where the fault is \"await\"");
    }
    BootPlan {
        start,
        tamper: raw.tamper.as_ref().and_then(|tamper| check_tamper(&key, tamper, problems)),
        fault: fault.unwrap_or(Fault::None),
        then,
        parameter: check_parameter(&key, raw, fault, problems),
        overflow: check_overflow(key, raw, fault, problems),
        without: check_without(&key("without"), &raw.without, problems),
        acknowledge: raw.acknowledge,
        end,
        observed: problems.names(&key("observed"), &raw.observed),
        missing: problems.names(&key("missing"), &raw.missing),
        first: raw.first.as_deref().and_then(|name| problems.name(&key("first"), name)),
        last: raw.last.as_deref().and_then(|name| problems.name(&key("last"), name)),
        log: raw.log.clone(),
        log_without: raw.log_without.clone(),
        nested: raw.nested,
        silent_boots: raw.silent_boots,
        crashes_in_a_row: raw.crashes_in_a_row,
        safe_mode: raw.safe_mode,
        console: raw.console.clone(),
    }
}

/// The ledger lies in memory, and an exit leaves none to read.
fn check_ledger(key: &impl Fn(&str) -> String, raw: &RawBoot, problems: &mut Problems) {
    let expectations = [
        ("nested", raw.nested.is_some()),
        ("crashes-in-a-row", raw.crashes_in_a_row.is_some()),
        ("safe-mode", raw.safe_mode.is_some()),
    ];
    for (name, _) in expectations.iter().filter(|(_, given)| *given && raw.end == "exit") {
        problems.add(key(name), "an expectation", "none where the end is \"exit\"");
    }
}

fn check_crash(index: usize, raw: &RawCrash, problems: &mut Problems) -> Option<ExpectedCrash> {
    let key = |name: &str| format!("crash[{}].{name}", index + 1);
    let required = [
        ("boot", raw.boot.is_some(), "the boot that crashes, from 1"),
        ("kind", raw.kind.is_some(), "what happens"),
        ("detector", raw.detector.is_some(), "what must notice"),
        ("thread", raw.thread.is_some(), "whom it is charged to"),
        (
            "address",
            raw.address.is_some() || raw.pc.is_some(),
            "an address or a pc, as symbol or region",
        ),
    ];
    for (name, present, expected) in required {
        if !present {
            problems.add(key(name), "nothing", expected);
        }
    }
    let kind = raw.kind.as_deref().and_then(|name| problems.name(&key("kind"), name));
    let detector = raw.detector.as_deref().and_then(|name| problems.name(&key("detector"), name));
    let thread = raw.thread.as_deref().and_then(|name| problems.name(&key("thread"), name));
    let mut place = |name: &str, raw: &Option<RawPlace>| {
        raw.as_ref().and_then(|raw| check_place(&key(name), raw, problems))
    };
    let (address, pc) = (place("address", &raw.address), place("pc", &raw.pc));
    Some(ExpectedCrash {
        boot: raw.boot?,
        kind: kind?,
        detector: detector?,
        thread: thread?,
        thread_name: raw.thread_name.clone(),
        status: raw.status.as_deref().and_then(|text| problems.name(&key("status"), text)),
        address,
        pc,
        within: raw.within.clone(),
        sections: problems.names(&key("sections"), &raw.sections),
        sections_without: problems.names(&key("sections-without"), &raw.sections_without),
        sections_cut_short: problems.names(&key("sections-cut-short"), &raw.sections_cut_short),
        reset_causes: raw.reset_causes.clone(),
        broken_word: raw.broken_word,
        failed_allocation: raw.failed_allocation.clone(),
        transfers: raw.transfers.clone(),
        frames_at_least: raw.frames_at_least,
        slot: problems.slot(&key("slot"), raw.slot.as_deref()),
        partial: raw.partial,
    })
}

fn check_place(key: &str, raw: &RawPlace, problems: &mut Problems) -> Option<Place> {
    match (&raw.symbol, &raw.region) {
        (Some(symbol), None) => Some(Place::Symbol(symbol.clone())),
        (None, Some(region)) => {
            Some(Role::of(region).map_or_else(|| Place::Region(region.clone()), Place::Role))
        }
        _ => {
            problems.add(key, "both or neither", "exactly one of symbol and region");
            None
        }
    }
}

/// Each boot that ends in a crash has its `[[crash]]`, and each `[[crash]]` its boot.
fn check_boots_against_crashes(boots: &[BootPlan], raw: &RawScenario, problems: &mut Problems) {
    let described: Vec<u32> = raw.crash.iter().filter_map(|crash| crash.boot).collect();
    for (index, boot) in boots.iter().enumerate() {
        let number = index as u32 + 1;
        let times = described.iter().filter(|other| **other == number).count();
        if boot.end == End::Crash && times != 1 {
            let found = format_args!("{times} tables for boot {number}");
            problems.add("crash", found, "one [[crash]] for each boot that ends in a crash");
        }
    }
    for number in described {
        let ends = number.checked_sub(1).and_then(|index| boots.get(index as usize));
        if ends.is_none_or(|boot| boot.end != End::Crash) {
            let found = format_args!("boot {number}");
            problems.add("crash.boot", found, "a boot that ends in a crash");
        }
    }
}
