//! The reader: any bytes give sections and remarks, and come to an end.

use super::{CUT_SHORT, Section};
use crate::bytes::get_u32;
use crate::crc::Crc16;

/// What was read at one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SectionReading<'a> {
    /// A sound section.
    Sound {
        /// What it says; nothing for a code that this version does not know.
        section: Option<Section>,
        /// Its code.
        code: u8,
        /// Whether its writer had more to say.
        cut_short: bool,
        /// Whole words, little-endian.
        payload: &'a [u8],
    },
    /// Bytes that are no sound section, up to the next one or the end of what there is.
    Damaged {
        /// Where they begin, in bytes from the start of the sections.
        offset: usize,
        /// How many.
        length: usize,
    },
}

/// The sections in some bytes, for the record of a sequence.
pub fn sections(bytes: &[u8], sequence: u32) -> impl Iterator<Item = SectionReading<'_>> {
    let mut offset = 0;
    core::iter::from_fn(move || {
        if offset + 4 > bytes.len() || get_u32(bytes, offset) == 0 {
            return None;
        }
        if let Some((reading, next)) = sound_at(bytes, offset, sequence) {
            offset = next;
            return Some(reading);
        }
        let start = offset;
        let next =
            (start + 4..bytes.len()).step_by(4).find(|at| sound_at(bytes, *at, sequence).is_some());
        offset = next.unwrap_or(bytes.len());
        Some(SectionReading::Damaged { offset: start, length: offset - start })
    })
}

fn sound_at(bytes: &[u8], offset: usize, sequence: u32) -> Option<(SectionReading<'_>, usize)> {
    let head = get_u32(bytes, offset);
    let [code, words, ..] = head.to_le_bytes();
    let end = offset + 4 + 4 * usize::from(words);
    let payload = bytes.get(offset + 4..end).filter(|payload| !payload.is_empty())?;
    let mut crc = Crc16::new();
    crc.word(sequence);
    for chunk in payload.as_chunks::<4>().0 {
        crc.word(u32::from_le_bytes(*chunk));
    }
    crc.word(head & 0xFFFF);
    let cut_short = u32::from(code) & CUT_SHORT != 0;
    let code = code & !(CUT_SHORT as u8);
    let sound =
        SectionReading::Sound { section: Section::from_code(code), code, cut_short, payload };
    (u32::from(crc.value()) == head >> 16).then_some((sound, end))
}
