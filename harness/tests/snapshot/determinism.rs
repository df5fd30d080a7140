//! A run depends on image, commands and fault, and on nothing else of this machine; and what is
//! known to break that does break it, so that these tests can fail.
//!
//! What is compared is all that a device leaves: how its boots ended, their instructions, the crash
//! region, the end marker and a hash of all other RAM. The workload is that of the kernel's
//! services: clock ticks, sleeping threads and interrupts.

use crate::support::{Bench, repetitions};
use crashrig_harness::sweep::engine::{Engine, Trace};
use crashrig_harness::sweep::fault::{Effect, Fault, Link, RamPolicy, Scope};
use crashrig_qemu::{Emulator, Launch, Limits, Stop};
use std::process::{Child, Command, Stdio};

const SERVICES: &str = "kernel/services.toml";
/// Runs until two differ, of a set-up that does not repeat.
const TRIES: usize = 40;

/// A process that keeps a processor busy.
struct Busy(Child);

impl Busy {
    fn on(processor: usize) -> Self {
        let child = Command::new("taskset")
            .args(["-c", &processor.to_string(), "sh", "-c", "while :; do :; done"])
            .stdin(Stdio::null())
            .spawn()
            .expect("taskset of util-linux");
        Self(child)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn golden(bench: &Bench, processor: usize, runs: usize) -> Vec<Trace> {
    let mut engine = bench.engine_on(processor).hashing_ram();
    (0..runs).map(|_| engine.run(None).unwrap()).collect()
}

#[test]
fn determinism_holds_whatever_else_the_machine_does() {
    let bench = Bench::of(SERVICES);
    let runs = repetitions(60) / 15;
    let expected = golden(&bench, 0, 1).remove(0);
    assert!(expected.boots[0].ram_hash.is_some());
    let check = |found: Vec<Trace>, when| {
        let differing = found.iter().filter(|trace| **trace != expected).count();
        assert_eq!(differing, 0, "of {runs} runs {when}");
    };
    check(golden(&bench, 0, runs), "on an idle processor");
    {
        let _busy = Busy::on(0);
        check(golden(&bench, 0, runs), "beside a loop on the same processor");
    }
    let last = std::thread::available_parallelism().map_or(1, usize::from) - 1;
    std::thread::scope(|scope| {
        let workers = [0, last].map(|processor| {
            let bench = &bench;
            scope.spawn(move || golden(bench, processor, runs))
        });
        for worker in workers {
            check(worker.join().unwrap(), "beside another worker");
        }
    });
}

#[test]
fn determinism_of_restored_runs_is_that_of_fresh_ones() {
    let bench = Bench::of(SERVICES);
    let fault = |instructions| {
        let ready = Link::Address { address: bench.address("crashrig_ready"), count: 1 };
        let trigger = vec![ready, Link::Instructions { count: instructions }];
        let effect = Effect::Register { name: "r0".into(), flip: 1, value: None };
        Fault { boot: 1, trigger, effect, scope: Scope::Once, seed: 1, second: None }
    };
    let fresh = |fault: Option<&Fault>| bench.engine().hashing_ram().run(fault).unwrap();
    let (expected, injected) = (fresh(None), fresh(Some(&fault(9))));
    let mut engine = bench.engine().hashing_ram();
    for number in 1..=repetitions(12) {
        match number % 3 {
            0 => assert!(engine.run(Some(&fault(9))).unwrap() == injected, "injection {number}"),
            1 => assert!(engine.run(None).unwrap() == expected, "golden run {number}"),
            _ => drop(engine.run(Some(&fault(number as u64 % 20))).unwrap()),
        }
    }
}

/// One boot of a QEMU of its own, without the engine: instructions where they are counted, and RAM.
fn boot(
    bench: &Bench,
    change: impl Fn(&mut Launch),
    disturb: impl Fn(&mut Emulator),
) -> (Option<u64>, u64) {
    let folder = tempfile::tempdir().unwrap();
    let mut launch = bench.workload.launch.clone();
    launch.output_folder = folder.path().to_owned();
    launch.host_processor = Some(0);
    change(&mut launch);
    let mut emulator = Emulator::start(&launch).unwrap();
    let planned = &bench.workload.boots[0];
    for (address, bytes) in planned.memory.as_ref().unwrap() {
        emulator.write(*address, bytes).unwrap();
    }
    emulator.write(bench.workload.mailbox, &planned.mailbox).unwrap();
    emulator.resume().unwrap();
    disturb(&mut emulator);
    assert_eq!(emulator.wait(&Limits::default()).unwrap(), Stop::Reset);
    let mut ram = Vec::new();
    for (start, size) in &bench.workload.ram {
        let mut bytes = vec![0; *size as usize];
        emulator.read(*start, &mut bytes).unwrap();
        ram.push(bytes);
    }
    (emulator.instructions().unwrap(), bench.workload.hash_of_ram(ram))
}

#[test]
fn determinism_stands_reading_of_memory() {
    let bench = Bench::of(SERVICES);
    let expected = boot(&bench, |_| (), |_| ());
    for _ in 0..repetitions(2).min(10) {
        let found = boot(
            &bench,
            |_| (),
            |emulator| {
                for _ in 0..repetitions(300) * 30 {
                    // The end of the boot may come meanwhile; memory can be read then, too.
                    emulator.memory().read_word(0x2000_0000).unwrap();
                }
            },
        );
        assert_eq!(found, expected, "read while it ran");
    }
}

#[test]
fn determinism_holds_with_the_same_stops() {
    let bench = Bench::of(SERVICES);
    let place = bench.address("crashrig_ready");
    let stopped = || {
        let mut engine = bench.engine().hashing_ram();
        let trigger = vec![Link::Address { address: place, count: 1 }];
        let effect = Effect::Word { address: 0x2000_0000, flip: 0, set: 0, clear: 0 };
        let fault = Fault { boot: 1, trigger, effect, scope: Scope::Once, seed: 1, second: None };
        engine.run(Some(&fault)).unwrap()
    };
    let (first, second) = (stopped(), stopped());
    assert_eq!(first, second, "with one stop");
    let without = golden(&bench, 0, 1).remove(0);
    let count = |trace: &Trace| trace.boots[0].instructions;
    eprintln!("instructions with one stop {}, without {}", count(&first), count(&without));
}

#[test]
fn determinism_is_lost_where_it_must_be() {
    let bench = Bench::of(SERVICES);
    let differs = |change: &dyn Fn(&mut Launch)| {
        let first = boot(&bench, change, |_| ());
        (1..TRIES).any(|_| boot(&bench, change, |_| ()) != first)
    };
    let not_counted = |launch: &mut Launch| launch.instruction_shift = None;
    assert!(differs(&not_counted), "target time follows the host");
    let sleeping = |launch: &mut Launch| {
        launch.instruction_shift = None;
        launch.more_options = ["-icount", "shift=5,sleep=on"].map(Into::into).to_vec();
    };
    assert!(differs(&sleeping), "a core that waits lets the host's time pass");
}

#[test]
fn determinism_of_runs_restored_inside() {
    let bench = Bench::of(SERVICES);
    let fault = |number: u64| {
        let effect = Effect::Register { name: "r0".into(), flip: 1, value: None };
        bench.after("crashrig_ready", number, effect)
    };
    let mut engine = bench.inside();
    let (golden, injected) = (engine.run(None).unwrap(), engine.run(Some(&fault(9))).unwrap());
    for number in 1..=repetitions(30) {
        match number % 3 {
            0 => assert!(engine.run(Some(&fault(9))).unwrap() == injected, "injection {number}"),
            1 => assert!(engine.run(None).unwrap() == golden, "golden run {number}"),
            _ => drop(engine.run(Some(&fault(number as u64 % 20))).unwrap()),
        }
    }
}

#[test]
fn determinism_covers_resets_with_noise() {
    let bench = Bench::of("sweep/reset_in_crash_writer.toml");
    for ram in [RamPolicy::Noise, RamPolicy::Decayed] {
        let fault = bench.after("crashrig_fault_entry", 40, Effect::Reset { ram });
        let run = || bench.engine().hashing_ram().run(Some(&fault)).unwrap();
        assert_eq!(run(), run(), "{ram:?}");
        let other = Fault { seed: 2, ..fault.clone() };
        let other = bench.engine().hashing_ram().run(Some(&other)).unwrap();
        assert_ne!(run().boots[1].ram_hash, other.boots[1].ram_hash, "another seed, {ram:?}");
    }
}
