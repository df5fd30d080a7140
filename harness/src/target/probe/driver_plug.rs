//! Boards that are plugged into virtual probes, by name.
//!
//! Process-wide, as the list of drivers of probe-rs is: a selector must lead to a board from
//! wherever it is opened.

use crashrig_qemu::probe::VirtualBoard;
use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The vendor in the selector of a virtual probe; no vendor of USB devices has it.
pub const VENDOR: u16 = 0x4352;
/// The product in it.
pub const PRODUCT: u16 = 0x5647;

/// The selector of the probe of a name.
#[must_use]
pub fn selector(name: &str) -> String {
    format!("{VENDOR:04x}:{PRODUCT:04x}:{name}")
}

/// A board that is shared between its probe and whoever troubles it or moves its power switch.
pub type SharedBoard = Arc<Mutex<VirtualBoard>>;

/// A board at a probe.
#[derive(Debug, Clone)]
pub(super) struct Plugged {
    /// The board.
    pub(super) board: SharedBoard,
    /// Whether a session has the probe.
    pub(super) is_open: Arc<AtomicBool>,
}

/// Boards by name.
static PLUGGED: Mutex<BTreeMap<String, Plugged>> = Mutex::new(BTreeMap::new());

/// Keeps a board under a name, in place of an older one.
pub(super) fn keep(name: &str, board: VirtualBoard) -> SharedBoard {
    let board = Arc::new(Mutex::new(board));
    let plugged = Plugged { board: Arc::clone(&board), is_open: Arc::default() };
    lock(&PLUGGED).insert(name.to_owned(), plugged);
    board
}

/// The board of a name.
pub(super) fn find(name: &str) -> Option<Plugged> {
    lock(&PLUGGED).get(name).cloned()
}

/// Every board with its name.
pub(super) fn all() -> Vec<(String, Plugged)> {
    lock(&PLUGGED).iter().map(|(name, plugged)| (name.clone(), plugged.clone())).collect()
}

/// Takes a board away, which ends its emulator when nobody else holds it.
pub fn unplug(name: &str) {
    lock(&PLUGGED).remove(name);
}

/// What is behind a lock, also after a panic of somebody who held it.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
