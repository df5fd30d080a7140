//! What belongs to a board of the bench beside its probe: its lock, its place, and its power.

use super::driver::SharedBoard;
use crate::boards::hold::{HeldBoard, hold};
use crate::boards::holder::{Holder, Purpose};
use crate::boards::lock::Locks;
use crate::boards::{BenchBoard, Power};
use crate::target::BenchError;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How long a board is waited for that somebody else holds.
const PATIENCE: Duration = Duration::from_secs(600);

/// A board of the bench, which this process holds once it was used.
pub(super) struct Place {
    /// The board.
    pub board: BenchBoard,
    /// Where its lock and its mark are.
    pub locks: Locks,
    held: Mutex<Option<Hold>>,
}

/// What came of holding a board. One that was not to be had is not waited for again by each test.
type Hold = Result<HeldBoard, String>;

/// How the board's power is switched.
pub(super) enum PowerSwitch {
    None,
    Commands(Power),
    Virtual(SharedBoard),
}

impl Place {
    pub(super) const fn new(board: BenchBoard, locks: Locks) -> Self {
        Self { board, locks, held: Mutex::new(None) }
    }

    /// Locks the board, and acquires its place, if this process has not done that yet.
    pub(super) fn hold(&self) -> Result<(), BenchError> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let hold = held.get_or_insert_with(|| {
            let holder = Holder::this_process(Purpose::Run, "a run of scenarios");
            let mut say = |text: &str| eprintln!("{text}");
            hold(&self.board, &self.locks, &holder, PATIENCE, &mut say)
                .map_err(|error| error.to_string())
        });
        hold.as_ref().map(|_| ()).map_err(|error| BenchError(error.clone()))
    }
}

impl PowerSwitch {
    /// Takes the board's power away for a while; that of a virtual one's battery as well, unless it
    /// is kept.
    pub(super) fn cycle(&self, battery: bool) -> Result<(), BenchError> {
        match self {
            Self::None => Err(BenchError("its power cannot be switched".to_owned())),
            Self::Virtual(board) => {
                let mut board = board.lock().unwrap_or_else(PoisonError::into_inner);
                board.power_cycle(&[], battery).map_err(BenchError::of)
            }
            Self::Commands(power) => {
                switch(&power.off)?;
                std::thread::sleep(power.off_time);
                switch(&power.on)?;
                std::thread::sleep(power.settle_time);
                Ok(())
            }
        }
    }
}

fn switch(command: &[String]) -> Result<(), BenchError> {
    let Some((program, arguments)) = command.split_first() else { return Ok(()) };
    let failed =
        |what: String| BenchError(format!("switch power by {}: {what}", command.join(" ")));
    let output = duct::cmd(program, arguments)
        .stdout_null()
        .stderr_capture()
        .unchecked()
        .run()
        .map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().replace('\n', " ");
    Err(failed(format!("{}: {said}", output.status)))
}
