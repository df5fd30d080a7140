//! A run that is told to stop (Ctrl-C, or a signal to end): the test that is running is finished,
//! since emulators are in process groups of their own, and the results so far are said. Told once
//! more, it ends at once; the keeper ends the emulator then.

use super::CommandError;
use crate::exit;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether the run was told to stop.
pub(super) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Listens from now on.
    pub(super) fn listen() -> Result<Self, CommandError> {
        let asked = Arc::new(AtomicBool::new(false));
        let code = i32::from(exit::INTERRUPTED);
        for signal in [SIGINT, SIGTERM] {
            // In this order: the first signal finds the flag clear, and sets it.
            flag::register_conditional_shutdown(signal, code, Arc::clone(&asked))
                .and_then(|_| flag::register(signal, Arc::clone(&asked)))
                .map_err(|source| CommandError::Signals { source })?;
        }
        Ok(Self(asked))
    }

    /// Whether to stop.
    pub(super) fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
