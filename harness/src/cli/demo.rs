//! `crashrig demo`: every fault of the image, carried out, decoded and printed.

use super::CommandError;
use super::say::say;
use crate::exit;
use crate::output::text;
use crate::rig::{DEFAULT_BOARD, Rig, seed};
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
        // One scenario for each fault: of those that carry it out in their first boot the simplest.
        let candidates = tests.iter().filter(|test| {
            let first = test.scenario.boots.first();
            test.ignored.is_none() && first.is_some_and(|boot| boot.fault == *fault)
        });
        let found = candidates.min_by_key(|test| {
            let elsewhere = test.target.board().name != DEFAULT_BOARD;
            // By name, the emulator comes before a virtual board.
            (elsewhere, test.scenario.boots.len(), test.name.clone())
        });
        let Some(test) = found else {
            say!("== {fault}: no scenario on this machine\n");
            failed += 1;
            continue;
        };
        say!("== {fault}: {}", test.scenario.title);
        let outcome = rig.execute(test, &[], &run_folder, seed)?;
        if outcome.verdict.is_pass() {
            say!("{}", text::boots(&outcome.report, text::Detail::Brief));
            say!("   ok  {} ({})\n", test.name, outcome.summary());
        } else {
            say!("{}", outcome.failure());
            failed += 1;
        }
    }
    say!("{} faults shown, {failed} not as expected", Fault::ALL.len());
    Ok(if failed == 0 { exit::PASS } else { exit::FAIL })
}
