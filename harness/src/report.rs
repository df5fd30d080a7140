//! What happened, typed: the report of one run. It needs no image and no bytes any more.

use crate::decode::backtrace::Frame;
use crate::decode::log::LogLine;
use crate::decode::sections::Sections;
use crate::target::probe::ladder::Recovery;
use crate::target::{Boundary, BusWrite};
use crashrig_wire::region::Slot;
use crashrig_wire::script::Response;
use crashrig_wire::{BuildId, EndMarker, Ledger, Record};

/// The report of one run.
#[derive(Debug, Clone)]
pub struct Report {
    /// Why the bench failed, if it did.
    pub bench_problem: Option<String>,
    /// What has helped a board that was in trouble at first.
    pub recovery: Option<Recovery>,
    /// The boots, in order.
    pub boots: Vec<BootReport>,
}

/// The report of one boot.
#[derive(Debug, Clone)]
pub struct BootReport {
    /// The boot of the scenario, from 1.
    pub planned: u32,
    /// Where it ended.
    pub boundary: Boundary,
    /// Instructions it executed.
    pub instructions: Option<u64>,
    /// The end marker, if a sound one was there.
    pub marker: Option<EndMarker>,
    /// The ledger at the boundary.
    pub ledger: Option<Ledger>,
    /// What memory on a battery held at the boundary, where the host supplies it.
    pub backup: Option<BackupReport>,
    /// What the slots held before the first instruction.
    pub before: [SlotReport; 2],
    /// What the slots held at the boundary.
    pub after: [SlotReport; 2],
    /// The record that this boot left.
    pub crash: Option<CrashReport>,
    /// What the device answered to a script; nothing stands for an answer that nobody knows.
    pub answers: Vec<Option<Response>>,
    /// Decoded log.
    pub log: Vec<LogLine>,
    /// Remarks of the log's decoder: frames lost, limits reached.
    pub log_notes: Vec<String>,
    /// Accesses to what the emulator does not model, each once with its count.
    pub unmodelled: Vec<String>,
    /// Text of the console.
    pub console: String,
}

/// What memory on a battery held.
#[derive(Debug, Clone)]
pub struct BackupReport {
    /// The ledger in the registers, if a sound one was there.
    pub ledger: Option<Ledger>,
    /// The history's slots, in the order of memory; nothing where the seal of one does not hold.
    pub history: Vec<Option<CrashReport>>,
}

impl BackupReport {
    /// The records of the history, the oldest first.
    #[must_use]
    pub fn records(&self) -> Vec<&CrashReport> {
        let mut records: Vec<_> = self.history.iter().flatten().collect();
        records.sort_by_key(|crash| crash.record.sequence);
        records
    }
}

/// What a slot held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotReport {
    /// Which slot.
    pub slot: Slot,
    /// Its record, whole or partial.
    pub record: Option<Record>,
    /// One word: `blank`, `torn`, `corrupt`, `partial`, `valid`.
    pub reading: &'static str,
    /// Why it is corrupt, or nothing.
    pub reason: Option<String>,
}

impl SlotReport {
    /// What is in it, for a build.
    #[must_use]
    pub fn in_words(&self, build: &BuildId) -> &'static str {
        match &self.record {
            None => "no record",
            Some(record) if record.build_id != *build => "a record of another build",
            Some(_) => "a record",
        }
    }
}

/// A record that a boot left, with everything that can be said about it.
#[derive(Debug, Clone)]
pub struct CrashReport {
    /// The slot it is in.
    pub slot: Slot,
    /// The record.
    pub record: Record,
    /// Whether only phase one holds.
    pub partial: bool,
    /// Function of the program counter, if it is known.
    pub pc_symbol: Option<String>,
    /// Area or region of the program counter, if it is known.
    pub pc_region: Option<String>,
    /// Area or region of the fault address, if there is one.
    pub address_region: Option<String>,
    /// Function of the fault address, if it lies in code.
    pub address_symbol: Option<String>,
    /// The backtrace.
    pub backtrace: Vec<Frame>,
    /// What the fault registers mean, in words.
    pub fault_text: Vec<String>,
    /// Where the record and the emulator's own log differ.
    pub disagreements: Vec<String>,
    /// Where the record differs from what the host read at the entry, if it stopped there.
    pub entry_differences: Vec<String>,
    /// What stands behind the record.
    pub sections: Sections,
    /// Causes of the last resets in words, this boot's first; empty if the chip gives none, or
    /// nobody knows which chip it was.
    pub reset_causes: Vec<String>,
    /// Where the sections differ from what else is known of the boot.
    pub section_differences: Vec<String>,
    /// The name of the thread it is charged to, if the record says it.
    pub thread_name: Option<String>,
    /// Place in the source of a panic or of a reported error.
    pub source: Option<String>,
    /// Bytes below the stack that changed between the fault and the boundary, if they were
    /// measured.
    pub bytes_lost: Option<u32>,
    /// The bus master that changed the heap's broken word last, where the host saw who writes to it
    /// and the core did not.
    pub changed_by: Option<BusWrite>,
}
