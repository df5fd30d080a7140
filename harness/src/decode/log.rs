//! The log of one boot: defmt frames as text. Each boot is decoded by itself, so that a frame cut off by
//! a crash never spoils the next boot's.

use super::symbols::shorten;
use crate::image::Image;
use defmt_decoder::{DecodeError, Locations, Table};

/// Lines that are decoded of one boot at most.
pub const LINE_LIMIT: usize = 10_000;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// `trace`, `debug`, `info`, `warn`, `error`, or `-`.
    pub level: String,
    /// The text.
    pub message: String,
    /// Time as the image gives it.
    pub timestamp: Option<String>,
    /// Source file, below the workspace where it is ours.
    pub file: Option<String>,
    /// Line in it.
    pub line: Option<u32>,
}

/// The log of one boot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Log {
    /// Decoded lines.
    pub lines: Vec<LogLine>,
    /// What could not be decoded.
    pub notes: Vec<String>,
}

/// The decoder of an image: its table of log statements.
pub struct LogDecoder {
    table: Option<Table>,
    locations: Option<Locations>,
    problem: Option<String>,
}

impl LogDecoder {
    /// Reads the table of log statements from an image.
    #[must_use]
    pub fn new(image: &Image) -> Self {
        match Table::parse(image.bytes()) {
            Ok(Some(table)) => {
                let locations = table.get_locations(image.bytes()).ok();
                Self { table: Some(table), locations, problem: None }
            }
            Ok(None) => Self::without("the image has no table of log statements".to_owned()),
            Err(error) => Self::without(format!("the image's table of log statements: {error}")),
        }
    }

    fn without(problem: String) -> Self {
        Self { table: None, locations: None, problem: Some(problem) }
    }

    /// Decodes the bytes of one boot.
    #[must_use]
    pub fn decode(&self, bytes: &[u8]) -> Log {
        let mut log = Log::default();
        let Some(table) = &self.table else {
            if !bytes.is_empty() {
                log.notes.extend(self.problem.clone());
            }
            return log;
        };
        let mut decoder = table.new_stream_decoder();
        decoder.received(bytes);
        let mut malformed = 0;
        loop {
            if log.lines.len() == LINE_LIMIT {
                log.notes.push(format!("cut after {LINE_LIMIT} lines"));
                break;
            }
            match decoder.decode() {
                Ok(frame) => {
                    let place = self.locations.as_ref().and_then(|all| all.get(&frame.index()));
                    log.lines.push(LogLine {
                        level: frame.level().map_or("-", |level| level.as_str()).to_owned(),
                        message: frame.display_message().to_string(),
                        timestamp: frame.display_timestamp().map(|time| time.to_string()),
                        file: place.map(|place| shorten(&place.file.to_string_lossy(), "")),
                        line: place.and_then(|place| u32::try_from(place.line).ok()),
                    });
                }
                Err(DecodeError::UnexpectedEof) => break,
                Err(DecodeError::Malformed) => {
                    malformed += 1;
                    if !table.encoding().can_recover() {
                        break;
                    }
                }
            }
        }
        if malformed > 0 {
            log.notes.push(format!("{malformed} malformed frames"));
        }
        log
    }
}
