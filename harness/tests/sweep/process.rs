//! The reference engine under a real QEMU.

use crate::{image, shipped};
use crashrig_harness::image::Image;
use crashrig_harness::rig::{DEFAULT_BOARD, DEFAULT_SEED, Rig};
use crashrig_harness::scenario::Scenario;
use crashrig_harness::sweep::engine::process::ProcessEngine;
use crashrig_harness::sweep::engine::{Engine, Trace};
use crashrig_harness::sweep::fault::{Effect, Fault, Link, RamPolicy, Scope};
use crashrig_harness::sweep::plan::Plan;
use crashrig_harness::sweep::result::PointNumber;
use crashrig_harness::sweep::workload::Workload;
use crashrig_harness::target::Boundary;
use crashrig_harness::target::emulator::EmulatorTarget;
use crashrig_layout::parse::Board;
use crashrig_wire::record::{Reading, read};
use crashrig_wire::{EndMarker, marker::Found};
use std::path::Path;
use std::sync::Arc;

/// A shipped sweep with what engines for it are made of. Its folder goes with the test.
pub struct Bench {
    pub plan: Plan,
    scenario: Scenario,
    target: Arc<EmulatorTarget>,
    image: Arc<Image>,
    pub workload: Arc<Workload>,
    pub folder: tempfile::TempDir,
}

impl Bench {
    pub fn new(scenario: Scenario) -> Self {
        let program = crashrig_qemu::discover::find().expect("an emulator");
        let board = Board::load(&Rig::here().boards(), DEFAULT_BOARD).expect("a board");
        let keeper = Path::new(env!("CARGO_BIN_EXE_crashrig"));
        let target = EmulatorTarget::new(board, program).expect("a target");
        let target = Arc::new(target.with_keeper(keeper).for_wild_cores(None));
        let image = Arc::new(image());
        let plan = Plan::new(&scenario, &image, DEFAULT_SEED).expect("a plan");
        let folder = tempfile::tempdir().expect("a folder");
        let workload = Workload::new(&target, &image, &scenario, DEFAULT_SEED, folder.path());
        let workload = Arc::new(workload.expect("a workload"));
        Self { plan, scenario, target, image, workload, folder }
    }

    pub fn engine(&self) -> ProcessEngine {
        let (target, image) = (Arc::clone(&self.target), Arc::clone(&self.image));
        let (workload, path) = (Arc::clone(&self.workload), self.folder.path().to_owned());
        ProcessEngine::new(target, image, &self.scenario, workload, path).expect("an engine")
    }

    /// A run of an engine that has had its golden run.
    fn point(&self, engine: &mut ProcessEngine, number: u64) -> Trace {
        let (fault, _) = self.plan.point(PointNumber(number), Scope::Once).expect("a point");
        engine.run(Some(&fault)).expect("a run")
    }
}

/// A bench for a shipped sweep, its engine, and the engine's golden run.
fn started(name: &str) -> (Bench, ProcessEngine, Trace) {
    let bench = Bench::new(shipped(name));
    let mut engine = bench.engine().hashing_ram();
    let golden = engine.run(None).expect("a golden run");
    (bench, engine, golden)
}

/// What stands in slot FIRST at the end of a boot.
fn first(trace: &Trace, boot: usize) -> Reading {
    read(&trace.boots[boot].region[0x100..0x200])
}

fn marker(trace: &Trace, boot: usize) -> Option<EndMarker> {
    EndMarker::read(&trace.boots[boot].marker)
}

#[test]
fn the_golden_run_is_the_same_again() {
    let (_bench, mut engine, golden) = started("sweep::record_bits");
    assert_eq!(golden.boots.len(), 2);
    assert!(matches!(first(&golden, 0), Reading::Valid(_)));
    assert_eq!(marker(&golden, 1).map(|marker| marker.first), Some(Found::Unread));
    assert_eq!(engine.run(None).expect("a run"), golden);
}

#[test]
fn a_reset_comes_before_the_instruction_that_is_asked_for() {
    let (bench, mut engine, golden) = started("sweep::reset_in_crash_writer");
    // Nothing is written yet at the first instructions of the fault entry.
    let early = bench.point(&mut engine, 5);
    assert_eq!((early.fired, early.boots.len()), (1, 2));
    assert_eq!(first(&early, 0), Reading::Blank);
    assert_eq!(marker(&early, 1).map(|marker| marker.first), Some(Found::Nothing));
    let entry = image().symbol("crashrig_fault_entry").expect("a symbol").address & !1;
    assert!((entry..entry + 40).contains(&early.fired_at.expect("a place")));
    // From the first instruction to the one before: one more each.
    let after = |trace: &Trace| trace.fired_after.expect("a count");
    let one_later = bench.point(&mut engine, 6);
    assert_eq!(after(&one_later), after(&early) + 1);
    // Once the record is sealed for good it is there, whatever comes.
    let address = image().symbol("crashrig_sealed").expect("a symbol").address & !1;
    let late = Fault {
        boot: 1,
        trigger: vec![Link::Address { address, count: 3 }],
        effect: Effect::Reset { ram: RamPolicy::Kept },
        scope: Scope::Once,
        seed: 1,
        second: None,
    };
    let late = engine.run(Some(&late)).expect("a run");
    assert_eq!(first(&late, 1), first(&golden, 1));
    assert_eq!(marker(&late, 1).map(|marker| marker.first), Some(Found::Unread));
}

#[test]
fn a_flipped_bit_is_there_when_the_boot_reads_the_record() {
    let (bench, mut engine, golden) = started("sweep::record_bits");
    let flipped = bench.point(&mut engine, 8 * 100 + 1);
    assert_eq!((flipped.fired, flipped.fired_after), (1, Some(0)));
    assert_eq!(flipped.boots[0], golden.boots[0]);
    assert!(matches!(first(&flipped, 1), Reading::Corrupt(_)));
    assert_eq!(marker(&flipped, 1).map(|marker| marker.first), Some(Found::Nothing));
}

#[test]
fn effects_come_as_often_as_their_scope_says() {
    let (_bench, mut engine, golden) = started("sweep::record_bits");
    let address = image().symbol("crashrig_sealed").expect("a symbol").address & !1;
    let mut fired = |scope, count| {
        // Changes nothing: only how often it comes is looked at.
        let effect = Effect::Register { name: "r12".to_owned(), flip: 0, value: None };
        let trigger = vec![Link::Address { address, count }];
        let fault = Fault { boot: 1, trigger, effect, scope, seed: 1, second: None };
        let trace = engine.run(Some(&fault)).expect("a run");
        assert_eq!(trace.boots, golden.boots, "{scope:?}");
        trace.fired
    };
    // A record has three phases.
    assert_eq!(fired(Scope::FromThenOn, 1), 3);
    assert_eq!(fired(Scope::FromThenOn, 3), 1);
    assert_eq!(fired(Scope::Once, 1), 1);
    assert_eq!(fired(Scope::Window(1), 1), 2);
    assert_eq!(fired(Scope::Once, 4), 0);
}

#[test]
fn a_skipped_branch_and_a_moved_stack_pointer_are_noticed() {
    let (_bench, mut engine, _) = started("sweep::record_bits");
    let address = image().symbol("crashrig_main").expect("a symbol").address & !1;
    let trigger = vec![Link::Address { address, count: 1 }];
    let effect = Effect::Register { name: "sp".to_owned(), flip: 0, value: Some(0x6000_0000) };
    let fault = Fault { boot: 2, trigger, effect, scope: Scope::Once, seed: 1, second: None };
    let trace = engine.run(Some(&fault)).expect("a run");
    assert_eq!(trace.boots[1].boundary, Boundary::Reset);
    assert_eq!(marker(&trace, 1), None, "the boot did not come to its end");
}
