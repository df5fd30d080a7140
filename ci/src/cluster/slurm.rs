//! A Slurm cluster of two nodes on this machine: daemons of our own, on the loopback interface,
//! with a configuration of their own, which end with this process's [`Cluster`], or by its
//! [`Guard`] where a signal ends this process before.
//!
//! Slurm knows network ports only, so free ones are used. Sources: slurm.conf(5), slurmd(8),
//! sbatch(1) and munged(8) of Debian 12 (Slurm 22.05, MUNGE 0.5.15).

use crate::daemons::{self, Guard, free_ports};
use crate::setup::system;
use crate::step::Step;
use anyhow::{Context as _, Result, bail, ensure};
use std::fs;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The nodes.
pub const NODES: [&str; 2] = ["crashrig1", "crashrig2"];
/// How long the queue may take for anything.
pub const QUEUE_DEADLINE: Duration = Duration::from_secs(600);
/// How long daemons may take to be ready.
const START_DEADLINE: Duration = Duration::from_secs(30);
/// How often the queue is asked.
const ASK_EVERY: Duration = Duration::from_millis(250);

/// The variable that names the configuration, which is the mark of the cluster's daemons.
const VARIABLE: &str = "SLURM_CONF";
/// The file of Slurm's configuration in the cluster's folder.
const CONFIGURATION: &str = "slurm.conf";
/// What is needed of Slurm and MUNGE.
const PROGRAMS: [&str; 7] =
    ["munged", "slurmctld", "slurmd", "sbatch", "squeue", "sinfo", "scontrol"];

/// Installs Slurm if it is not there.
///
/// # Errors
/// This is no Debian, or the packages cannot be installed.
pub fn install() -> Result<()> {
    let is_there = |program: &str| Step::new("which").arg(program).answer().is_ok();
    if PROGRAMS.into_iter().all(is_there) {
        return Ok(());
    }
    system::install_from_debian(&["slurm-wlm", "munge"])
}

/// A running cluster. Its daemons end with it.
pub struct Cluster {
    guard: Guard,
    /// Key, configuration, state and logs.
    folder: TempDir,
    munge: Child,
    controller: Child,
    nodes: Vec<(&'static str, Child)>,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let nodes = self.nodes.iter_mut().map(|(_, child)| child);
        for child in nodes.chain([&mut self.controller, &mut self.munge]) {
            daemons::end(child);
        }
        // What daemons keep beside their tasks is no child of this process.
        self.guard.end_all();
    }
}

impl Cluster {
    /// Starts the daemons and waits until both nodes are idle.
    ///
    /// # Errors
    /// A daemon cannot be started, or is not ready in time; the message repeats its log.
    pub fn start() -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("crashrig-slurm-")
            // The socket of munged lies in it.
            .permissions(Permissions::from_mode(0o755))
            .tempdir()
            .context("cannot make a folder for Slurm")?;
        let place = folder.path();
        fs::create_dir(place.join("state"))?;
        fs::create_dir(place.join("spool"))?;
        let ports = free_ports::<3>()?;
        let user = Step::new("id").arg("-un").answer()?;
        let host = Step::new("uname").arg("-n").answer()?;
        fs::write(
            place.join(CONFIGURATION),
            configuration(place, user.trim(), host.trim(), ports),
        )?;
        let mut cluster = Self {
            guard: Guard::start(place, (VARIABLE, &place.join(CONFIGURATION)))?,
            munge: start_munge(place)?,
            controller: start(place, "slurmctld", &["-D", "-i"], "controller")?,
            nodes: Vec::new(),
            folder,
        };
        for node in NODES {
            let child = start(cluster.folder.path(), "slurmd", &["-D", "-N", node], node)?;
            cluster.nodes.push((node, child));
        }
        cluster.wait_for_nodes()?;
        Ok(cluster)
    }

    fn wait_for_nodes(&self) -> Result<()> {
        let question = self.step("sinfo").args(["--noheader", "--Node", "--format=%T"]);
        let start = Instant::now();
        let mut found = String::new();
        while start.elapsed() < START_DEADLINE {
            // While the controller starts, it gives no answer.
            found = question.answer().unwrap_or_else(|error| error.to_string());
            if found.lines().filter(|state| *state == "idle").count() == NODES.len() {
                return Ok(());
            }
            std::thread::sleep(ASK_EVERY);
        }
        let log = fs::read_to_string(self.folder.path().join("controller.log"));
        bail!("the nodes are not idle: {found}\n{}", log.unwrap_or_default())
    }

    /// A command of this cluster.
    fn step(&self, program: &str) -> Step {
        Step::new(program).env(VARIABLE, self.folder.path().join(CONFIGURATION))
    }

    /// Submits a script as an array of tasks from 1 on; its number.
    ///
    /// # Errors
    /// The controller refuses it.
    pub fn submit(&self, script: &Path, tasks: usize, logs: &Path) -> Result<String> {
        let step = self.step("sbatch").args(["--parsable", "--requeue"]);
        let step = step.arg(format!("--array=1-{tasks}"));
        let log = logs.join("task-%a.log");
        let step = step.arg(format!("--output={}", log.display())).arg("--open-mode=append");
        let answer = step.arg(script).answer()?;
        Ok(answer.trim().to_owned())
    }

    /// Stops a node as a loss of power would: its daemon, what that keeps beside the task, and the
    /// task itself end without a word.
    ///
    /// # Errors
    /// One of them cannot be ended.
    pub fn stop_node(&mut self, node: &str, step_id: u32, script_id: u32) -> Result<()> {
        let daemon = self.nodes.iter_mut().find(|(name, _)| *name == node);
        let (_, daemon) = daemon.with_context(|| format!("there is no node {node}"))?;
        daemon.kill()?;
        daemon.wait()?;
        let step = fs::read_to_string(format!("/proc/{step_id}/comm"))?;
        ensure!(step.starts_with("slurmstepd"), "process {step_id} is {step}, not Slurm's");
        let (step, group) = (step_id.to_string(), format!("-{script_id}"));
        Step::new("kill").args(["-KILL", "--", &step, &group]).run()
    }

    /// Waits until nothing of a job is in the queue.
    ///
    /// # Errors
    /// It is there for too long.
    pub fn wait_for_end(&self, job: &str) -> Result<()> {
        let question = self.step("squeue").args(["--noheader", "--array", "--job", job]);
        let start = Instant::now();
        while !question.answer()?.trim().is_empty() {
            if start.elapsed() > QUEUE_DEADLINE {
                bail!("job {job} is not over after {} s", QUEUE_DEADLINE.as_secs());
            }
            std::thread::sleep(ASK_EVERY);
        }
        Ok(())
    }

    /// How often tasks of a job were started again.
    ///
    /// # Errors
    /// The controller does not say.
    pub fn restarts(&self, job: &str) -> Result<u64> {
        let answer = self.step("scontrol").args(["show", "job", job]).answer()?;
        let numbers = answer.split_whitespace().filter_map(|word| word.strip_prefix("Restarts="));
        numbers.map(|number| Ok(number.parse::<u64>()?)).sum()
    }
}

/// munged, which vouches for who sends a message. It is started with `--force`, because it would
/// refuse a socket below a folder that others may write to, as temporary ones are.
fn start_munge(place: &Path) -> Result<Child> {
    let key = place.join("key");
    let mut bytes = [0; 128];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())?;
    fs::write(&key, bytes)?;
    fs::set_permissions(&key, Permissions::from_mode(0o400))?;
    let option = |name: &str, file: &str| format!("--{name}={}", place.join(file).display());
    let options = [
        "--foreground".to_owned(),
        "--force".to_owned(),
        option("key-file", "key"),
        option("socket", "munge.socket"),
        option("pid-file", "munge.pid"),
        option("log-file", "munge-own.log"),
        option("seed-file", "munge.seed"),
    ];
    let options: Vec<_> = options.iter().map(String::as_str).collect();
    let child = start(place, "munged", &options, "munge")?;
    let (socket, start) = (place.join("munge.socket"), Instant::now());
    while !socket.exists() && start.elapsed() < START_DEADLINE {
        std::thread::sleep(ASK_EVERY / 10);
    }
    Ok(child)
}

/// Starts a daemon of the cluster in a folder.
fn start(place: &Path, program: &str, options: &[&str], log: &str) -> Result<Child> {
    daemons::start(place, Path::new(program), options, log, (VARIABLE, &place.join(CONFIGURATION)))
}

fn configuration(place: &Path, user: &str, host: &str, ports: [u16; 3]) -> String {
    let [controller, first, second] = ports;
    let path = |name: &str| -> PathBuf { place.join(name) };
    let (socket, state, spool) = (path("munge.socket"), path("state"), path("spool/%n"));
    let mut text = format!(
        "ClusterName=crashrig\n\
         SlurmctldHost={host}(127.0.0.1)\n\
         SlurmctldPort={controller}\n\
         CommunicationParameters=NoCtldInAddrAny,NoInAddrAny\n\
         SlurmUser={user}\n\
         SlurmdUser={user}\n\
         AuthType=auth/munge\n\
         # A task of a node that is lost starts again when its credential has expired.\n\
         AuthInfo=socket={},cred_expire=5\n\
         StateSaveLocation={}\n\
         SlurmdSpoolDir={}\n\
         SlurmctldPidFile={}\n\
         SlurmdPidFile={}\n\
         ProctrackType=proctrack/linuxproc\n\
         TaskPlugin=task/none\n\
         SelectType=select/cons_tres\n\
         SelectTypeParameters=CR_Core\n\
         MpiDefault=none\n\
         JobRequeue=1\n\
         SlurmdTimeout=5\n\
         SlurmdParameters=config_overrides\n\
         SchedulerParameters=batch_sched_delay=0,sched_interval=1\n",
        socket.display(),
        state.display(),
        spool.display(),
        path("controller.pid").display(),
        path("%n.pid").display(),
    );
    for (node, port) in NODES.into_iter().zip([first, second]) {
        text +=
            &format!("NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=1\n");
    }
    text + "PartitionName=all Nodes=ALL Default=YES State=UP\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cluster_listens_on_this_machine_alone_and_keeps_to_its_folder() {
        let text = configuration(Path::new("/place"), "me", "host", [7, 8, 9]);
        let value = |key: &str| {
            text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('=')).unwrap()
        };
        assert_eq!(value("SlurmctldHost"), "host(127.0.0.1)");
        assert_eq!(value("CommunicationParameters"), "NoCtldInAddrAny,NoInAddrAny");
        for line in text.lines().filter(|line| line.contains('/')) {
            let is_plugin = ["auth/", "proctrack/", "task/", "select/"];
            let is_plugin = is_plugin.iter().any(|kind| line.contains(&format!("={kind}")));
            assert!(is_plugin || line.contains("=/place/"), "{line}");
        }
        let nodes: Vec<_> = text.lines().filter(|line| line.starts_with("NodeName=")).collect();
        assert_eq!(nodes.len(), NODES.len());
        assert!(nodes.iter().all(|line| line.contains(" NodeAddr=127.0.0.1 ")), "{nodes:?}");
    }

    #[test]
    fn ports_are_different_ones() {
        let [a, b, c] = free_ports::<3>().unwrap();
        assert!(a != b && b != c && a != c);
    }
}
