//! The bench image on an emulator with the plug-in: one boot for each job, and the marks of it.
//!
//! It talks to the image by words in RAM that are found by their symbols, as it would to any other.
//! Must never happen here: marks of a boot that did not do its job, or a log that is not whole.

use super::BenchError;
use super::observer::ObserverSource;
use crate::image::Image;
use crashrig_layout::parse::Board;
use crashrig_qemu::{Emulator, Launch, Limits, Program, RamRange, Stop, Store};
use std::path::Path;

/// Bytes of a name in the image.
const NAME_BYTES: usize = 32;

/// Where the image has its marks: one byte for each, see [`crate::heaps`].
const MARKS: &str = "exchange::MARKS";

/// What one boot is to do, in indices of the image's names.
#[derive(Debug, Clone, Copy)]
pub struct Job {
    /// The heap.
    pub heap: u32,
    /// The trace that it replays.
    pub trace: u32,
    /// If it is not zero, memory is filled with blocks of this size instead.
    pub fill_bytes: u32,
}

/// A QEMU with the bench image.
pub struct HeapBench<'a> {
    emulator: Emulator,
    image: &'a Image,
    has_run: bool,
}

impl<'a> HeapBench<'a> {
    /// Starts a QEMU; its raw streams go into a folder.
    ///
    /// # Errors
    /// It cannot load the plug-in, or the image is not that of the bench.
    pub fn start(
        program: &Program,
        board: &Board,
        image: &'a Image,
        observer: &ObserverSource,
        folder: &Path,
    ) -> Result<Self, BenchError> {
        let observer = observer.file().map_err(|reason| {
            BenchError(format!("measure heaps: needs the plug-in of QEMU: {reason}"))
        })?;
        let machine = board.emulator().map(|emulator| emulator.machine.as_str());
        let mut launch = Launch::new(program.clone(), machine.unwrap_or_default(), folder);
        launch.image = Some(image.origin().to_owned());
        launch.observer = Some(observer.clone());
        let mut emulator = Emulator::start(&launch).map_err(BenchError::of)?;
        let (address, size_bytes) = symbol(image, MARKS)?;
        emulator.watch_stores(&[RamRange { address, size_bytes }]).map_err(BenchError::of)?;
        Ok(Self { emulator, image, has_run: false })
    }

    /// Where the marks are: first address, and size in bytes.
    ///
    /// # Errors
    /// The image is not that of the bench.
    pub fn marks(&self) -> Result<(u32, u32), BenchError> {
        symbol(self.image, MARKS)
    }

    /// One boot: what it says came of it, and its marks.
    ///
    /// # Errors
    /// It did not end as it should, or there were more marks than the plug-in keeps.
    pub fn run(&mut self, job: Job) -> Result<(u32, Vec<Store>), BenchError> {
        if self.has_run {
            self.emulator.reset_warm().map_err(BenchError::of)?;
        }
        self.has_run = true;
        let Job { heap, trace, fill_bytes } = job;
        let words = [("CONTENDER", heap), ("TRACE", trace), ("FILL_BYTES", fill_bytes)];
        for (name, word) in words.into_iter().chain([("RESULT", 0)]) {
            let (address, _) = symbol(self.image, &format!("exchange::{name}"))?;
            self.emulator.write(address, &word.to_le_bytes()).map_err(BenchError::of)?;
        }
        self.emulator.resume().map_err(BenchError::of)?;
        let stop = self.emulator.wait(&Limits::default()).map_err(BenchError::of)?;
        let wrong = |found: String| {
            BenchError(format!("measure heap {heap} with trace {trace}: found {found}"))
        };
        if stop != Stop::Reset {
            return Err(wrong(format!("{}, expected a reset", stop.name())));
        }
        let log = self.emulator.stores().map_err(BenchError::of)?;
        if log.dropped > 0 {
            return Err(wrong(format!("{} marks more than can be kept", log.dropped)));
        }
        match self.word("exchange::RESULT")? {
            0 => Err(wrong("no result, or a block that lost what it held".to_owned())),
            result => Ok((result, log.stores)),
        }
    }

    /// A word of the image.
    ///
    /// # Errors
    /// The image has no such word.
    pub fn word(&mut self, name: &str) -> Result<u32, BenchError> {
        self.word_of(name, 0)
    }

    /// A word of a table of the image, by its index.
    ///
    /// # Errors
    /// The image has no such word.
    pub fn word_of(&mut self, table: &str, index: u32) -> Result<u32, BenchError> {
        let (start, size_bytes) = symbol(self.image, table)?;
        let inside = index.checked_mul(4).filter(|offset| *offset < size_bytes);
        let offset = inside.ok_or_else(|| BenchError(format!("read {table}: no word {index}")))?;
        let mut bytes = [0; 4];
        self.emulator.read(start + offset, &mut bytes).map_err(BenchError::of)?;
        Ok(u32::from_le_bytes(bytes))
    }

    /// A table of names of the image.
    ///
    /// # Errors
    /// The image has no such table.
    pub fn names(&mut self, table: &str) -> Result<Vec<String>, BenchError> {
        let (address, size_bytes) = symbol(self.image, table)?;
        let mut bytes = vec![0; size_bytes as usize];
        self.emulator.read(address, &mut bytes).map_err(BenchError::of)?;
        let text = |name: &[u8]| String::from_utf8_lossy(name).trim_end_matches('\0').to_owned();
        Ok(bytes.chunks(NAME_BYTES).map(text).collect())
    }
}

/// Address and size of a variable of the bench image.
fn symbol(image: &Image, name: &str) -> Result<(u32, u32), BenchError> {
    let paths = ["crashrig_bench", "crashrig_bench::device"].map(|it| format!("{it}::{name}"));
    let found = paths.iter().find_map(|path| image.symbol(path));
    found
        .map(|symbol| (symbol.address, symbol.size_bytes))
        .ok_or_else(|| BenchError(format!("find symbol {name} in {}", image.origin().display())))
}
