//! The end of the log, kept for a crash record: the last bytes of encoded frames, whoever listens.
//!
//! A frame ends with a zero byte and holds no other (defmt's rzCOBS), so the frames in a ring of
//! bytes are found without any further mark.

use core::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};
use crashrig_wire::section::LOG_TAIL_BYTES;

/// A ring. It keeps its contents over a reset, see [`crate::kept`].
#[unsafe(link_section = ".noinit.log_tail")]
static BYTES: [AtomicU8; LOG_TAIL_BYTES] = [const { AtomicU8::new(0) }; LOG_TAIL_BYTES];
/// How many bytes were ever written; the next goes to this place, counted around the ring.
#[unsafe(link_section = ".noinit.log_tail")]
static WRITTEN: AtomicU32 = AtomicU32::new(0);
/// Whether a frame is being kept.
#[unsafe(link_section = ".upper.log_tail")]
static IS_BUSY: AtomicBool = AtomicBool::new(false);

/// Forgets everything.
pub(crate) fn clear() {
    WRITTEN.store(0, Ordering::Relaxed);
}

/// Keeps bytes of a frame.
pub(crate) fn keep(bytes: &[u8]) {
    critical_section::with(|_| {
        if IS_BUSY.swap(true, Ordering::Relaxed) {
            return;
        }
        for byte in bytes {
            let written = WRITTEN.load(Ordering::Relaxed);
            if let Some(room) = BYTES.get(written as usize % LOG_TAIL_BYTES) {
                room.store(*byte, Ordering::Relaxed);
            }
            WRITTEN.store(written.wrapping_add(1), Ordering::Relaxed);
        }
        IS_BUSY.store(false, Ordering::Relaxed);
    });
}

/// The frames that are still whole at their beginning, as words, with zeros behind them. Nothing if
/// the fault came while one was being kept.
pub(crate) fn words() -> impl Iterator<Item = u32> {
    let is_whole = !IS_BUSY.load(Ordering::Relaxed);
    let written = if is_whole { WRITTEN.load(Ordering::Relaxed) as usize } else { 0 };
    let mut bytes = [0; LOG_TAIL_BYTES];
    for (byte, kept) in bytes.iter_mut().zip(&BYTES) {
        *byte = kept.load(Ordering::Relaxed);
    }
    let kept = written.min(LOG_TAIL_BYTES);
    let byte = move |age: usize| bytes.get(age % LOG_TAIL_BYTES).copied().unwrap_or(0);
    let oldest = written.wrapping_sub(kept);
    // What the ring has written over may have been the beginning of the oldest frame.
    let is_cut = written > kept;
    let begin = if is_cut {
        (oldest..written).find(|age| byte(*age) == 0).map_or(written, |end| end + 1)
    } else {
        oldest
    };
    (begin..written).step_by(4).map(move |age| {
        let at = |offset: usize| if age + offset < written { byte(age + offset) } else { 0 };
        u32::from_le_bytes([at(0), at(1), at(2), at(3)])
    })
}
