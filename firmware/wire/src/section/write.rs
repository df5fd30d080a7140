//! The writer: one section after the other, word by word, without a buffer for any of them.

use super::{Section, head};
use crate::crc::Crc16;

/// What words are written to.
pub trait WordSink {
    /// Writes one word at an offset in bytes.
    fn write_word(&mut self, offset: usize, word: u32);
}

/// Writes the sections of one record.
#[derive(Debug)]
pub struct SectionWriter<S> {
    sink: S,
    sequence: u32,
    /// Where the next head goes.
    offset: usize,
    /// First offset behind the room there is.
    end: usize,
}

impl<S: WordSink> SectionWriter<S> {
    /// A writer for the record of a sequence, with the room between two offsets of the sink. Ends
    /// the list at once.
    pub fn new(mut sink: S, sequence: u32, start: usize, end: usize) -> Self {
        if start + 4 <= end {
            sink.write_word(start, 0);
        }
        Self { sink, sequence, offset: start, end }
    }

    /// Writes a section of some words. What does not fit is left out, and the section says so; one
    /// without any room is not written.
    pub fn section(&mut self, section: Section, words: impl IntoIterator<Item = u32>) {
        self.table(section, [], usize::MAX, words.into_iter().map(|word| [word]));
    }

    /// Writes a section of rows, up to a limit of them, behind the words of a head. Rows that do
    /// not fit or are more than the limit are left out, and the section says so.
    pub fn rows<const N: usize>(
        &mut self,
        section: Section,
        limit: usize,
        rows: impl IntoIterator<Item = [u32; N]>,
    ) {
        self.table(section, [], limit, rows);
    }

    /// As [`Self::rows`], behind the words of a head, which must fit.
    pub fn table<const H: usize, const N: usize>(
        &mut self,
        section: Section,
        head_words: [u32; H],
        limit: usize,
        rows: impl IntoIterator<Item = [u32; N]>,
    ) {
        let mut body = Body { crc: Crc16::new(), count: 0 };
        body.crc.word(self.sequence);
        let mut cut_short = !self.append(&mut body, &head_words);
        if !cut_short {
            for (index, row) in rows.into_iter().enumerate() {
                if index == limit || !self.append(&mut body, &row) {
                    cut_short = true;
                    break;
                }
            }
        }
        let Body { mut crc, count } = body;
        if count == 0 {
            return;
        }
        let low = head(section.code(), cut_short, count);
        crc.word(low);
        let next = self.offset + 4 + 4 * usize::from(count);
        self.sink.write_word(next, 0);
        self.sink.write_word(self.offset, low | u32::from(crc.value()) << 16);
        self.offset = next;
    }

    /// Writes all of some words, or none if they do not fit.
    fn append(&mut self, body: &mut Body, words: &[u32]) -> bool {
        let at = self.offset + 4 + 4 * usize::from(body.count);
        let count = usize::from(body.count) + words.len();
        // The end of the list needs a word behind the payload.
        if at + 4 * words.len() + 4 > self.end || count > usize::from(u8::MAX) {
            return false;
        }
        for (offset, word) in (at..).step_by(4).zip(words) {
            self.sink.write_word(offset, *word);
            body.crc.word(*word);
        }
        body.count = count as u8;
        true
    }
}

/// What a section has so far.
struct Body {
    crc: Crc16,
    /// Words of payload.
    count: u8,
}
