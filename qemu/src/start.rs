//! Starting a QEMU: from a launch to a guest that stands before its first instruction.
//!
//! QEMU connects to sockets of ours, so that every wait ends by an event: it connects, it ends, or
//! the deadline comes.

use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::channel::{answer_deadline, wait_readable};
use crate::command::{self, Launch, MODULE_VARIABLE, Sockets};
use crate::disk;
use crate::emulator::{Emulator, State, last_words};
use crate::error::Error;
use crate::gdb::Hub;
use crate::guest_ram::{Guest, Memory};
use crate::keeper::Request;
use crate::models::Reset;
use crate::observer::{self, Observer};
use crate::output::{Mark, OutputFiles};
use crate::process::Process;
use crate::qmp::Qmp;
use crate::qtest::Qtest;
use crate::steer;

/// How often a start is tried. Of some two hundred starts on a busy machine three never answered,
/// and none of them did so twice.
const START_ATTEMPTS: usize = 2;

impl Emulator {
    /// Starts a QEMU whose guest stands before its first instruction.
    ///
    /// # Errors
    /// When QEMU cannot be started, ends by itself (with what it said), or gives no sign of life
    /// before its deadline, twice.
    pub fn start(launch: &Launch) -> Result<Self, Error> {
        let mut attempt = 1;
        loop {
            match Self::start_once(launch) {
                Err(Error::Deadline { .. }) if attempt < START_ATTEMPTS => attempt += 1,
                other => return other,
            }
        }
    }

    fn start_once(launch: &Launch) -> Result<Self, Error> {
        let deadline = Instant::now() + Duration::from_millis(launch.start_deadline_ms);
        let folder = tempfile::Builder::new()
            .prefix("crashrig-")
            .tempdir()
            .map_err(|source| Error::system("create a folder for sockets", source))?;
        let sockets = Sockets::of(launch, folder.path());
        let listen = |path: &Path| {
            UnixListener::bind(path)
                .map_err(|source| Error::system(format!("listen on {}", path.display()), source))
        };
        let (qmp, qtest) = (listen(&sockets.qmp)?, listen(&sockets.qtest)?);
        let observer = launch.observer.as_ref().map(|_| listen(&sockets.observer)).transpose()?;
        let steering = sockets.steering.as_deref().map(listen).transpose()?;
        let files = OutputFiles::new(&launch.output_folder);
        write_disk(launch, &sockets)?;
        let request = Request {
            folder: folder.path().to_owned(),
            stdout: files.stdout.clone(),
            stderr: files.stderr.clone(),
            host_processor: launch.host_processor,
            program: launch.program.path.clone(),
            options: command::options(launch, &sockets, &files),
        };
        let variables: Vec<_> =
            launch.program.modules.iter().map(|path| (MODULE_VARIABLE, path.clone())).collect();
        let mut process = Process::start(&launch.keeper, &request, &variables)?;
        let mut accept =
            |name, listener: &_| accept(name, listener, &mut process, launch, &files, deadline);
        let qmp = accept("QMP", &qmp)?;
        let qtest = accept("qtest", &qtest)?;
        let observed = observer.map(|listener| accept(observer::SOCKET, &listener)).transpose()?;
        let steering = steering.map(|listener| accept(steer::SOCKET, &listener)).transpose()?;
        let mut qmp = match Qmp::greet(qmp, deadline) {
            Err(Error::Closed { .. }) => {
                return Err(ended_at_start(&mut process, launch, &files)?);
            }
            other => other?,
        };
        let mut qtest = Qtest::new(qtest)?;
        let mut guest = Guest { qmp: &mut qmp, qtest: &mut qtest };
        let observer = observe(observed, process.pid, launch, &mut guest)?;
        Ok(Self {
            qmp,
            qtest,
            hub: Hub::new(sockets.gdb),
            observer,
            steering,
            models: None,
            due: None,
            state: State::Stopped,
            pending: None,
            resumed_at_instruction: 0,
            resumed_at_mark: Mark::default(),
            resumed_at: Instant::now(),
            instruction_shift: launch.instruction_shift,
            reset: Reset::SystemReset,
            controller: None,
            files,
            version: launch.program.version,
            process,
            _folder: folder,
        })
    }
}

/// Follows the plug-in, where one has connected.
fn observe(
    connected: Option<UnixStream>,
    process: u32,
    launch: &Launch,
    guest: &mut Guest<'_>,
) -> Result<Option<Observer>, Error> {
    let Some(stream) = connected else { return Ok(None) };
    let memory = Memory::find(process, &launch.ram, guest)?;
    Observer::start(stream, memory).map(Some)
}

/// Writes the disk for snapshots, where they are wanted.
fn write_disk(launch: &Launch, sockets: &Sockets) -> Result<(), Error> {
    if !launch.snapshots {
        return Ok(());
    }
    let path = &sockets.snapshots;
    std::fs::write(path, disk::empty())
        .map_err(|source| Error::system(format!("write {}", path.display()), source))
}

/// Waits for QEMU to connect to a socket of ours, or to end.
fn accept(
    name: &'static str,
    listener: &UnixListener,
    process: &mut Process,
    launch: &Launch,
    files: &OutputFiles,
    deadline: Instant,
) -> Result<UnixStream, Error> {
    let [connecting, ended] = wait_readable([listener.as_fd(), process.as_fd()], deadline)?;
    if connecting {
        let (stream, _) = listener
            .accept()
            .map_err(|source| Error::system("accept QEMU's connection", source))?;
        return Ok(stream);
    }
    if ended {
        return Err(ended_at_start(process, launch, files)?);
    }
    Err(Error::Deadline { socket: name, doing: "wait for QEMU to connect".into() })
}

fn ended_at_start(
    process: &mut Process,
    launch: &Launch,
    files: &OutputFiles,
) -> Result<Error, Error> {
    let end = process.end(answer_deadline())?;
    Ok(Error::EndedAtStart {
        program: launch.program.path.clone(),
        end: end.map_or("no report".to_owned(), |end| end.to_string()),
        text: last_words(files, 0)?,
    })
}
