//! The socket to the harness: one line asks, one line answers, several where a log is asked for.
//!
//! The plug-in is the client, so that the harness has one listener and no file to wait for. A
//! thread of its own answers, because QEMU's threads are busy or held when a question comes. When
//! the harness is gone the thread ends, and QEMU goes on: ending QEMU is the work of the keeper.

use std::io::{self, BufRead, BufReader, PipeWriter, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::Path;

use crate::{count, lockup, stores};

/// Longest question in bytes. A longer one is not from the harness, and ends the conversation.
const QUESTION_LIMIT_BYTES: u64 = 64;

/// Connects, and starts the thread that answers.
///
/// # Errors
/// When nobody listens at the path, or the system gives no thread.
pub fn open(path: &Path) -> io::Result<()> {
    let stream = UnixStream::connect(path)?;
    let questions = BufReader::new(stream.try_clone()?);
    let answering = std::thread::Builder::new().name("crashrig-plugin".into());
    let release = lockup::watch(stream.as_raw_fd())?;
    answering.spawn(move || {
        block_signals();
        answer(questions, stream, release);
    })?;
    Ok(())
}

/// Answers until the harness hangs up or lets go of a lockup. Then `release` is closed, which is
/// what the handler of the lockup waits for.
fn answer(mut questions: BufReader<UnixStream>, mut answers: UnixStream, release: PipeWriter) {
    while let Some(question) = next_line(&mut questions) {
        let answered = match question.as_str() {
            "go" => {
                // Whether the harness hears it or not, QEMU may die now.
                let _ = tell_stores(&mut answers, "last");
                break;
            }
            "count" => say(&mut answers, &format!("count {}", count::executed())),
            "stores" => tell_stores(&mut answers, "end"),
            other => match other.strip_prefix("watch ").map(stores::watch) {
                Some(Ok(ranges)) => say(&mut answers, &format!("watching {ranges}")),
                Some(Err(reason)) => say(&mut answers, &format!("refused {reason}")),
                None => say(&mut answers, &format!("unknown {other}")),
            },
        };
        if answered.is_err() {
            break;
        }
    }
    drop(release);
    // The handler may be about to use the number of this descriptor, which must not become that of
    // another file: the socket stays open until the process ends.
    std::mem::forget(answers);
}

/// Takes the log, and says it, with this word before the number of the dropped ones.
fn tell_stores(answers: &mut UnixStream, end: &str) -> io::Result<()> {
    let log = stores::take();
    for store in log.stores {
        say(answers, &store.to_string())?;
    }
    say(answers, &format!("{end} {}", log.dropped))
}

/// Says one line. It goes out as one piece, because at a lockup another thread says its own.
fn say(answers: &mut UnixStream, line: &str) -> io::Result<()> {
    answers.write_all(format!("{line}\n").as_bytes())
}

/// The next question without its end; `None` at the end of the conversation.
fn next_line(questions: &mut BufReader<UnixStream>) -> Option<String> {
    let mut line = String::new();
    questions.by_ref().take(QUESTION_LIMIT_BYTES).read_line(&mut line).ok()?;
    line.strip_suffix('\n').map(str::to_owned)
}

/// Leaves all signals to QEMU's own threads, which were made for them.
fn block_signals() {
    // SAFETY: a set of signals is a plain array of bits, of which all values are valid.
    let mut all: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: the set is valid and ours.
    unsafe { libc::sigfillset(&raw mut all) };
    // SAFETY: the set is valid, and nobody asks for the one before.
    unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const all, std::ptr::null_mut()) };
}
