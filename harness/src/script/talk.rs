//! Requests to a device that runs, and its answers: batch by batch, in turns.
//!
//! A device that ends, stands or talks nonsense just gives no answer. How its boot ended is told by
//! who waits for it.

use super::Script;
use crate::image::Image;
use crate::target::{BenchError, Deadline, Session};
use crashrig_wire::script::{
    BATCH_LIMIT, REQUESTS_LENGTH, REQUESTS_SYMBOL, RESPONSES_LENGTH, RESPONSES_SYMBOL, Request,
    Response, number_in, read, write,
};
use std::time::{Duration, Instant};

/// How long an answer may take on the wall. An emulator that shares its machine may be slow.
const ANSWER_WALL: Duration = Duration::from_secs(20);
/// A device that has counted no instruction for so long does not run. Much less is no proof: an
/// emulator may wait that long for a turn on a busy machine.
const STANDSTILL: Duration = Duration::from_secs(5);
/// How often it is looked.
const PULSE: Duration = Duration::from_millis(100);
/// How long a boot with a script may take: a device that waits for its host uses up its own time.
pub const DEADLINE: Deadline = Deadline {
    target_ms: 600_000,
    wall: Duration::from_secs(60),
    log_bytes: 4 << 20,
    witness_bytes: 16 << 20,
};
/// As much of a batch as tells its number.
const START_LENGTH: usize = 12;

/// Where a device and its host write to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Desk {
    requests: u32,
    responses: u32,
}

impl Desk {
    /// The blocks of an image.
    ///
    /// # Errors
    /// The image has none: it carries out no scripts.
    pub fn of(image: &Image) -> Result<Self, BenchError> {
        let address = |name: &str| {
            image.symbol(name).map(|symbol| symbol.address).ok_or_else(|| {
                BenchError(format!("find symbol {name} in {}", image.origin().display()))
            })
        };
        Ok(Self { requests: address(REQUESTS_SYMBOL)?, responses: address(RESPONSES_SYMBOL)? })
    }

    /// Takes away what an earlier boot may have left. Before the first instruction.
    ///
    /// # Errors
    /// The bench failed.
    pub fn clear(&self, session: &mut dyn Session) -> Result<(), BenchError> {
        session.write(self.requests, &[0; REQUESTS_LENGTH])?;
        session.write(self.responses, &[0; RESPONSES_LENGTH])
    }
}

/// Asks a device that runs everything that a script says, and then to end. Answers to what the
/// script says, as [`Conversation::ask`] gives them.
///
/// # Errors
/// The bench failed.
pub fn play(
    script: &Script,
    desk: Desk,
    session: &mut dyn Session,
) -> Result<Vec<Option<Response>>, BenchError> {
    let requests: Vec<_> = script.requests().collect();
    let mut conversation = Conversation::new(desk);
    let answers = conversation.ask(session, &requests)?;
    if answers.len() == requests.len() {
        // The device ends its boot after it has answered, which may come before it is read.
        let _ = conversation.ask(session, &[Request::Close]);
    }
    Ok(answers)
}

/// A conversation with one boot of a device.
#[derive(Debug)]
pub struct Conversation {
    desk: Desk,
    number: u32,
}

impl Conversation {
    /// With a device that runs.
    #[must_use]
    pub const fn new(desk: Desk) -> Self {
        Self { desk, number: 0 }
    }

    /// Puts requests to the device. The answers are in the same order; they end early where the
    /// device stopped answering. Nothing stands for an answer that nobody knows.
    ///
    /// # Errors
    /// The bench failed.
    pub fn ask(
        &mut self,
        session: &mut dyn Session,
        requests: &[Request],
    ) -> Result<Vec<Option<Response>>, BenchError> {
        let mut answers = Vec::new();
        if self.number == 0 && self.answer(session)?.is_none() {
            return Ok(answers);
        }
        for batch in requests.chunks(BATCH_LIMIT) {
            self.number += 1;
            let mut bytes = [0; REQUESTS_LENGTH];
            let length = write(&mut bytes, self.number, batch.iter().copied()).unwrap_or(0);
            session.write(self.desk.requests, bytes.get(..length).unwrap_or_default())?;
            let Some(mut found) = self.answer(session)? else { break };
            // What was not asked for answers nothing.
            found.truncate(batch.len());
            let is_complete = found.len() == batch.len();
            answers.append(&mut found);
            if !is_complete {
                break;
            }
        }
        Ok(answers)
    }

    /// Waits for the answers of this batch's number.
    fn answer(
        &self,
        session: &mut dyn Session,
    ) -> Result<Option<Vec<Option<Response>>>, BenchError> {
        let asked = Instant::now();
        let (mut looked, mut moved, mut executed) = (asked, asked, None);
        while asked.elapsed() < ANSWER_WALL {
            let mut start = [0; START_LENGTH];
            session.read(self.desk.responses, &mut start)?;
            if number_in::<Response>(&start) == Some(self.number) {
                let mut bytes = [0; RESPONSES_LENGTH];
                session.read(self.desk.responses, &mut bytes)?;
                // A batch that the device is just writing does not read yet.
                if let Some(batch) = read::<Response>(&bytes) {
                    return Ok(Some(batch.entries().collect()));
                }
            }
            if looked.elapsed() > PULSE {
                // A device that has ended, or was stopped, counts no further.
                let Ok(now) = session.instructions() else { break };
                looked = Instant::now();
                if now.is_none() || now != executed {
                    (moved, executed) = (looked, now);
                } else if moved.elapsed() > STANDSTILL {
                    break;
                }
            }
        }
        Ok(None)
    }
}
