//! A run as people read it: verdict, differences, boots, record, backtrace, log, and what to do
//! next.

mod backup;
mod blame;
mod ledger;
mod sections;

pub use backup::backup;
use blame::changed_by;
pub use ledger::ledger;

use crate::decode::backtrace::Frame;
use crate::evidence::Evidence;
use crate::report::{BootReport, CrashReport, Report};
use crate::scenario::Scenario;
use crate::target::Boundary;
use crate::verdict::Verdict;
use crashrig_wire::Thread;
use crashrig_wire::record::Trust;
use std::fmt::Write as _;

/// Lines of registers that the emulator prints at a lockup.
const LOCKUP_LINES: usize = 8;

/// Lines of a log that a report shows; the bundle has all of them.
const LOG_LINES: usize = 20;

/// One line for a test that is over.
#[must_use]
pub fn summary(evidence: &Evidence) -> String {
    let boots = evidence.boots.len();
    let plural = if boots == 1 { "" } else { "s" };
    let recovered = evidence.recovery.as_ref().map(|it| format!(", recovered by {}", it.helped));
    format!("{boots} boot{plural}, {} ms{}", evidence.wall_ms, recovered.unwrap_or_default())
}

/// Where the files of a run are, as people read it.
#[derive(Debug, Clone, Copy)]
pub struct Places<'a> {
    /// The scenario's file.
    pub scenario: &'a str,
    /// The bundle's folder.
    pub bundle: &'a str,
}

/// The report of a failure.
#[must_use]
pub fn failure(
    scenario: &Scenario,
    evidence: &Evidence,
    report: &Report,
    verdict: &Verdict,
    places: &Places<'_>,
) -> String {
    let mut out = String::new();
    line(&mut out, format_args!("{}", verdict.kind.headline()));
    line(&mut out, format_args!("  scenario  {} ({})", scenario.title, places.scenario));
    for mismatch in &verdict.mismatches {
        let boot =
            if mismatch.boot == 0 { String::new() } else { format!(" of boot {}", mismatch.boot) };
        line(&mut out, format_args!("\n  {}{boot}", mismatch.subject));
        line(&mut out, format_args!("    expected  {}", mismatch.expected));
        line(&mut out, format_args!("    found     {}", mismatch.found));
    }
    out.push_str("\ntimeline of the scenario\n");
    for step in &scenario.timeline {
        line(&mut out, format_args!("  {step}"));
    }
    out.push('\n');
    out.push_str(&boots(report, Detail::Brief));
    line(
        &mut out,
        format_args!(
            "\nrerun     CRASHRIG_SEED={:#x} cargo rig run --exact {}",
            evidence.seed, evidence.test
        ),
    );
    line(&mut out, format_args!("explain   cargo rig explain {}", places.bundle));
    line(&mut out, format_args!("judge     cargo rig judge {}", places.bundle));
    line(&mut out, format_args!("files     {}", places.bundle));
    out
}

/// How much of a record is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// The record itself.
    Brief,
    /// What stands behind it too.
    Full,
}

/// What happened, boot by boot.
#[must_use]
pub fn boots(report: &Report, detail: Detail) -> String {
    let mut out = String::new();
    let problem = report.bench_problem.iter().map(|problem| format!("bench     {problem}"));
    let recovery = report.recovery.iter().map(|recovery| format!("board     {recovery}"));
    problem.chain(recovery).for_each(|text| line(&mut out, format_args!("{text}")));
    for (index, boot) in report.boots.iter().enumerate() {
        if index > 0 {
            out.push('\n');
        }
        one_boot(&mut out, index + 1, boot, detail);
    }
    out
}

fn one_boot(out: &mut String, number: usize, boot: &BootReport, detail: Detail) {
    let instructions =
        boot.instructions.map_or(String::new(), |count| format!(", {count} instructions"));
    line(out, format_args!("boot #{number}   {}{instructions}", boundary(&boot.boundary)));
    if let Boundary::Lockup { text } = &boot.boundary {
        let registers = text.lines().filter(|text| text.starts_with('R') || text.starts_with('X'));
        for register_line in registers.take(LOCKUP_LINES) {
            line(out, format_args!("  cpu     {register_line}"));
        }
    }
    for slot in &boot.before {
        if let Some(reason) = &slot.reason {
            line(out, format_args!("  before  slot {} is refused: {reason}", slot.slot.name()));
        } else if let Some(record) = &slot.record {
            line(
                out,
                format_args!(
                    "  before  slot {} holds {} of boot {}",
                    slot.slot.name(),
                    record.kind,
                    record.boot
                ),
            );
        }
    }
    if let Some(marker) = &boot.marker {
        let observed: Vec<_> = crashrig_wire::Observation::ALL
            .iter()
            .filter(|observation| marker.saw(**observation))
            .map(|observation| observation.name())
            .collect();
        line(
            out,
            format_args!("  end     marker of boot {}: {}", marker.boot, observed.join(", ")),
        );
        line(out, format_args!("          found first: {}, last: {}", marker.first, marker.last));
    }
    if let Some(found) = &boot.ledger {
        ledger(out, found);
    }
    if let Some(found) = &boot.backup {
        backup(out, found);
    }
    if let Some(found) = &boot.crash {
        crash(out, found, detail);
    }
    for text in boot.console.lines() {
        line(out, format_args!("  console {text}"));
    }
    for access in &boot.unmodelled {
        line(out, format_args!("  unmodelled  {access}"));
    }
    log(out, boot);
}

fn boundary(boundary: &Boundary) -> String {
    match boundary {
        Boundary::Reset => "ended with a reset, RAM read".to_owned(),
        Boundary::Watchdog => "ended by a watchdog, RAM read".to_owned(),
        Boundary::Exit { status } => format!("ended with exit status {status}"),
        Boundary::Lockup { text } => {
            format!("locked up: {}", text.lines().next().unwrap_or_default())
        }
        Boundary::Hang { limit, pc } => {
            let place = pc.map_or(String::new(), |pc| format!(", stopped at {pc:#010x}"));
            format!("made no end: {limit} used up{place}")
        }
    }
}

/// The name of a user thread; the others are named by what they are.
fn named(crash: &CrashReport) -> String {
    match (&crash.thread_name, crash.record.thread) {
        (Some(name), Thread::User(_)) => format!(" \"{name}\""),
        _ => String::new(),
    }
}

/// A record in words: what `explain` prints and what a failure shows.
pub fn crash(out: &mut String, crash: &CrashReport, detail: Detail) {
    let record = &crash.record;
    line(
        out,
        format_args!(
            "  crash   {} noticed by {}, thread {}{}, boot {}, slot {}{}",
            record.kind,
            record.detector,
            record.thread.context(),
            named(crash),
            record.boot,
            crash.slot.name(),
            if crash.partial { " (phase one only)" } else { "" }
        ),
    );
    line(
        out,
        format_args!(
            "  status  {:#010x} ({}), run {:08x}, crash {} of this ledger, {} ms after start",
            record.status.0,
            record.status.words(),
            record.run_id,
            record.sequence,
            record.uptime_ms
        ),
    );
    if record.trust.has(Trust::FAULT_ADDRESS) || record.fault_address != 0 {
        let region = crash.address_region.as_deref().unwrap_or("unknown");
        let owner = format!("{}, thread {}", record.owner.area, record.owner.thread.context());
        line(
            out,
            format_args!(
                "  address {:#010x} in {region} (record says: {owner})",
                record.fault_address
            ),
        );
    }
    if let Some(source) = &crash.source {
        line(out, format_args!("  source  {source}"));
    }
    for text in &crash.fault_text {
        line(out, format_args!("  cause   {text}"));
    }
    if let Some(lost) = crash.bytes_lost {
        line(
            out,
            format_args!(
                "  lost    {lost} bytes below the stack were overwritten before it was noticed"
            ),
        );
    }
    changed_by(out, crash);
    line(
        out,
        format_args!(
            "  stack   {:#010x}..{:#010x}",
            record.stack_start,
            record.stack_start.wrapping_add(record.stack_size)
        ),
    );
    registers(out, crash);
    backtrace(out, &crash.backtrace);
    for disagreement in &crash.disagreements {
        line(out, format_args!("  witness DIFFERS: {disagreement}"));
    }
    if detail == Detail::Full {
        sections::sections(out, crash);
    }
}

/// The frames; a run of equal ones, as a recursion leaves it, is shown once with its length.
fn backtrace(out: &mut String, frames: &[Frame]) {
    out.push_str("  backtrace\n");
    let mut index = 0;
    for equal in frames.chunk_by(|one, other| one == other) {
        if let Some(first) = equal.first() {
            line(out, format_args!("    {index:>2}  {}", frame(first)));
        }
        if equal.len() > 1 {
            line(out, format_args!("        … the same {} more times", equal.len() - 1));
        }
        index += equal.len();
    }
}

fn registers(out: &mut String, crash: &CrashReport) {
    let registers = &crash.record.registers;
    let trust = crash.record.trust;
    let mut cells = Vec::new();
    for (index, value) in registers.r.iter().enumerate() {
        let saved_by_callee = (4..=11).contains(&index);
        let bit = if saved_by_callee { Trust::CALLEE_SAVED } else { Trust::FRAME };
        cells.push(cell(&format!("r{index}"), *value, trust.has(bit)));
    }
    cells.push(cell("sp", registers.sp, trust.has(Trust::STACK_POINTER)));
    cells.push(cell("lr", registers.lr, trust.has(Trust::FRAME)));
    cells.push(cell("pc", registers.pc, trust.has(Trust::PC)));
    cells.push(cell("xpsr", registers.xpsr, trust.has(Trust::FRAME)));
    for (name, value) in [
        ("msp", registers.msp),
        ("psp", registers.psp),
        ("exc", registers.exc_return),
        ("mask", registers.masks),
        ("cfsr", crash.record.faults.cfsr),
        ("hfsr", crash.record.faults.hfsr),
        ("mmfar", crash.record.faults.mmfar),
        ("bfar", crash.record.faults.bfar),
        ("shcsr", crash.record.faults.shcsr),
        ("icsr", crash.record.faults.icsr),
        ("vtor", crash.record.faults.vtor),
    ] {
        cells.push(cell(name, value, true));
    }
    out.push_str("  registers\n");
    for row in cells.chunks(4) {
        line(out, format_args!("    {}", row.join("  ").trim_end()));
    }
}

fn cell(name: &str, value: u32, trusted: bool) -> String {
    if trusted { format!("{name:>5} {value:08x}") } else { format!("{name:>5} lost    ") }
}

fn frame(frame: &Frame) -> String {
    let address =
        frame.address.map_or("pc lost   ".to_owned(), |address| format!("{address:#010x}"));
    let function = frame.function.as_deref().unwrap_or("");
    let place = match (&frame.file, frame.line) {
        (Some(file), Some(line)) => format!("  {file}:{line}"),
        (Some(file), None) => format!("  {file}"),
        _ => String::new(),
    };
    let inlined = if frame.inlined { " (inlined)" } else { "" };
    let note = frame.note.as_deref().map_or(String::new(), |note| format!("  [{note}]"));
    format!("{address} {function}{inlined}{place}{note}").trim_end().to_owned()
}

fn log(out: &mut String, boot: &BootReport) {
    let skipped = boot.log.len().saturating_sub(LOG_LINES);
    if skipped > 0 {
        line(out, format_args!("  log     … {skipped} lines before"));
    }
    for entry in boot.log.iter().skip(skipped) {
        let time = entry.timestamp.as_deref().unwrap_or("-");
        let place = match (&entry.file, entry.line) {
            (Some(file), Some(line)) => format!("  {file}:{line}"),
            _ => String::new(),
        };
        line(
            out,
            format_args!("  log     {time:>5} s [{:<5}] {}{place}", entry.level, entry.message),
        );
    }
    for note in &boot.log_notes {
        line(out, format_args!("  log     ({note})"));
    }
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{text}");
}
