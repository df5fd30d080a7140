//! The log of one boot: defmt frames, decoded by `defmt-decoder`.
//!
//! The bytes come from a device that was dying, so any bytes give a log. The stream is cut into frames
//! here, and each frame is decoded alone, within limits: the decoder of the library recurses as deep
//! as a frame says and panics on some frames that no sound device sends, so it runs on a thread with
//! room, and what it breaks on counts as malformed. A log is cut per boot by the caller: frames of one
//! boot never continue in the next.

use super::symbols::Symbols;
use defmt_decoder::{DecodeError, Encoding, Locations, Table};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Lines of one boot that are kept.
pub const MAXIMUM_LINES: usize = 10_000;
/// Bytes of one frame as it was sent; a longer one counts as malformed.
pub const MAXIMUM_FRAME_BYTES: usize = 4096;
/// Stack of the thread that decodes, in bytes. Every level of nesting takes two bytes of a frame.
const STACK_BYTES: usize = 64 << 20;

/// One line of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// The time the device gave, in the device's own words; nothing if it gives none.
    pub timestamp: Option<String>,
    /// `trace`, `debug`, `info`, `warn` or `error`; `print` for a line without level.
    pub level: &'static str,
    /// The text.
    pub message: String,
    /// Source file, relative to the workspace where it is one of ours.
    pub file: Option<String>,
    /// Line of the source, from 1.
    pub line: Option<u32>,
}

/// The log of one boot.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Log {
    /// The lines, in the order they were sent.
    pub lines: Vec<LogLine>,
    /// Frames that do not decode.
    pub malformed_frames: usize,
    /// Bytes after the last whole frame: of one that was cut short by the end of the boot.
    pub trailing_bytes: usize,
    /// What else must be known, in words.
    pub notes: Vec<String>,
}

/// Decodes logs of one image. Reading the table costs more than decoding, so it is kept.
pub struct LogDecoder {
    /// The table of the image's format strings, or why there is none.
    table: Result<Table, String>,
    locations: Locations,
}
