//! Two runs of one scenario, the second of them stopped where its captures began: it must have
//! stopped there, and their records must agree in every field but those that depend on time.

use super::records::section_bytes;
use super::timing::{
    clear_high_water, clear_items_left, clear_preempted, from_the_pointer, masked,
};
use crate::entry::Entry;
use crate::evidence::{BootEvidence, Evidence};
use crate::report::{CrashReport, Report};
use crate::scenario::{Scenario, measured_function};
use crate::steps::can_restart_tick;
use crate::verdict::{Mismatch, VerdictKind};
use crashrig_qemu::REGISTER_NAMES;
use crashrig_wire::Detector;
use crashrig_wire::field::{CORE_CRC, CRC, Class, FIELDS, Field, REGISTERS, SEQUENCE};
use crashrig_wire::region::{Geometry, Slot};
use crashrig_wire::section::{SECTION_CLASSES, Section, SectionReading};

/// A run with its report.
pub type Run<'a> = (&'a Evidence, &'a Report);

/// Every difference between the records of two runs that one image and one run id have in common.
#[must_use]
pub fn differences(scenario: &Scenario, first: Run<'_>, second: Run<'_>) -> Vec<Mismatch> {
    let mut differences = captures_not_seen(scenario, second);
    differences.extend(not_blamed(scenario, second.1));
    differences.extend(between_records(scenario, first, second, Difference::Stop));
    differences
}

/// In what two runs differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Difference {
    /// The second is stopped where captures begin.
    Stop,
    /// The first is behind a probe, which stops the device for each line of its log: from the first
    /// line on its time is another.
    Probe,
}

impl Difference {
    /// The words behind what differs.
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Stop => "with and without a stop",
            Self::Probe => "behind a probe and without one",
        }
    }
}

/// The same without any demand on the second run.
pub(super) fn between_records(
    scenario: &Scenario,
    first: Run<'_>,
    second: Run<'_>,
    how: Difference,
) -> Vec<Mismatch> {
    let mut differences = Vec::new();
    let mut repeated = Repeated::default();
    let (boots, others) = (first.0.boots.len(), second.0.boots.len());
    if boots != others {
        differences.push(mismatch(0, "boots", boots.to_string(), others.to_string()));
    }
    for (index, planned) in first.1.boots.iter().map(|boot| boot.planned).enumerate() {
        let record = |run: Run<'_>| {
            let crash = run.1.boots.get(index)?.crash.as_ref().filter(has_capture)?;
            Some((crash.slot, run.0.boots.get(index)?.clone()))
        };
        match (record(first), record(second)) {
            (None, None) => {}
            (Some((slot, one)), Some((other_slot, other))) if slot == other_slot => {
                let pair = Pair { boot: planned, slot, how, one: &one, other: &other };
                pair.fields(&mut differences);
                // The host counts wall time until it sends a command to a device that runs.
                let is_sent_late = scenario.boot(planned).is_some_and(|boot| boot.then.is_some());
                pair.sections(is_sent_late, &repeated, &mut differences);
                repeated.add(&pair);
            }
            (one, other) => {
                let words = |side: Option<(Slot, BootEvidence)>| {
                    side.map_or("no record".to_owned(), |(slot, _)| format!("slot {}", slot.name()))
                };
                differences.push(mismatch(planned, "slot", words(one), words(other)));
            }
        }
    }
    differences
}

/// The boots that left a record without having stopped where its capture began: whatever is in it,
/// nothing was held against it. A second capture in one boot, which leaves a partial record, comes
/// by the same way as the first. After an injection, what a check has found counts only where its
/// handler was entered, if the emulator lets the device be stopped there.
fn captures_not_seen(scenario: &Scenario, (evidence, report): Run<'_>) -> Vec<Mismatch> {
    let boots = evidence.boots.iter().zip(&report.boots);
    let stops_at_handlers = can_restart_tick(&evidence.target_version);
    let not_seen = boots.filter_map(|(kept, boot)| {
        boot.crash.as_ref().filter(has_capture)?;
        let is_injected =
            scenario.boot(boot.planned).is_some_and(|it| measured_function(it.fault).is_some());
        let expected = match kept.entry.as_ref().map(|reading| reading.entry) {
            None => "a stop where the capture begins",
            Some(Entry::Found) if is_injected && stops_at_handlers => {
                "a stop where the handler begins that checks"
            }
            Some(_) => return None,
        };
        Some(mismatch(boot.planned, "entry", expected.to_owned(), "none".to_owned()))
    });
    not_seen.collect()
}

/// Whether a record was captured in its own boot. That of one which a watchdog has ended was not,
/// and how long a device runs on behind the end of its time says something of the host.
fn has_capture(crash: &&CrashReport) -> bool {
    crash.record.detector != Detector::Watchdog
}

/// Words of the heap that another bus master was to have changed. Only the second run watches the
/// word that the first one found wrong.
fn not_blamed(scenario: &Scenario, report: &Report) -> Vec<Mismatch> {
    let judged = scenario.crashes.iter().filter_map(|expected| {
        let wanted = expected.bus_master.as_ref()?;
        let boot = report.boots.iter().rfind(|boot| boot.planned == expected.boot)?;
        let found = boot.crash.as_ref().and_then(|crash| crash.changed_by);
        let found = found.map_or("nobody that was seen".to_owned(), |write| write.stream_name());
        (*wanted != found).then(|| mismatch(expected.boot, "bus-master", wanted.clone(), found))
    });
    judged.collect()
}

/// The records that one boot left in both runs.
struct Pair<'a> {
    boot: u32,
    slot: Slot,
    how: Difference,
    one: &'a BootEvidence,
    other: &'a BootEvidence,
}

impl Pair<'_> {
    fn fields(&self, differences: &mut Vec<Mismatch>) {
        // Both seals cover fields that depend on time.
        let seals = [CORE_CRC.offset, CRC.offset];
        for field in FIELDS.iter().filter(|field| !seals.contains(&field.offset)) {
            let [one, other] = self.field(field);
            if field.offset == REGISTERS.offset {
                self.registers([one, other], differences);
                continue;
            }
            self.compare(
                field.name,
                masked(one, field.class),
                masked(other, field.class),
                differences,
            );
        }
    }

    /// Each register by its name, so that a difference of one says nothing of the others.
    fn registers(&self, [one, other]: [&[u8]; 2], differences: &mut Vec<Mismatch>) {
        let words = one.as_chunks::<4>().0.iter().zip(other.as_chunks::<4>().0);
        for (name, (one, other)) in REGISTER_NAMES.iter().zip(words) {
            self.compare(&format!("register {name}"), one.to_vec(), other.to_vec(), differences);
        }
    }

    fn sections(&self, is_sent_late: bool, repeated: &Repeated, differences: &mut Vec<Mismatch>) {
        for row in SECTION_CLASSES {
            let [one, other] =
                [self.one, self.other].map(|boot| section(boot, self.slot, row.section));
            let name = format!("section {}", row.section);
            if one.is_empty() != other.is_empty() {
                self.compare(&name, one.to_vec(), other.to_vec(), differences);
            }
            if (is_sent_late || self.how == Difference::Probe) && row.shows_time {
                continue;
            }
            let (mut one, mut other) = (masked(one, row.class), masked(other, row.class));
            if row.section == Section::Threads {
                [&mut one, &mut other].into_iter().for_each(|rows| clear_high_water(rows));
                if self.how == Difference::Probe {
                    clear_preempted(&mut one, &mut other);
                }
            }
            if row.section == Section::Transfers {
                [&mut one, &mut other].into_iter().for_each(|rows| clear_items_left(rows));
            }
            if row.section == Section::StackWindow {
                (one, other) = (from_the_pointer(&one), from_the_pointer(&other));
                repeated.take_out(&mut one, &mut other);
            }
            self.compare(&name, one, other, differences);
        }
    }

    fn field(&self, field: &Field) -> [&[u8]; 2] {
        [self.one, self.other].map(|boot| bytes(boot, self.slot, field))
    }

    fn compare(&self, name: &str, one: Vec<u8>, other: Vec<u8>, differences: &mut Vec<Mismatch>) {
        if one != other {
            let subject = format!("{name} {}", self.how.words());
            differences.push(mismatch(self.boot, &subject, hex(&one), hex(&other)));
        }
    }
}

/// Words that depend on time, of the records of earlier boots: a boot that reads a record may leave
/// a copy of it on the stack.
#[derive(Default)]
struct Repeated(Vec<[[u8; 4]; 2]>);

impl Repeated {
    fn add(&mut self, pair: &Pair<'_>) {
        let depends = |field: &&Field| !matches!(field.class, Class::Exact | Class::Identity);
        for field in FIELDS.iter().filter(depends) {
            if let [Some(one), Some(other)] = pair.field(field).map(|it| it.first_chunk().copied())
            {
                self.0.push([one, other]);
            }
        }
    }

    /// Clears the words of both that are such a pair.
    fn take_out(&self, one: &mut [u8], other: &mut [u8]) {
        let words = one.as_chunks_mut().0.iter_mut().zip(other.as_chunks_mut().0);
        for (one, other) in words.filter(|(one, other)| self.0.contains(&[**one, **other])) {
            (*one, *other) = ([0; 4], [0; 4]);
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes<'a>(boot: &'a BootEvidence, slot: Slot, field: &Field) -> &'a [u8] {
    let region = boot.region_after.bytes();
    let start = Geometry::new(region.len()).offset_of(slot) + field.offset;
    region.get(start..start + field.size).unwrap_or_default()
}

/// The words of a section; nothing if it is not there.
fn section(boot: &BootEvidence, slot: Slot, wanted: Section) -> &[u8] {
    let behind = section_bytes(boot.region_after.bytes(), slot);
    let sequence =
        bytes(boot, slot, &SEQUENCE).first_chunk().map_or(0, |it| u32::from_le_bytes(*it));
    let mut found = crashrig_wire::section::sections(behind, sequence);
    let payload = found.find_map(|reading| match reading {
        SectionReading::Sound { section, payload, .. } if section == Some(wanted) => Some(payload),
        _ => None,
    });
    payload.unwrap_or_default()
}

pub(super) fn mismatch(boot: u32, subject: &str, expected: String, found: String) -> Mismatch {
    Mismatch { kind: VerdictKind::Record, boot, subject: subject.to_owned(), expected, found }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    #[test]
    fn only_a_pair_of_an_older_record_is_taken_out() {
        let repeated = Repeated(vec![[[5, 0, 0, 0], [6, 0, 0, 0]]]);
        let (mut one, mut other) = (window(&[5, 5, 7]), window(&[6, 7, 6]));
        repeated.take_out(&mut one, &mut other);
        assert_eq!((one, other), (window(&[0, 5, 7]), window(&[0, 7, 6])));
    }
}
