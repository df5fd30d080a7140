//! How much of its own time a device has used up.

use super::driver::SharedBoard;
use std::sync::PoisonError;
use std::time::Instant;

/// The clock of a target.
pub(super) enum Clock {
    /// Silicon: its time is that of the wall.
    Wall(Instant),
    /// An emulator, which counts instructions: as many nanoseconds each as a power of two.
    Counted {
        /// Who counts.
        board: SharedBoard,
        /// The power.
        shift: u8,
        /// Where the count stood at the start.
        start: u64,
    },
}

impl Clock {
    /// Starts anew.
    pub(super) fn restart(&mut self) {
        match self {
            Self::Wall(start) => *start = Instant::now(),
            Self::Counted { board, start, .. } => *start = count(board).unwrap_or(0),
        }
    }

    /// Milliseconds of target time since the start.
    pub(super) fn elapsed_ms(&self) -> u64 {
        match self {
            Self::Wall(start) => u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX),
            Self::Counted { board, shift, start } => {
                // An emulator that was started anew counts from zero.
                let counted = count(board).unwrap_or(0).saturating_sub(*start);
                (counted << shift) / 1_000_000
            }
        }
    }
}

fn count(board: &SharedBoard) -> Option<u64> {
    board.lock().unwrap_or_else(PoisonError::into_inner).instructions()
}
