//! Runs and reports for machines. The format has a version; fields are added, never renamed.

mod sections;

use crate::decode::backtrace::Frame;
use crate::report::{BootReport, CrashReport, Report};
use crate::target::Boundary;
use crate::target::probe::ladder::Recovery;
use crate::verdict::Verdict;
use crashrig_wire::ledger::Class;
use crashrig_wire::record::Trust;
use crashrig_wire::{Ledger, Record};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Version of the format.
pub const SCHEMA: u32 = 1;

/// One test of a run.
#[derive(Debug, Clone, Serialize)]
pub struct TestResult {
    /// Name of the test.
    pub test: String,
    /// Verdict and mismatches; nothing for an ignored test.
    pub verdict: Option<Verdict>,
    /// Why it was not run.
    pub ignored: Option<String>,
    /// What has helped a board that was in trouble at first.
    pub recovery: Option<Recovery>,
    /// Folder of the bundle.
    pub bundle: Option<String>,
    /// Time on the wall.
    pub wall_ms: u64,
}

/// A whole run. `complete` is false until its last test is over, so that an interrupted run cannot
/// pass for a finished one.
#[must_use]
pub fn run(results: &[TestResult], complete: bool) -> Value {
    json!({ "schema": SCHEMA, "complete": complete, "tests": results })
}

/// A report: what `explain --json` prints.
#[must_use]
pub fn report(report: &Report) -> Value {
    let boots: Vec<_> = report.boots.iter().map(boot).collect();
    json!({
        "schema": SCHEMA,
        "bench_problem": report.bench_problem,
        "recovery": report.recovery,
        "boots": boots,
    })
}

fn boot(boot: &BootReport) -> Value {
    let log: Vec<_> = boot
        .log
        .iter()
        .map(|line| {
            json!({
                "timestamp": line.timestamp,
                "level": line.level,
                "message": line.message,
                "file": line.file,
                "line": line.line,
            })
        })
        .collect();
    json!({
        "planned": boot.planned,
        "boundary": boundary(&boot.boundary),
        "instructions": boot.instructions,
        "end_marker": boot.marker.map(|marker| json!({
            "boot": marker.boot,
            "run_id": marker.run_id,
            "observed": crashrig_wire::Observation::ALL.iter().filter(|o| marker.saw(**o))
                .map(|o| o.name()).collect::<Vec<_>>(),
            "first": marker.first.name(),
            "last": marker.last.name(),
        })),
        "ledger": boot.ledger.as_ref().map(ledger),
        "backup": boot.backup.as_ref().map(|backup| json!({
            "ledger": backup.ledger.as_ref().map(ledger),
            "history": history(&backup.records()),
        })),
        "crash": boot.crash.as_ref().map(crash),
        "log": log,
        "log_notes": boot.log_notes,
        "unmodelled": boot.unmodelled,
        "console": boot.console,
    })
}

fn boundary(boundary: &Boundary) -> Value {
    match boundary {
        Boundary::Reset => json!({ "kind": "reset" }),
        Boundary::Watchdog => json!({ "kind": "watchdog" }),
        Boundary::Exit { status } => json!({ "kind": "exit", "status": status }),
        Boundary::Lockup { text } => json!({ "kind": "lockup", "text": text }),
        Boundary::Hang { limit, pc } => json!({ "kind": "hang", "limit": limit, "pc": pc }),
    }
}

/// A record with everything that can be said about it.
#[must_use]
pub fn crash(crash: &CrashReport) -> Value {
    let backtrace: Vec<_> = crash.backtrace.iter().map(frame).collect();
    json!({
        "slot": crash.slot.name(),
        "partial": crash.partial,
        "record": record(&crash.record),
        "pc_symbol": crash.pc_symbol,
        "address_region": crash.address_region,
        "address_symbol": crash.address_symbol,
        "backtrace": backtrace,
        "causes": crash.fault_text,
        "source": crash.source,
        "thread_name": crash.thread_name,
        "bytes_lost": crash.bytes_lost,
        "changed_by": crash.changed_by.map(|write| json!({
            "bus_master": write.stream_name(),
            "start": write.start,
            "end": write.end,
        })),
        "disagreements": crash.disagreements,
        "sections": sections::sections(&crash.sections),
        "reset_causes": crash.reset_causes,
        "section_differences": crash.section_differences,
    })
}

/// Records of the history, the oldest first.
#[must_use]
pub fn history(records: &[&CrashReport]) -> Value {
    records.iter().map(|record| crash(record)).collect()
}

/// The ledger of a crash region.
#[must_use]
pub fn ledger(ledger: &Ledger) -> Value {
    let classes = Class::ALL.iter().map(|class| (class.name(), ledger.crashes_of(*class)));
    json!({
        "boots": ledger.boots,
        "crashes": ledger.crashes,
        "crashes_by_class": classes.collect::<BTreeMap<_, _>>(),
        "crashes_in_a_row": ledger.crashes_in_a_row,
        "boots_without_end": ledger.boots_without_end,
        "boots_since_crash": ledger.boots_since_crash,
        "phase": ledger.phase.name(),
        "safe_mode": ledger.safe_mode.name(),
        "newest_status": format!("{:#010x}", ledger.newest_status.0),
        "read_mark": ledger.read_mark,
        "nested_count": ledger.nested_count,
    })
}

fn frame(frame: &Frame) -> Value {
    json!({
        "address": frame.address,
        "function": frame.function,
        "file": frame.file,
        "line": frame.line,
        "inlined": frame.inlined,
        "note": frame.note,
    })
}

fn record(record: &Record) -> Value {
    let registers = &record.registers;
    let faults = &record.faults;
    let hex = |word: u32| format!("{word:#010x}");
    let trusted = |bit, value: u32| record.trust.has(bit).then(|| hex(value));
    let build_id: String = record.build_id.iter().map(|byte| format!("{byte:02x}")).collect();
    json!({
        "kind": record.kind.name(),
        "detector": record.detector.name(),
        "thread": record.thread.context().name(),
        "thread_priority": record.thread_priority,
        "build_id": build_id,
        "run_id": record.run_id,
        "boot": record.boot,
        "architecture": record.architecture.name(),
        "sequence": record.sequence,
        "uptime_ms": record.uptime_ms,
        "status": hex(record.status.0),
        "status_words": record.status.words().to_string(),
        "value": record.value,
        "fault_address": trusted(Trust::FAULT_ADDRESS, record.fault_address),
        "owner": {
            "area": record.owner.area.name(),
            "thread": record.owner.thread.context().name(),
        },
        "stack": { "start": hex(record.stack_start), "size_bytes": record.stack_size },
        "r": registers.r.iter().copied().map(hex).collect::<Vec<_>>(),
        "sp": trusted(Trust::STACK_POINTER, registers.sp),
        "lr": trusted(Trust::FRAME, registers.lr),
        "pc": trusted(Trust::PC, registers.pc),
        "xpsr": trusted(Trust::FRAME, registers.xpsr),
        "trust": record.trust.0,
        "msp": hex(registers.msp),
        "psp": hex(registers.psp),
        "exc_return": hex(registers.exc_return),
        "masks": hex(registers.masks),
        "cfsr": hex(faults.cfsr),
        "hfsr": hex(faults.hfsr),
        "dfsr": hex(faults.dfsr),
        "mmfar": hex(faults.mmfar),
        "bfar": hex(faults.bfar),
        "afsr": hex(faults.afsr),
        "shcsr": hex(faults.shcsr),
        "icsr": hex(faults.icsr),
        "vtor": hex(faults.vtor),
        "ccr": hex(faults.ccr),
        "trail": record.trail.iter().take(usize::from(record.trail_length)).copied().map(hex)
            .collect::<Vec<_>>(),
    })
}
