//! What an image says through RTT, if it has that: drained while it runs into a file of the bundle.
//!
//! It is help for whoever reads the bundle, and never evidence: it has no part in a verdict, and
//! what goes wrong with it is no trouble of the bench. The rings stand in RAM that start-up code
//! writes anew, so a reader is attached again after each reset, and again wherever its pointers are
//! not what they were. Must never happen here: a control block that is cleared, or a mode that is
//! changed: what a crash has left in RAM is read first, and a handler must not come to wait for a
//! host. Reading moves the read pointer of the ring, which is the host's.

use crate::image::Image;
use probe_rs::Core;
use probe_rs::rtt::{Error, Rtt};
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;

/// The control block, as every implementation names it.
const SYMBOL: &str = "_SEGGER_RTT";
/// The file in the bundle: what came through the first channel up, as it came.
const FILE: &str = "rtt.bin";
/// The most that is kept of a session.
const LONGEST_BYTES: usize = 1 << 20;
/// Bytes that are read at once.
const PIECE_BYTES: usize = 0x400;

/// The reader of one session.
pub(super) struct Drain {
    control_block: u64,
    file: File,
    reader: Option<Rtt>,
    kept_bytes: usize,
}

impl Drain {
    /// A reader for an image that has RTT. Nothing where the file cannot be made.
    pub(super) fn of(image: &Image, folder: &Path) -> Option<Self> {
        let control_block = u64::from(image.symbol(SYMBOL)?.address);
        let file = OpenOptions::new().create(true).append(true).open(folder.join(FILE)).ok()?;
        Some(Self { control_block, file, reader: None, kept_bytes: 0 })
    }

    /// The device is let go from its reset: what is attached is of the time before.
    pub(super) fn restart(&mut self) {
        self.reader = None;
    }

    /// Takes what is there.
    pub(super) fn drain(&mut self, core: &mut Core<'_>) {
        // It is looked for again the next time.
        if self.try_to_drain(core).is_err() {
            self.reader = None;
        }
    }

    fn try_to_drain(&mut self, core: &mut Core<'_>) -> Result<(), Error> {
        let reader = match &mut self.reader {
            Some(reader) => reader,
            none => none.insert(Rtt::attach_at(core, self.control_block)?),
        };
        let Some(channel) = reader.up_channel(0) else { return Ok(()) };
        let mut piece = [0; PIECE_BYTES];
        loop {
            let count = channel.read(core, &mut piece)?;
            if count == 0 || self.kept_bytes >= LONGEST_BYTES {
                return Ok(());
            }
            self.kept_bytes += count;
            // A disk that is full is met by what is evidence, too.
            let _ = self.file.write_all(piece.get(..count).unwrap_or_default());
        }
    }
}
