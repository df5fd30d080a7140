//! labgrid's coordinator and an exporter on the loopback interface, which end with this process's
//! [`Lab`], or by its [`Guard`] where a signal ends this process before.
//!
//! What is exported is a virtual board. labgrid has no class for it, and needs none: an exporter
//! publishes a class that it has no program for as it is written, and starts nothing for it
//! (`Exporter.add_resource` of labgrid's `remote/exporter.py`). Classes that it knows would promise
//! clients a port, a service or a device of USB that is not there.

use crate::daemons::{self, Guard, free_ports};
use crate::step::Step;
use anyhow::{Context as _, Result, bail, ensure};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The place of the board.
pub const PLACE: &str = "desk";
/// The board's name on the bench.
pub const BOARD: &str = "virtual-1";
/// labgrid's variable for the coordinator's address.
pub const COORDINATOR: &str = "LG_COORDINATOR";
/// Set for all that belongs to one lab, with a path that no other lab has.
const VARIABLE: &str = "CRASHRIG_LAB";
/// The exporter, its group and its class.
const MATCH: &str = "bench/boards/CrashrigBoard";
/// How long daemons may take to be ready.
const START_DEADLINE: Duration = Duration::from_secs(60);
/// How often they are asked.
const ASK_EVERY: Duration = Duration::from_millis(250);

/// A running lab. Its daemons end with it.
pub struct Lab {
    guard: Guard,
    /// Configuration, state, logs, list of boards, and locks.
    folder: TempDir,
    /// Where labgrid's programs are.
    programs: PathBuf,
    address: String,
    coordinator: Child,
    exporter: Option<Child>,
}

impl Drop for Lab {
    fn drop(&mut self) {
        for child in self.exporter.iter_mut().chain([&mut self.coordinator]) {
            daemons::end(child);
        }
        // What a check left running when it failed is no child of this process's any more.
        self.guard.end_all();
    }
}

impl Lab {
    /// Starts the daemons, waits until the board is exported, and makes its place.
    ///
    /// # Errors
    /// A daemon cannot be started, or is not ready in time; the message repeats its log.
    pub fn start(programs: &Path) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("crashrig-lab-").tempdir()?;
        let place = folder.path();
        let exported = format!("boards:\n  CrashrigBoard:\n    board: {BOARD}\n");
        fs::write(place.join("exporter.yaml"), exported)?;
        fs::write(place.join("boards.toml"), boards())?;
        let [port] = free_ports::<1>()?;
        let address = format!("127.0.0.1:{port}");
        let guard = Guard::start(place, (VARIABLE, place))?;
        let coordinator =
            start(place, &programs.join("labgrid-coordinator"), &["--listen", &address])?;
        let programs = programs.to_owned();
        let mut lab = Self { guard, folder, programs, address, coordinator, exporter: None };
        lab.wait_for("coordinator", "")?;
        let options = ["--coordinator", &lab.address, "--name", "bench"];
        let options = [&options[..], &["--hostname", "127.0.0.1", "exporter.yaml"]].concat();
        let program = lab.programs.join("labgrid-exporter");
        lab.exporter = Some(start(lab.folder.path(), &program, &options)?);
        lab.wait_for("exporter", MATCH)?;
        for words in [&["create"][..], &["add-match", MATCH]] {
            lab.client().args(["-p", PLACE]).args(words).run()?;
        }
        Ok(lab)
    }

    /// labgrid's client, for a person.
    #[must_use]
    pub fn client(&self) -> Step {
        let step = Step::new(self.programs.join("labgrid-client"));
        step.env(COORDINATOR, &self.address).env(VARIABLE, self.path())
    }

    /// Who has the place, as `HOST/USER`.
    ///
    /// # Errors
    /// The coordinator does not say.
    pub fn owner(&self) -> Result<Option<String>> {
        let answer = self.client().args(["-p", PLACE, "show"]).answer()?;
        let owner = answer.lines().find_map(|line| line.strip_prefix("  acquired: "));
        let owner = owner.with_context(|| format!("no holder in\n{answer}"))?;
        Ok((owner != "None").then(|| owner.to_owned()))
    }

    /// The folder of this lab.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The search path, with labgrid's programs in front.
    #[must_use]
    pub fn search_path(&self) -> OsString {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let all = std::iter::once(self.programs.clone()).chain(std::env::split_paths(&path));
        // A path that cannot be part of the variable has no labgrid in it, which the run then says.
        std::env::join_paths(all).unwrap_or(path)
    }

    /// A command that finds this lab's coordinator and list of boards, with locks of a name:
    /// another name is as another machine.
    pub fn expression(&self, program: &Path, words: &[String], locks: &str) -> duct::Expression {
        duct::cmd(program, words)
            .env(COORDINATOR, &self.address)
            .env("CRASHRIG_BOARDS", self.path().join("boards.toml"))
            .env("CRASHRIG_LOCKS", self.path().join(locks))
            .env(VARIABLE, self.path())
            .stdin_null()
            .unchecked()
    }

    /// Ends the exporter, and waits until the coordinator knows.
    ///
    /// # Errors
    /// It still lists what was exported.
    pub fn stop_exporter(&mut self) -> Result<()> {
        self.exporter.iter_mut().for_each(daemons::end);
        let start = Instant::now();
        while self.client().arg("resources").answer()?.contains(MATCH) {
            let is_late = start.elapsed() > START_DEADLINE;
            ensure!(!is_late, "the coordinator still lists {MATCH}");
            std::thread::sleep(ASK_EVERY);
        }
        Ok(())
    }

    /// Ends the coordinator.
    pub fn stop_coordinator(&mut self) {
        daemons::end(&mut self.coordinator);
    }

    fn wait_for(&self, daemon: &str, resource: &str) -> Result<()> {
        let start = Instant::now();
        let mut found = String::new();
        while start.elapsed() < START_DEADLINE {
            // While the coordinator starts, it gives no answer.
            match self.client().arg("resources").answer() {
                Ok(answer) if answer.contains(resource) => return Ok(()),
                Ok(answer) => found = answer,
                Err(error) => found = error.to_string(),
            }
            std::thread::sleep(ASK_EVERY);
        }
        let log = fs::read_to_string(self.path().join(format!("labgrid-{daemon}.log")));
        bail!("labgrid's {daemon} is not ready: {found}\n{}", log.unwrap_or_default())
    }
}

/// The list of boards: one, whose host is this machine.
fn boards() -> String {
    format!(
        "[[board]]\nname = \"{BOARD}\"\nport = \"netduinoplus2\"\n\
         probe = \"virtual:netduinoplus2\"\n\
         remote = {{ host = \"127.0.0.1\", place = \"{PLACE}\" }}\n"
    )
}

/// Starts a daemon, its output in a log of its name, its state in the lab's folder.
fn start(place: &Path, program: &Path, options: &[&str]) -> Result<Child> {
    let name = program.file_name().unwrap_or_default().to_string_lossy();
    daemons::start(place, program, options, &name, (VARIABLE, place))
}
