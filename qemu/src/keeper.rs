//! The keeper: a small process between the harness and QEMU, so that no QEMU outlives its harness.
//!
//! It is the same binary, started again with a hidden subcommand. It forbids core files, starts
//! QEMU in a process group of its own, and kills that group at end of file of its standard input,
//! whose other end only the harness holds: however the harness ends, even by SIGKILL, that end
//! closes. The other ways are worse: a death signal is bound to the *thread* that spawned, and
//! setting one or a resource limit between fork and exec needs unsafe code.
//!
//! It reports on its standard output, one line each: `started PID`, then `exit CODE` or `signal
//! NUMBER`; or `failed TEXT`. It must never write anything else, and never read what comes in.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::process::{Pid, Resource, Rlimit, Signal, WaitId, WaitIdOptions};

/// The hidden subcommand.
pub const SUBCOMMAND: &str = "__crashrig-keeper";

/// The argument that means "on any processor of the host".
const ANY_PROCESSOR: &str = "any";

/// How to start the keeper.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeeperProgram {
    /// A program whose `main` calls [`run_if_asked`] first. `None` means the running program.
    pub path: Option<PathBuf>,
}

/// What the keeper is asked to start.
#[derive(Debug)]
pub(crate) struct Request {
    /// The folder of the sockets, removed by the keeper if the harness ends first.
    pub(crate) folder: PathBuf,
    pub(crate) stdout: PathBuf,
    pub(crate) stderr: PathBuf,
    pub(crate) host_processor: Option<usize>,
    pub(crate) program: PathBuf,
    pub(crate) options: Vec<OsString>,
}

impl Request {
    /// The arguments of the keeper, the subcommand first.
    pub(crate) fn to_arguments(&self) -> Vec<OsString> {
        let processor =
            self.host_processor.map_or(ANY_PROCESSOR.to_owned(), |number| number.to_string());
        let mut arguments: Vec<OsString> = vec![
            SUBCOMMAND.into(),
            self.folder.clone().into(),
            self.stdout.clone().into(),
            self.stderr.clone().into(),
            processor.into(),
            self.program.clone().into(),
        ];
        arguments.extend(self.options.iter().cloned());
        arguments
    }

    /// Reads the arguments after the subcommand.
    fn from_arguments(mut arguments: impl Iterator<Item = OsString>) -> Option<Self> {
        let folder = arguments.next()?.into();
        let stdout = arguments.next()?.into();
        let stderr = arguments.next()?.into();
        let processor = arguments.next()?;
        let host_processor = match processor.to_str()? {
            ANY_PROCESSOR => None,
            number => Some(number.parse().ok()?),
        };
        let program = arguments.next()?.into();
        Some(Self { folder, stdout, stderr, host_processor, program, options: arguments.collect() })
    }
}

/// Does the keeper's work and ends the process, if this process was started as the keeper; returns
/// at once otherwise. Every binary that starts an emulator calls this first in `main`.
pub fn run_if_asked() {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().as_deref() != Some(OsStr::new(SUBCOMMAND)) {
        return;
    }
    let outcome = match Request::from_arguments(arguments) {
        Some(request) => keep(&request),
        None => Err("understand the keeper's own arguments".to_owned()),
    };
    let code = match outcome {
        Ok(status) => {
            report(&describe(status));
            0
        }
        Err(reason) => {
            report(&format!("failed {}", reason.replace('\n', " ")));
            1
        }
    };
    std::process::exit(code);
}

/// Starts QEMU and waits for its end or for the end of the harness.
fn keep(request: &Request) -> Result<ExitStatus, String> {
    let no_core_file = Rlimit { current: Some(0), maximum: Some(0) };
    rustix::process::setrlimit(Resource::Core, no_core_file)
        .map_err(|error| format!("forbid core files: {error}"))?;
    if let Some(processor) = request.host_processor {
        let mut set = rustix::thread::CpuSet::new();
        set.set(processor);
        rustix::thread::sched_setaffinity(None, &set)
            .map_err(|error| format!("stay on processor {processor}: {error}"))?;
    }
    let mut child = Command::new(&request.program)
        .args(&request.options)
        .stdin(Stdio::null())
        .stdout(create(&request.stdout)?)
        .stderr(create(&request.stderr)?)
        .process_group(0)
        .spawn()
        .map_err(|error| format!("start {}: {error}", request.program.display()))?;
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let group = group.ok_or_else(|| format!("use process id {}", child.id()))?;
    report(&format!("started {}", child.id()));
    let reaped = Arc::new(Mutex::new(false));
    let watched = Arc::clone(&reaped);
    let is_alone = Arc::new(AtomicBool::new(false));
    let ended = Arc::clone(&is_alone);
    std::thread::spawn(move || kill_at_end_of_input(group, &watched, &ended));
    let status = wait(&mut child, group, &reaped);
    if is_alone.load(Ordering::Relaxed) {
        // The harness is gone, or about to remove the folder itself: then nothing is left to do.
        let _ = std::fs::remove_dir_all(&request.folder);
    }
    status
}

/// Waits for the end of QEMU, and takes its process id out of use only together with the killer:
/// after that the number may belong to somebody else.
fn wait(child: &mut Child, pid: Pid, reaped: &Mutex<bool>) -> Result<ExitStatus, String> {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    while let Err(error) = rustix::process::waitid(WaitId::Pid(pid), options) {
        if error != rustix::io::Errno::INTR {
            return Err(format!("wait for QEMU: {error}"));
        }
    }
    let mut reaped = reaped.lock().unwrap_or_else(PoisonError::into_inner);
    *reaped = true;
    child.wait().map_err(|error| format!("collect QEMU: {error}"))
}

/// Reads standard input to its end, then kills QEMU's process group unless QEMU has ended.
fn kill_at_end_of_input(group: Pid, reaped: &Mutex<bool>, ended: &AtomicBool) {
    let mut ignored = [0_u8; 64];
    let mut input = std::io::stdin().lock();
    loop {
        match input.read(&mut ignored) {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    ended.store(true, Ordering::Relaxed);
    let reaped = reaped.lock().unwrap_or_else(PoisonError::into_inner);
    if !*reaped {
        // It fails only when the group is gone already, which is what is wanted.
        let _ = rustix::process::kill_process_group(group, Signal::KILL);
    }
}

fn create(path: &PathBuf) -> Result<File, String> {
    File::create(path).map_err(|error| format!("create {}: {error}", path.display()))
}

fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "failed to understand how QEMU ended".to_owned(),
    }
}

/// Writes one line to the harness, which may be gone: then nobody needs the line.
fn report(line: &str) {
    let mut output = std::io::stdout().lock();
    let _ = writeln!(output, "{line}");
    let _ = output.flush();
}
