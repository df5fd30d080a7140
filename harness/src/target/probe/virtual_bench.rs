//! Virtual boards of this process: each is plugged in once and used by one session after the other,
//! so that flash is programmed only when the image changes, as on a shelf of real boards.

use super::driver::{self, SharedBoard};
use crate::image::Image;
use crate::target::BenchError;
use crate::target::emulator::{EmulatorTarget, breakpoint_sites};
use crashrig_layout::Need;
use crashrig_qemu::probe::Trouble;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Boards of one kind.
pub(super) struct VirtualBench {
    emulator: EmulatorTarget,
    idle: Mutex<Vec<Plugged>>,
    troubles: Mutex<Vec<Trouble>>,
}

struct Plugged {
    name: String,
    board: SharedBoard,
}

impl Drop for Plugged {
    fn drop(&mut self) {
        driver::unplug(&self.name);
    }
}

impl VirtualBench {
    /// Boards of an emulated kind; none is started yet.
    pub(super) fn new(emulator: EmulatorTarget) -> Arc<Self> {
        Arc::new(Self { emulator, idle: Mutex::default(), troubles: Mutex::default() })
    }

    /// What the boards are.
    pub(super) const fn emulator(&self) -> &EmulatorTarget {
        &self.emulator
    }

    /// Trouble of every board that is used from now on.
    pub(super) fn set_troubles(&self, troubles: Vec<Trouble>) {
        *lock(&self.troubles) = troubles;
    }

    /// A board that nobody uses, with power and the devices that some needs ask for. What its
    /// emulator writes goes into a folder, if it is started for this.
    pub(super) fn take(
        self: &Arc<Self>,
        image: &Image,
        needs: &[Need],
        folder: &Path,
    ) -> Result<Lease, BenchError> {
        let idle = lock(&self.idle).pop();
        let plugged = idle.map_or_else(|| self.start(folder), Ok)?;
        let sites = |image: &Image| breakpoint_sites(image.bytes());
        let all = [Some(image), image.bootloader()].into_iter().flatten().flat_map(sites);
        let mut board = lock(&plugged.board);
        board.set_breakpoint_sites(all.collect());
        board.set_devices(self.emulator.host_models(needs)).map_err(BenchError::of)?;
        board.set_troubles(lock(&self.troubles).clone()).map_err(BenchError::of)?;
        drop(board);
        Ok(Lease { bench: Arc::clone(self), plugged: Some(plugged) })
    }

    fn start(&self, folder: &Path) -> Result<Plugged, BenchError> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let folder = folder.join("virtual-board");
        std::fs::create_dir_all(&folder).map_err(BenchError::of)?;
        let mut board = self.emulator.virtual_board(&folder)?;
        board.power_on(&[]).map_err(BenchError::of)?;
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}-{}-{number}", board_name(&self.emulator), std::process::id());
        let board = driver::plug_in(&name, board);
        Ok(Plugged { name, board })
    }
}

fn board_name(emulator: &EmulatorTarget) -> String {
    crate::target::Target::board(emulator).name.clone()
}

/// A board that one session uses. Its emulator goes on for the next one.
pub(super) struct Lease {
    bench: Arc<VirtualBench>,
    plugged: Option<Plugged>,
}

impl Lease {
    /// Selects its probe.
    pub(super) fn selector(&self) -> String {
        self.plugged.as_ref().map(|it| driver::selector(&it.name)).unwrap_or_default()
    }

    /// The board itself.
    pub(super) fn board(&self) -> Option<SharedBoard> {
        self.plugged.as_ref().map(|it| Arc::clone(&it.board))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(plugged) = self.plugged.take() else { return };
        // A board in trouble is thrown away.
        let is_sound = {
            let board = lock(&plugged.board);
            board.failure().is_none() && board.has_power() && board.check_open().is_ok()
        };
        if is_sound && lock(&self.bench.troubles).is_empty() {
            lock(&self.bench.idle).push(plugged);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
