//! Runs that ended and reported nothing of their own: whether their result is that of the golden
//! run.

use super::view::{View, says};
use super::{Case, Found};
use crate::scenario::sweep::Subject;
use crate::sweep::fault::RamPolicy;
use crate::sweep::outcome::Outcome;

use crashrig_wire::marker::Found as SlotFinding;
use crashrig_wire::record::{Reading, Record};
use crashrig_wire::region::Slot;
use crashrig_wire::{EndMarker, Ledger, Observation};

impl Case<'_> {
    /// The outcome of a run in which every boot has ended in order, with a record of the golden run
    /// or by the effect.
    pub(super) fn result(&self) -> Found {
        if self.boots.len() != self.all.golden.len() {
            let words = format!("{} boots, not {}", self.boots.len(), self.all.golden.len());
            return (Outcome::SilentDataCorruption, words);
        }
        let lost = match self.lost_record() {
            Ok(lost) => lost,
            Err(found) => return found,
        };
        let mut told = None;
        for (index, boot) in self.boots.iter().enumerate() {
            if self.is_ended_by_effect(index) {
                continue;
            }
            let Some(golden) = self.all.golden.get(index) else { continue };
            match self.marker(index + 1, boot, golden) {
                Some(found) if found.0 == Outcome::DetectedRight => told = told.or(Some(found)),
                Some(found) => return found,
                None => {}
            }
        }
        lost.or(told)
            .or_else(|| self.sections())
            .or_else(|| self.kept())
            .unwrap_or((Outcome::Masked, String::new()))
    }

    /// A record of the golden run that is not there at the end. Lost with RAM, or rejected after it
    /// was damaged, or not written because of a reset that the ledger counts, it is right that it
    /// is not there; otherwise that is the outcome.
    fn lost_record(&self) -> Result<Option<Found>, Found> {
        let (Some(golden), Some(last)) = (self.all.golden.last(), self.boots.last()) else {
            return Ok(None);
        };
        let is_there = |record: &Record| last.records().any(|it| super::same_crash(it, record));
        let Some(lost) = golden.records().find(|record| !is_there(record)) else {
            return Ok(self.in_part(golden, last));
        };
        let words = super::in_words(lost);
        match self.resets() {
            Some(RamPolicy::Noise | RamPolicy::Decayed) => Ok(None),
            Some(RamPolicy::Kept) if bad_ends(last) >= bad_ends(golden) => Ok(Some((
                Outcome::DetectedRight,
                format!("no record of {words}; the ledger counts it"),
            ))),
            Some(RamPolicy::Kept) => {
                Err((Outcome::CrashUnreported, format!("neither record nor count of {words}")))
            }
            None if self.leaves_the_crash_alone() => {
                Ok(Some((Outcome::DetectedRight, format!("rejected: {words}"))))
            }
            None => Err((Outcome::SilentDataCorruption, format!("no record of {words}"))),
        }
    }

    /// A record of which only the first phase is there.
    fn in_part(&self, golden: &View<'_>, last: &View<'_>) -> Option<Found> {
        let whole = |view: &View<'_>| {
            view.slots.iter().filter(|it| matches!(it, Reading::Valid(_))).count()
        };
        (whole(last) < whole(golden))
            .then(|| (Outcome::DetectedRight, "the first phase of the record".to_owned()))
    }

    /// The end marker of a boot against that of the golden run.
    fn marker(&self, number: usize, boot: &View<'_>, golden: &View<'_>) -> Option<Found> {
        let wrong = |words: String| {
            Some((Outcome::SilentDataCorruption, format!("boot {number}: {words}")))
        };
        let (found, expected) = match (&boot.marker, &golden.marker) {
            (None, None) => return None,
            (Some(found), Some(expected)) => (found, expected),
            (Some(_), None) => return wrong("it ended in order".to_owned()),
            (None, Some(_)) => return wrong("it ended with a crash of the golden run".to_owned()),
        };
        if (found.run_id, found.build_id) != (expected.run_id, expected.build_id) {
            return wrong("its end marker is another's".to_owned());
        }
        // A boot that was cut off early was not counted; RAM that is gone has counted nothing.
        if found.boot != expected.boot && self.resets().is_none() {
            return wrong(format!("it counts as boot {}", found.boot));
        }
        if let Some(words) = disagreement(boot, found) {
            return wrong(words);
        }
        let findings = (found.first, found.last) == (expected.first, expected.last);
        if !findings && !self.leaves_the_crash_alone() {
            return wrong(format!("it found {} and {} in the slots", found.first, found.last));
        }
        self.observations(number, found, expected)
    }

    fn observations(
        &self,
        number: usize,
        found: &EndMarker,
        expected: &EndMarker,
    ) -> Option<Found> {
        let differing: Vec<_> = Observation::ALL
            .iter()
            .filter(|it| found.saw(**it) != expected.saw(**it))
            // Memory that a reset has not kept is not there.
            .filter(|it| !(self.is_power_lost() && **it == Observation::NoInitKept))
            .collect();
        if differing.is_empty() {
            return None;
        }
        let names: Vec<_> = differing.iter().map(|it| it.name()).collect();
        let is_told =
            |it: &&&Observation| expected.saw(***it) && self.all.sweep.may_miss.contains(**it);
        let told = differing.iter().filter(is_told).count() == differing.len();
        let outcome = if told { Outcome::DetectedRight } else { Outcome::SilentDataCorruption };
        let words =
            if told { "it was told, and did not observe" } else { "it observes otherwise:" };
        Some((outcome, format!("boot {number}: {words} {}", names.join(", "))))
    }

    const fn is_power_lost(&self) -> bool {
        matches!(self.resets(), Some(RamPolicy::Noise | RamPolicy::Decayed))
    }

    /// Sections behind the records, which are those of the golden run.
    fn sections(&self) -> Option<Found> {
        let (golden, last) = (self.all.golden.last()?, self.boots.last()?);
        for slot in Slot::ALL {
            let (expected, found) = (golden.sections(slot), last.sections(slot));
            if let Some((code, _)) = found.iter().find(|section| !expected.contains(section)) {
                let words = format!("section {code} of slot {} is another", slot.name());
                let outcome = match self.all.sweep.subject {
                    Subject::Record if self.leaves_the_crash_alone() => Outcome::TornAccepted,
                    _ => Outcome::Latent,
                };
                return Some((outcome, words));
            }
            if found.len() < expected.len() {
                let (found, expected) = (found.len(), expected.len());
                let words = format!("{found} of {expected} sections of slot {}", slot.name());
                return Some((Outcome::DetectedRight, words));
            }
        }
        None
    }

    /// A ledger that counts more nested faults, with what the newest was, and says nothing else
    /// otherwise: a fault behind a record that was whole by then.
    fn nested_count_alone(
        &self,
        number: usize,
        boot: &View<'_>,
        golden: &View<'_>,
    ) -> Option<Found> {
        let (found, expected) = (boot.ledger?, golden.ledger?);
        let counted = found.nested_count.checked_sub(expected.nested_count).filter(|it| *it > 0)?;
        let Ledger { sequence, nested_count, nested_vector, nested_cfsr, .. } = expected;
        let is_alone =
            Ledger { sequence, nested_count, nested_vector, nested_cfsr, ..found } == expected;
        let is_told = self.all.sweep.subject == Subject::Record && !self.leaves_the_crash_alone();
        let words = format!("boot {number}: the ledger counts {counted} nested faults");
        (is_alone && is_told).then_some((Outcome::DetectedRight, words))
    }

    /// Memory that is kept over the end of a boot. A reset of the effect's leaves its traces in the
    /// stack: they say nothing.
    fn kept(&self) -> Option<Found> {
        if self.resets().is_some() {
            return None;
        }
        for (index, (boot, golden)) in self.boots.iter().zip(&self.all.golden).enumerate() {
            let number = index + 1;
            if let Some(found) = self.nested_count_alone(number, boot, golden) {
                return Some(found);
            }
            if boot.ledger != golden.ledger {
                let words = format!("boot {number}: the ledger counts otherwise");
                return Some((Outcome::SilentDataCorruption, words));
            }
            let is_unlike = |record: &Record| {
                let slots = boot.slots.iter();
                !slots.into_iter().any(|reading| says(reading, record))
            };
            if golden.records().any(is_unlike) {
                let words = format!("boot {number}: registers or stack of the record");
                return Some((Outcome::Latent, words));
            }
        }
        let (golden, last) = (self.all.golden.last()?, self.boots.last()?);
        if last.region != golden.region {
            return Some((Outcome::Latent, "the crash region".to_owned()));
        }
        let hashes = last.ram_hash.zip(golden.ram_hash);
        hashes
            .is_some_and(|(found, expected)| found != expected)
            .then(|| (Outcome::Latent, "RAM".to_owned()))
    }
}

/// How many ends of boots the ledger has counted that were not in order.
fn bad_ends(view: &View<'_>) -> u64 {
    view.ledger.map_or(0, |ledger| u64::from(ledger.crashes) + u64::from(ledger.boots_without_end))
}

/// What a marker says of a slot that does not hold it.
fn disagreement(boot: &View<'_>, marker: &EndMarker) -> Option<String> {
    let findings = [marker.first, marker.last];
    let slots = Slot::ALL.into_iter().zip(&boot.slots).zip(findings);
    for ((slot, reading), finding) in slots {
        let is_there = reading.record().is_some();
        if is_there != (finding != SlotFinding::Nothing) {
            let (slot, held) = (slot.name(), reading.name());
            return Some(format!("it found {finding} in slot {slot}, which is {held}"));
        }
    }
    None
}
