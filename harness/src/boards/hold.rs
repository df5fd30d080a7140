//! All that holds a board: the lock of its probe on this machine, then labgrid's place where it has
//! one. In this order everywhere, so that two who want both never wait for each other.

use super::BenchBoard;
use super::holder::Holder;
use super::labgrid::{self, HeldPlace, LabgridError};
use super::lock::{BoardLock, LockError, Locks};
use std::time::{Duration, Instant};

/// Why a board is not held. Trouble of the bench, never of a test.
#[derive(Debug, thiserror::Error)]
pub enum HoldError {
    /// Its lock.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// Its place.
    #[error(transparent)]
    Place(#[from] LabgridError),
}

/// A board that this process holds. Dropping it frees the board.
#[derive(Debug)]
#[expect(dead_code, reason = "both are held by being there, and freed in this order")]
pub struct HeldBoard {
    place: Option<HeldPlace>,
    lock: BoardLock,
}

/// Holds a board, at the latest at the end of a patience. `say` gets messages while it has to be
/// waited for.
///
/// # Errors
/// See [`HoldError`].
pub fn hold(
    board: &BenchBoard,
    locks: &Locks,
    holder: &Holder,
    patience: Duration,
    say: &mut dyn FnMut(&str),
) -> Result<HeldBoard, HoldError> {
    let end = Instant::now() + patience;
    let lock = locks.acquire(&board.probe, holder, patience, say)?;
    let left = end.saturating_duration_since(Instant::now());
    let place = board.remote.as_ref().and_then(|remote| remote.place.as_ref());
    let place = place.map(|place| labgrid::hold(place, holder, left, say)).transpose()?;
    Ok(HeldBoard { place, lock })
}
