//! What requests cost in several heaps, in exact instructions of the device: the bench image
//! replays a trace, and the plug-in logs the instruction of each mark that it stores.
//!
//! What a call itself costs is measured in the same way, on a heap that does nothing, and taken
//! off. Must never happen here: a figure from marks that are not understood.

mod marks;

pub use marks::{Cost, Costs};

use crate::target::BenchError;
use crate::target::heap_bench::{HeapBench, Job};
use marks::Marks;

/// Sizes of the blocks that memory is filled with, in bytes.
pub const FILL_SIZES_BYTES: [u32; 4] = [16, 32, 64, 256];

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
    /// What it takes besides, in bytes.
    pub state_bytes: u32,
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

/// Which heaps and traces are wanted, by parts of their names; without any, all.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Heaps.
    pub heaps: Vec<String>,
    /// Traces.
    pub traces: Vec<String>,
}

fn selects(parts: &[String], name: &str) -> bool {
    parts.is_empty() || parts.iter().any(|part| name.contains(part.as_str()))
}

/// Measures the wanted heaps.
///
/// # Errors
/// The image is none of the bench, or something went wrong on the way.
pub fn measure(bench: &mut HeapBench<'_>, wanted: &Wanted) -> Result<Comparison, BenchError> {
    let numbered = |names: Vec<String>| (0..).zip(names).collect::<Vec<(u32, String)>>();
    let mut heaps = numbered(bench.names("contenders::NAMES")?);
    heaps.retain(|(index, name)| *index != NOTHING && selects(&wanted.heaps, name));
    let mut traces = numbered(bench.names("trace::NAMES")?);
    traces.retain(|(_, name)| selects(&wanted.traces, name));
    let mut comparison = Comparison::default();
    for (trace_index, trace) in traces {
        let calls = replay(bench, NOTHING, trace_index)?.calls()?;
        for (index, heap) in &heaps {
            let costs = replay(bench, *index, trace_index)?.costs(&calls);
            comparison.replays.push(Replay { heap: heap.clone(), trace: trace.clone(), costs });
        }
    }
    let memory_bytes = bench.word("contenders::MEMORY_BYTES")?;
    for (index, heap) in heaps {
        let mut blocks = [0; FILL_SIZES_BYTES.len()];
        for (count, fill_bytes) in blocks.iter_mut().zip(FILL_SIZES_BYTES) {
            (*count, _) = bench.run(Job { heap: index, trace: 0, fill_bytes })?;
        }
        let state_bytes = bench.word_of("contenders::STATE_BYTES", index)?;
        comparison.fills.push(Fill { heap, memory_bytes, state_bytes, blocks });
    }
    Ok(comparison)
}

fn replay(bench: &mut HeapBench<'_>, heap: u32, trace: u32) -> Result<Marks, BenchError> {
    let (_, stores) = bench.run(Job { heap, trace, fill_bytes: 0 })?;
    let (start, size_bytes) = bench.marks()?;
    Marks::read(&stores, start, size_bytes)
}
