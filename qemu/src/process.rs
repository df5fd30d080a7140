//! The harness's side of the keeper: one QEMU process, its end, and the promise that it ends.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::channel::{Channel, answer_deadline};
use crate::error::Error;
use crate::keeper::{KeeperProgram, Request};

/// Longest wait for the keeper to have killed and collected QEMU, in milliseconds.
const KILL_DEADLINE_MS: u64 = 5_000;

/// How QEMU ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// It ended itself; the guest chose the code if it asked for the exit.
    Exit(i32),
    /// It was ended by a signal: 6 is QEMU's own abort, a lockup of the guest among its reasons.
    Signal(i32),
}

impl std::fmt::Display for End {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exit(code) => write!(formatter, "exit code {code}"),
            Self::Signal(signal) => write!(formatter, "signal {signal}"),
        }
    }
}

/// A running or ended QEMU with its keeper. Dropping it ends both.
#[derive(Debug)]
pub(crate) struct Process {
    keeper: Child,
    /// Standard input and output of the keeper in one socket. The keeper kills QEMU when it closes.
    link: Channel,
    /// A second handle of the same socket, to close the sending half.
    hang_up: UnixStream,
    /// The process id of QEMU, for looking at it; never for killing it.
    pub(crate) pid: u32,
    end: Option<End>,
}

impl Process {
    /// Starts the keeper, which starts QEMU.
    pub(crate) fn start(
        keeper: &KeeperProgram,
        request: &Request,
        variables: &[(&str, OwnedPath)],
    ) -> Result<Self, Error> {
        let (ours, theirs) =
            UnixStream::pair().map_err(|source| Error::system("link to the keeper", source))?;
        let hang_up =
            ours.try_clone().map_err(|source| Error::system("link to the keeper", source))?;
        let output =
            theirs.try_clone().map_err(|source| Error::system("link to the keeper", source))?;
        let path = match &keeper.path {
            Some(path) => path.clone(),
            None => std::env::current_exe()
                .map_err(|source| Error::system("find the running program", source))?,
        };
        let child = Command::new(&path)
            .args(request.to_arguments())
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::from(OwnedFd::from(output)))
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(|source| Error::system(format!("start {}", path.display()), source))?;
        let link = Channel::new(ours, "keeper")?;
        let mut process = Self { keeper: child, link, hang_up, pid: 0, end: None };
        let line = process.line("start QEMU", answer_deadline())?;
        let pid = line.strip_prefix("started ").and_then(|number| number.parse().ok());
        process.pid = pid.ok_or_else(|| not_understood(&line))?;
        Ok(process)
    }

    /// How QEMU ended, waiting for it at most until `until`; `None` when it has not.
    pub(crate) fn end(&mut self, until: Instant) -> Result<Option<End>, Error> {
        if self.end.is_none() {
            let line = self.link.poll_line(until).map_err(keeper_gone)?;
            self.end = line.map(|line| parse_end(&line)).transpose()?;
        }
        Ok(self.end)
    }

    /// Becomes readable when QEMU has ended.
    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.hang_up.as_fd()
    }

    fn line(&mut self, doing: &str, until: Instant) -> Result<String, Error> {
        self.link.line(until, doing).map_err(keeper_gone)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let until = Instant::now() + Duration::from_millis(KILL_DEADLINE_MS);
        let _ = self.hang_up.shutdown(std::net::Shutdown::Write);
        // The socket closes when the keeper ends, which it does after it has collected QEMU.
        while matches!(self.link.poll_line(until), Ok(Some(_))) {}
        if Instant::now() >= until {
            let _ = self.keeper.kill();
        }
        let _ = self.keeper.wait();
    }
}

/// A value of an environment variable.
pub(crate) type OwnedPath = std::path::PathBuf;

fn parse_end(line: &str) -> Result<End, Error> {
    let end = match line.split_once(' ') {
        Some(("exit", code)) => code.parse().ok().map(End::Exit),
        Some(("signal", number)) => number.parse().ok().map(End::Signal),
        _ => None,
    };
    end.ok_or_else(|| not_understood(line))
}

fn not_understood(line: &str) -> Error {
    match line.strip_prefix("failed ") {
        Some(reason) => Error::Keeper { reason: reason.to_owned() },
        None => Error::Keeper { reason: format!("expected its report, found {line:?}") },
    }
}

fn keeper_gone(error: Error) -> Error {
    match error {
        Error::Closed { .. } => Error::Keeper { reason: "it disappeared without a report".into() },
        other => other,
    }
}
