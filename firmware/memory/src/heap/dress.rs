//! What a block that is handed out wears: owner, size, canaries and fill.
//!
//! | before the address handed out | word | level |
//! |---|---|---|
//! | 16 | owner, a number of the user's | tracked |
//! | 12 | caller, an address in the text | tracked |
//! | 8 | size that was asked for, in bytes | light |
//! | 4 | head canary: [`HEAD`], crossed with all words above it and the address | light |
//!
//! Right behind the last byte that was asked for, at any address, stands the tail canary [`TAIL`]
//! (light), so an overrun by one byte is seen. The head canary vouches for owner, caller and size:
//! a change of any of the four is a disagreement. A size that the tail canary does not bear out is
//! the wrong one; otherwise the head canary is named. A block that is not tracked has the lower two
//! rows at the same place.
//!
//! The patterns are ESP-IDF's, since people know them from memory dumps.

use super::block::{Header, LINKED_BYTES};
use super::error::{Corruption, Expected};
use super::level::Level;
use crate::words::Words;

/// The head canary, before it is crossed with address and size.
pub(super) const HEAD: u32 = 0xABBA_1234;
/// The tail canary.
pub(super) const TAIL: u32 = 0xBAAD_5678;
/// What memory holds that was handed out and not yet written.
pub(super) const FILL_ALLOCATED: u32 = 0xCECE_CECE;
/// What memory holds that is free.
pub(super) const FILL_FREE: u32 = 0xFEFE_FEFE;

/// Who asked for a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Origin {
    /// A number that the heap's user gives each thread; the heap only compares it.
    pub owner: u32,
    /// Where the caller goes on, or 0.
    pub caller: u32,
}

/// What new memory must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Contents {
    /// Whatever was there, or the fill of the level.
    Any,
    /// Zeros.
    Zeros,
}

/// The address that is handed out for a block.
#[inline]
pub(super) const fn payload<L: Level>(block: &Header) -> u32 {
    block.address + L::PAYLOAD_OFFSET_BYTES
}

/// Puts on what the level asks for. `block` was just taken and its header is written.
#[inline]
pub(super) fn dress<L: Level>(
    words: &mut impl Words,
    block: &Header,
    size_bytes: u32,
    origin: Origin,
    contents: Contents,
) {
    let payload = payload::<L>(block);
    if contents == Contents::Zeros {
        zero(words, payload, size_bytes);
    } else if L::IS_FILLED {
        fill(words, payload, block.next(), FILL_ALLOCATED);
    }
    if L::IS_TRACKED {
        let place = block.address + L::PAYLOAD_OFFSET_BYTES - L::PREFIX_BYTES;
        words.write(place, origin.owner);
        words.write(place + 4, origin.caller);
    }
    if L::IS_CHECKED {
        seal::<L>(words, payload, size_bytes);
    }
}

/// Writes size and canaries. The origin stands already.
pub(super) fn seal<L: Level>(words: &mut impl Words, payload: u32, size_bytes: u32) {
    words.write(payload - 8, size_bytes);
    words.write(payload - 4, head_canary::<L>(words, payload, size_bytes));
    write_unaligned(words, payload + size_bytes, TAIL);
}

/// Puts on what the level asks for, after a change of size where the block is.
pub(super) fn redress<L: Level>(
    words: &mut impl Words,
    block: &Header,
    held_bytes: u32,
    size_bytes: u32,
) {
    let payload = payload::<L>(block);
    if L::IS_FILLED {
        // A word that holds both old and new bytes stays as it is.
        let first = (payload + held_bytes.min(size_bytes)).next_multiple_of(4);
        fill(words, first, block.next(), FILL_ALLOCATED);
    }
    if L::IS_CHECKED {
        seal::<L>(words, payload, size_bytes);
    }
}

/// The size that was asked for, once both canaries are seen; where the level has none, all that the
/// block holds.
///
/// # Errors
/// The canary that is wrong.
pub(super) fn asked_bytes<L: Level>(words: &impl Words, block: &Header) -> Result<u32, Corruption> {
    let usable = L::usable_bytes(block.size_bytes);
    if !L::IS_CHECKED {
        return Ok(usable);
    }
    let payload = payload::<L>(block);
    let size_bytes = words.read(payload - 8);
    let found = words.read(payload - 4);
    let expected = head_canary::<L>(words, payload, size_bytes);
    if found != expected || size_bytes > usable {
        return Err(head_damage::<L>(words, payload, usable));
    }
    let found = read_unaligned(words, payload + size_bytes);
    if found != TAIL {
        let address = payload + size_bytes;
        return Err(Corruption { address, expected: Expected::TailCanary(TAIL), found });
    }
    Ok(size_bytes)
}

/// The size that was asked for, where a mutant believes it.
pub(super) fn believed_bytes(words: &impl Words, payload: u32) -> u32 {
    words.read(payload - 8)
}

/// Which of the words in front of the payload is wrong: the size, if the canary would be right for
/// a size that has a tail canary behind it.
#[cold]
fn head_damage<L: Level>(words: &impl Words, payload: u32, usable_bytes: u32) -> Corruption {
    let (size_bytes, canary) = (words.read(payload - 8), words.read(payload - 4));
    let meant = canary ^ head_canary::<L>(words, payload, 0);
    if meant <= usable_bytes && read_unaligned(words, payload + meant) == TAIL {
        let address = payload - 8;
        return Corruption { address, expected: Expected::Word(meant), found: size_bytes };
    }
    // The size is right, or both are wrong and the canary is what was reached from below. Nobody
    // else knows the origin, so damage to it is told as damage to the canary.
    let expected = Expected::HeadCanary(head_canary::<L>(words, payload, size_bytes));
    Corruption { address: payload - 4, expected, found: canary }
}

/// Who owns a block; nobody known, where the level does not track.
pub(super) fn origin<L: Level>(words: &impl Words, block: &Header) -> Origin {
    origin_of::<L>(words, payload::<L>(block))
}

fn origin_of<L: Level>(words: &impl Words, payload: u32) -> Origin {
    if !L::IS_TRACKED {
        return Origin::default();
    }
    let place = payload - L::PREFIX_BYTES;
    Origin { owner: words.read(place), caller: words.read(place + 4) }
}

/// Fills what just became free: all of a block but the places that its header and links will
/// have. `from..to` is the part that was not free before.
pub(super) fn fill_free(words: &mut impl Words, from: u32, to: u32) {
    fill(words, from, to, FILL_FREE);
}

/// Checks that what is about to leave a free block is as it was filled: from its links, which are
/// no fill, or from `from`, up to `to` or the end of the block.
///
/// # Errors
/// The first word that somebody wrote to after it was freed.
pub(super) fn check_fill(
    words: &impl Words,
    block: &Header,
    from: u32,
    to: u32,
) -> Result<(), Corruption> {
    let first = from.max(block.address + LINKED_BYTES);
    for address in (first..to.min(block.next())).step_by(4) {
        let found = words.read(address);
        if found != FILL_FREE {
            return Err(Corruption { address, expected: Expected::Fill(FILL_FREE), found });
        }
    }
    Ok(())
}

/// Everything about one block that the level can hold against it.
///
/// # Errors
/// The word that is wrong.
pub(super) fn check<L: Level>(words: &impl Words, block: &Header) -> Result<(), Corruption> {
    if !block.is_free {
        return asked_bytes::<L>(words, block).map(|_| ());
    }
    if L::IS_FILLED { check_fill(words, block, block.address, block.next()) } else { Ok(()) }
}

/// Copies bytes between addresses that are multiples of four.
pub(super) fn copy(words: &mut impl Words, from: u32, to: u32, size_bytes: u32) {
    for offset in (0..size_bytes).step_by(4) {
        let word = words.read(from + offset);
        write_part(words, to + offset, word, size_bytes - offset);
    }
}

/// Writes zeros over bytes, from a multiple of four on.
pub(super) fn zero(words: &mut impl Words, address: u32, size_bytes: u32) {
    for offset in (0..size_bytes).step_by(4) {
        write_part(words, address + offset, 0, size_bytes - offset);
    }
}

/// Writes as much of a word as belongs to the `left_bytes` from its address on, at least 1. What
/// is behind them may be the canary of the block.
#[inline(always)]
fn write_part(words: &mut impl Words, address: u32, word: u32, left_bytes: u32) {
    if left_bytes >= 4 {
        return words.write(address, word);
    }
    let theirs = u32::MAX << (8 * left_bytes);
    let kept = words.read(address) & theirs;
    words.write(address, kept | word & !theirs);
}

#[inline]
fn fill(words: &mut impl Words, from: u32, to: u32, word: u32) {
    for address in (from..to).step_by(4) {
        words.write(address, word);
    }
}

/// The caller is turned, so that the same change of owner and caller is seen as well.
fn head_canary<L: Level>(words: &impl Words, payload: u32, size_bytes: u32) -> u32 {
    let is_vouched = !cfg!(feature = "without-heap-owner-check");
    let origin = if is_vouched { origin_of::<L>(words, payload) } else { Origin::default() };
    let Origin { owner, caller } = origin;
    HEAD ^ payload ^ size_bytes ^ owner ^ caller.rotate_left(16)
}

fn read_unaligned(words: &impl Words, address: u32) -> u32 {
    let (place, shift) = (address & !3, (address & 3) * 8);
    let low = words.read(place) >> shift;
    if shift == 0 { low } else { low | words.read(place + 4) << (32 - shift) }
}

fn write_unaligned(words: &mut impl Words, address: u32, word: u32) {
    let (place, shift) = (address & !3, (address & 3) * 8);
    if shift == 0 {
        return words.write(place, word);
    }
    let low = words.read(place) & !(u32::MAX << shift);
    words.write(place, low | word << shift);
    let high = words.read(place + 4) & (u32::MAX << shift);
    words.write(place + 4, high | word >> (32 - shift));
}
