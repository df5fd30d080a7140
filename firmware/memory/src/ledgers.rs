//! Where the ledger lies: two copies in the crash region, and a mirror in memory that outlives the
//! loss of RAM, where a chip has such.
//!
//! Each write is one of both copies, one after the other: cut off at any word it leaves one whole,
//! and a copy that is damaged later costs nothing, since the other says the same.
//!
//! The mirror is one copy, so a loss of power while it is written leaves none there. It comes last:
//! until it is whole the crash region has what it is to say. The highest sequence counts.

use crate::store::Store;
use crashrig_wire::Ledger;
use crashrig_wire::ledger::LEDGER_LENGTH;
use crashrig_wire::region::Geometry;

/// The newest ledger of all, and the copy to be written first.
pub(crate) fn newest<S: Store>(store: &S, mirror: Option<&S>) -> (Option<Ledger>, usize) {
    let copy = |store: &S, offset| {
        let mut bytes = [0; LEDGER_LENGTH];
        store.read(offset, &mut bytes);
        bytes
    };
    let copies = [0, 1].map(|index| copy(store, Geometry::offset_of_ledger(index)));
    let [a, b] = &copies;
    let (held, first_copy) = match Ledger::newest([a, b]) {
        Some((index, ledger)) => (Some(ledger), 1 - index),
        None => (None, 0),
    };
    let mirrored = mirror.and_then(|mirror| Ledger::read(&copy(mirror, 0)));
    let sequence = |ledger: Option<Ledger>| ledger.map(|ledger| ledger.sequence);
    let newest = if sequence(mirrored) > sequence(held) { mirrored } else { held };
    (newest, first_copy)
}

/// Writes a ledger to both copies, the one given first, which does not hold the newest, then to the
/// mirror.
pub(crate) fn write<S: Store>(
    ledger: &Ledger,
    first_copy: usize,
    store: &mut S,
    mirror: Option<&mut S>,
) {
    let bytes = ledger.to_bytes();
    for copy in [first_copy, 1 - first_copy] {
        put(store, Geometry::offset_of_ledger(copy), &bytes);
    }
    if let Some(mirror) = mirror.filter(|_| !cfg!(feature = "without-ledger-mirror")) {
        put(mirror, 0, &bytes);
    }
}

fn put<S: Store>(store: &mut S, offset: usize, bytes: &[u8; LEDGER_LENGTH]) {
    for (index, word) in words(bytes).enumerate() {
        store.write_word(offset + 4 * index, word);
    }
}

/// Bytes as words, little-endian.
pub(crate) fn words(bytes: &[u8]) -> impl Iterator<Item = u32> {
    bytes.as_chunks::<4>().0.iter().map(|chunk| u32::from_le_bytes(*chunk))
}
