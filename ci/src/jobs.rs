//! The jobs of `cargo ci`, as one flat table.

use crate::setup::{self, emulator};
use crate::step::Step;
use crate::{
    bench, blast, bless, cluster, determinism, heaps, lab, lint, mutants, performance, probe_tools,
    size, sweeps, tidy, workspace,
};
use anyhow::{Context as _, Result, bail};
use crashrig_qemu::discover::OVERRIDE_VARIABLE;

/// The exit code of a command line that was not understood.
const USAGE: u8 = 2;
/// The emulator of the job that has its version in its name.
const OLD_EMULATOR: (u32, u32) = (7, 2);

/// What the path to boards needs; with it the suite has virtual boards.
pub(crate) const HARDWARE: &str = "crashrig-harness/hardware";

/// Only tests that do less under Miri, which takes a thousand times as long.
const MIRI: [&str; 10] = [
    "+nightly",
    "miri",
    "test",
    "--package",
    "crashrig-memory",
    "--lib",
    "--test",
    "kernel",
    "--test",
    "heap",
];

/// One chore.
#[derive(Debug, Clone, Copy)]
pub struct Job {
    /// Its name, behind `cargo ci`.
    pub name: &'static str,
    /// What it does, in one line.
    pub summary: &'static str,
    /// Does it and answers an exit code.
    run: fn() -> Result<u8>,
}

/// Every job.
pub const JOBS: &[Job] = &[
    Job {
        name: "setup",
        summary: "add the Rust targets and components, provide QEMU 10; needs the network once",
        run: || setup::run().map(|()| 0),
    },
    Job {
        name: "demo",
        summary: "set up, build, boot; show every fault with its decoded record",
        run: || after_setup(&cargo(["rig", "demo"])),
    },
    Job {
        name: "test",
        summary: "set up, then the whole suite, each scenario behind a virtual probe as well",
        run: || after_setup(&cargo(["test", "--no-fail-fast", "--features", HARDWARE])),
    },
    Job {
        name: "test-qemu72",
        summary: "set up, then the scenarios on the QEMU 7.2 that is on the search path",
        run: test_on_old_emulator,
    },
    Job {
        name: "lint",
        summary: "format, clippy for host and chip, documentation; each warning is an error",
        run: || lint::run().map(|()| 0),
    },
    Job { name: "tidy", summary: "hold the house style against every file", run: tidy_rules },
    Job {
        name: "mutants",
        summary: "set up, then take each check out of the image; a scenario must turn red",
        run: || {
            setup::run()?;
            mutants::run()
        },
    },
    Job {
        name: "miri",
        summary: "run the tests of kernel and heap in Miri, on a nightly toolchain that has it",
        run: || cargo(MIRI).exit_code(),
    },
    Job {
        name: "heap-model",
        summary: "set up, then random scripts of a heap, many: device, host and naive model",
        run: || after_setup(&heap_model()),
    },
    Job {
        name: "determinism",
        summary: "set up, then the tests of determinism with many repetitions, and the same \
                  faults on every engine and every QEMU; differences where a clock ticks go into \
                  docs/sweep.md",
        run: || {
            setup::run()?;
            determinism::run()
        },
    },
    Job {
        name: "bench",
        summary: "set up, then measure what context switch, crash capture, spawn and allocation \
                  cost, into docs/costs.md, heaps, into docs/heap.md, injections a second, \
                  into docs/performance.md, and boot to verdict",
        run: || {
            setup::run()?;
            bench::run()?;
            heaps::run()?;
            performance::run().map(|()| 0)
        },
    },
    Job {
        name: "bench-heap",
        summary: "compare this project's heap with others, in exact instructions; only print",
        run: || cargo(["rig", "heap-bench"]).exit_code(),
    },
    Job {
        name: "blast",
        summary: "set up, then measure what each overflow destroys, into docs/stacks.md",
        run: || {
            setup::run()?;
            blast::run().map(|()| 0)
        },
    },
    Job {
        name: "sweeps",
        summary: "set up, run every sweep to its end, into docs/sweep.md; goes on where it was",
        run: || {
            setup::run()?;
            sweeps::run()
        },
    },
    Job {
        name: "cluster",
        summary: "set up, install Slurm, run a sweep on two nodes of which one stops; same table",
        run: || cluster::run().map(|()| 0),
    },
    Job {
        name: "lab",
        summary: "set up, install labgrid, run scenarios on a virtual board that it has",
        run: || lab::run().map(|()| 0),
    },
    Job {
        name: "probe-tools",
        summary: "set up, install probe-rs and gdb-multiarch, use both on a virtual board",
        run: || probe_tools::run().map(|()| 0),
    },
    Job {
        name: "size",
        summary: "set up, then hold bytes of flash and RAM of the image against ci/size.toml",
        run: || {
            setup::run()?;
            size::run().map(|()| 0)
        },
    },
    Job {
        name: "size-budget",
        summary: "set up, then write ci/size.toml anew",
        run: || {
            setup::run()?;
            size::write_budget().map(|()| 0)
        },
    },
    Job {
        name: "bless",
        summary: "write the tables in the documents and `ci/ignored.txt` anew",
        run: || bless::run().map(|()| 0),
    },
    Job { name: "help", summary: "list the jobs", run: help },
];

/// Runs the job that the arguments name; without one, lists the jobs.
///
/// # Errors
/// If a job fails for another reason than what it checks.
pub fn dispatch(arguments: &[String]) -> Result<u8> {
    let name = match arguments {
        [] => "help",
        [name] if ["-h", "--help"].contains(&name.as_str()) => "help",
        [name] => name,
        [name, ..] => {
            eprintln!("error: the job {name} takes no arguments");
            return Ok(USAGE);
        }
    };
    match JOBS.iter().find(|job| job.name == name) {
        Some(job) => (job.run)(),
        None => {
            let names: Vec<_> = JOBS.iter().map(|job| job.name).collect();
            eprintln!("error: unknown job {name}, expected one of {}", names.join(", "));
            Ok(USAGE)
        }
    }
}

/// A command of cargo at the root of the workspace.
pub(crate) fn cargo<const WORDS: usize>(words: [&str; WORDS]) -> Step {
    Step::new("cargo").args(words).in_folder(workspace::root())
}

fn after_setup(step: &Step) -> Result<u8> {
    setup::run()?;
    step.exit_code()
}

/// Optimised, since most of it is the heap on the host.
fn heap_model() -> Step {
    let step = cargo(["test", "--release", "--package", "crashrig-scenarios"]);
    step.args(["--test", "heap_differential"]).env("CRASHRIG_HEAP_MODEL", "full")
}

/// The tests of that name.
fn help() -> Result<u8> {
    println!("cargo ci <job>\n");
    let width = JOBS.iter().map(|job| job.name.len()).max().unwrap_or_default();
    for job in JOBS {
        println!("  {:width$}  {}", job.name, job.summary);
    }
    Ok(0)
}

fn tidy_rules() -> Result<u8> {
    let tree = tidy::Tree::read(&workspace::root())?;
    let mut broken = 0;
    for rule in tidy::RULES {
        let report = tidy::report(rule, &tree);
        let word = if report.is_empty() { "ok" } else { "BROKEN" };
        println!("rule {} ... {word}", rule.name);
        print!("{report}");
        broken += u8::from(!report.is_empty());
    }
    Ok(u8::from(broken > 0))
}

fn test_on_old_emulator() -> Result<u8> {
    setup::run()?;
    let program = emulator::of_search_path().context("the suite needs a second emulator")?;
    let found = (program.version.major, program.version.minor);
    if found != OLD_EMULATOR {
        let (major, minor) = OLD_EMULATOR;
        let place = program.path.display();
        bail!("{place} is QEMU {}, expected {major}.{minor}", program.version);
    }
    let test = cargo(["test", "--package", "crashrig-scenarios"]);
    test.env(OVERRIDE_VARIABLE, &program.path).exit_code()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(words: &[&str], expected: u8) {
        let words: Vec<_> = words.iter().map(|word| (*word).to_owned()).collect();
        assert_eq!(dispatch(&words).unwrap(), expected, "{words:?}");
    }

    #[test]
    fn the_command_line_is_understood_or_refused() {
        check(&[], 0);
        check(&["help"], 0);
        check(&["--help"], 0);
        check(&["tset"], USAGE);
        check(&["help", "test"], USAGE);
    }

    #[test]
    fn each_job_has_a_name_of_its_own() {
        let names: std::collections::BTreeSet<_> = JOBS.iter().map(|job| job.name).collect();
        assert_eq!(names.len(), JOBS.len());
    }
}
