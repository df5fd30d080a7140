//! `cargo ci cluster`: a sweep on a Slurm cluster of two nodes on this machine, of which one stops
//! half way. What it leaves must be what the same sweep leaves when nothing is in its way.
//!
//! It shows that nothing of ours is needed to run on many machines: an array job, a folder that
//! all nodes see, and the same command again for what was cut off.

mod slurm;

use self::slurm::{Cluster, NODES, QUEUE_DEADLINE};
use crate::jobs::cargo;
use crate::setup;
use crate::step::Step;
use crate::workspace;
use anyhow::{Context as _, Result, bail, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What is swept: some thousand points, whose number is known before.
const SWEEP: &str = "scenarios/sweep/record_bits.toml";
/// Where the program is, relative to the root.
const PROGRAM: &str = "target/debug/crashrig";
/// Where results are kept, relative to the root.
const FOLDER: &str = "target/crashrig/cluster";
/// Tasks of the array: more than nodes, so that some wait.
const TASKS: usize = 4;
/// How often files are looked at that tasks on other nodes write; across machines there is no
/// event to wait for.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Runs the sweep twice and compares.
///
/// # Errors
/// Something cannot be installed, started or run, or the tables differ.
pub fn run() -> Result<()> {
    setup::run()?;
    slurm::install()?;
    cargo(["build", "--package", "crashrig-harness"]).run()?;
    let root = workspace::root();
    let folder = root.join(FOLDER);
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("cannot empty {FOLDER}"))?;
    }
    let places = Places { program: root.join(PROGRAM), folder };
    places.sweep("alone")?.run()?;
    through_cluster(&places)?;
    compare(&places)
}

/// Where everything is.
struct Places {
    program: PathBuf,
    folder: PathBuf,
}

impl Places {
    fn crashrig(&self) -> Step {
        Step::new(&self.program).in_folder(workspace::root())
    }

    fn out(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The sweep, into a folder of its own, with an engine that is not through before a node stops.
    fn sweep(&self, name: &str) -> Result<Step> {
        fs::create_dir_all(&self.folder).context("cannot create the folder of results")?;
        let step = self.crashrig().args(["sweep", SWEEP, "--engine", "snapshot", "--out"]);
        Ok(step.arg(self.out(name)))
    }

    /// The one folder of results below an output folder.
    fn results(&self, name: &str) -> Result<PathBuf> {
        let out = self.out(name);
        let mut entries = fs::read_dir(&out).with_context(|| format!("no {}", out.display()))?;
        let entry = entries.next().with_context(|| format!("nothing in {}", out.display()))?;
        Ok(entry?.path())
    }
}

/// The sweep as an array job, while one node stops.
fn through_cluster(places: &Places) -> Result<()> {
    let points = result_lines(&places.results("alone")?)?;
    let tasks = places.folder.join("tasks");
    fs::create_dir_all(&tasks)?;
    let mut cluster = Cluster::start()?;
    let script = places.folder.join("task.sh");
    fs::write(&script, script_text(&places.sweep("cluster")?, &tasks))?;
    let job = cluster.submit(&script, TASKS, &places.folder)?;
    let stopped = NODES[1];
    let task = wait_for_half(places, &tasks, stopped, points / TASKS / 2)?;
    println!("node {stopped} stops in the middle of task {}", task.number);
    cluster.stop_node(stopped, task.step_id, task.script_id)?;
    cluster.wait_for_end(&job)?;
    let restarts = cluster.restarts(&job)?;
    ensure!(restarts > 0, "no task of job {job} was started again after node {stopped} stopped");
    println!("{restarts} task was started again on the other node");
    Ok(())
}

/// What each task does. It leaves its ids while it runs, so that its node can be stopped.
fn script_text(sweep: &Step, tasks: &Path) -> String {
    let (command, tasks) = (sweep.clone().args(["--jobs", "1"]).shown(), tasks.display());
    let (root, variable) = (workspace::root(), "${SLURM_ARRAY_TASK_ID}");
    format!(
        "#!/bin/sh\n\
         cd '{}' || exit 3\n\
         echo \"$SLURMD_NODENAME $PPID $$\" > '{tasks}'/{variable}.new\n\
         mv '{tasks}'/{variable}.new '{tasks}'/{variable}\n\
         {command}\n\
         code=$?\n\
         rm '{tasks}'/{variable}\n\
         exit $code\n",
        root.display()
    )
}

/// A task that runs.
struct Task {
    number: usize,
    /// The process that Slurm keeps beside it.
    step_id: u32,
    /// Its script, which leads a process group.
    script_id: u32,
}

/// Waits until a task on a node has so many results.
fn wait_for_half(places: &Places, tasks: &Path, node: &str, wanted: usize) -> Result<Task> {
    let start = Instant::now();
    while start.elapsed() < QUEUE_DEADLINE {
        for number in 1..=TASKS {
            let Some(task) = task(tasks, number, node) else { continue };
            let name = format!("shard-{number}-of-{TASKS}.jsonl");
            let file = places.results("cluster").map(|folder| folder.join(name));
            if file.is_ok_and(|file| lines_of(&file).is_ok_and(|lines| lines >= wanted)) {
                return Ok(task);
            }
        }
        std::thread::sleep(LOOK_EVERY);
    }
    bail!("no task on node {node} came to {wanted} results in {} s", QUEUE_DEADLINE.as_secs())
}

/// The task of a number, if it runs on a node.
fn task(tasks: &Path, number: usize, node: &str) -> Option<Task> {
    let text = fs::read_to_string(tasks.join(number.to_string())).ok()?;
    let mut words = text.split_whitespace();
    let (place, step, script) = (words.next()?, words.next()?, words.next()?);
    let (step_id, script_id) = (step.parse().ok()?, script.parse().ok()?);
    (place == node).then_some(Task { number, step_id, script_id })
}

fn result_lines(folder: &Path) -> Result<usize> {
    let mut lines = 0;
    for entry in fs::read_dir(folder)? {
        lines += lines_of(&entry?.path())?;
    }
    Ok(lines)
}

fn lines_of(file: &Path) -> Result<usize> {
    let text = fs::read_to_string(file)?;
    Ok(text.lines().filter(|line| line.starts_with("{\"result\"")).count())
}

/// Merged into one database, each result of the one must equal that of the other; the tables of
/// both must be complete and the same; and nothing was run twice.
fn compare(places: &Places) -> Result<()> {
    let (alone, cluster) = (places.results("alone")?, places.results("cluster")?);
    let (expected, found) = (result_lines(&alone)?, result_lines(&cluster)?);
    ensure!(found == expected, "found {found} results on the cluster, expected {expected}");
    let database = places.folder.join("both.sqlite");
    let merge = places.crashrig().args(["sweep", "merge"]).arg(&database);
    merge.arg(&alone).arg(&cluster).run()?;
    let table = |folder: &Path| {
        let report = places.crashrig().args(["sweep", "report", "--markdown"]);
        report.arg(folder).answer()
    };
    let (expected, found) = (table(&alone)?, table(&cluster)?);
    ensure!(found == expected, "found the table\n{found}\nexpected\n{expected}");
    println!("{found}\nthe same table, alone and on a cluster of which a node stopped");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_one_of_the_node_that_it_runs_on() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("3"), "b 40 41\n").unwrap();
        fs::write(folder.path().join("4"), "b 40").unwrap();
        let ids = |number, node| {
            task(folder.path(), number, node).map(|task| (task.step_id, task.script_id))
        };
        assert_eq!(ids(3, "b"), Some((40, 41)));
        assert_eq!((ids(3, "a"), ids(4, "b"), ids(5, "b")), (None, None, None));
    }
}
