//! The boards behind probes of this machine, real and virtual, as targets.

use super::{Rig, RigError};
use crate::boards::lock::Locks;
use crate::boards::{self, Bench, BenchBoard};
#[cfg(not(feature = "hardware"))]
use crate::target::BenchError;
use crate::target::Target;
#[cfg(feature = "hardware")]
use crate::target::emulator::{EmulatorTarget, identification};
use crate::target::observer::ObserverSource;
use crate::target::probe::choice::{Found, choose};
#[cfg(feature = "hardware")]
use crate::target::probe::target::{ProbeTarget, is_virtual};
use crate::target::probe::{self, permission};
use crashrig_layout::parse::Board;
use crashrig_qemu::Program;
use std::sync::Arc;

/// The first major version of QEMU that a virtual probe can stand in front of.
#[cfg(feature = "hardware")]
const VIRTUAL_PROBE_SINCE: u32 = 10;

impl Rig {
    /// The boards of this machine's bench.
    ///
    /// # Errors
    /// A board file, or the list, is not what it should be.
    pub fn bench(&self) -> Result<Bench, RigError> {
        Ok(Bench::load(&boards::place(&self.workspace), &self.all_boards()?)?)
    }

    /// The board of the bench that a name means, [`boards::AUTO`] for any that can be used. It is
    /// locked when it is first used.
    ///
    /// # Errors
    /// There is none: with everything that was looked for.
    pub fn probe_target(&self, name: &str) -> Result<Arc<dyn Target>, RigError> {
        let bench = self.bench()?;
        let locks = Locks::of_machine();
        let found = Found { bench: &bench, attached: probe::attached(), usb: permission::usb() };
        let board = choose(name, &found, &locks)?;
        self.target_of(board, locks)
    }

    #[cfg(not(feature = "hardware"))]
    fn target_of(&self, _: BenchBoard, _: Locks) -> Result<Arc<dyn Target>, RigError> {
        Err(BenchError(probe::NOT_BUILT_IN.to_owned()).into())
    }

    #[cfg(feature = "hardware")]
    fn target_of(&self, bench: BenchBoard, locks: Locks) -> Result<Arc<dyn Target>, RigError> {
        let board = Board::load(&self.boards(), &bench.port);
        let board = board.map_err(|error| RigError::Board(error.to_string()))?;
        if !is_virtual(&bench) {
            return Ok(Arc::new(ProbeTarget::of_attached(board, bench, locks)?));
        }
        let program = crashrig_qemu::discover::find().map_err(crate::target::BenchError::of)?;
        let observer = Arc::new(self.observer_of(&program));
        let target = virtual_target(&board, &program, &observer)?;
        Ok(Arc::new(target.at_place(bench, locks)))
    }
}

/// The boards that can be put behind a virtual probe.
#[cfg(feature = "hardware")]
pub(super) fn virtual_targets(
    boards: &[Board],
    program: &Program,
    observer: &Arc<ObserverSource>,
) -> Result<Vec<Arc<dyn Target>>, RigError> {
    // Older ones give no access to the stack pointers and the special registers.
    if program.version.major < VIRTUAL_PROBE_SINCE {
        return Ok(Vec::new());
    }
    let can = |board: &&Board| board.emulator().is_some() && identification(board).is_some();
    let targets = boards.iter().filter(can).map(|board| {
        let target = virtual_target(board, program, observer)?;
        Ok(Arc::new(target) as Arc<dyn Target>)
    });
    targets.collect()
}

#[cfg(not(feature = "hardware"))]
#[expect(clippy::unnecessary_wraps, reason = "with boards behind probes it can fail")]
pub(super) fn virtual_targets(
    _: &[Board],
    _: &Program,
    _: &Arc<ObserverSource>,
) -> Result<Vec<Arc<dyn Target>>, RigError> {
    Ok(Vec::new())
}

#[cfg(feature = "hardware")]
fn virtual_target(
    board: &Board,
    program: &Program,
    observer: &Arc<ObserverSource>,
) -> Result<ProbeTarget, RigError> {
    let plain = EmulatorTarget::new(board.clone(), program.clone())?;
    let observed = EmulatorTarget::new(board.clone(), program.clone())?;
    let observed = observed.with_observer(Arc::clone(observer));
    Ok(ProbeTarget::of_virtual(plain, observed)?)
}
