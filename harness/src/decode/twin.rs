//! Two runs of one scenario, the second of them stopped where its captures began: it must have
//! stopped there, and their records must agree in every field but those that depend on time.

use crate::evidence::{BootEvidence, Evidence};
use crate::report::Report;
use crate::verdict::{Mismatch, VerdictKind};
use crashrig_wire::field::{CORE_CRC, CRC, Class, FIELDS, Field};
use crashrig_wire::region::{Geometry, Slot};

/// A run with its report.
pub type Run<'a> = (&'a Evidence, &'a Report);

/// Every difference between the records of two runs that one image and one run id have in common.
#[must_use]
pub fn differences(first: Run<'_>, second: Run<'_>) -> Vec<Mismatch> {
    let mut differences = captures_not_seen(second);
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
/// by the same way as the first.
fn captures_not_seen((evidence, report): Run<'_>) -> Vec<Mismatch> {
    let boots = evidence.boots.iter().zip(&report.boots);
    let not_seen = boots.filter(|(kept, boot)| boot.crash.is_some() && kept.entry.is_none());
    let expected = "a stop where the capture begins";
    not_seen
        .map(|(_, boot)| mismatch(boot.planned, "entry", expected.to_owned(), "none".to_owned()))
        .collect()
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
