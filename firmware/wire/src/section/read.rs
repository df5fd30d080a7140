//! The reader: any bytes give sections and remarks, and come to an end.
//!
//! Sixteen bits of a CRC agree by chance once in 65,536 times, and the payload of a damaged section
//! offers many words that could be heads. So what is taken for the next section stands where the
//! damaged head says that its own ends, or it has a code that is known and leads on to another
//! sound section or to the end. A sweep over each bit has shown the need.

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
        if is_end(bytes, offset) {
            return None;
        }
        if let Some((reading, next)) = sound_at(bytes, offset, sequence) {
            offset = next;
            return Some(reading);
        }
        let start = offset;
        offset = behind_damage(bytes, start, sequence);
        Some(SectionReading::Damaged { offset: start, length: offset - start })
    })
}

/// Where the next section is, behind a damaged one.
fn behind_damage(bytes: &[u8], start: usize, sequence: u32) -> usize {
    let [_, words, ..] = get_u32(bytes, start).to_le_bytes();
    let claimed = start + 4 + 4 * usize::from(words);
    let leads_on = |at: usize| match sound_at(bytes, at, sequence) {
        Some((SectionReading::Sound { section: Some(_), .. }, next)) => {
            is_end(bytes, next) || sound_at(bytes, next, sequence).is_some()
        }
        _ => false,
    };
    let is_next =
        |at: usize| leads_on(at) || at == claimed && sound_at(bytes, at, sequence).is_some();
    (start + 4..bytes.len()).step_by(4).find(|at| is_next(*at)).unwrap_or(bytes.len())
}

fn is_end(bytes: &[u8], offset: usize) -> bool {
    offset + 4 > bytes.len() || get_u32(bytes, offset) == 0
}

fn sound_at(bytes: &[u8], offset: usize, sequence: u32) -> Option<(SectionReading<'_>, usize)> {
    bytes.get(offset..offset + 4)?;
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
