//! All decoders together: from the evidence of a run to its report.

use super::backtrace::{RamRange, backtrace};
use super::log::{LogDecoder, LogLine, plain};
use super::records::NewRecord;
use super::sections::{self, Sections};
use super::symbols::Symbols;
use super::{backup, blame, entry, fault_text, oracle, records, witness};
use crate::evidence::{BootEvidence, Evidence, RamEvidence};
use crate::image::Image;
use crate::report::{BootReport, CrashReport, Report};
use crate::script;
use crate::target::Boundary;
use crashrig_layout::parse::{AddressRange, Board};
use crashrig_wire::record::Trust;
use crashrig_wire::region::Slot;
use crashrig_wire::thread::Area;
use crashrig_wire::{Detector, EndMarker, Kind, Record, Thread};

/// The name of everything that no area and no region covers.
pub const UNMAPPED: &str = "unmapped";
/// The stack of a thread that was spawned.
pub const USER_STACK: &str = "user-stack";
/// The guard under such a stack.
pub const USER_STACK_GUARD: &str = "user-stack-guard";
/// The cause of a reset after which the chip showed no flag, or of which nothing is kept.
pub const UNKNOWN_CAUSE: &str = "unknown";

/// The report of a run.
#[must_use]
pub fn report(evidence: &Evidence, image: &Image, board: &Board) -> Report {
    let symbols = Symbols::new(image);
    let decoder = LogDecoder::new(&symbols);
    let bootloader = image.bootloader().map(Symbols::new);
    let context = Context {
        symbols: &symbols,
        bootloader: bootloader.as_ref(),
        board,
        has_witness: evidence.has_witness,
    };
    let next = evidence.boots.iter().skip(1).map(Some).chain([None]);
    let boots = evidence.boots.iter().zip(next);
    let boots = boots.map(|(boot, next)| boot_report(boot, next, &context, &decoder)).collect();
    let (bench_problem, recovery) = (evidence.bench_problem.clone(), evidence.recovery.clone());
    Report { bench_problem, recovery, boots }
}

/// What does not change from boot to boot.
struct Context<'a> {
    symbols: &'a Symbols<'a>,
    bootloader: Option<&'a Symbols<'a>>,
    board: &'a Board,
    has_witness: bool,
}

impl<'a> Context<'a> {
    /// The names of the program that wrote a record: it must not be explained by another's code.
    fn symbols_of(&self, record: &Record) -> &'a Symbols<'a> {
        let wrote = |it: &&Symbols<'a>| it.image().build_id() == record.build_id;
        self.bootloader.filter(wrote).unwrap_or(self.symbols)
    }
}

fn boot_report<'a>(
    boot: &BootEvidence,
    next: Option<&BootEvidence>,
    context: &Context<'a>,
    decoder: &LogDecoder<'a>,
) -> BootReport {
    let log = decoder.decode(boot.frames.bytes());
    let seen = oracle::parse(boot.witness.bytes());
    let new = records::new_record(boot.region_before.bytes(), boot.region_after.bytes());
    let crash = new.map(|new| {
        let ram = views(&boot.ram);
        let place = Place { slot: new.slot, partial: new.partial };
        let symbols = context.symbols_of(&new.record);
        let mut crash = describe(place, &new.record, symbols, Some(context.board), &ram);
        // Where there is a witness, one that saw nothing disagrees with a fault.
        if context.has_witness {
            let differences = witness::agree(&new.record, &seen.events);
            crash.disagreements = differences.iter().map(ToString::to_string).collect();
        }
        if let Some(reading) = &boot.entry {
            let differences = entry::agree(&new.record, reading);
            crash.entry_differences = differences.iter().map(ToString::to_string).collect();
        }
        let other;
        let decoder = if std::ptr::eq(symbols, context.symbols) {
            decoder
        } else {
            other = LogDecoder::new(symbols);
            &other
        };
        let behind = records::section_bytes(boot.region_after.bytes(), new.slot);
        crash.sections = sections::read(behind, new.record.sequence, decoder);
        crash.reset_causes = reset_causes(&crash.sections, context.board);
        crash.section_differences =
            sections::differences(&crash.sections, &ram, &log.lines, boot.entry.as_ref());
        crash.bytes_lost =
            bytes_lost(&new.record, symbols.image(), &views(&boot.ram_before_fault), &ram);
        let broken = crash.sections.broken_block.as_ref().map(|broken| broken.address);
        crash.changed_by =
            broken.and_then(|word| blame::changed_by(word, boot.watched, &boot.bus_writes));
        crash
    });
    let late = next.filter(|_| crash.is_none() && boot.boundary == Boundary::Watchdog);
    let crash = crash.or_else(|| late_crash(late?, &log.lines, context, decoder));
    BootReport {
        planned: boot.planned,
        boundary: boot.boundary.clone(),
        instructions: boot.instructions,
        marker: EndMarker::read(boot.marker.bytes()),
        ledger: records::ledger(boot.region_after.bytes()),
        backup: backup::report(boot, context.symbols.image()),
        before: records::slots(boot.region_before.bytes()),
        after: records::slots(boot.region_after.bytes()),
        crash,
        answers: script::from_bytes(boot.answers.bytes()),
        log: log.lines,
        log_notes: log.notes,
        unmodelled: seen.unmodelled_lines(),
        console: plain(&String::from_utf8_lossy(boot.console.bytes())),
    }
}

/// The record that the boot behind one that a watchdog has ended wrote of that. `log` is what came
/// of the one that was ended.
fn late_crash(
    next: &BootEvidence,
    log: &[LogLine],
    context: &Context<'_>,
    decoder: &LogDecoder<'_>,
) -> Option<CrashReport> {
    let region = next.region_after.bytes();
    let NewRecord { slot, record, partial } =
        records::late_record(next.region_before.bytes(), region)?;
    let place = Place { slot, partial };
    let mut crash = describe(place, &record, context.symbols, Some(context.board), &[]);
    let behind = records::section_bytes(region, slot);
    crash.sections = sections::read(behind, record.sequence, decoder);
    crash.reset_causes = reset_causes(&crash.sections, context.board);
    crash.section_differences = sections::differences(&crash.sections, &[], log, None);
    Some(crash)
}

/// The causes of the last resets in the words of the chip file.
fn reset_causes(found: &Sections, board: &Board) -> Vec<String> {
    let Some(chip) = &board.chip.reset_cause else { return Vec::new() };
    let words = found.reset_causes.iter();
    words.map(|word| chip.words(*word).unwrap_or_else(|| UNKNOWN_CAUSE.to_owned())).collect()
}

/// What can be said of a record, and of the bytes behind it, with the image alone.
#[must_use]
pub fn crash_of_record(
    slot: Slot,
    record: &Record,
    partial: bool,
    behind: &[u8],
    image: &Image,
) -> CrashReport {
    let symbols = Symbols::new(image);
    let found = sections::read(behind, record.sequence, &LogDecoder::new(&symbols));
    let mut crash = describe(Place { slot, partial }, record, &symbols, None, &[]);
    crash.section_differences = found.damaged.clone();
    crash.sections = found;
    crash
}

/// Where a record lies, and how much of it.
struct Place {
    slot: Slot,
    partial: bool,
}

fn describe(
    place: Place,
    record: &Record,
    symbols: &Symbols<'_>,
    board: Option<&Board>,
    ram: &[RamRange<'_>],
) -> CrashReport {
    let image = symbols.image();
    let function = |address: u32| symbols.function_at(address);
    // Every overflow has an address: the one refused, or where the stack pointer went. So has every
    // transfer, and an entry of the vector table: software knows it, and no register of the core
    // vouches for it.
    let has_address = record.trust.has(Trust::FAULT_ADDRESS)
        || record.kind == Kind::StackOverflow
        || matches!(
            record.detector,
            Detector::DmaCapability | Detector::DmaTransferError | Detector::VectorCheck
        );
    let has_pc = record.trust.has(Trust::PC);
    let pc = record.registers.pc;
    let region = |address: u32| region_of(address, record, image, board);
    CrashReport {
        slot: place.slot,
        record: *record,
        partial: place.partial,
        pc_region: has_pc.then(|| region(pc)),
        pc_symbol: has_pc.then(|| function(pc)).flatten(),
        address_region: has_address.then(|| region(record.fault_address)),
        address_symbol: has_address.then(|| function(record.fault_address)).flatten(),
        backtrace: backtrace(record, ram, symbols),
        fault_text: fault_text::describe(record.architecture, &record.faults),
        disagreements: Vec::new(),
        entry_differences: Vec::new(),
        sections: Sections::default(),
        reset_causes: Vec::new(),
        section_differences: Vec::new(),
        thread_name: thread_name(record, image),
        source: source(record, image),
        bytes_lost: None,
        changed_by: None,
    }
}

/// The area or region that an address lies in. Without a board the record's own word counts.
fn region_of(address: u32, record: &Record, image: &Image, board: Option<&Board>) -> String {
    if let Some(area) = image.area_at(address) {
        return area.name.to_owned();
    }
    // Where stacks from the heap lie, only the device knows.
    if let (Thread::User(_), Area::Guard | Area::Stack) = (record.owner.thread, record.owner.area) {
        let guard = record.owner.area == Area::Guard;
        return if guard { USER_STACK_GUARD } else { USER_STACK }.to_owned();
    }
    let Some(board) = board else {
        let is_code = image.code_ranges().iter().any(|range| range.contains(&address));
        let area = if is_code { Area::Flash } else { record.owner.area };
        return if area == Area::Unmapped { UNMAPPED.to_owned() } else { area.to_string() };
    };
    let regions = board.chip.regions.iter().map(|region| (&region.name, region.range));
    let aliases = board.chip.aliases.iter().map(|alias| (&alias.name, alias.range));
    let holds = |range: AddressRange| {
        address.checked_sub(range.start).is_some_and(|offset| offset < range.size_bytes)
    };
    let found = regions.chain(aliases).find(|(_, range)| holds(*range));
    found.map_or_else(|| UNMAPPED.to_owned(), |(name, _)| name.clone())
}

/// The name that a record gives its thread.
fn thread_name(record: &Record, image: &Image) -> Option<String> {
    let length = usize::from(record.thread_name_length);
    let name = image.flash_bytes(record.thread_name, length).filter(|name| !name.is_empty())?;
    Some(plain(&String::from_utf8_lossy(name)))
}

/// The place in the source that a panic or a reported error names.
fn source(record: &Record, image: &Image) -> Option<String> {
    if !matches!(record.kind, Kind::Panic | Kind::Error | Kind::BadImage) {
        return None;
    }
    let name = image.flash_bytes(record.source_file, usize::from(record.source_file_length))?;
    Some(format!("{}:{}", plain(&String::from_utf8_lossy(name)), record.source_line))
}

fn views(ram: &[RamEvidence]) -> Vec<RamRange<'_>> {
    ram.iter().map(|ram| RamRange { start: ram.start, bytes: ram.bytes.bytes() }).collect()
}

/// The word at an address of some ranges.
pub(super) fn word_at(ram: &[RamRange<'_>], address: u32) -> Option<u32> {
    ram.iter().find_map(|range| {
        let offset = usize::try_from(address.checked_sub(range.start)?).ok()?;
        range.bytes.get(offset..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
    })
}

/// Bytes below the guard of the broken stack that are not what they were before the fault. The
/// guard itself is nobody's memory.
fn bytes_lost(
    record: &Record,
    image: &Image,
    before: &[RamRange<'_>],
    after: &[RamRange<'_>],
) -> Option<u32> {
    /// How far below its stack an overflow is looked for: more than any frame of the test image.
    const REACH_BYTES: u32 = 16 << 10;
    if record.kind != Kind::StackOverflow || before.is_empty() {
        return None;
    }
    // The guard lies directly below the stack; it is nobody's memory.
    let guard = image.areas().iter().find(|area| area.end == record.stack_start)?;
    let end = guard.start;
    let lowest = record.registers.sp.min(record.fault_address.max(1));
    let start = end.saturating_sub(REACH_BYTES).max(lowest & !3);
    let mut lost = 0;
    for address in (start..end).step_by(4) {
        let (Some(was), Some(is)) = (word_at(before, address), word_at(after, address)) else {
            continue;
        };
        let changed = was.to_le_bytes().into_iter().zip(is.to_le_bytes()).filter(|(a, b)| a != b);
        lost += u32::try_from(changed.count()).unwrap_or(0);
    }
    Some(lost)
}
