//! `cargo ci lab`: scenarios on a virtual board that labgrid has, through a coordinator and an
//! exporter of its own on this machine.
//!
//! It shows that a bench of many machines needs nothing of ours: whoever runs scenarios beside the
//! board holds it in labgrid while they run, waits for others, and leaves nothing behind.

mod daemons;

use self::daemons::{BOARD, COORDINATOR, Lab, PLACE};
use crate::jobs::{HARDWARE, cargo};
use crate::setup;
use crate::workspace;
use anyhow::{Context as _, Result, bail, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Where the program is, relative to the root.
const PROGRAM: &str = "target/debug/crashrig";
/// The part of the suite that is run: overflows of one kind of stack.
const SUITE: &str = "overflow/main_";
/// How many scenarios that are at least.
const SUITE_SIZE: usize = 10;
/// One scenario, and the check that it turns red without.
const ONE: &str = "overflow::main_large_frame_stack_canary";
const WITHOUT: &str = "without-canary";
/// Long enough for whatever is run here.
const DEADLINE: Duration = Duration::from_secs(600);
/// How often files and places are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Exit codes of a run.
const PASS: i32 = 0;
const FAIL: i32 = 1;
const INFRASTRUCTURE: i32 = 3;

/// Checks everything.
///
/// # Errors
/// Something cannot be installed or started, or is not as it should be.
pub fn run() -> Result<()> {
    setup::run()?;
    let programs = setup::labgrid::provide()?;
    let build = ["build", "--package", "crashrig-harness", "--features", HARDWARE];
    cargo(build).args(["--bin", "crashrig"]).run()?;
    let mut lab = Lab::start(&programs)?;
    suite(&lab)?;
    red(&lab)?;
    two_want_it(&lab)?;
    a_person_has_it(&lab)?;
    killed(&lab)?;
    no_client(&lab)?;
    lab.stop_exporter()?;
    no_exporter(&lab)?;
    lab.stop_coordinator();
    no_coordinator(&lab)
}

/// A run of scenarios that goes on beside this process. It ends with it.
struct Run {
    handle: duct::Handle,
    log: PathBuf,
}

impl Drop for Run {
    fn drop(&mut self) {
        // One that has ended already cannot be ended.
        let _ = self.handle.kill();
    }
}

impl Run {
    /// Starts one on the lab's board; its locks are those of a machine of that name.
    fn start(lab: &Lab, machine: &str, words: &[&str]) -> Result<Self> {
        Self::with(lab, machine, words, |it| it.env("PATH", lab.search_path()))
    }

    /// The same, with a search path and whatever else is of its environment alone.
    fn with(
        lab: &Lab,
        machine: &str,
        words: &[&str],
        change: impl FnOnce(duct::Expression) -> duct::Expression,
    ) -> Result<Self> {
        let root = workspace::root();
        let target = format!("probe:{BOARD}");
        let words = [&["run", "--target", &target], words].concat();
        eprintln!("$ crashrig {}    # on {machine}", words.join(" "));
        let words: Vec<_> = words.into_iter().map(str::to_owned).collect();
        let log = lab.path().join(format!("{machine}.log"));
        let expression = change(lab.expression(&root.join(PROGRAM), &words, machine));
        let expression = expression.dir(&root).stderr_to_stdout().stdout_path(&log);
        Ok(Self { handle: expression.start().context("cannot start crashrig")?, log })
    }

    /// What it has said.
    fn said(&self) -> Result<String> {
        fs::read_to_string(&self.log).with_context(|| format!("no {}", self.log.display()))
    }

    fn is_over(&self) -> Result<bool> {
        Ok(self.handle.try_wait()?.is_some())
    }

    /// Waits for something while the run goes on.
    fn until(&self, what: &str, mut is_so: impl FnMut(&Self) -> Result<bool>) -> Result<()> {
        let start = Instant::now();
        while !is_so(self)? {
            let is_late = start.elapsed() > DEADLINE;
            ensure!(!is_late && !self.is_over()?, "{what}: it was not so in\n{}", self.said()?);
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }

    /// Waits until it has the place; its holder's name.
    fn until_it_has_the_place(&self, lab: &Lab) -> Result<String> {
        let ids: Vec<_> = self.handle.pids().iter().map(|id| format!(".crashrig.{id}.")).collect();
        let mut owner = String::new();
        self.until("the run holds the place", |_| {
            owner = lab.owner()?.unwrap_or_default();
            Ok(ids.iter().any(|id| owner.contains(id)))
        })?;
        Ok(owner)
    }

    /// Waits for its end, which must be with an exit code; what it said.
    fn ends_with(self, expected: i32, parts: &[&str]) -> Result<String> {
        let output = self.handle.wait_timeout(DEADLINE)?;
        let Some(output) = output else { bail!("the run does not end:\n{}", self.said()?) };
        let (found, said) = (output.status.code(), self.said()?);
        ensure!(
            found == Some(expected),
            "{}, expected exit code {expected}:\n{said}",
            output.status
        );
        for part in parts {
            ensure!(said.contains(part), "expected {part:?} in\n{said}");
        }
        Ok(said)
    }
}

fn is_free(lab: &Lab) -> Result<()> {
    let owner = lab.owner()?;
    ensure!(owner.is_none(), "the place is still acquired by {}", owner.unwrap_or_default());
    let reservations = lab.client().arg("reservations").answer()?;
    ensure!(reservations.trim().is_empty(), "reservations are left:\n{reservations}");
    Ok(())
}

/// The place is held while the suite runs, free behind it, and each verdict is the right one.
fn suite(lab: &Lab) -> Result<()> {
    let file = lab.path().join("results.json");
    let run = Run::start(lab, "one", &[SUITE, "--json", &file.to_string_lossy()])?;
    let owner = run.until_it_has_the_place(lab)?;
    run.ends_with(PASS, &[])?;
    is_free(lab)?;
    let passed = passed(&file)?;
    ensure!(passed >= SUITE_SIZE, "{passed} scenarios passed, expected {SUITE_SIZE} or more");
    println!("{passed} scenarios pass on the place of {owner}, which is free behind them");
    Ok(())
}

/// How many tests of a complete run passed; all that were run must.
fn passed(file: &Path) -> Result<usize> {
    let results: serde_json::Value = serde_json::from_str(&fs::read_to_string(file)?)?;
    ensure!(results.pointer("/complete") == Some(&true.into()), "the run did not come to its end");
    let tests = results
        .pointer("/tests")
        .and_then(serde_json::Value::as_array)
        .context("no tests in the results")?;
    let kind = |test: &serde_json::Value| Some(test.pointer("/verdict/kind")?.as_str()?.to_owned());
    let judged: Vec<_> = tests.iter().filter_map(kind).collect();
    let others: Vec<_> = judged.iter().filter(|kind| *kind != "pass").collect();
    ensure!(others.is_empty(), "expected pass of each scenario, found {others:?} too");
    Ok(judged.len())
}

/// A run that finds a mistake says so, and frees the place too.
fn red(lab: &Lab) -> Result<()> {
    let words = [ONE, "--image-features", WITHOUT];
    Run::start(lab, "one", &words)?.ends_with(FAIL, &["1 failed; 0 bench failures"])?;
    is_free(lab)?;
    println!("a scenario whose check is taken out is red, and the place is free behind it");
    Ok(())
}

/// Of two machines one waits, and then gets it.
fn two_want_it(lab: &Lab) -> Result<()> {
    let first = Run::start(lab, "one", &["overflow::main_large_frame"])?;
    let owner = first.until_it_has_the_place(lab)?;
    let second = Run::start(lab, "two", &[ONE])?;
    let message = format!("waiting for labgrid's place {PLACE}, acquired by {owner}");
    second.until("it waits", |run| Ok(run.said()?.contains(&message)))?;
    first.ends_with(PASS, &[])?;
    second.until_it_has_the_place(lab)?;
    second.ends_with(PASS, &["1 passed"])?;
    is_free(lab)?;
    println!("of two machines one waits for the other, and then has the place");
    Ok(())
}

/// A person has it: another waits; the person uses it as it is.
fn a_person_has_it(lab: &Lab) -> Result<()> {
    let place = |step: crate::step::Step, word| step.args(["-p", PLACE, word]);
    let person = || lab.client().env("LG_USERNAME", "somebody");
    place(person(), "acquire").run()?;
    let other = Run::start(lab, "one", &[ONE])?;
    other.until("it waits", |run| Ok(run.said()?.contains("/somebody; gives up in")))?;
    let as_person =
        |it: duct::Expression| it.env("PATH", lab.search_path()).env("LG_USERNAME", "somebody");
    let own = Run::with(lab, "two", &[ONE], as_person)?;
    own.ends_with(PASS, &["/somebody, and stays so", "1 passed"])?;
    let owner = lab.owner()?.unwrap_or_default();
    ensure!(owner.ends_with("/somebody"), "the person's place was taken away, by {owner:?}");
    place(person(), "release").run()?;
    other.ends_with(PASS, &["1 passed"])?;
    is_free(lab)?;
    println!("a place that a person has is waited for by others, and used by the person");
    Ok(())
}

/// What a killed run leaves is freed by the next.
fn killed(lab: &Lab) -> Result<()> {
    let run = Run::start(lab, "one", &[SUITE])?;
    let owner = run.until_it_has_the_place(lab)?;
    // Nobody waits for it: what it leaves in the table of processes is not alive.
    run.handle.kill()?;
    ensure!(lab.owner()?.as_ref() == Some(&owner), "labgrid freed the place of a killed run");
    let freed = format!("place {PLACE} is freed: {owner} has ended");
    Run::start(lab, "two", &[ONE])?.ends_with(PASS, &[&freed, "1 passed"])?;
    is_free(lab)?;
    println!("the place of a killed run is freed by the next, which has it then");
    Ok(())
}

/// Without labgrid's client the bench is in trouble, and no scenario failed.
fn no_client(lab: &Lab) -> Result<()> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let has_client = |folder: PathBuf| folder.join("labgrid-client").exists();
    if std::env::split_paths(&path).any(has_client) {
        println!("labgrid is installed on this machine: a missing client was not tried");
        return Ok(());
    }
    let run = Run::with(lab, "one", &[ONE], |it| it)?;
    let parts = ["labgrid-client -p desk show", "pip install labgrid", "1 bench failures"];
    run.ends_with(INFRASTRUCTURE, &parts)?;
    println!("without labgrid's client the verdict is infrastructure, exit code 3");
    Ok(())
}

/// Nor does one where nobody exports the board.
fn no_exporter(lab: &Lab) -> Result<()> {
    let parts = ["has no matching remote resource", "1 bench failures"];
    Run::start(lab, "one", &[ONE])?.ends_with(INFRASTRUCTURE, &parts)?;
    is_free(lab)?;
    println!("without the exporter the verdict is infrastructure, exit code 3");
    Ok(())
}

/// Nor does one without the coordinator.
fn no_coordinator(lab: &Lab) -> Result<()> {
    let parts = [COORDINATOR, "Could not connect to coordinator", "1 bench failures"];
    Run::start(lab, "one", &[ONE])?.ends_with(INFRASTRUCTURE, &parts)?;
    println!("without the coordinator the verdict is infrastructure, exit code 3");
    Ok(())
}
