//! `cargo ci mutants`: takes one check at a time out of the image and demands that a scenario
//! notices.
//!
//! A suite that stays green without the check it is there for proves nothing. Each mutant is a
//! feature of the image; the run writes its results as JSON, and at least one scenario must be
//! judged fail.

use crate::jobs::cargo;
use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use std::path::Path;

/// A check that can be taken out.
#[derive(Debug, Clone, Copy)]
pub struct Mutant {
    /// The feature of `crashrig-image` or `crashrig-bootloader` that takes it out.
    pub feature: &'static str,
    /// What the image then lacks.
    pub removes: &'static str,
}

/// Every mutant.
pub const MUTANTS: &[Mutant] = &[
    Mutant { feature: "without-guard", removes: "the guard regions under the stacks" },
    Mutant {
        feature: "without-limit",
        removes: "the stack limit registers, where the core has them",
    },
    Mutant {
        feature: "without-sp-range",
        removes: "the periodic check that the stack pointer lies inside its stack",
    },
    Mutant {
        feature: "without-canary",
        removes: "the check of the words at the lower limit of a stack",
    },
    Mutant {
        feature: "without-interrupt-check",
        removes: "the refusal of allocations in interrupt handlers",
    },
    Mutant {
        feature: "without-switch-check",
        removes: "the check of the stack of the thread that leaves, at each switch",
    },
    Mutant {
        feature: "without-heap-check",
        removes: "the checks of the heap's own words before they are used, and its canaries",
    },
    Mutant {
        feature: "without-heap-header-check",
        removes: "the check of the sizes before and behind a block, before they are used",
    },
    Mutant {
        feature: "without-heap-link-check",
        removes: "the check that free blocks lead to each other, before a list is followed",
    },
    Mutant {
        feature: "without-heap-canary-check",
        removes: "the check of the canaries of a block that is taken back or resized",
    },
    Mutant {
        feature: "without-heap-owner-check",
        removes: "owner and caller in the canary in front of a block",
    },
    Mutant {
        feature: "without-heap-fill-check",
        removes: "the check that free memory is as it was filled, before it is handed out",
    },
    Mutant {
        feature: "without-heap-lock",
        removes: "the critical section around each operation of the heap",
    },
    Mutant {
        feature: "without-dma-check",
        removes: "the check of a DMA transfer when its stream is armed",
    },
    Mutant {
        feature: "without-dma-error",
        removes: "what the handler of a DMA stream does about errors",
    },
    Mutant {
        feature: "without-dma-limit",
        removes: "the end of DMA transfers that have used up their time",
    },
    Mutant { feature: "without-record-crc", removes: "the check of the CRC when a record is read" },
    Mutant {
        feature: "without-emergency-stack",
        removes: "the change to the emergency stack on the fault path",
    },
    Mutant {
        feature: "without-vector-relocation",
        removes: "the change of VTOR to the vector table in RAM",
    },
    Mutant {
        feature: "without-vector-check",
        removes: "the comparison of the vector table in RAM when a record is written",
    },
    Mutant { feature: "without-ledger-mirror", removes: "the ledger in registers on a battery" },
    Mutant {
        feature: "without-history-crc",
        removes: "the check of the CRC of what the history holds",
    },
    Mutant {
        feature: "without-watchdog-record",
        removes: "the record of a boot that a watchdog has ended",
    },
    Mutant { feature: "without-image-check", removes: "the bootloader's check of the application" },
];

/// What the harness writes about a run, as far as it matters here. Fields may be added to it, so
/// this reader passes over what it does not know.
#[derive(Debug, Deserialize)]
struct Results {
    complete: bool,
    tests: Vec<TestResult>,
}

#[derive(Debug, Deserialize)]
struct TestResult {
    test: String,
    verdict: Option<Verdict>,
}

#[derive(Debug, Deserialize)]
struct Verdict {
    kind: String,
}

/// Runs every mutant, prints which scenarios noticed each, and answers 1 if one survived.
///
/// # Errors
/// If the whole image is not judged pass everywhere, a run cannot be made, or the bench fails in
/// one.
pub fn run() -> Result<u8> {
    let folder = tempfile::tempdir().context("cannot create a folder for results")?;
    let red = red_without(None, folder.path())?;
    if !red.is_empty() {
        bail!("mutants say nothing while the whole image turns scenarios red: {}", red.join(", "));
    }
    let mut rows = Vec::new();
    for mutant in MUTANTS {
        rows.push((mutant, red_without(Some(mutant), folder.path())?));
    }
    println!("\nmutants, and the scenarios that noticed them");
    let mut survived = 0;
    for (mutant, red) in &rows {
        let names = if red.is_empty() { "SURVIVED".to_owned() } else { red.join("\n      ") };
        println!("  {}, without {}\n      {names}", mutant.feature, mutant.removes);
        survived += usize::from(red.is_empty());
    }
    println!("{} of {} mutants noticed", rows.len() - survived, rows.len());
    Ok(u8::from(survived > 0))
}

/// Runs all scenarios on a mutant, or on the whole image, and answers those that turned red.
fn red_without(mutant: Option<&Mutant>, folder: &Path) -> Result<Vec<String>> {
    let file = folder.join(mutant.map_or("whole", |mutant| mutant.feature)).with_extension("json");
    let mut step = cargo(["rig", "run", "--json"]).arg(&file);
    if let Some(mutant) = mutant {
        step = step.args(["--image-features", mutant.feature]);
    }
    // The exit code says no more than the results do: they are complete only if every test was
    // judged, and they name what the bench could not run.
    let code = step.exit_code()?;
    let text = std::fs::read_to_string(&file)
        .with_context(|| format!("`{}` left no results, exit status {code}", step.shown()))?;
    red_scenarios(&text).with_context(|| format!("the results of `{}`", step.shown()))
}

/// The tests that were judged other than pass.
fn red_scenarios(text: &str) -> Result<Vec<String>> {
    let results: Results = serde_json::from_str(text).context("cannot read them")?;
    if !results.complete {
        bail!("the run did not come to its end");
    }
    let mut red = Vec::new();
    for result in results.tests {
        match result.verdict.map(|verdict| verdict.kind).as_deref() {
            None | Some("pass") => {}
            // A mutant that the bench could not run was not noticed by anybody.
            Some("infrastructure") => bail!("the bench failed in {}", result.test),
            Some(_) => red.push(result.test),
        }
    }
    Ok(red)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(tests: &str, complete: bool, expected: Result<&[&str], &str>) {
        let text = format!("{{\"schema\": 1, \"complete\": {complete}, \"tests\": [{tests}]}}");
        match (red_scenarios(&text), expected) {
            (Ok(red), Ok(expected)) => assert_eq!(red, expected),
            (Err(problem), Err(expected)) => {
                assert!(problem.to_string().contains(expected), "{problem}");
            }
            (found, expected) => panic!("found {found:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn red_is_what_was_judged_and_did_not_pass() {
        let pass = r#"{"test": "a", "verdict": {"kind": "pass", "mismatches": []}}"#;
        let ignored = r#"{"test": "b", "verdict": null, "ignored": "no ccm"}"#;
        let crash = r#"{"test": "c", "verdict": {"kind": "crash", "mismatches": []}}"#;
        let bench = r#"{"test": "d", "verdict": {"kind": "infrastructure", "mismatches": []}}"#;
        check(&format!("{pass}, {ignored}, {crash}"), true, Ok(&["c"]));
        check(pass, true, Ok(&[]));
        check(&format!("{crash}, {bench}"), true, Err("the bench failed in d"));
        check(crash, false, Err("did not come to its end"));
        check("7", true, Err("cannot read them"));
    }
}
