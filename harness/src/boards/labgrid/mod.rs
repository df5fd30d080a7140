//! A board that labgrid has: who wants it acquires its *place*, so that people and jobs on other
//! machines who use labgrid see that it is taken, and are waited for.
//!
//! Everything is done by `labgrid-client`, which finds the coordinator as it always does. A place
//! that somebody else has is queued for by a reservation. A place that its user acquired before,
//! by hand, is used as it is and stays acquired. One that a killed process of ours left is released
//! in its name. Must never happen here: releasing the place of anybody who may still use it, and a
//! wait without a deadline. Source: labgrid 26.0, `remote/client.py` and `remote/coordinator.py`.

mod client;
mod session;

use self::client::{Client, State};
use self::session::{Session, person};
use super::holder::{Holder, age};
use std::time::{Duration, Instant};

/// How long between two looks at a place: each starts an interpreter.
const POLL: Duration = Duration::from_secs(1);
/// How long between two messages of one who waits.
const MESSAGE_EVERY: Duration = Duration::from_secs(10);

/// Why a place was not acquired. Trouble of the bench, never of a test.
#[derive(Debug, thiserror::Error)]
pub enum LabgridError {
    /// The client is missing, or refuses.
    #[error(
        "hold labgrid's place {place}: `{command}`: found {found}; expected labgrid-client on the \
         search path (`pip install labgrid`), and that place at the coordinator {coordinator} \
         (LG_COORDINATOR names another); a board without `remote.place` needs none of this"
    )]
    Client {
        /// The place.
        place: String,
        /// What was run.
        command: String,
        /// What came of it.
        found: String,
        /// Where the coordinator was looked for.
        coordinator: String,
    },
    /// Somebody else had it until the deadline.
    #[error(
        "hold labgrid's place {place}: {who}; waited {waited}; `labgrid-client -p {place} show` \
         says more, and `labgrid-client -p {place} release --kick` takes it away from its holder"
    )]
    Busy {
        /// The place.
        place: String,
        /// Who had it at last, in words.
        who: String,
        /// How long it was waited for.
        waited: String,
    },
}

/// A place that this process may use. Dropping it releases what this process acquired; the end of
/// the process alone does not, and whoever comes next does it then.
#[derive(Debug)]
pub struct HeldPlace {
    client: Client,
    /// Whom it is released from; nothing where it was acquired before.
    owner: Option<String>,
}

impl Drop for HeldPlace {
    fn drop(&mut self) {
        let Some(owner) = &self.owner else { return };
        if let Err(error) = self.client.run(&["release-from", owner]) {
            eprintln!("warning: it stays acquired by {owner}: failed to {error}");
        }
    }
}

/// Acquires a place, at the latest at the end of a patience. `say` gets a message when it has to be
/// waited for, and further ones while it is.
///
/// # Errors
/// See [`LabgridError`].
pub fn hold(
    place: &str,
    holder: &Holder,
    patience: Duration,
    say: &mut dyn FnMut(&str),
) -> Result<HeldPlace, LabgridError> {
    let session = Session::of(holder);
    let client = Client::new(place, session.user());
    let (person, owner) = (person(holder), session.owner());
    let started = Instant::now();
    let mut next_message = started;
    let mut queue: Option<Queue> = None;
    loop {
        let state = client.state()?;
        match &state.owner {
            Some(found) if *found == person => {
                say(&format!("labgrid's place {place} is acquired by {person}, and stays so"));
                return Ok(HeldPlace { client, owner: None });
            }
            Some(found) if session.sees_dead(found) => {
                say(&format!("labgrid's place {place} is freed: {found} has ended without that"));
                client.run(&["release-from", found])?;
            }
            Some(_) => {}
            None => match client.run(&["acquire"]) {
                Ok(_) => return Ok(HeldPlace { client, owner: Some(owner) }),
                // Somebody was faster, or is in front in the queue. Anything else stays in the way.
                Err(error) => {
                    if client.state()? == (State { owner: None, token: None }) {
                        return Err(error);
                    }
                }
            },
        }
        let (now, who) = (Instant::now(), words(&state));
        let waited = now.saturating_duration_since(started);
        if waited >= patience {
            let (place, waited) = (place.to_owned(), age(waited));
            return Err(LabgridError::Busy { place, who, waited });
        }
        if state.owner.is_some() && queue.as_ref().is_none_or(Queue::is_over) {
            queue = Some(Queue::enter(&client)?);
        }
        if now >= next_message {
            let left = age(patience.saturating_sub(waited));
            say(&format!("waiting for labgrid's place {place}, {who}; gives up in {left}"));
            next_message = now + MESSAGE_EVERY;
        }
        std::thread::sleep(POLL.min(patience.saturating_sub(waited)));
    }
}

/// Who has a place that cannot be acquired.
fn words(state: &State) -> String {
    match (&state.owner, &state.token) {
        (Some(owner), _) => format!("acquired by {owner}"),
        (None, Some(token)) => format!("reserved by {token} (`labgrid-client reservations`)"),
        (None, None) => "which another was faster to acquire".to_owned(),
    }
}

/// A reservation, which labgrid keeps for a minute at a time while somebody waits for it. One that
/// a killed process leaves ends a minute after its turn.
struct Queue {
    client: Client,
    token: String,
    /// The client that waits.
    waiting: duct::Handle,
}

impl Queue {
    fn enter(client: &Client) -> Result<Self, LabgridError> {
        let token = client.reserve()?;
        let waiting = client.start(&["wait", &token])?;
        Ok(Self { client: client.clone(), token, waiting })
    }

    /// Whether the place was allocated, or the coordinator has forgotten the reservation.
    fn is_over(&self) -> bool {
        self.waiting.try_wait().map_or(true, |output| output.is_some())
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // Both are over by themselves where that fails, the reservation after a minute. A place
        // that was acquired meanwhile stays so.
        let _ = self.waiting.kill();
        let _ = self.client.run(&["cancel-reservation", &self.token]);
    }
}
