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
        let payload = self.offset + 4;
        let mut crc = Crc16::new();
        crc.word(self.sequence);
        let (mut count, mut cut_short) = (0_u8, false);
        for word in words {
            let at = payload + 4 * usize::from(count);
            // The end of the list needs a word behind the payload.
            if at + 8 > self.end || count == u8::MAX {
                cut_short = true;
                break;
            }
            self.sink.write_word(at, word);
            crc.word(word);
            count += 1;
        }
        if count == 0 {
            return;
        }
        let low = head(section.code(), cut_short, count);
        crc.word(low);
        let next = payload + 4 * usize::from(count);
        self.sink.write_word(next, 0);
        self.sink.write_word(self.offset, low | u32::from(crc.value()) << 16);
        self.offset = next;
    }
}
