//! The engine inside of QEMU: what it injects, that its runs repeat, and that it comes to what the
//! other warm engine comes to.

use crate::support::Bench;
use crashrig_harness::decode::records::new_record;
use crashrig_harness::rig::DEFAULT_SEED;
use crashrig_harness::scenario::Scenario;
use crashrig_harness::suite::scenarios;
use crashrig_harness::sweep::engine::{Engine, Trace};
use crashrig_harness::sweep::fault::{Effect, Fault, Link, RamPolicy, Scope};
use crashrig_harness::sweep::plan::Plan;
use crashrig_harness::sweep::result::PointNumber;
use crashrig_harness::sweep::run::run_point;
use crashrig_harness::target::Boundary;
use std::path::Path;

const CRASH: &str = "sweep/reset_in_crash_writer.toml";
const ENTRY: &str = "crashrig_fault_entry";
const RESET: Effect = Effect::Reset { ram: RamPolicy::Kept };
/// A word of which nothing changes.
const NOTHING: Effect = Effect::Word { address: 0x2000_0000, flip: 0, set: 0, clear: 0 };

/// What the boots of a run left.
fn left(trace: &Trace) -> Vec<(&Boundary, &[u8], &[u8])> {
    trace.boots.iter().map(|boot| (&boot.boundary, &boot.region[..], &boot.marker[..])).collect()
}

/// A fault at a function of the image.
fn at(bench: &Bench, symbol: &str, effect: Effect) -> Fault {
    let trigger = vec![Link::Address { address: bench.address(symbol), count: 1 }];
    Fault { boot: 1, trigger, effect, scope: Scope::Once, seed: 1, second: None }
}

#[test]
fn the_golden_run_is_that_of_the_other_engine() {
    let bench = Bench::of(CRASH);
    let mut engine = bench.inside();
    let golden = engine.run(None).unwrap();
    assert_eq!(left(&golden), left(&bench.engine().run(None).unwrap()));
    for _ in 0..10 {
        assert_eq!(engine.run(None).unwrap(), golden);
    }
    assert_eq!(engine.run(Some(&at(&bench, ENTRY, NOTHING))).unwrap().boots, golden.boots);
    assert_eq!(bench.inside().run(None).unwrap(), golden, "of another QEMU");
}

#[test]
fn a_reset_comes_before_the_very_instruction() {
    let bench = Bench::of(CRASH);
    let mut engine = bench.inside();
    let mut run = |number| engine.run(Some(&bench.after(ENTRY, number, RESET))).unwrap();
    let first = run(0);
    let after = first.fired_after.unwrap();
    assert_eq!((first.fired_at, after), (Some(bench.address(ENTRY)), first.boots[0].instructions));
    let whole = |trace: &Trace| new_record(&[], &trace.boots[0].region).is_some();
    assert!(!whole(&first));
    // Out of order, and across places that are kept on the way.
    for number in [40_000, 1, 3_000, 17_000, 2] {
        let trace = run(number);
        if trace.fired > 0 {
            assert_eq!(trace.fired_after, Some(after + number));
            assert_eq!(trace.boots[0].instructions, after + number, "cut off there");
        }
        assert_eq!(run(number), trace);
    }
    assert_eq!(run(0), first);
    assert_eq!(run(10_000_000).fired, 0, "it is over before");
}

#[test]
fn lockups_and_hangs_leave_nothing_behind() {
    let bench = Bench::of(CRASH);
    let mut engine = bench.inside();
    let golden = engine.run(None).unwrap();
    let vectors = bench.address("__crashrig_vectors_start");
    let lockup = Effect::Bytes { address: vectors + 12, bytes: vec![0; 16] };
    let ready = Some(bench.address("crashrig_ready") | 1);
    let hang = Effect::Register { name: "lr".into(), flip: 0, value: ready };
    for _ in 0..3 {
        let trace = engine.run(Some(&at(&bench, "crashrig_ready", lockup.clone()))).unwrap();
        let [boot] = trace.boots.as_slice() else { panic!("one boot, found {:?}", trace.boots) };
        assert!(matches!(boot.boundary, Boundary::Lockup { .. }), "{:?}", boot.boundary);
        let trace = engine.run(Some(&at(&bench, "crashrig_ready", hang.clone()))).unwrap();
        assert!(matches!(trace.boots[0].boundary, Boundary::Hang { .. }), "{:?}", trace.boots);
        assert_eq!(engine.run(None).unwrap(), golden);
    }
}

#[test]
fn an_effect_can_come_again_and_again() {
    let bench = Bench::of(CRASH);
    let mut engine = bench.inside();
    let mut fired = |scope| {
        let fault = Fault { scope, ..at(&bench, "crashrig_sealed", NOTHING) };
        engine.run(Some(&fault)).unwrap().fired
    };
    assert_eq!(fired(Scope::Once), 1);
    assert_eq!(fired(Scope::Window(1)), 2);
    assert_eq!(fired(Scope::FromThenOn), 3, "a record has three phases");
}

#[test]
fn what_it_cannot_do_is_refused() {
    let bench = Bench::of(CRASH);
    let mut engine = bench.inside();
    let mut check = |link, effect, part: &str| {
        let fault = Fault { trigger: vec![link], ..at(&bench, ENTRY, effect) };
        let message = engine.run(Some(&fault)).unwrap_err().to_string();
        assert!(message.contains(part), "{part:?} in {message:?}");
    };
    let flash = Effect::Word { address: 0x0800_0000, flip: 1, set: 0, clear: 0 };
    check(Link::Boot, flash, "flash");
    let device = Link::Store { address: 0xe000_ed0c, size_bytes: 4, count: 1 };
    check(device, NOTHING, "devices");
}

#[test]
fn runs_in_one_message_are_those_of_each_alone() {
    let bench = Bench::of(CRASH);
    let mut engine = bench.inside();
    let word = Effect::Word { address: bench.workload.crash_start, flip: 1, set: 0, clear: 0 };
    let register = |name: &str| Effect::Register { name: name.into(), flip: 1 << 20, value: None };
    let faults: Vec<_> = (0..60)
        .map(|number| {
            let effect = match number % 6 {
                0 => RESET,
                1 => Effect::Skip,
                2 => word.clone(),
                3 => register("pc"),
                4 => register("r3"),
                _ => NOTHING,
            };
            // Some far behind the end of the boot.
            bench.after(ENTRY, if number % 17 == 16 { 90_000_000 } else { number * 131 }, effect)
        })
        .collect();
    let together = engine.run_all(&faults).unwrap();
    for (fault, trace) in faults.iter().zip(&together) {
        assert!(engine.run(Some(fault)).unwrap() == *trace, "{fault:?}");
    }
    let golden = engine.run(None).unwrap();
    let same = together.iter().filter(|trace| left(trace) == left(&golden)).count();
    assert!((10..50).contains(&same), "found {same} that change nothing");
}

/// Shipped sweeps whose points come before a clock tick, one of each kind.
const WITHOUT_TICKS: [&str; 7] = [
    "sweep::allocation_fails",
    "sweep::allocation_of_stacks_fails",
    "sweep::fault_in_fault_handler",
    "sweep::heap_header_bits",
    "sweep::record_bits",
    "sweep::reset_in_crash_writer",
    "sweep::vector_table_bits",
];

/// D3 for the warm engines: the same points of shipped sweeps have the same outcomes. Where a clock
/// ticks they need not (`docs/sweep.md`): `cargo ci determinism` says how often.
#[test]
fn both_warm_engines_come_to_the_same_outcomes() {
    let folder = crashrig_harness::rig::Rig::here().workspace.join("scenarios");
    let sweeps = scenarios(&folder).unwrap().into_iter();
    let chosen: Vec<_> = sweeps.filter(|it| WITHOUT_TICKS.contains(&it.name.as_str())).collect();
    assert_eq!(chosen.len(), WITHOUT_TICKS.len(), "the sweeps are there");
    chosen.iter().for_each(compare);
}

fn compare(scenario: &Scenario) {
    let path: &Path = &scenario.path;
    let bench =
        Bench::of(path.strip_prefix(path.ancestors().nth(2).unwrap()).unwrap().to_str().unwrap());
    if bench.workload.has_host_models {
        return;
    }
    let plan = Plan::new(scenario, &bench.image, DEFAULT_SEED).unwrap();
    let (mut inside, mut outside) = (bench.inside(), bench.engine());
    let goldens = [inside.run(None).unwrap(), outside.run(None).unwrap()];
    for scope in plan.scopes() {
        for number in (1..plan.count().unwrap_or(3_000)).step_by(331).take(20) {
            let number = PointNumber(number);
            let found = run_point(&plan, &mut inside, &goldens[0], number, *scope).unwrap();
            let expected = run_point(&plan, &mut outside, &goldens[1], number, *scope).unwrap();
            let what = |it: &crashrig_harness::sweep::result::InjectionResult| (it.outcome, it.pc);
            assert_eq!(what(&found), what(&expected), "{}: {}", scenario.name, found.place);
        }
    }
}
