//! Two runs of one scenario, the second of them stopped where its captures began: their records
//! must agree in every field but those that depend on time, and in all sections: of the window of
//! the stack, from its pointer on.

use super::entry::ICSR_ACTIVE;
use super::records::section_bytes;
use crate::evidence::{BootEvidence, Evidence};
use crate::report::Report;
use crate::scenario::Scenario;
use crate::verdict::{Mismatch, VerdictKind};
use crashrig_wire::field::{CORE_CRC, CRC, Class, FIELDS, Field, ICSR, SEQUENCE};
use crashrig_wire::region::{Geometry, Slot};
use crashrig_wire::section::{Section, SectionReading, StackWindow, sections};
use std::collections::BTreeMap;

/// A run with its report.
pub type Run<'a> = (&'a Evidence, &'a Report);

/// Every difference between the records of two runs that one image and one run id have in common.
#[must_use]
pub fn differences(scenario: &Scenario, first: Run<'_>, second: Run<'_>) -> Vec<Mismatch> {
    let mut differences = Vec::new();
    let (boots, others) = (first.0.boots.len(), second.0.boots.len());
    if boots != others {
        differences.push(mismatch(0, "boots", boots.to_string(), others.to_string()));
    }
    for (index, planned) in first.1.boots.iter().map(|boot| boot.planned).enumerate() {
        let record = |run: Run<'_>| {
            let slot = run.1.boots.get(index)?.crash.as_ref()?.slot;
            Some((slot, run.0.boots.get(index)?.clone()))
        };
        match (record(first), record(second)) {
            (None, None) => {}
            (Some((slot, one)), Some((other_slot, other))) if slot == other_slot => {
                fields(planned, slot, &one, &other, &mut differences);
                if !is_sent_while_running(scenario, planned) {
                    tier_2(planned, slot, &one, &other, &mut differences);
                }
                // Without it, the comparison of the record with the host's reading is none.
                if other.entry.is_none() {
                    let (expected, found) = ("a stop where it begins", "none");
                    let subject = "capture of the second run";
                    differences.push(mismatch(planned, subject, expected.into(), found.into()));
                }
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

fn fields(
    boot: u32,
    slot: Slot,
    one: &BootEvidence,
    other: &BootEvidence,
    differences: &mut Vec<Mismatch>,
) {
    // Both seals cover fields that depend on time.
    let compared = |field: &&Field| {
        field.class != Class::Timing
            && field.offset != CORE_CRC.offset
            && field.offset != CRC.offset
    };
    for field in FIELDS.iter().filter(compared) {
        let (one, other) = (bytes(one, slot, field), bytes(other, slot, field));
        if one != other {
            let subject = format!("{} with and without a stop", field.name);
            differences.push(mismatch(boot, &subject, hex(one), hex(other)));
        }
    }
    // What was active depends on no time, other than what was pending.
    let [active, other_active] =
        [one, other].map(|boot| word(bytes(boot, slot, &ICSR)) & ICSR_ACTIVE);
    if active != other_active {
        let subject = "active exceptions in icsr with and without a stop";
        let words = [active, other_active].map(|word| format!("{word:#05x}"));
        let [expected, found] = words;
        differences.push(mismatch(boot, subject, expected, found));
    }
}

/// Sections, but for the stamps of a log and what interrupts have left of earlier stacks.
fn tier_2(
    boot: u32,
    slot: Slot,
    one: &BootEvidence,
    other: &BootEvidence,
    differences: &mut Vec<Mismatch>,
) {
    let (one, other) = (payloads(one, slot), payloads(other, slot));
    // A warm boot finds frames of interrupts between what it writes to a stack.
    let compared = |section: &&Section| match section {
        Section::LogTail => false,
        Section::StackWindow => boot == 1,
        _ => true,
    };
    for section in Section::ALL.iter().filter(compared) {
        let (one, other) = (one.get(&section.code()), other.get(&section.code()));
        if one != other {
            let subject = format!("section {} with and without a stop", section.name());
            let words = |payload: Option<&Vec<u8>>| payload.map_or("none".to_owned(), |it| hex(it));
            differences.push(mismatch(boot, &subject, words(one), words(other)));
        }
    }
}

/// A command that comes while a boot runs comes when the host has the time.
fn is_sent_while_running(scenario: &Scenario, boot: u32) -> bool {
    let planned = usize::try_from(boot).ok().and_then(|boot| boot.checked_sub(1));
    let planned = planned.and_then(|index| scenario.boots.get(index));
    planned.is_some_and(|boot| boot.then.is_some())
}

/// The payload of each sound section, by its code.
fn payloads(boot: &BootEvidence, slot: Slot) -> BTreeMap<u8, Vec<u8>> {
    let sequence = word(bytes(boot, slot, &SEQUENCE));
    let readings = sections(section_bytes(boot.region_after.bytes(), slot), sequence);
    let sound = readings.filter_map(|reading| match reading {
        SectionReading::Sound { section, code, payload, .. } => {
            let compared =
                if section == Some(Section::StackWindow) { above(payload) } else { payload };
            Some((code, compared.to_vec()))
        }
        SectionReading::Damaged { .. } => None,
    });
    sound.collect()
}

/// A window of a stack from its pointer on: below it lies what interrupts have left.
fn above(payload: &[u8]) -> &[u8] {
    let [sp, start] = [0, 4].map(|at| word(payload.get(at..at + 4).unwrap_or_default()));
    let below = usize::try_from(sp.saturating_sub(start)).unwrap_or(usize::MAX);
    let first = (4 * StackWindow::HEAD_WORDS).saturating_add(below);
    payload.get(first..).unwrap_or_default()
}

fn word(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |word, byte| word << 8 | u32::from(*byte))
}

fn bytes<'a>(boot: &'a BootEvidence, slot: Slot, field: &Field) -> &'a [u8] {
    let region = boot.region_after.bytes();
    let start = Geometry::new(region.len()).offset_of(slot) + field.offset;
    region.get(start..start + field.size).unwrap_or_default()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn mismatch(boot: u32, subject: &str, expected: String, found: String) -> Mismatch {
    Mismatch { kind: VerdictKind::Record, boot, subject: subject.to_owned(), expected, found }
}
