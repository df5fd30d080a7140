//! What the scenario files must cover between them, and the list of what cannot run here.
#![expect(clippy::expect_used, reason = "a test may stop anywhere")]

use crashrig_harness::rig::Rig;
use crashrig_harness::scenario::Scenario;
use crashrig_harness::scenario::check::CONTROL_FAMILY;
use crashrig_harness::suite::scenarios;
use crashrig_wire::{Detector, Fault, Observation};
use std::collections::BTreeMap;

fn all() -> Vec<Scenario> {
    scenarios(&Rig::here().workspace.join("scenarios")).expect("every scenario is accepted")
}

fn is_control(scenario: &Scenario) -> bool {
    scenario.name.starts_with(&format!("{CONTROL_FAMILY}::"))
}

#[test]
fn every_fault_is_carried_out_by_a_scenario() {
    let scenarios = all();
    for fault in Fault::ALL {
        let used = scenarios
            .iter()
            .any(|s| !is_control(s) && s.boots.iter().any(|boot| boot.fault == *fault));
        assert!(used, "no scenario carries out {fault}");
    }
}

#[test]
fn every_detector_must_fire_in_a_scenario() {
    let scenarios = all();
    for detector in Detector::ALL {
        let fires = scenarios
            .iter()
            .filter(|scenario| !is_control(scenario))
            .flat_map(|scenario| &scenario.crashes)
            .any(|it| it.detector == *detector);
        assert!(fires, "no scenario in which {detector} fires");
    }
}

#[test]
fn every_observation_is_demanded_by_a_scenario() {
    let scenarios = all();
    for observation in Observation::ALL.iter().filter(|it| !it.is_wrong()) {
        let demanded = scenarios
            .iter()
            .any(|s| !is_control(s) && s.boots.iter().any(|b| b.observed.contains(observation)));
        assert!(demanded, "no scenario demands {observation}");
    }
}

/// The ignored tests of each board and version are the blessed ones: a skip is never silent.
#[test]
fn the_ignored_tests_are_the_blessed_ones() {
    let rig = Rig::here();
    let path = rig.workspace.join("ci/ignored.txt");
    let text = std::fs::read_to_string(&path).expect("ci/ignored.txt");
    let mut found = BTreeMap::<_, Vec<_>>::new();
    for test in rig.tests().expect("the tests of this machine") {
        let version: Vec<_> = test.target.version().split('.').take(2).collect();
        let board = &test.target.board().name;
        let section = format!("[{}::{board} {}]", test.target.name(), version.join("."));
        let lines = found.entry(section).or_default();
        lines.extend(test.ignored.map(|reason| format!("{}: {reason}", test.name)));
    }
    for (section, found) in found {
        let mut rest = text.lines().skip_while(|line| *line != section);
        assert!(rest.next().is_some(), "{} has no section {section}", path.display());
        let blessed: Vec<_> = rest
            .take_while(|line| !line.starts_with('['))
            .filter(|line| !line.trim().is_empty() && !line.starts_with('#'))
            .collect();
        assert_eq!(found, blessed, "section {section} of {}", path.display());
    }
}
