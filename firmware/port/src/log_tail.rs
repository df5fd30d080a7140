//! The end of the log, kept for a crash record: the last bytes of encoded frames, whoever listens.
//!
//! A frame ends with a zero byte and holds no other (defmt's rzCOBS), so the frames in a ring of
//! bytes are found without any further mark.

use core::cell::RefCell;
use crashrig_wire::section::LOG_TAIL_BYTES;
use critical_section::Mutex;

struct Ring {
    bytes: [u8; LOG_TAIL_BYTES],
    /// How many bytes were ever written; the next goes to this place, counted around the ring.
    written: usize,
}

#[unsafe(link_section = ".upper.log_tail")]
static RING: Mutex<RefCell<Ring>> =
    Mutex::new(RefCell::new(Ring { bytes: [0; LOG_TAIL_BYTES], written: 0 }));

/// Keeps bytes of a frame.
pub(crate) fn keep(bytes: &[u8]) {
    critical_section::with(|token| {
        let Ok(mut ring) = RING.borrow(token).try_borrow_mut() else { return };
        for byte in bytes {
            let place = ring.written % LOG_TAIL_BYTES;
            if let Some(room) = ring.bytes.get_mut(place) {
                *room = *byte;
            }
            ring.written = ring.written.wrapping_add(1);
        }
    });
}

/// The frames that are still whole at their beginning, as words, with zeros behind them. Nothing if
/// the fault came while one was being kept.
pub(crate) fn words() -> impl Iterator<Item = u32> {
    let copy = critical_section::with(|token| {
        let ring = RING.borrow(token).try_borrow();
        ring.map_or(([0; LOG_TAIL_BYTES], 0), |ring| (ring.bytes, ring.written))
    });
    let (bytes, written) = copy;
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
