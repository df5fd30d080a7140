//! From what an engine saw to what became of an injection. Pure and total, and fast enough for the
//! loop of the fastest engine: the wire is read, no debug information.
//!
//! What the target left is never trusted: any bytes come to one of the outcomes. The worst that is
//! found counts: first what was accepted and must not be, then boots without an end, then what was
//! reported, and only then whether the result is that of the golden run.

mod result;
#[cfg(test)]
mod tests;
mod view;

use self::view::{View, in_words, same_crash, same_report, says};
use super::engine::{BootTrace, Trace};
use super::fault::{Effect, Fault, RamPolicy, Second};
use super::hash::Fnv;
use super::outcome::Outcome;
use crate::run::SILENT_BOOT_BUDGET;
use crate::scenario::sweep::{Expected, Subject, Sweep};
use crate::target::Boundary;
use crashrig_wire::Detector;
use crashrig_wire::record::{Reading, Record};
use std::ops::Range;

/// What became of an injection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// The outcome.
    pub outcome: Outcome,
    /// What differed or was reported, in words; empty for what is masked.
    pub detail: String,
    /// A hash over everything that the outcome rests on.
    pub evidence_hash: u64,
}

/// An outcome with its words.
type Found = (Outcome, String);

/// Judges the injections of one sweep.
#[derive(Debug, Clone)]
pub struct Classifier<'a> {
    sweep: &'a Sweep,
    crash_region: Range<u32>,
    golden: Vec<View<'a>>,
}

impl<'a> Classifier<'a> {
    /// A classifier for a sweep, by its golden run and where the crash region lies.
    #[must_use]
    pub fn new(sweep: &'a Sweep, crash_region: Range<u32>, golden: &'a Trace) -> Self {
        Self { sweep, crash_region, golden: golden.boots.iter().map(View::of).collect() }
    }

    /// What became of one injection.
    #[must_use]
    pub fn judge(&self, fault: &Fault, trace: &Trace) -> Judgement {
        let boots = trace.boots.iter().enumerate();
        let boots: Vec<View<'_>> =
            boots.map(|(index, boot)| View::beside(boot, self.golden.get(index))).collect();
        let case = Case { all: self, fault, trace, boots: &boots };
        let (outcome, detail) = case.outcome();
        Judgement { outcome, detail, evidence_hash: evidence_hash(trace, &boots) }
    }
}

/// One injection.
struct Case<'a> {
    all: &'a Classifier<'a>,
    fault: &'a Fault,
    trace: &'a Trace,
    boots: &'a [View<'a>],
}

impl Case<'_> {
    fn outcome(&self) -> Found {
        if self.trace.fired == 0 {
            return (Outcome::NotActivated, String::new());
        }
        self.before_the_effect()
            .or_else(|| self.altered_record())
            .or_else(|| self.without_end())
            .or_else(|| self.new_report())
            .or_else(|| self.unreported())
            .unwrap_or_else(|| self.result())
    }

    /// The index of the boot in which the effect came.
    const fn faulted(&self) -> usize {
        (self.fault.boot as usize).saturating_sub(1)
    }

    const fn resets(&self) -> Option<RamPolicy> {
        match self.fault.effect {
            Effect::Reset { ram } => Some(ram),
            _ => None,
        }
    }

    /// Whether it is the effect that ended a boot.
    const fn is_ended_by_effect(&self, index: usize) -> bool {
        self.resets().is_some() && index == self.faulted()
    }

    /// Whether nothing that the effect does can change what is recorded: it resets, or it changes
    /// the crash region alone.
    fn leaves_the_crash_alone(&self) -> bool {
        let Range { start, end } = self.all.crash_region;
        let is_within = |address: u32, size_bytes: usize| {
            address >= start && u64::from(address) + size_bytes as u64 <= u64::from(end)
        };
        let is_second_alone = |second: &Second| match &second.effect {
            Effect::Word { address, .. } => is_within(*address, 4),
            _ => false,
        };
        if !self.fault.second.as_ref().is_none_or(is_second_alone) {
            return false;
        }
        match &self.fault.effect {
            Effect::Reset { .. } => true,
            Effect::Word { address, .. } => is_within(*address, 4),
            Effect::Bytes { address, bytes } => is_within(*address, bytes.len()),
            Effect::Register { .. } | Effect::Interrupt { .. } | Effect::Nmi | Effect::Skip => {
                false
            }
        }
    }

    /// Boots before the effect are those of the golden run, or the bench does not repeat itself.
    fn before_the_effect(&self) -> Option<Found> {
        let pairs = self.boots.iter().zip(&self.all.golden).take(self.faulted());
        let differs = |(found, golden): (&View<'_>, &View<'_>)| {
            found.boundary != golden.boundary
                || found.region != golden.region
                || found.marker != golden.marker
        };
        let index = pairs.into_iter().position(differs)?;
        let words = format!("boot {}, before the effect, is not that of the golden run", index + 1);
        Some((Outcome::HarnessError, words))
    }

    /// A record that reads as sound and is not what was written: another than that of its crash in
    /// the golden run, where nothing else can have changed it, or another than the boot before has
    /// left.
    fn altered_record(&self) -> Option<Found> {
        let golden: Vec<&Record> = self.all.golden.iter().flat_map(View::records).collect();
        for (index, boot) in self.boots.iter().enumerate() {
            let before = index.checked_sub(1).and_then(|before| self.boots.get(before));
            let before: Vec<&Record> = before.into_iter().flat_map(View::records).collect();
            let as_golden = self.leaves_the_crash_alone().then_some(golden.iter().copied());
            for reading in &boot.slots {
                let Some(record) = reading.record() else { continue };
                let must_say =
                    before.iter().copied().chain(as_golden.clone().into_iter().flatten());
                let mut of_same = must_say.filter(|other| same_crash(other, record)).peekable();
                let altered = of_same.peek().is_some() && !of_same.any(|it| agrees(reading, it));
                if altered {
                    let words = format!("boot {}: {}, altered", index + 1, in_words(record));
                    return Some((Outcome::TornAccepted, words));
                }
            }
        }
        None
    }

    /// Boots that did not end with a reset, nor by a watchdog which the next one reports.
    fn without_end(&self) -> Option<Found> {
        for (index, boot) in self.boots.iter().enumerate() {
            let number = index + 1;
            let (outcome, words) = match boot.boundary {
                Boundary::Reset => continue,
                Boundary::Hang { .. } => (Outcome::Hang, format!("boot {number} did not end")),
                Boundary::Watchdog => {
                    let report = self.report_of_watchdog(index);
                    let but = match report {
                        Some(record) if self.expects(&record) => continue,
                        Some(_) => "as the next one reports, but the sweep does not expect",
                        None => "which no boot reports",
                    };
                    (Outcome::Hang, format!("boot {number} was ended by the watchdog, {but}"))
                }
                Boundary::Lockup { .. } => {
                    (Outcome::CrashUnreported, format!("boot {number} ended in a lockup"))
                }
                Boundary::Exit { status } => {
                    (Outcome::CrashUnreported, format!("boot {number} ended with status {status}"))
                }
            };
            return Some((outcome, words));
        }
        None
    }

    /// What the boot behind one that the watchdog has ended says of that.
    fn report_of_watchdog(&self, index: usize) -> Option<Record> {
        if *self.boots.get(index)?.boundary != Boundary::Watchdog {
            return None;
        }
        let new = Self::new_records(self.boots, index + 1);
        new.into_iter().find(|record| record.detector == Detector::Watchdog)
    }

    fn expects(&self, record: &Record) -> bool {
        self.all.sweep.expect.iter().any(|it| is_expected(it, record))
    }

    /// The records that a boot has left and the one before had not.
    fn new_records(boots: &[View<'_>], index: usize) -> Vec<Record> {
        let before = index.checked_sub(1).and_then(|before| boots.get(before));
        let old: Vec<&Record> = before.into_iter().flat_map(View::records).collect();
        let all = boots.get(index).into_iter().flat_map(View::records);
        all.filter(|it| !old.iter().any(|old| same_crash(old, it))).copied().collect()
    }

    /// The first record that the golden run does not have.
    fn new_report(&self) -> Option<Found> {
        for index in 0..self.boots.len() {
            let golden = Self::new_records(&self.all.golden, index);
            for record in Self::new_records(self.boots, index) {
                if golden.iter().any(|it| same_report(it, &record)) {
                    continue;
                }
                let words = format!("boot {}: {}", index + 1, in_words(&record));
                if !self.expects(&record) {
                    return Some((Outcome::DetectedMisattributed, words));
                }
                let before = index.checked_sub(1).and_then(|it| self.report_of_watchdog(it));
                if before == Some(record) {
                    // How long that took is the watchdog's, and how exactly it was met the host's.
                    let words =
                        format!("boot {index} was ended by the watchdog, which boot {}", index + 1);
                    let words = format!("{words} reports: {}", in_words(&record));
                    return Some((Outcome::DetectedRight, words));
                }
                let after = self.instructions_after(index);
                let limit = self.all.sweep.late_after_instructions;
                if limit.is_some_and(|limit| after > limit) {
                    let words = format!("{words}, {after} instructions after the effect");
                    return Some((Outcome::DetectedLate, words));
                }
                return Some((Outcome::DetectedRight, words));
            }
        }
        None
    }

    /// Instructions from the effect to the end of a boot.
    fn instructions_after(&self, index: usize) -> u64 {
        let boots = self.trace.boots.iter().skip(self.faulted());
        let boots = boots.take((index + 1).saturating_sub(self.faulted()));
        let all: u64 = boots.map(|boot| boot.instructions).sum();
        all.saturating_sub(self.trace.fired_after.unwrap_or(0))
    }

    /// Boots that ended with a reset and say nothing, though nobody has reset them.
    fn unreported(&self) -> Option<Found> {
        let is_silent = |index: usize, boots: &[View<'_>]| {
            boots.get(index).is_some_and(|boot| boot.marker.is_none())
                && Self::new_records(boots, index).is_empty()
        };
        let mut silent = (0..self.boots.len())
            .filter(|index| is_silent(*index, self.boots) && !self.is_ended_by_effect(*index));
        let first = silent.next()?;
        if 1 + silent.count() >= SILENT_BOOT_BUDGET {
            return Some((Outcome::RebootLoop, format!("no end from boot {} on", first + 1)));
        }
        let nested = |boots: &[View<'_>]| {
            boots.last().and_then(|boot| boot.ledger).map_or(0, |ledger| ledger.nested_count)
        };
        let counted = nested(self.boots).saturating_sub(nested(&self.all.golden));
        if counted > 0 && self.all.sweep.subject == Subject::Record {
            let words = format!("boot {}: the ledger counts {counted} nested faults", first + 1);
            return Some((Outcome::DetectedRight, words));
        }
        let words = format!("boot {} ended without marker and record", first + 1);
        Some((Outcome::CrashUnreported, words))
    }
}

/// Whether a reading agrees with what it must say: a part of a whole record may be all there is.
fn agrees(reading: &Reading, must_say: &Record) -> bool {
    // What stood there before may itself have been the part that is whole now.
    let as_part = Reading::Partial(*must_say);
    says(reading, must_say) || reading.record().is_some_and(|record| says(&as_part, record))
}

fn is_expected(expected: &Expected, record: &Record) -> bool {
    expected.detector == record.detector
        && expected.kind.is_none_or(|kind| kind == record.kind)
        && expected.thread.is_none_or(|thread| thread == record.thread.context())
}

/// Equal for equal runs. Memory of a boot that did not end by itself was read at a time of the
/// host's, and is left out; so is what later boots made of it.
fn evidence_hash(trace: &Trace, boots: &[View<'_>]) -> u64 {
    let mut hash = Fnv::default();
    hash.add(&trace.fired.to_le_bytes());
    hash.add(&trace.fired_at.unwrap_or(0).to_le_bytes());
    let mut is_exact = true;
    for (BootTrace { boundary, marker, ram_hash, .. }, boot) in trace.boots.iter().zip(boots) {
        hash.add_part(boundary.name().as_bytes());
        is_exact &= *boundary == Boundary::Reset;
        if is_exact {
            hash.add(&boot.region_hash.to_le_bytes());
            hash.add_part(marker);
            hash.add(&ram_hash.unwrap_or(0).to_le_bytes());
        }
    }
    hash.value()
}
