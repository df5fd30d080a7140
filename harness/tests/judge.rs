//! What judging says of reports: whatever is not as expected gives its verdict, and nothing else
//! does.
#![expect(clippy::expect_used, reason = "a test may stop anywhere")]

use crashrig_harness::judge::{Identity, judge};
use crashrig_harness::report::{BackupReport, BootReport, Report, SlotReport};
use crashrig_harness::run::SILENT_BOOT_BUDGET;
use crashrig_harness::scenario::Scenario;
use crashrig_harness::scenario::check::parse;
use crashrig_harness::target::{Boundary, TARGET_TIME};
use crashrig_harness::verdict::VerdictKind;
use crashrig_wire::ledger::SafeMode;
use crashrig_wire::marker::Found;
use crashrig_wire::region::Slot;
use crashrig_wire::{EndMarker, Ledger, Observation};
use std::path::Path;

const IDENTITY: Identity = Identity { build_id: *b"thisone!", bootloader: None, run_id: 7 };

fn scenario(end: &str) -> Scenario {
    scenario_with(end, "")
}

fn scenario_with(end: &str, keys: &str) -> Scenario {
    let text = format!(
        "timeline = [\"1. a step\"]\ntitle = \"t\"\n[[boot]]\nstart = \"cold\"\nend = \"{end}\"\n\
         {keys}\n"
    );
    parse(Path::new("family/name.toml"), text).expect("a scenario")
}

fn marker() -> EndMarker {
    EndMarker {
        run_id: 7,
        boot: 1,
        build_id: IDENTITY.build_id,
        observed: Observation::BssZero.bit(),
        first: Found::Nothing,
        last: Found::Nothing,
        ticks: 1,
    }
}

fn boot(boundary: Boundary, marker: Option<EndMarker>) -> BootReport {
    let slot = |slot| SlotReport { slot, record: None, reading: "blank", reason: None };
    BootReport {
        planned: 1,
        boundary,
        instructions: None,
        marker,
        ledger: None,
        backup: None,
        before: Slot::ALL.map(slot),
        after: Slot::ALL.map(slot),
        crash: None,
        answers: Vec::new(),
        log: Vec::new(),
        log_notes: Vec::new(),
        unmodelled: Vec::new(),
        console: String::new(),
    }
}

fn check(end: &str, boots: Vec<BootReport>, expected: VerdictKind, subjects: &[&str]) {
    let report = Report { bench_problem: None, recovery: None, boots };
    let verdict = judge(&scenario(end), &report, &IDENTITY);
    let found: Vec<_> = verdict.mismatches.iter().map(|m| m.subject.as_str()).collect();
    assert_eq!((verdict.kind, found.as_slice()), (expected, subjects), "{verdict:?}");
}

fn hang(limit: &str) -> Boundary {
    Boundary::Hang { limit: limit.to_owned(), pc: None }
}

#[test]
fn a_clean_boot_passes_and_every_flaw_has_its_verdict() {
    use VerdictKind as V;
    let clean = || boot(Boundary::Reset, Some(marker()));
    let other = |change: fn(&mut EndMarker)| {
        let mut marker = marker();
        change(&mut marker);
        boot(Boundary::Reset, Some(marker))
    };
    check("clean", vec![clean()], V::Pass, &[]);
    check("clean", Vec::new(), V::Crash, &["boot"]);
    let stale = vec![other(|m| m.build_id = *b"another!")];
    check("clean", stale, V::StaleImage, &["build-id"]);
    check("clean", vec![other(|m| m.run_id = 8)], V::StaleImage, &["run-id"]);
    check("clean", vec![other(|m| m.boot = 2)], V::Record, &["boot-number"]);
    let wrong = vec![other(|m| m.observed |= Observation::CheckFailed.bit())];
    check("clean", wrong, V::Record, &["missing"]);
    let seen = vec![other(|m| m.first = Found::Unread)];
    check("clean", seen, V::Record, &["first-as-host-reads"]);
    check("clean", vec![boot(Boundary::Exit { status: 0 }, None)], V::Crash, &["end"]);
    check("clean", vec![boot(hang(TARGET_TIME), None)], V::Hang, &["end"]);
    let lockup = Boundary::Lockup { text: "Lockup: x".to_owned() };
    check("clean", vec![boot(lockup.clone(), None)], V::Lockup, &["end"]);
    check("lockup", vec![boot(lockup, None)], V::Pass, &[]);
    check("hang", vec![boot(hang(TARGET_TIME), None)], V::Pass, &[]);
    check("hang", vec![boot(hang("wall time"), None)], V::Hang, &["end"]);
    check("hang", vec![boot(Boundary::Watchdog, None)], V::Hang, &["end"]);
    check("watchdog", vec![boot(Boundary::Watchdog, None)], V::Pass, &[]);
    check("watchdog", vec![boot(Boundary::Watchdog, Some(marker()))], V::Hang, &["end"]);
    check("watchdog", vec![boot(hang(TARGET_TIME), None)], V::Hang, &["end"]);
}

/// The ledger at the boundary, held against the keys of a scenario.
#[test]
fn the_ledger_is_held_against_what_is_expected_of_it() {
    let check = |keys: &str, ledger: Option<Ledger>, expected: &[(&str, &str, &str)]| {
        let scenario = scenario_with("clean", keys);
        let boots = vec![BootReport { ledger, ..boot(Boundary::Reset, Some(marker())) }];
        let verdict =
            judge(&scenario, &Report { bench_problem: None, recovery: None, boots }, &IDENTITY);
        let found: Vec<_> = verdict
            .mismatches
            .iter()
            .map(|m| (m.subject.as_str(), m.expected.as_str(), m.found.as_str()))
            .collect();
        assert_eq!(found, expected, "{keys}");
    };
    let counted = Ledger { crashes_in_a_row: 3, safe_mode: SafeMode::NoEnd, ..Ledger::NEW };
    check("", None, &[]);
    check("", Some(counted), &[]);
    check("crashes-in-a-row = 3\nsafe-mode = true", Some(counted), &[]);
    check("crashes-in-a-row = 0\nsafe-mode = false\nnested = 0", Some(Ledger::NEW), &[]);
    check("crashes-in-a-row = 2", Some(counted), &[("crashes-in-a-row", "2", "3")]);
    check("safe-mode = false", Some(counted), &[("safe-mode", "false", "true")]);
    check("nested = 1", Some(counted), &[("nested", "1", "0")]);
    check("safe-mode = false", None, &[("safe-mode", "false", "no sound ledger")]);
    check("crashes = 1", Some(counted), &[("crashes", "1", "0")]);
}

/// Registers on a battery hold the ledger, whatever the scenario is about; where there are none
/// nothing is asked of them.
#[test]
fn a_mirror_must_be_the_ledger() {
    let check = |keys: &str, ledger: Ledger, backup: Option<Ledger>, subjects: &[&str]| {
        let backup = BackupReport { ledger: backup, history: vec![None; 3] };
        let clean = boot(Boundary::Reset, Some(marker()));
        let boots = vec![BootReport { ledger: Some(ledger), backup: Some(backup), ..clean }];
        let scenario = scenario_with("clean", keys);
        let verdict =
            judge(&scenario, &Report { bench_problem: None, recovery: None, boots }, &IDENTITY);
        let found: Vec<_> = verdict.mismatches.iter().map(|m| m.subject.as_str()).collect();
        assert_eq!(found, subjects, "{verdict:?}");
    };
    let ledger = Ledger { sequence: 4, boots: 2, ..Ledger::NEW };
    check("", ledger, Some(ledger), &[]);
    check("", ledger, None, &["ledger-mirror"]);
    check("", ledger, Some(Ledger { sequence: 3, ..ledger }), &["ledger-mirror"]);
    check("history = []", ledger, Some(ledger), &[]);
    check("history = [1]", ledger, Some(ledger), &["history"]);
}

#[test]
fn silent_boots_are_never_forgiven() {
    use VerdictKind as V;
    let silent = || boot(Boundary::Reset, None);
    let clean = || {
        let mut marker = marker();
        marker.boot = 2;
        boot(Boundary::Reset, Some(marker))
    };
    check("clean", vec![silent(), clean()], V::Crash, &["silent-boots"]);
    let all: Vec<_> = (0..SILENT_BOOT_BUDGET).map(|_| silent()).collect();
    check("clean", all.clone(), V::ResetLoop, &["end"]);
    check("reset-loop", all, V::Pass, &[]);
}

#[test]
fn trouble_of_the_bench_is_never_about_the_firmware() {
    let boots = vec![boot(hang(TARGET_TIME), None)];
    let report = Report { bench_problem: Some("no probe".to_owned()), recovery: None, boots };
    let verdict = judge(&scenario("clean"), &report, &IDENTITY);
    assert_eq!(verdict.kind, VerdictKind::Infrastructure);
    assert_eq!(verdict.mismatches.first().map(|m| m.found.as_str()), Some("no probe"));
}
