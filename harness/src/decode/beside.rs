//! One scenario behind a probe and once more in the emulator alone: the records must be the same
//! but for what depends on time, and that must be near. A difference that is known is declared in
//! the board's file, with its reason; a declaration of which nothing differs any more is a mismatch
//! itself. Which of its subjects differ may change with the image, as ticks move with it.

use super::twin::{Difference, Run, between_records, mismatch};
use crate::scenario::Scenario;
use crate::verdict::Mismatch;
use crashrig_layout::parse::ProbeDifference;

/// By how much two records may differ in the time of their capture, in milliseconds. A probe stops
/// the device for each line of its log, and the emulator's clock jumps to its next tick at a stop.
pub const UPTIME_RANGE_MS: u32 = 100;

/// Every difference that is not declared, and every declaration that is stale.
#[must_use]
pub fn differences(
    scenario: &Scenario,
    probe: Run<'_>,
    emulator: Run<'_>,
    declared: &[ProbeDifference],
) -> Vec<Mismatch> {
    let mut found = between_records(scenario, probe, emulator, Difference::Probe);
    found.extend(boots(probe, emulator));
    let declared = declared.iter().filter(|it| it.scenario == scenario.name.replace("::", "/"));
    for ProbeDifference { subjects, reason, .. } in declared {
        let before = found.len();
        found.retain(|mismatch| subjects.iter().all(|name| mismatch.subject != subject(name)));
        if found.len() == before {
            found.push(mismatch(
                0,
                &subject(&subjects.join(", ")),
                format!("a difference, since the board file declares one: {reason}"),
                "none: the declaration is stale".to_owned(),
            ));
        }
    }
    found
}

fn subject(name: &str) -> String {
    format!("{name} {}", Difference::Probe.words())
}

/// How boots ended, and when their records were captured.
fn boots(probe: Run<'_>, emulator: Run<'_>) -> Vec<Mismatch> {
    let mut found = Vec::new();
    for (one, other) in probe.1.boots.iter().zip(&emulator.1.boots) {
        let [end, other_end] = [one, other].map(|boot| boot.boundary.name().to_owned());
        if end != other_end {
            found.push(mismatch(one.planned, &subject("boundary"), other_end, end));
        }
        let [time, other_time] =
            [one, other].map(|boot| boot.crash.as_ref().map(|crash| crash.record.uptime_ms));
        if let (Some(time), Some(other)) = (time, other_time)
            && time.abs_diff(other) > UPTIME_RANGE_MS
        {
            let expected = format!("{other} ms, or {UPTIME_RANGE_MS} ms more or less");
            found.push(mismatch(
                one.planned,
                &subject("uptime_ms"),
                expected,
                format!("{time} ms"),
            ));
        }
    }
    found
}
