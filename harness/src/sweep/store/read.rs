//! Reads a file of results, also one that a process is just appending to, or that was killed while
//! it did.

use super::StoreError;
use super::line::{Header, Line, VERSION};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

/// No line is longer. A file without line ends is not read into memory.
const LINE_LIMIT_BYTES: u64 = 1 << 20;

/// What a file holds beside its results.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sound {
    /// Its header. `None` in a file that ends before its first line is whole.
    pub header: Option<Header>,
    /// Length of its whole lines in bytes. What follows them is torn.
    pub length_bytes: u64,
}

/// Reads a file line by line. `on_line` gets the number of each whole line but the header, the
/// header, and the line.
///
/// # Errors
/// It cannot be read, a line that is not the last is broken, or what `on_line` says.
pub fn scan<E: From<StoreError>>(
    path: &Path,
    mut on_line: impl FnMut(u64, &Header, Line) -> Result<(), E>,
) -> Result<Sound, E> {
    let file = File::open(path).map_err(StoreError::file("read", path))?;
    let mut reader = BufReader::with_capacity(1 << 16, file);
    let mut sound = Sound { header: None, length_bytes: 0 };
    let (mut text, mut number) = (Vec::new(), 0);
    loop {
        text.clear();
        number += 1;
        let length = reader
            .by_ref()
            .take(LINE_LIMIT_BYTES)
            .read_until(b'\n', &mut text)
            .map_err(StoreError::file("read", path))?;
        let broken =
            |problem: String| StoreError::Broken { path: path.to_owned(), line: number, problem };
        let length_bytes = u64::try_from(length).unwrap_or(u64::MAX);
        if !text.ends_with(b"\n") {
            return match length_bytes {
                LINE_LIMIT_BYTES => Err(broken("found a line without end".to_owned()).into()),
                // Nothing, or what a kill left of a line.
                _ => Ok(sound),
            };
        }
        let is_last = reader.fill_buf().map_err(StoreError::file("read", path))?.is_empty();
        match (serde_json::from_slice(&text), &sound.header) {
            (Ok(Line::Header(header)), None) => {
                check_version(&header).map_err(broken)?;
                sound.header = Some(header);
            }
            (_, None) => return Err(broken("found no header of a sweep".to_owned()).into()),
            (Ok(Line::Header(_)), Some(_)) => {
                return Err(broken("found a second header".to_owned()).into());
            }
            (Ok(line), Some(header)) => on_line(number, header, line)?,
            // A machine that lost its power may have written the end of a line and not its middle.
            (Err(_), Some(_)) if is_last => return Ok(sound),
            (Err(error), Some(_)) => return Err(broken(error.to_string()).into()),
        }
        sound.length_bytes += length_bytes;
    }
}

fn check_version(header: &Header) -> Result<(), String> {
    let found = header.version;
    match found {
        VERSION => Ok(()),
        _ => Err(format!("found version {found} of the format, expected {VERSION}")),
    }
}
