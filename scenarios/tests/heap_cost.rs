//! What is promised of the heap's cost, held against exact counts of instructions on the emulator.
//!
//! Where QEMU cannot load the plug-in, which alone can count, the tests are ignored with a reason.

use crashrig_harness::heaps::{Comparison, Wanted};
use crashrig_harness::rig::Rig;
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use std::process::ExitCode;

/// How much more the worst request may cost among 400 live blocks than among 10, in instructions.
/// Time is bounded by the number of lists, not of blocks; which lists are empty still matters.
const SPREAD: u64 = 16;

/// Our heap without checks, which promises bounded time.
const OURS: &str = "crashrig, off";
/// One that walks a list of blocks, whose time grows with their number.
const WALKS: &str = "linked_list_allocator";

fn main() -> ExitCode {
    crashrig_qemu::keeper::run_if_asked();
    let arguments = Arguments::from_args();
    let trials = vec![
        trial("worst_case_does_not_grow_with_blocks", worst_case_does_not_grow_with_blocks),
        trial("figures_are_the_same_in_each_run", figures_are_the_same_in_each_run),
    ];
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn trial(name: &str, test: fn(&Rig) -> Result<(), String>) -> Trial {
    // Under nextest an ignored test must be listed as such: there a skip counts as a pass.
    let listed_as_ignored = std::env::var_os("NEXTEST").is_some() && lack(&Rig::here()).is_some();
    let trial = Trial::ignorable_test(name, move || {
        let rig = Rig::here();
        match lack(&rig) {
            Some(reason) => Ok(Completion::ignored_with(reason)),
            None => test(&rig).map(|()| Completion::Completed).map_err(Failed::from),
        }
    });
    trial.with_ignored_flag(listed_as_ignored)
}

/// Why nothing can be counted, if so.
fn lack(rig: &Rig) -> Option<String> {
    let observer = rig.observer().map_err(|error| error.to_string());
    observer.and_then(|it| it.file().map(drop).map_err(str::to_owned)).err()
}

fn measure(rig: &Rig, heap: &str, trace: &str) -> Result<Comparison, String> {
    let wanted = Wanted { heaps: vec![heap.to_owned()], traces: vec![trace.to_owned()] };
    rig.compare_heaps(&wanted).map_err(|error| format!("failed to {error}"))
}

/// The worst allocation and the worst release among few blocks, and the same among many.
fn worst(rig: &Rig, heap: &str) -> Result<[[u64; 2]; 2], String> {
    let measured = measure(rig, heap, " live")?;
    match &measured.replays[..] {
        [few, many] if few.trace == "10 live" && many.trace == "400 live" => {
            Ok([few, many].map(|it| [it.costs.allocate.worst, it.costs.free.worst]))
        }
        other => Err(format!("the traces of few and of many blocks: found {other:?}")),
    }
}

fn worst_case_does_not_grow_with_blocks(rig: &Rig) -> Result<(), String> {
    let [few, many] = worst(rig, OURS)?;
    for (few, many) in few.into_iter().zip(many) {
        if few == 0 || many > few + SPREAD {
            return Err(format!("{OURS}: {few} instructions among 10 blocks, {many} among 400"));
        }
    }
    // The traces would show it: one that walks takes longer.
    let [few, many] = worst(rig, WALKS)?;
    for (few, many) in few.into_iter().zip(many) {
        if many < 2 * few {
            return Err(format!("{WALKS}: {few} instructions among 10 blocks, {many} among 400"));
        }
    }
    Ok(())
}

fn figures_are_the_same_in_each_run(rig: &Rig) -> Result<(), String> {
    let [one, other] = [measure(rig, OURS, "settings")?, measure(rig, OURS, "settings")?];
    if one == other { Ok(()) } else { Err(format!("{one:?} and then {other:?}")) }
}
