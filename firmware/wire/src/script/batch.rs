//! A batch on the wire: magic, version, length, number, the entries, and the CRC over all of them.

use crate::bytes::{get_u16, get_u32, put_u16, put_u32};
use crate::crc::crc32;
use core::marker::PhantomData;

/// The version this crate writes and reads.
const VERSION: u16 = 1;
const VERSION_AT: usize = 4;
const LENGTH_AT: usize = 6;
const NUMBER_AT: usize = 8;
const ENTRIES_AT: usize = 12;
const CRC_LENGTH: usize = 4;

/// Bytes of a batch of entries.
pub(super) const fn length(entries: usize, entry_length: usize) -> usize {
    ENTRIES_AT + entries * entry_length + CRC_LENGTH
}

/// What a batch is made of.
pub trait Entry: Sized {
    /// First word of a batch of these.
    const MAGIC: u32;
    /// Bytes of one.
    const LENGTH: usize;
    /// Writes one at the start of some bytes.
    fn put(&self, bytes: &mut [u8]);
    /// Reads one at the start of some bytes; nothing if this version knows no such entry.
    fn get(bytes: &[u8]) -> Option<Self>;
}

/// A batch that was found whole.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a, E> {
    /// Its number.
    pub number: u32,
    entries: &'a [u8],
    kind: PhantomData<E>,
}

impl<E: Entry> Batch<'_, E> {
    /// What it holds. Nothing stands for an entry that this version does not know.
    pub fn entries(&self) -> impl Iterator<Item = Option<E>> {
        self.entries.chunks_exact(E::LENGTH).map(E::get)
    }
}

/// Writes a batch to the start of some bytes. Answers its length, or nothing if it does not fit.
pub fn write<E: Entry>(
    bytes: &mut [u8],
    number: u32,
    entries: impl IntoIterator<Item = E>,
) -> Option<usize> {
    let mut end = ENTRIES_AT;
    for entry in entries {
        entry.put(bytes.get_mut(end..end + E::LENGTH)?);
        end += E::LENGTH;
    }
    let length = end + CRC_LENGTH;
    let batch = bytes.get_mut(..length)?;
    put_u32(batch, 0, E::MAGIC);
    put_u16(batch, VERSION_AT, VERSION);
    put_u16(batch, LENGTH_AT, u16::try_from(length).ok()?);
    put_u32(batch, NUMBER_AT, number);
    let crc = crc32(batch.get(..end)?);
    put_u32(batch, end, crc);
    Some(length)
}

/// The number in what may be the start of a batch; [`read`] says whether it is one.
#[must_use]
pub fn number_in<E: Entry>(bytes: &[u8]) -> Option<u32> {
    let is_started = bytes.len() >= ENTRIES_AT && get_u32(bytes, 0) == E::MAGIC;
    is_started.then(|| get_u32(bytes, NUMBER_AT))
}

/// Reads the batch at the start of some bytes; nothing unless everything about it holds.
#[must_use]
pub fn read<E: Entry>(bytes: &[u8]) -> Option<Batch<'_, E>> {
    let number = number_in::<E>(bytes)?;
    let length = usize::from(get_u16(bytes, LENGTH_AT));
    let end = length.checked_sub(CRC_LENGTH)?;
    let entries = bytes.get(ENTRIES_AT..end)?;
    let is_sound = get_u16(bytes, VERSION_AT) == VERSION
        && bytes.len() >= length
        && entries.len().is_multiple_of(E::LENGTH)
        && crc32(bytes.get(..end)?) == get_u32(bytes, end);
    is_sound.then_some(Batch { number, entries, kind: PhantomData })
}
