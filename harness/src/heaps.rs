//! What requests cost in several heaps, in exact instructions of the device: the bench image
//! replays a trace, and the plug-in logs the instruction of each mark that it stores.
//!
//! What a call itself costs is measured in the same way, on a heap that does nothing, and taken
//! off. Must never happen here: a figure from a log that is not whole, or from marks that are not
//! understood; both are errors.

mod marks;

pub use marks::{Cost, Costs};

use crate::image::Image;
use crate::target::BenchError;
use crate::target::observer::ObserverSource;
use crashrig_layout::parse::Board;
use crashrig_qemu::{Emulator, Launch, Limits, Program, RamRange, Stop, Store};
use marks::Marks;
use std::path::Path;

/// Sizes of the blocks that memory is filled with, in bytes.
pub const FILL_SIZES_BYTES: [u32; 4] = [16, 32, 64, 256];

/// Bytes of a name in the image.
const NAME_BYTES: usize = 32;

/// The heap that does nothing.
const NOTHING: u32 = 0;

/// What one heap did with one trace.
#[derive(Debug, Clone, PartialEq)]
pub struct Replay {
    /// The heap.
    pub heap: String,
    /// The trace.
    pub trace: String,
    /// Instructions of each kind of request.
    pub costs: Costs,
}

/// How many blocks one heap makes of all memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fill {
    /// The heap.
    pub heap: String,
    /// The memory that it was given, in bytes.
    pub memory_bytes: u32,
    /// For each of [`FILL_SIZES_BYTES`], how many blocks.
    pub blocks: [u32; FILL_SIZES_BYTES.len()],
}

/// Everything that was measured, by heap in the order of the image.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Comparison {
    /// Each heap with each trace.
    pub replays: Vec<Replay>,
    /// Each heap full of blocks.
    pub fills: Vec<Fill>,
}

/// Measures all heaps of a bench image.
///
/// # Errors
/// The emulator cannot load the plug-in, which nothing can stand in for; the image is none of the
/// bench; or something went wrong on the way.
pub fn measure(
    program: &Program,
    board: &Board,
    image: &Image,
    observer: &ObserverSource,
    folder: &Path,
) -> Result<Comparison, BenchError> {
    let mut bench = Bench::start(program, board, image, observer, folder)?;
    let (heaps, traces) = (bench.names("contenders::NAMES")?, bench.names("trace::NAMES")?);
    let memory_bytes = bench.word("contenders::MEMORY_BYTES")?;
    let mut comparison = Comparison::default();
    for (trace_index, trace) in (0..).zip(&traces) {
        let calls = bench.replay(NOTHING, trace_index)?.calls()?;
        for (heap_index, heap) in (0..).zip(&heaps).skip(1) {
            let costs = bench.replay(heap_index, trace_index)?.costs(&calls);
            let (heap, trace) = (heap.clone(), trace.clone());
            comparison.replays.push(Replay { heap, trace, costs });
        }
    }
    for (index, heap) in (0..).zip(&heaps).skip(1) {
        let mut blocks = [0; FILL_SIZES_BYTES.len()];
        for (count, size_bytes) in blocks.iter_mut().zip(FILL_SIZES_BYTES) {
            bench.run(index, 0, size_bytes)?;
            *count = bench.word("exchange::RESULT")?;
        }
        comparison.fills.push(Fill { heap: heap.clone(), memory_bytes, blocks });
    }
    Ok(comparison)
}

/// A QEMU with the bench image.
struct Bench<'a> {
    emulator: Emulator,
    image: &'a Image,
    has_run: bool,
}

impl<'a> Bench<'a> {
    fn start(
        program: &Program,
        board: &Board,
        image: &'a Image,
        observer: &ObserverSource,
        folder: &Path,
    ) -> Result<Self, BenchError> {
        let no_plugin = |reason| BenchError(format!("measure heaps without the plug-in: {reason}"));
        let observer = observer.file().map_err(no_plugin)?;
        let machine = board.emulator().map(|emulator| emulator.machine.as_str());
        let mut launch = Launch::new(program.clone(), machine.unwrap_or_default(), folder);
        launch.image = Some(image.origin().to_owned());
        launch.observer = Some(observer.clone());
        let mut emulator = Emulator::start(&launch).map_err(BenchError::of)?;
        let (address, size_bytes) = symbol(image, "exchange::MARKS")?;
        emulator.watch_stores(&[RamRange { address, size_bytes }]).map_err(BenchError::of)?;
        Ok(Self { emulator, image, has_run: false })
    }

    /// One boot; the stores to the marks in it.
    fn run(&mut self, heap: u32, trace: u32, fill_bytes: u32) -> Result<Vec<Store>, BenchError> {
        if self.has_run {
            self.emulator.reset_warm().map_err(BenchError::of)?;
        }
        self.has_run = true;
        let job = [("CONTENDER", heap), ("TRACE", trace), ("FILL_BYTES", fill_bytes)];
        for (name, word) in job.into_iter().chain([("RESULT", 0)]) {
            let (address, _) = symbol(self.image, &format!("exchange::{name}"))?;
            self.emulator.write(address, &word.to_le_bytes()).map_err(BenchError::of)?;
        }
        self.emulator.resume().map_err(BenchError::of)?;
        let stop = self.emulator.wait(&Limits::default()).map_err(BenchError::of)?;
        if stop != Stop::Reset {
            let found = stop.name();
            return Err(BenchError(format!(
                "measure heap {heap}: found {found}, expected a reset"
            )));
        }
        let log = self.emulator.stores().map_err(BenchError::of)?;
        if log.dropped > 0 {
            let dropped = log.dropped;
            return Err(BenchError(format!("measure trace {trace}: {dropped} marks were dropped")));
        }
        Ok(log.stores)
    }

    fn replay(&mut self, heap: u32, trace: u32) -> Result<Marks, BenchError> {
        let stores = self.run(heap, trace, 0)?;
        if self.word("exchange::RESULT")? == 0 {
            return Err(BenchError(format!("measure heap {heap}, trace {trace}: it was not run")));
        }
        let (start, size_bytes) = symbol(self.image, "exchange::MARKS")?;
        Marks::read(&stores, start, size_bytes)
    }

    fn word(&mut self, name: &str) -> Result<u32, BenchError> {
        let (address, _) = symbol(self.image, name)?;
        let mut bytes = [0; 4];
        self.emulator.read(address, &mut bytes).map_err(BenchError::of)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn names(&mut self, table: &str) -> Result<Vec<String>, BenchError> {
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
