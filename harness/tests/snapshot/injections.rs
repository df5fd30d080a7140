//! What is injected, and what the engine says of it.

use crate::support::Bench;
use crashrig_harness::decode::records::new_record;
use crashrig_harness::sweep::engine::{BootTrace, Engine, Trace};
use crashrig_harness::sweep::fault::{Effect, Fault, Link, RamPolicy, Scope};
use crashrig_harness::target::Boundary;
use crashrig_wire::EndMarker;

const CRASH: &str = "sweep/reset_in_crash_writer.toml";
const ENTRY: &str = "crashrig_fault_entry";
/// A word of which nothing changes.
const NOTHING: Effect = Effect::Word { address: 0x2000_0000, flip: 0, set: 0, clear: 0 };
const RESET: Effect = Effect::Reset { ram: RamPolicy::Kept };

fn record(trace: &Trace, boot: usize) -> bool {
    new_record(&[], &trace.boots[boot].region).is_some_and(|new| !new.partial)
}

fn has_marker(boot: &BootTrace) -> bool {
    EndMarker::read(&boot.marker).is_some()
}

#[test]
fn the_golden_run_is_that_of_the_scenario() {
    let bench = Bench::of(CRASH);
    let mut engine = bench.engine();
    let golden = engine.run(None).unwrap();
    let boundaries: Vec<_> = golden.boots.iter().map(|boot| &boot.boundary).collect();
    assert_eq!(boundaries, [&Boundary::Reset, &Boundary::Reset]);
    assert!(record(&golden, 0) && !has_marker(&golden.boots[0]));
    assert!(has_marker(&golden.boots[1]));
    assert_eq!(golden.fired, 0);
    for _ in 0..10 {
        assert_eq!(engine.run(None).unwrap(), golden);
    }
    assert_eq!(bench.engine().run(None).unwrap(), golden, "of another QEMU");
}

#[test]
fn a_reset_in_the_crash_writer_leaves_what_was_written_until_then() {
    let bench = Bench::of(CRASH);
    let mut engine = bench.engine();
    let mut run =
        |instructions| engine.run(Some(&bench.after(ENTRY, instructions, RESET))).unwrap();
    let traces: Vec<_> = (0..20).map(&mut run).collect();
    let first = traces[0].fired_after.unwrap();
    for (instructions, trace) in (0..).zip(&traces) {
        assert_eq!(trace.fired, 1);
        assert_eq!(trace.fired_after, Some(first + instructions));
        assert_eq!(trace.boots[0].instructions, first + instructions, "cut off there");
        assert!(!record(trace, 0) && !record(trace, 1), "nothing was committed yet");
        assert!(has_marker(&trace.boots[1]));
    }
    assert_eq!(traces[0].fired_at, Some(bench.address(ENTRY)));
    let late = run(3000);
    assert_eq!(late.boots[0].instructions, first + 3000);
    assert_eq!(run(7), traces[7], "out of order");
    assert_eq!(run(3000), late);
}

#[test]
fn memory_alone_makes_the_same_run_as_a_state_that_is_restored() {
    let bench = Bench::of(CRASH);
    let (mut filmed, mut restored) = (bench.engine(), bench.engine().without_films());
    assert_eq!(filmed.run(None).unwrap(), restored.run(None).unwrap());
    for ram in [RamPolicy::Kept, RamPolicy::Noise, RamPolicy::Decayed] {
        for instructions in [0, 1, 60, 61, 2500] {
            let fault = bench.after(ENTRY, instructions, Effect::Reset { ram });
            let expected = restored.run(Some(&fault)).unwrap();
            assert_eq!(filmed.run(Some(&fault)).unwrap(), expected, "{instructions}, {ram:?}");
        }
    }
}

#[test]
fn the_last_instruction_is_the_one_that_asks_for_the_reset() {
    let bench = Bench::of(CRASH);
    let mut engine = bench.engine();
    let golden = engine.run(None).unwrap();
    let hook = "crashrig_reset_hook";
    let mut run = |instructions| engine.run(Some(&bench.after(hook, instructions, RESET))).unwrap();
    let last = (0..100).map(&mut run).take_while(|trace| trace.fired == 1).last().unwrap();
    assert_eq!(last.fired_after.unwrap() + 1, golden.boots[0].instructions);
    assert_eq!(last.boots[0].region, golden.boots[0].region);
    assert_eq!(last.boots[1].region, golden.boots[1].region);
}

#[test]
fn a_trigger_that_is_not_met_is_said_to_be_so() {
    let bench = Bench::of(CRASH);
    let mut engine = bench.engine();
    let link = Link::Address { address: bench.address(ENTRY), count: 2 };
    let fault = Fault {
        boot: 1,
        trigger: vec![link],
        effect: RESET,
        scope: Scope::Once,
        seed: 1,
        second: None,
    };
    let trace = engine.run(Some(&fault)).unwrap();
    assert_eq!((trace.fired, trace.fired_at), (0, None));
    assert_eq!(trace.boots.len(), 2, "the run goes on to its end");
}

#[test]
fn a_flipped_bit_of_the_record_is_not_believed() {
    let bench = Bench::of(CRASH);
    let mut engine = bench.engine();
    let flip = |address: u32, flip: u32| Effect::Word { address, flip, set: 0, clear: 0 };
    // A part of slot FIRST that both phases cover.
    let word = bench.workload.crash_start + 0x100 + 0x20;
    let hook = bench.address("crashrig_reset_hook");
    let fault = |effect| {
        let trigger = vec![Link::Address { address: hook, count: 1 }];
        Fault { boot: 1, trigger, effect, scope: Scope::Once, seed: 1, second: None }
    };
    let golden = engine.run(Some(&fault(NOTHING))).unwrap();
    assert!(record(&golden, 0), "nothing was flipped");
    for bit in 0..32 {
        let trace = engine.run(Some(&fault(flip(word, 1 << bit)))).unwrap();
        assert_eq!(trace.fired, 1);
        assert!(!record(&trace, 0), "bit {bit}");
        assert_ne!(trace.boots[0].region, golden.boots[0].region);
    }
    assert_eq!(engine.run(Some(&fault(NOTHING))).unwrap(), golden);
}

#[test]
fn after_a_lockup_the_next_run_is_as_ever() {
    let bench = Bench::of(CRASH);
    let mut engine = bench.engine();
    let golden = engine.run(None).unwrap();
    // The vector table of the running image: HardFault and the others lead nowhere.
    let vectors = bench.address("__crashrig_vectors_start");
    let effect = Effect::Bytes { address: vectors + 12, bytes: vec![0; 16] };
    let trigger = vec![Link::Address { address: bench.address("crashrig_ready"), count: 1 }];
    let fault = Fault { boot: 1, trigger, effect, scope: Scope::Once, seed: 1, second: None };
    let trace = engine.run(Some(&fault)).unwrap();
    let [boot] = trace.boots.as_slice() else { panic!("one boot, found {:?}", trace.boots) };
    assert!(matches!(boot.boundary, Boundary::Lockup { .. }), "{:?}", boot.boundary);
    assert_eq!(engine.run(None).unwrap(), golden);
}

#[test]
fn an_effect_can_come_again_and_again() {
    let bench = Bench::of(CRASH);
    let mut engine = bench.engine();
    let sealed = Link::Address { address: bench.address("crashrig_sealed"), count: 1 };
    let mut fired = |scope| {
        let trigger = vec![sealed.clone()];
        let fault = Fault { boot: 1, trigger, effect: NOTHING, scope, seed: 1, second: None };
        engine.run(Some(&fault)).unwrap().fired
    };
    assert_eq!(fired(Scope::Once), 1);
    assert_eq!(fired(Scope::Window(1)), 2);
    assert_eq!(fired(Scope::FromThenOn), 3, "a record has three phases");
}

#[test]
fn what_never_ends_is_a_hang() {
    let bench = Bench::of(CRASH);
    let mut engine = bench.engine();
    // The main thread goes on at a branch to itself, put over the unused end of its own stack's
    // region that is never executed: so by the hook that returns to itself.
    let ready = bench.address("crashrig_ready");
    let effect = Effect::Register { name: "lr".into(), flip: 0, value: Some(ready | 1) };
    let trigger = vec![Link::Address { address: ready, count: 1 }];
    let fault = Fault { boot: 1, trigger, effect, scope: Scope::Once, seed: 1, second: None };
    let trace = engine.run(Some(&fault)).unwrap();
    assert!(matches!(trace.boots[0].boundary, Boundary::Hang { .. }), "{:?}", trace.boots);
    assert_eq!(engine.run(Some(&fault)).unwrap(), trace);
}
