//! The sections of a record (tier 2), typed, and what can be held against them.
//!
//! Any bytes give an answer: a section that is damaged, or not as long as its rows are, is named
//! and left out.

use super::backtrace::RamRange;
use super::log::{LogDecoder, LogLine};
use crate::entry::EntryReading;
use crashrig_wire::section::{
    Allocation, BrokenBlock, ErrorRow, FailedAllocation, Float, HeapRow, Interrupts, Neighbour,
    ProtectionRegion, Section, SectionReading, StackWindow, ThreadRow, TransferRow, sections,
};

/// Everything that the sections of a record say. What is not there is empty.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sections {
    /// Those that are sound and make sense, in the order in which they stand there.
    pub sound: Vec<Section>,
    /// Of these, the ones whose writer had more to say.
    pub cut_short: Vec<Section>,
    /// What is damaged or makes no sense, in words.
    pub damaged: Vec<String>,
    /// Floating-point state.
    pub float: Option<Float>,
    /// Control of the MPU, and its regions.
    pub protection: Option<(u32, Vec<ProtectionRegion>)>,
    /// Interrupts.
    pub interrupts: Option<Interrupts>,
    /// Threads, the running one first.
    pub threads: Vec<ThreadRow>,
    /// Areas below, at and above the fault address.
    pub neighbours: Vec<Neighbour>,
    /// Regions of the heap.
    pub heaps: Vec<HeapRow>,
    /// The first word of the heap's own that is wrong.
    pub broken_block: Option<BrokenBlock>,
    /// Allocations and releases, oldest first.
    pub allocations: Vec<Allocation>,
    /// The last allocation that failed.
    pub failed_allocation: Option<FailedAllocation>,
    /// DMA transfers, oldest first.
    pub transfers: Vec<TransferRow>,
    /// Causes of resets as the chip gives them, the newest first.
    pub reset_causes: Vec<u32>,
    /// The first and the last error.
    pub errors: Vec<ErrorRow>,
    /// The end of the log.
    pub log: Vec<LogLine>,
    /// The stack around its pointer.
    pub stack: Option<Window>,
}

/// Words of a stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// Where the words begin, and where the stack pointer was.
    pub head: StackWindow,
    /// The words, lowest address first.
    pub words: Vec<u32>,
}

impl Window {
    /// Each word with its address. A window that claims to begin at the end of the address space
    /// goes on at its beginning.
    pub fn addressed(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        let offsets = (0_u32..).step_by(4);
        let words = offsets.zip(self.words.iter().copied());
        words.map(|(offset, word)| (self.head.start.wrapping_add(offset), word))
    }
}

/// Reads the bytes behind a record.
#[must_use]
pub fn read(bytes: &[u8], sequence: u32, log: &LogDecoder<'_>) -> Sections {
    let mut found = Sections::default();
    for reading in sections(bytes, sequence) {
        match reading {
            SectionReading::Damaged { offset, length } => {
                found.damaged.push(format!("{length} bytes at offset {offset} are no section"));
            }
            SectionReading::Sound { section: None, code, .. } => {
                found.damaged.push(format!("a section of code {code}, which is not known"));
            }
            SectionReading::Sound { section: Some(section), cut_short, payload, .. } => {
                if !take_section(&mut found, section, payload, log) {
                    let length = payload.len();
                    found.damaged.push(format!("{section}: {length} bytes are not whole rows"));
                    continue;
                }
                found.sound.push(section);
                if cut_short {
                    found.cut_short.push(section);
                }
            }
        }
    }
    found
}

/// Takes what a section says; false if it is not whole rows.
fn take_section(
    found: &mut Sections,
    section: Section,
    payload: &[u8],
    log: &LogDecoder<'_>,
) -> bool {
    if section == Section::LogTail {
        // Zeros fill the last word; one of them ends the last frame.
        let end = payload.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 2);
        let decoded = log.decode(payload.get(..end).unwrap_or(payload));
        found.log = decoded.lines;
        found.damaged.extend(decoded.notes.iter().map(|note| format!("log-tail: {note}")));
        return true;
    }
    let words = payload.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word));
    take(found, section, &words.collect::<Vec<_>>()).is_some()
}

/// Takes the words of a section; nothing if they are not whole rows.
fn take(found: &mut Sections, section: Section, words: &[u32]) -> Option<()> {
    match section {
        Section::Float => found.float = Some(Float::from_words(one(words)?)),
        Section::Protection => {
            let (control, rest) = words.split_first()?;
            let regions = rows(rest, ProtectionRegion::from_words)?;
            found.protection = Some((*control, regions));
        }
        Section::Interrupts => found.interrupts = Some(Interrupts::from_words(one(words)?)),
        Section::Threads => found.threads = rows(words, ThreadRow::from_words)?,
        Section::Neighbours => found.neighbours = rows(words, Neighbour::from_words)?,
        Section::Heaps => found.heaps = rows(words, HeapRow::from_words)?,
        Section::BrokenBlock => found.broken_block = Some(BrokenBlock::from_words(one(words)?)),
        Section::Allocations => found.allocations = rows(words, Allocation::from_words)?,
        Section::FailedAllocation => {
            found.failed_allocation = Some(FailedAllocation::from_words(one(words)?));
        }
        Section::Transfers => found.transfers = rows(words, TransferRow::from_words)?,
        Section::ResetCauses => found.reset_causes = words.to_vec(),
        Section::Errors => found.errors = rows(words, ErrorRow::from_words)?,
        Section::StackWindow => {
            let ([pointer, start], words) = words.split_first_chunk()?;
            let head = StackWindow { pointer: *pointer, start: *start };
            found.stack = Some(Window { head, words: words.to_vec() });
        }
        Section::LogTail => {}
    }
    Some(())
}

fn one<const N: usize>(words: &[u32]) -> Option<[u32; N]> {
    words.try_into().ok()
}

fn rows<T, const N: usize>(words: &[u32], row: impl Fn([u32; N]) -> T) -> Option<Vec<T>> {
    let (chunks, rest) = words.as_chunks::<N>();
    rest.is_empty().then(|| chunks.iter().map(|chunk| row(*chunk)).collect())
}

/// Where sections differ from what else is known of the same boot: RAM at the boundary, the log as
/// it came, and what the host read of the core where the capture began.
#[must_use]
pub fn differences(
    found: &Sections,
    ram: &[RamRange<'_>],
    log: &[LogLine],
    entry: Option<&EntryReading>,
) -> Vec<String> {
    let mut differences = found.damaged.clone();
    if let Some(window) = &found.stack {
        let differs = |(address, word): &(u32, u32)| {
            super::assemble::word_at(ram, *address).is_some_and(|there| there != *word)
        };
        for (address, word) in window.addressed().filter(differs).take(3) {
            differences
                .push(format!("stack-window: {word:#010x} at {address:#010x} is not in RAM"));
        }
    }
    if let Some(BrokenBlock { address, expected, found: word }) = found.broken_block {
        if super::assemble::word_at(ram, address).is_some_and(|there| there != word) {
            differences
                .push(format!("broken-block: {word:#010x} at {address:#010x} is not in RAM"));
        }
        // 0 stands for several values that would do.
        if expected != 0 && word == expected {
            differences.push(format!("broken-block: {word:#010x} at {address:#010x} is not wrong"));
        }
    }
    // What nobody listened to is in the tail alone.
    let came: Vec<_> = log.iter().map(|line| &line.message).collect();
    let kept: Vec<_> = found.log.iter().map(|line| &line.message).collect();
    if !came.is_empty() && !came.ends_with(&kept) {
        differences.push(format!("log-tail: {kept:?} is not the end of the log"));
    }
    if let Some(entry) = entry {
        differences.extend(core_differences(found, entry));
    }
    differences
}

/// Registers of the core as the record has them, against the host's reading.
fn core_differences(found: &Sections, entry: &EntryReading) -> Vec<String> {
    let mut pairs = Vec::new();
    if let Some(float) = &found.float {
        pairs.extend([("fpccr", float.fpccr), ("fpcar", float.fpcar)]);
    }
    if let Some((control, _)) = &found.protection {
        pairs.push(("mpu_ctrl", *control));
    }
    if let Some(it) = &found.interrupts {
        pairs.extend([("iabr0", it.active0), ("iabr1", it.active1), ("iabr2", it.active2)]);
        pairs.extend([("iser0", it.enabled0), ("iser1", it.enabled1), ("iser2", it.enabled2)]);
    }
    let differing = pairs.into_iter().filter_map(|(name, record)| {
        let host = *entry.status.get(name)?;
        (host != record)
            .then(|| format!("{name}: the record says {record:#010x}, the host read {host:#010x}"))
    });
    differing.collect()
}
