//! One injection after another, judged: on the reference engine and on the one that goes back to a
//! snapshot.

use crate::process::Bench;
use crate::shipped;
use crashrig_harness::sweep::engine::Engine;
use crashrig_harness::sweep::engine::snapshot::SnapshotEngine;
use crashrig_harness::sweep::fault::Scope;
use crashrig_harness::sweep::outcome::Outcome;
use crashrig_harness::sweep::result::PointNumber;
use crashrig_harness::sweep::run::Runner;
use crashrig_harness::sweep::work::Worker;
use std::sync::Arc;

/// Both engines come to the same, and that is what is expected: outcome and how its words begin.
fn check(name: &str, points: &[(u64, Outcome, &str)]) {
    let bench = Bench::new(shipped(name));
    let snapshot = SnapshotEngine::new(Arc::clone(&bench.workload), bench.folder.path(), 0);
    let engines: [Box<dyn Engine>; 2] = [Box::new(bench.engine()), Box::new(snapshot)];
    let mut results = Vec::new();
    for engine in engines {
        let mut runner = Runner::new(&bench.plan, engine).expect("an engine");
        for (point, outcome, words) in points {
            let result = runner.run(PointNumber(*point), Scope::Once).expect("a result");
            let place = format!("point {point} on {}: {}", runner.engine(), result.place);
            assert_eq!(result.outcome, *outcome, "{place}: {}", result.detail);
            assert!(result.detail.starts_with(words), "{place}: {}", result.detail);
            results.push((result.place, result.outcome, result.detail, result.evidence_hash));
        }
    }
    let (reference, others) = results.split_at(points.len());
    assert_eq!(reference, others);
}

#[test]
fn engines_agree_on_bits_of_the_record() {
    let rejected = "rejected: bus-fault by bus-error of main";
    let right = Outcome::DetectedRight;
    check(
        "sweep::record_bits",
        &[(1, right, rejected), (801, right, rejected), (2_048, right, rejected)],
    );
}

#[test]
fn engines_agree_on_resets_in_the_crash_writer() {
    let early = "no record of bus-fault by bus-error of main; the ledger counts it";
    let right = Outcome::DetectedRight;
    check("sweep::reset_in_crash_writer", &[(1, right, early), (300, right, early)]);
}

#[test]
fn engines_agree_on_allocations_that_fail() {
    let missed = "boot 1: it was told, and did not observe heap-services";
    let behind = Outcome::NotActivated;
    check("sweep::allocation_fails", &[(4, Outcome::DetectedRight, missed), (500, behind, "")]);
}
