//! Notes what instructions do first to each byte of some memory: load it, or store to it.
//!
//! A byte that is stored to before it is loaded can be changed until then without any difference.
//! What the core itself reads and writes, its stacked registers and vectors, is no access of an
//! instruction, and QEMU makes no callback for it; whoever asks must know where that lies.
//!
//! Must never happen here: a note of a run that nobody asked about.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::stop::Kind;

/// The memory: first address above, size in bytes below; 0 for none. Read at every access, while
/// the notes are locked only for one that counts.
static WATCHED: AtomicU64 = AtomicU64::new(0);

/// A byte for each of the memory: 0 for neither, or the number of the kind.
static NOTES: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// From now on, accesses to some memory are noted.
pub fn watch(start: u32, size_bytes: u32) {
    *notes() = vec![0; size_bytes as usize];
    WATCHED.store(u64::from(start) << 32 | u64::from(size_bytes), Ordering::SeqCst);
}

/// Whether accesses are noted.
pub fn is_watching() -> bool {
    WATCHED.load(Ordering::Relaxed) != 0
}

/// Notes an access.
pub fn note(kind: Kind, address: u32, size_bytes: u32) {
    let watched = WATCHED.load(Ordering::Relaxed);
    if watched == 0 {
        return;
    }
    let start = (watched >> 32) as u32;
    for byte in address..address.saturating_add(size_bytes) {
        let Some(offset) = byte.checked_sub(start) else { continue };
        // Behind the memory there is no note.
        if offset < watched as u32
            && let Some(note) = notes().get_mut(offset as usize).filter(|note| **note == 0)
        {
            *note = kind as u8;
        }
    }
}

/// What was noted. Nothing more is.
pub fn take() -> Vec<u8> {
    WATCHED.store(0, Ordering::SeqCst);
    std::mem::take(&mut notes())
}

/// The notes. A panic of their holder, which ends QEMU, would leave them whole.
fn notes() -> MutexGuard<'static, Vec<u8>> {
    NOTES.lock().unwrap_or_else(PoisonError::into_inner)
}
