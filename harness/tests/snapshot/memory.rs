//! What the engine inside of QEMU knows of memory: flips that need no run, and RAM that is another
//! at the end.

use crate::support::Bench;
use crashrig_harness::rig::DEFAULT_SEED;
use crashrig_harness::scenario::check::parse;
use crashrig_harness::sweep::engine::Engine;
use crashrig_harness::sweep::fault::Scope;
use crashrig_harness::sweep::outcome::Outcome;
use crashrig_harness::sweep::plan::Plan;
use crashrig_harness::sweep::result::{InjectionResult, PointNumber};
use crashrig_harness::sweep::run::Runner;
use crashrig_harness::sweep::work::Worker as _;
use std::path::Path;

/// A boot that crashes, and what is flipped when the fault handler begins.
const CRASH: &str = r#"timeline = [
  "1. the main thread loads from nowhere: the record is written, reset",
  "2. warm boot: the record is found unread; clean end",
  "3. again and again: one bit is flipped when the fault handler begins",
]
title = "bits of memory that the crash writer writes over"

[[boot]] # 1
start = "cold"
fault = "bus-read"
end = "crash"

[[boot]] # 2
start = "warm"
end = "clean"
first = "unread"

[[crash]]
boot = 1
kind = "bus-fault"
detector = "bus-error"
thread = "main"
address = { region = "unmapped" }

[sweep] # 3
subject = "other"
boot = 1
trigger = [{ symbol = "crashrig_fault_entry" }]
points = "bits"
effect = { do = "flip" }
scopes = ["once"]
"#;

/// A boot that ends cleanly, and what is flipped when main begins.
const CLEAN: &str = r#"timeline = [
  "1. power-on; clean end",
  "2. again and again: one bit is flipped when main begins",
]
title = "bits of memory that nobody reads"

[[boot]] # 1
start = "cold"
end = "clean"

[sweep] # 2
subject = "other"
boot = 1
trigger = [{ symbol = "crashrig_main" }]
points = "bits"
effect = { do = "flip" }
scopes = ["once"]
"#;

/// A sweep with more keys at its end, and its plan.
fn planned(text: &str, keys: &str) -> (Bench, Plan) {
    let (text, path) = (format!("{text}{keys}\n"), Path::new("memory.toml"));
    let bench = Bench::with(text.clone(), path);
    let scenario = parse(path, text).expect("a sound sweep");
    let plan = Plan::new(&scenario, &bench.image, DEFAULT_SEED).unwrap();
    (bench, plan)
}

/// The results of some points, and how many of them needed no run.
fn run(mut runner: Runner<'_>, points: &[(PointNumber, Scope)]) -> (Vec<InjectionResult>, u64) {
    let results = runner.run_all(points).unwrap();
    (results, runner.take_pruned())
}

#[test]
fn a_pruned_sweep_comes_to_the_results_of_one_that_runs_all() {
    let (bench, plan) = planned(CRASH, "memory = { region = \"slot-first\" }");
    let points = (1..=plan.count().unwrap()).step_by(37);
    let points: Vec<_> = points.map(|number| (PointNumber(number), Scope::Once)).collect();
    let all = Runner::new(&plan, Box::new(bench.inside())).unwrap();
    let (expected, none) = run(all, &points);
    assert_eq!(none, 0, "nothing is pruned that nobody asked for");
    let pruning = Runner::new(&plan, Box::new(bench.inside())).unwrap().pruning().unwrap();
    let (found, pruned) = run(pruning, &points);
    assert_eq!(found, expected);
    let masked = expected.iter().filter(|it| it.outcome == Outcome::Masked).count() as u64;
    assert!(pruned > 20 && pruned <= masked, "{pruned} of {masked} masked ones were pruned");
}

#[test]
fn vectors_are_never_pruned() {
    let (bench, plan) = planned(CRASH, "memory = { region = \"vectors\" }");
    let points = [(PointNumber(1), Scope::Once), (PointNumber(600), Scope::Once)];
    let pruning = Runner::new(&plan, Box::new(bench.inside())).unwrap().pruning().unwrap();
    assert_eq!(run(pruning, &points).1, 0);
}

#[test]
fn ram_that_is_another_is_latent_where_the_sweep_asks_and_stacks_are_left_out() {
    // A reserved vector (DDI0403E B1.5.3), which nobody reads, and the far end of a stack.
    let vector = "memory = { region = \"vectors\", offset = 28, size = 4 }";
    let stack = "memory = { region = \"isr-stack\", offset = 256, size = 4 }";
    let check = |keys: &str, expected| {
        let (bench, plan) = planned(CLEAN, keys);
        let engines: [Box<dyn Engine>; 2] = [Box::new(bench.inside()), Box::new(bench.engine())];
        for engine in engines {
            let name = engine.name();
            let mut runner = Runner::new(&plan, engine).unwrap();
            let result = runner.run(PointNumber(5), Scope::Once).unwrap();
            assert_eq!(result.outcome, expected, "{name}: {keys}");
        }
    };
    check(vector, Outcome::Masked);
    check(&format!("{vector}\nlatent = true"), Outcome::Latent);
    check(&format!("{stack}\nlatent = true"), Outcome::Masked);
}
