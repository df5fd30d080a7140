//! The log of one boot: defmt frames, decoded by `defmt-decoder`.
//!
//! The bytes come from a device that was dying, so any bytes give a log. The stream is cut into
//! frames here, and each frame is decoded alone, within limits: the decoder of the library recurses
//! as deep as a frame says and panics on some frames that no sound device sends, so it runs on a
//! thread with room, and what it breaks on counts as malformed. A log is cut per boot by the
//! caller: frames of one boot never continue in the next.

use super::symbols::Symbols;
use defmt_decoder::{DecodeError, Encoding, Locations, Table};
use std::cell::OnceCell;
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

/// Decodes the logs of one image.
pub struct LogDecoder<'a> {
    symbols: &'a Symbols<'a>,
    /// The table of the image's format strings, or why there is none.
    table: Result<Table, String>,
    /// Where each format string stands in the source; read when the first line needs it.
    locations: OnceCell<Locations>,
}

/// A frame that was decoded: everything of its line but the place in the source.
struct Decoded {
    /// Of its format string.
    index: u64,
    timestamp: Option<String>,
    level: &'static str,
    message: String,
}

/// What became of one frame.
enum Outcome {
    Line(Decoded),
    Malformed,
    /// The bytes end before the frame does.
    Unfinished,
}

impl<'a> LogDecoder<'a> {
    /// A decoder for the logs of an image.
    #[must_use]
    pub fn new(symbols: &'a Symbols<'a>) -> Self {
        let elf = symbols.image().bytes();
        // The library is not total on broken files; whoever reads a file of any origin must be.
        let table = match catch_unwind(|| Table::parse(elf)) {
            Ok(Ok(Some(table))) => Ok(table),
            Ok(Ok(None)) => Err("the image has no defmt table".to_owned()),
            Ok(Err(error)) => Err(format!("the defmt table of the image is broken: {error:#}")),
            Err(_) => Err("the defmt table of the image is broken".to_owned()),
        };
        Self { symbols, table, locations: OnceCell::new() }
    }

    /// Decodes the bytes of one boot.
    #[must_use]
    pub fn decode(&self, bytes: &[u8]) -> Log {
        let mut log = Log::default();
        match &self.table {
            _ if bytes.is_empty() => {}
            Err(reason) => {
                log.notes.push(format!("{} bytes of log not decoded: {reason}", bytes.len()));
            }
            Ok(table) => self.decode_with(table, bytes, &mut log),
        }
        log
    }

    fn decode_with(&self, table: &Table, bytes: &[u8], log: &mut Log) {
        let mut lines = Vec::new();
        let mut left_out = 0_usize;
        let mut take = |outcome, length_bytes| match outcome {
            Outcome::Line(line) if lines.len() < MAXIMUM_LINES => lines.push(line),
            Outcome::Line(_) => left_out += 1,
            Outcome::Malformed => log.malformed_frames += 1,
            Outcome::Unfinished => log.trailing_bytes = length_bytes,
        };
        let work = || match table.encoding() {
            Encoding::Rzcobs => decode_separated(table, bytes, &mut take),
            _ => decode_back_to_back(table, bytes, &mut take),
        };
        let ended = std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
            let thread = thread.spawn_scoped(scope, work).map_err(|error| error.to_string())?;
            thread.join().map_err(|_| "the decoder broke down".to_owned())
        });
        if let Err(reason) = ended {
            log.notes.push(format!("log not decoded to its end: {reason}"));
        }
        log.lines = lines.into_iter().map(|line| self.line(line)).collect();
        if left_out > 0 {
            log.notes.push(format!("{left_out} lines left out after the first {MAXIMUM_LINES}"));
        }
        for (count, what) in [
            (log.malformed_frames, "malformed frames"),
            (log.trailing_bytes, "bytes of a frame that was cut short"),
        ] {
            if count > 0 {
                log.notes.push(format!("{count} {what}"));
            }
        }
    }

    fn line(&self, line: Decoded) -> LogLine {
        let location = self.locations().get(&line.index);
        let path = location.map(|location| location.file.to_string_lossy());
        LogLine {
            timestamp: line.timestamp,
            level: line.level,
            message: line.message,
            file: path.map(|path| self.symbols.shorten_path(&path)),
            line: location.and_then(|location| u32::try_from(location.line).ok()),
        }
    }

    fn locations(&self) -> &Locations {
        self.locations.get_or_init(|| {
            let Ok(table) = &self.table else { return Locations::new() };
            let elf = self.symbols.image().bytes();
            let read = || table.get_locations(elf).unwrap_or_default();
            catch_unwind(AssertUnwindSafe(read)).unwrap_or_default()
        })
    }
}

/// Frames that zero bytes separate: a malformed one costs no other.
fn decode_separated(table: &Table, bytes: &[u8], take: &mut impl FnMut(Outcome, usize)) {
    let mut frames: Vec<_> = bytes.split(|byte| *byte == 0).collect();
    // What stands after the last separator is no whole frame.
    let unfinished = frames.pop().unwrap_or_default();
    for frame in frames.into_iter().filter(|frame| !frame.is_empty()) {
        let decode = || {
            let mut decoder = table.new_stream_decoder();
            decoder.received(frame);
            decoder.received(&[0]);
            decoder.decode().map(|frame| decoded(&frame)).map_err(|_| DecodeError::Malformed)
        };
        take(contained(frame.len(), decode), frame.len());
    }
    if !unfinished.is_empty() {
        take(Outcome::Unfinished, unfinished.len());
    }
}

/// Frames that follow each other without a mark: after a malformed one nothing can be decoded.
fn decode_back_to_back(table: &Table, bytes: &[u8], take: &mut impl FnMut(Outcome, usize)) {
    let mut rest = bytes;
    while !rest.is_empty() {
        let window = rest.get(..MAXIMUM_FRAME_BYTES).unwrap_or(rest);
        let mut consumed = 0;
        let decode = || {
            let (frame, length) = table.decode(window)?;
            consumed = length;
            Ok(decoded(&frame))
        };
        let outcome = match contained(window.len(), decode) {
            // Of a whole window that is no frame yet, more bytes will make none.
            Outcome::Unfinished if window.len() < rest.len() => Outcome::Malformed,
            outcome => outcome,
        };
        let is_line = matches!(outcome, Outcome::Line(_));
        let is_malformed = matches!(outcome, Outcome::Malformed);
        take(outcome, rest.len());
        if is_malformed {
            take(Outcome::Unfinished, rest.len());
        }
        if !is_line {
            return;
        }
        rest = rest.get(consumed.max(1)..).unwrap_or_default();
    }
}

/// Decodes one frame within the limits; a panic of the library is a malformed frame.
fn contained(
    length_bytes: usize,
    decode: impl FnOnce() -> Result<Decoded, DecodeError>,
) -> Outcome {
    if length_bytes > MAXIMUM_FRAME_BYTES {
        return Outcome::Malformed;
    }
    match catch_unwind(AssertUnwindSafe(decode)) {
        Ok(Ok(line)) => Outcome::Line(line),
        Ok(Err(DecodeError::UnexpectedEof)) => Outcome::Unfinished,
        Ok(Err(DecodeError::Malformed)) | Err(_) => Outcome::Malformed,
    }
}

fn decoded(frame: &defmt_decoder::Frame<'_>) -> Decoded {
    Decoded {
        index: frame.index(),
        timestamp: frame.display_timestamp().map(|timestamp| plain(&timestamp.to_string())),
        level: frame.level().map_or("print", |level| level.as_str()),
        message: plain(&frame.display_message().to_string()),
    }
}

/// Text without characters that would steer a terminal.
pub(crate) fn plain(text: &str) -> String {
    let is_plain = |character: char| !character.is_control() || matches!(character, '\n' | '\t');
    let mut plain = String::with_capacity(text.len());
    for character in text.chars() {
        if is_plain(character) {
            plain.push(character);
        } else {
            plain.extend(character.escape_default());
        }
    }
    plain
}
