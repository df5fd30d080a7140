//! `crashrig demo`: every fault of the image, carried out, decoded and printed.

use super::CommandError;
use crate::exit;
use crate::output::text;
use crate::rig::{Rig, seed};
use crate::scenario::check::CONTROL_FAMILY;
use crashrig_wire::Fault;

pub(super) fn demo() -> Result<u8, CommandError> {
    let rig = Rig::here();
    let tests: Vec<_> = rig
        .tests()?
        .into_iter()
        .filter(|test| !test.name.contains(&format!("::{CONTROL_FAMILY}::")))
        .collect();
    let run_folder = rig.run_folder()?;
    let seed = seed()?;
    let mut failed = 0;
    for fault in Fault::ALL {
        // One scenario for each fault: the first that carries it out in its first boot.
        let found = tests.iter().find(|test| {
            let first = test.scenario.boots.first();
            test.ignored.is_none() && first.is_some_and(|boot| boot.fault == *fault)
        });
        let Some(test) = found else {
            println!("== {fault}: no scenario on this machine\n");
            failed += 1;
            continue;
        };
        println!("== {fault}: {}", test.scenario.title);
        let outcome = rig.execute(test, &[], &run_folder, seed)?;
        if outcome.verdict.is_pass() {
            println!("{}", text::boots(&outcome.report));
            println!("   ok  {} ({})\n", test.name, outcome.summary());
        } else {
            println!("{}", outcome.failure());
            failed += 1;
        }
    }
    println!("{} faults shown, {failed} not as expected", Fault::ALL.len());
    Ok(if failed == 0 { exit::PASS } else { exit::FAIL })
}
