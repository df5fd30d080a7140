//! One unix socket to QEMU: sending, and receiving with a deadline and a limit.
//!
//! Timeouts come from `poll`, because socket timeouts are rounded to the kernel's tick (up to 4
//! ms), which is longer than most answers take.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::error::Error;

/// Longest time that any single answer of QEMU may take, in milliseconds. Answers take well under a
/// millisecond; the rest is for a machine that is busy with other tests.
pub(crate) const ANSWER_DEADLINE_MS: u64 = 20_000;

/// Bytes that may wait unread on one socket. The longest answer, a block of memory, is far shorter.
const RECEIVED_LIMIT_BYTES: usize = 16 * 1024 * 1024;

/// Bytes asked of the kernel at a time.
const CHUNK_BYTES: usize = 64 * 1024;

/// The deadline of an answer that is asked for now.
pub(crate) fn answer_deadline() -> Instant {
    Instant::now() + Duration::from_millis(ANSWER_DEADLINE_MS)
}

/// Waits until one of the descriptors is readable or closed, at most until `until`. Returns whether
/// each of them is.
pub(crate) fn wait_readable<const N: usize>(
    descriptors: [rustix::fd::BorrowedFd<'_>; N],
    until: Instant,
) -> Result<[bool; N], Error> {
    let mut polled = descriptors.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN));
    loop {
        let remaining = until.saturating_duration_since(Instant::now());
        let timeout = Timespec::try_from(remaining).map_err(|_| Error::Limit {
            what: "a deadline in seconds",
            limit: i64::MAX as usize,
        })?;
        match poll(&mut polled, Some(&timeout)) {
            Ok(_) => return Ok(polled.map(|descriptor| !descriptor.revents().is_empty())),
            Err(rustix::io::Errno::INTR) => {}
            Err(source) => return Err(Error::system("wait for QEMU", source)),
        }
    }
}

/// A connected socket with what was received and not yet taken.
#[derive(Debug)]
pub(crate) struct Channel {
    stream: UnixStream,
    /// The name in error messages: "QMP", "qtest" or "GDB".
    pub(crate) name: &'static str,
    received: Vec<u8>,
    /// Bytes of `received` that are known to hold no end of line.
    scanned: usize,
}

impl Channel {
    /// Wraps a connected socket. Writing gets the deadline of an answer.
    pub(crate) fn new(stream: UnixStream, name: &'static str) -> Result<Self, Error> {
        stream
            .set_write_timeout(Some(Duration::from_millis(ANSWER_DEADLINE_MS)))
            .map_err(|source| Error::system(format!("set up the {name} socket"), source))?;
        Ok(Self { stream, name, received: Vec::new(), scanned: 0 })
    }

    /// Sends all bytes.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.stream.write_all(bytes).map_err(|source| match source.kind() {
            std::io::ErrorKind::BrokenPipe | std::io::ErrorKind::ConnectionReset => {
                Error::Closed { socket: self.name }
            }
            std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut => {
                Error::Deadline { socket: self.name, doing: "send a command".into() }
            }
            _ => Error::system(format!("send on the {} socket", self.name), source),
        })
    }

    /// Receives what is there, waiting at most until `until`. False when nothing came.
    pub(crate) fn receive(&mut self, until: Instant) -> Result<bool, Error> {
        use std::os::fd::AsFd;
        let [readable] = wait_readable([self.stream.as_fd()], until)?;
        if !readable {
            return Ok(false);
        }
        if self.received.len() >= RECEIVED_LIMIT_BYTES {
            return Err(Error::Limit {
                what: "the unread answers of QEMU in bytes",
                limit: RECEIVED_LIMIT_BYTES,
            });
        }
        let before = self.received.len();
        self.received.resize(before + CHUNK_BYTES, 0);
        let space = self.received.get_mut(before..).unwrap_or_default();
        let count = self.stream.read(space);
        self.received.truncate(before + count.as_ref().copied().unwrap_or(0));
        match count {
            Ok(0) => Err(Error::Closed { socket: self.name }),
            Ok(_) => Ok(true),
            Err(source) => match source.kind() {
                std::io::ErrorKind::ConnectionReset => Err(Error::Closed { socket: self.name }),
                std::io::ErrorKind::Interrupted => Ok(true),
                _ => Err(Error::system(format!("receive on the {} socket", self.name), source)),
            },
        }
    }

    /// What was received and not yet taken.
    pub(crate) fn received(&self) -> &[u8] {
        &self.received
    }

    /// Drops the first `count` received bytes.
    pub(crate) fn take(&mut self, count: usize) {
        self.received.drain(..count.min(self.received.len()));
        self.scanned = 0;
    }

    /// The next line without its end, or `None` when it did not come in time.
    pub(crate) fn poll_line(&mut self, until: Instant) -> Result<Option<String>, Error> {
        loop {
            let fresh = self.received.get(self.scanned..).unwrap_or_default();
            if let Some(position) = fresh.iter().position(|byte| *byte == b'\n') {
                let end = self.scanned + position;
                let line = self.received.get(..end).unwrap_or_default();
                let text = String::from_utf8_lossy(line).trim_end_matches('\r').to_owned();
                self.take(end + 1);
                return Ok(Some(text));
            }
            self.scanned = self.received.len();
            if !self.receive(until)? {
                return Ok(None);
            }
        }
    }

    /// The next line, before a deadline; `doing` is named when it does not come.
    pub(crate) fn line(&mut self, until: Instant, doing: &str) -> Result<String, Error> {
        self.poll_line(until)?
            .ok_or_else(|| Error::Deadline { socket: self.name, doing: doing.to_owned() })
    }
}
