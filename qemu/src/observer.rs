//! The observer: the plug-in of `qemu/plugin` inside QEMU, as this side sees it.
//!
//! It is optional, and gives what QEMU itself cannot: an instruction count without `-icount`, a log
//! of stores ([`crate::stores`]), and the memory of a guest that locked up, where QEMU ends by
//! abort. While QEMU is held there,
//! neither QMP nor qtest answers, so RAM is read from outside, out of the memory of the process. A
//! thread does it: the one that follows the guest may just then wait for an answer on QMP.
//!
//! Must never happen here: a lockup that is reported differently because it was observed. What goes
//! wrong with the memory is said by [`Emulator::lockup_ram`] and changes no [`crate::Stop`].

use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use crate::channel::{ANSWER_DEADLINE_MS, answer_deadline};
use crate::command::MODULE_VARIABLE;
use crate::discover::Program;
use crate::emulator::Emulator;
use crate::error::Error;
use crate::guest_ram::Memory;
use crate::stores::{self, STORE_LOG_LIMIT, StoreLog};
use crate::{answers, tools};

/// The name of the socket in error messages.
pub(crate) const SOCKET: &str = "observer";

/// Longest line of the plug-in in bytes: a word and up to four numbers.
const LINE_LIMIT_BYTES: u64 = 64;

/// A plug-in that is not there, for [`probe`].
const NO_PLUGIN: &str = "/nonexistent/crashrig-probe.so";

/// Where the answers to [`probe`] are remembered, in the tool cache.
const ANSWERS_FILE: &str = "qemu-plugins.json";

/// What a QEMU with the plug-in interface says about a plug-in that is not there.
const LOADING_FAILED: &str = "Could not load plugin";

/// Whether a QEMU can load plug-ins at all; distributions may build without. Each program is asked
/// once, which takes some 20 ms, and its answer remembered in the tool cache.
///
/// # Errors
/// The reason why it cannot: what QEMU said, or why it could not be started.
pub fn probe(program: &Program) -> Result<(), String> {
    let folder = tools::cache_folder();
    let ask = || ask(program);
    answers::answer(folder.as_deref(), ANSWERS_FILE, &program.path, ask)?.map_or(Ok(()), Err)
}

/// Why a QEMU loads no plug-ins, if it does not.
///
/// # Errors
/// Why it could not be asked.
fn ask(program: &Program) -> Result<Option<String>, String> {
    let mut command = Command::new(&program.path);
    command.args(["-M", "none", "-display", "none", "-plugin", NO_PLUGIN]).stdin(Stdio::null());
    if let Some(modules) = &program.modules {
        command.env(MODULE_VARIABLE, modules);
    }
    let output =
        command.output().map_err(|error| format!("start {}: {error}", program.path.display()))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if said.contains(LOADING_FAILED) {
        return Ok(None);
    }
    let last = said.lines().last().unwrap_or("nothing");
    Ok(Some(format!("{} loads no plug-ins; it said {last:?}", program.path.display())))
}

impl Emulator {
    /// Instructions begun since power-on, over all boots, as the observer counts them; `None`
    /// without [`crate::Launch::observer`].
    ///
    /// It equals [`Emulator::instructions`], but for an instruction whose access to memory faults,
    /// which only this one counts. It needs no `-icount`; but without that QEMU 7.2 was seen to
    /// execute one instruction after the guest had asked for a reset. While the guest runs, the
    /// count is a moment of the past.
    ///
    /// # Errors
    /// When QEMU has ended, or the plug-in does not answer in time.
    pub fn exact_instructions(&mut self) -> Result<Option<u64>, Error> {
        let Some(observer) = &mut self.observer else {
            return Ok(None);
        };
        let count = observer.ask("count", |message| match message {
            Message::Count(count) => Ok(count),
            other => Err(other),
        })?;
        Ok(Some(count))
    }

    /// The RAM at the lockup that ended QEMU: the ranges of [`crate::Launch::ram`] in their order.
    /// `None` when there was no lockup yet, nobody observed, or no range was asked for.
    ///
    /// # Errors
    /// Why the memory of the held QEMU could not be read; the system may forbid it.
    #[must_use]
    pub fn lockup_ram(&self) -> Option<Result<&[Vec<u8>], &Error>> {
        let found = self.observer.as_ref()?.lockup.as_ref()?;
        Some(found.as_deref())
    }
}

/// What the thread reports.
#[derive(Debug)]
pub(crate) enum Message {
    Count(u64),
    Watching,
    /// A range is not watched, for this reason.
    Refused(String),
    Stores(StoreLog),
    /// The log at a lockup, when nobody asks for it.
    LastStores(StoreLog),
    Lockup(Result<Vec<Vec<u8>>, Error>),
}

/// The conversation with the plug-in of one QEMU.
#[derive(Debug)]
pub(crate) struct Observer {
    stream: UnixStream,
    messages: Receiver<Message>,
    /// What was read at the lockup.
    lockup: Option<Result<Vec<Vec<u8>>, Error>>,
    /// What the log held at the lockup, until it is taken.
    pub(crate) last_stores: Option<StoreLog>,
}

impl Observer {
    /// Follows a plug-in that has connected. The guest must not have run yet.
    pub(crate) fn start(stream: UnixStream, memory: Memory) -> Result<Self, Error> {
        let setting_up = |source| Error::system("set up the observer's socket", source);
        stream
            .set_write_timeout(Some(Duration::from_millis(ANSWER_DEADLINE_MS)))
            .map_err(setting_up)?;
        let other = stream.try_clone().map_err(setting_up)?;
        let (sender, messages) = channel();
        std::thread::Builder::new()
            .name("crashrig-observer".into())
            .spawn(move || listen(other, &memory, &sender))
            .map_err(|source| Error::system("start the observer's thread", source))?;
        Ok(Self { stream, messages, lockup: None, last_stores: None })
    }

    /// Asks, and waits for the message that is taken for the answer; others are given back.
    pub(crate) fn ask<T>(
        &mut self,
        question: &str,
        take: impl Fn(Message) -> Result<T, Message>,
    ) -> Result<T, Error> {
        // An answer that came too late for its question must not be taken for the next one.
        while let Ok(message) = self.messages.try_recv() {
            self.keep(message);
        }
        let closed = Error::Closed { socket: SOCKET };
        if self.stream.write_all(format!("{question}\n").as_bytes()).is_err() {
            return Err(closed);
        }
        let deadline = answer_deadline();
        loop {
            match self.messages.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(message) => match take(message) {
                    Ok(answer) => return Ok(answer),
                    Err(other) => self.keep(other),
                },
                Err(RecvTimeoutError::Timeout) => {
                    return Err(Error::Deadline { socket: SOCKET, doing: question.into() });
                }
                Err(RecvTimeoutError::Disconnected) => return Err(closed),
            }
        }
    }

    /// Takes what is still to come from a QEMU that has ended, whose socket is therefore closed.
    pub(crate) fn finish(&mut self) {
        let deadline = answer_deadline();
        let left = || deadline.saturating_duration_since(Instant::now());
        while let Ok(message) = self.messages.recv_timeout(left()) {
            self.keep(message);
        }
    }

    fn keep(&mut self, message: Message) {
        match message {
            Message::Lockup(found) => self.lockup = Some(found),
            Message::LastStores(log) => self.last_stores = Some(log),
            _ => {}
        }
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        // Ends the thread, and lets go of a QEMU that is held.
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

/// Reads what the plug-in says until it hangs up or says what is not understood. Then the sender is
/// dropped, which tells the other side.
fn listen(mut stream: UnixStream, memory: &Memory, sender: &Sender<Message>) {
    let Ok(lines) = stream.try_clone() else {
        return;
    };
    let mut lines = BufReader::new(lines);
    let mut begun = Vec::new();
    loop {
        let mut line = String::new();
        let limited = lines.by_ref().take(LINE_LIMIT_BYTES).read_line(&mut line);
        let message = match (limited, line.trim_end().split_once(' ')) {
            (Err(_) | Ok(0), _) => return,
            (_, Some(("count", number))) => number.parse().ok().map(Message::Count),
            (_, Some(("watching", _))) => Some(Message::Watching),
            (_, Some(("refused", reason))) => Some(Message::Refused(reason.to_owned())),
            (_, Some(("store", numbers))) if begun.len() < STORE_LOG_LIMIT => {
                let Some(store) = stores::parse(numbers) else {
                    return;
                };
                begun.push(store);
                None
            }
            (_, Some((end @ ("end" | "last"), number))) => {
                let Ok(dropped) = number.parse() else {
                    return;
                };
                let log = StoreLog { stores: std::mem::take(&mut begun), dropped };
                Some(if end == "end" { Message::Stores(log) } else { Message::LastStores(log) })
            }
            _ if line == "lockup\n" => {
                let found = memory.read();
                // When this fails, QEMU is gone already or lets itself go after its own limit.
                let _ = stream.write_all(b"go\n");
                found.map(Message::Lockup)
            }
            _ => return,
        };
        if let Some(message) = message
            && sender.send(message).is_err()
        {
            return;
        }
    }
}
