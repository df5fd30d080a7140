//! D3 and D5 of `docs/sweep.md`: the same faults come to the same on every engine, whatever was run
//! before them; and triggers mean the same to each.
//!
//! `cargo ci determinism` runs all faults of the same file, on both versions of QEMU.

use crate::process::Bench;
use crate::{image, shipped};
use crashrig_harness::rig::Rig;
use crashrig_harness::sweep::engine::plugin::PluginEngine;
use crashrig_harness::sweep::engine::snapshot::SnapshotEngine;
use crashrig_harness::sweep::engine::{BootTrace, Engine, Trace};
use crashrig_harness::sweep::fault::{Effect, Fault, Link, Scope};
use crashrig_harness::sweep::hash::Fnv;
use crashrig_harness::sweep::result::{InjectionResult, PointNumber};
use crashrig_harness::sweep::run::Runner;
use crashrig_harness::sweep::work::Worker;
use std::sync::Arc;

/// Every so many of the faults are run here.
const STRIDE: usize = 25;
/// Words of the table that is computed over; it is filled once first.
const WORDS: u64 = 64;

fn inside(bench: &Bench) -> PluginEngine {
    let observer = Rig::here().observer().expect("the plug-in is built");
    let folder = bench.folder.path().join("inside");
    PluginEngine::new(Arc::clone(&bench.workload), observer.file().expect("a file"), &folder, 0)
}

fn engines(bench: &Bench) -> [Box<dyn Engine>; 3] {
    let snapshot = SnapshotEngine::new(Arc::clone(&bench.workload), bench.folder.path(), 0);
    [Box::new(bench.engine()), Box::new(snapshot), Box::new(inside(bench))]
}

/// What must be the same on all engines.
fn essence(result: &InjectionResult) -> String {
    let InjectionResult { point, place, outcome, detail, evidence_hash, .. } = result;
    format!("{}: {place}: {} {evidence_hash:016x} {detail}", point.0, outcome.name())
}

#[test]
fn engines_agree_on_faults_of_any_kind() {
    let bench = Bench::new(shipped("sweep::mixed_faults"));
    let count = bench.plan.count().expect("a sample");
    let points: Vec<_> =
        (1..=count).step_by(STRIDE).map(|number| (PointNumber(number), Scope::Once)).collect();
    let mut found = Vec::new();
    for engine in engines(&bench) {
        let mut runner = Runner::new(&bench.plan, engine).expect("an engine");
        let results = runner.run_all(&points).expect("results");
        found.push((runner.engine().to_owned(), results));
    }
    let (name, expected) = found.remove(0);
    for (other, results) in &found {
        let pairs = expected.iter().zip(results);
        let differing: Vec<_> = pairs
            .map(|(expected, found)| (essence(expected), essence(found)))
            .filter(|(expected, found)| expected != found)
            .collect();
        assert!(differing.is_empty(), "{name} and {other}: {differing:#?}");
    }
    // D5: one of them alone is the same line.
    let (point, scope) = points[points.len() / 2];
    let mut alone = Runner::new(&bench.plan, Box::new(inside(&bench))).expect("an engine");
    let line = |result: &InjectionResult| serde_json::to_string(result).expect("JSON");
    let again = alone.run(point, scope).expect("a result");
    assert_eq!(line(&again), line(&found[1].1[points.len() / 2]));
}

/// How often an effect came, where and after how many instructions, how the boots ended and what
/// they left.
type Course = (u32, Option<u32>, Option<u64>, Vec<(&'static str, u64)>);

fn met(trace: &Trace) -> Course {
    let left = |boot: &BootTrace| {
        let mut hash = Fnv::default();
        hash.add_part(&boot.region);
        hash.add_part(&boot.marker);
        (boot.boundary.name(), hash.value())
    };
    (trace.fired, trace.fired_at, trace.fired_after, trace.boots.iter().map(left).collect())
}

#[test]
fn triggers_and_scopes_mean_the_same_to_every_engine() {
    let bench = Bench::new(shipped("sweep::mixed_faults"));
    let table = image().symbol("crashrig_image::faults::compute::TABLE").expect("a table").address;
    let sealed = image().symbol("crashrig_main").expect("a symbol").address & !1;
    let store = |address: u32, count| Link::Store { address, size_bytes: 4, count };
    let load = |address: u32, count| Link::Load { address, size_bytes: 4, count };
    let nothing = Effect::Word { address: 0x2000_0000, flip: 0, set: 0, clear: 0 };
    let fault = |trigger: Vec<Link>, effect: &Effect, scope| {
        let effect = effect.clone();
        Fault { boot: 1, trigger, effect, scope, seed: 1, second: None }
    };
    let first = store(table, 1);
    let steps = |count| Link::Instructions { count };
    let here = Link::Address { address: sealed, count: 1 };
    let all = Link::Store { address: table, size_bytes: 4 * WORDS as u32, count: WORDS };
    let banked = Effect::Register { name: "msp".to_owned(), flip: 0, value: None };
    let sp = Effect::Register { name: "sp".to_owned(), flip: 0, value: None };
    let faults = [
        fault(vec![first.clone(), first.clone()], &nothing, Scope::Once),
        fault(vec![first.clone(), load(table, 1)], &nothing, Scope::Once),
        fault(vec![all.clone(), steps(5), load(table, 2)], &nothing, Scope::Once),
        fault(vec![Link::Boot, here.clone(), here.clone()], &nothing, Scope::Once),
        fault(vec![here.clone(), steps(3), first.clone(), steps(1)], &Effect::Skip, Scope::Once),
        fault(vec![all.clone()], &Effect::Skip, Scope::Window(3)),
        fault(vec![load(table, 1)], &nothing, Scope::Window(4)),
        fault(vec![first, Link::TargetTime { nanoseconds: 3_200 }], &nothing, Scope::Once),
        fault(vec![all], &sp, Scope::Once),
        fault(vec![here], &banked, Scope::Once),
    ];
    let [mut process, mut snapshot, mut plugin] = engines(&bench);
    for engine in [&mut process, &mut snapshot, &mut plugin] {
        engine.run(None).expect("a golden run");
    }
    for fault in &faults {
        let expected = process.run(Some(fault));
        for engine in [&mut snapshot, &mut plugin] {
            let name = engine.name();
            match (&expected, engine.run(Some(fault))) {
                (Ok(expected), Ok(found)) => {
                    assert_eq!(met(&found), met(expected), "{name}: {fault:?}");
                }
                // Only the stack pointer that is not in use is refused, and not by the plug-in.
                (Err(expected), found) => {
                    assert!(expected.to_string().contains("msp"), "{expected}");
                    assert!(name == "plugin" || found.is_err(), "{name}: {fault:?}");
                }
                (Ok(_), Err(error)) => panic!("{name}: {fault:?}: {error}"),
            }
        }
    }
}

#[test]
fn what_no_engine_can_do_is_refused_by_each_in_the_same_words() {
    let bench = Bench::new(shipped("sweep::mixed_faults"));
    let trigger = vec![Link::Boot, Link::Instructions { count: 1 }];
    let fault = Fault {
        boot: 1,
        trigger,
        effect: Effect::Skip,
        scope: Scope::FromThenOn,
        seed: 1,
        second: None,
    };
    for mut engine in engines(&bench) {
        let message = engine.run(Some(&fault)).expect_err("a refusal").to_string();
        assert_eq!(message, "repeat an effect: the trigger's last link is no place");
    }
}
