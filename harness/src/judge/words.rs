//! What an expectation and a finding are called in a mismatch.

use crate::report::BootReport;
use crate::scenario::End;
use crate::target::Boundary;

pub(super) fn name(end: End) -> String {
    match end {
        End::Clean => "a clean end".to_owned(),
        End::Crash => "a crash".to_owned(),
        End::Lockup => "a lockup".to_owned(),
        End::Hang => "a hang".to_owned(),
        End::Watchdog => "an end by a watchdog".to_owned(),
        End::ResetLoop => "a reset loop".to_owned(),
        End::Exit(status) => format!("an exit with status {status}"),
    }
}

pub(super) fn found_end(boundary: &Boundary, boot: &BootReport) -> String {
    match (boundary, &boot.crash, boot.marker.is_some()) {
        (Boundary::Exit { status }, ..) => format!("an exit with status {status}"),
        (Boundary::Lockup { text }, ..) => text.lines().next().unwrap_or_default().to_owned(),
        (Boundary::Hang { limit, .. }, ..) => format!("no end: {limit} used up"),
        (Boundary::Watchdog, None, _) => "no end: a watchdog ran out, no record".to_owned(),
        (Boundary::Watchdog, Some(_), _) => "no end: a watchdog ran out, a record".to_owned(),
        (_, Some(crash), false) => {
            format!("a crash: {} noticed by {}", crash.record.kind, crash.record.detector)
        }
        (_, Some(crash), true) => format!("an end marker and a record ({})", crash.record.kind),
        (_, None, true) => "a clean end".to_owned(),
        (boundary, None, false) => {
            let mut text = format!("a {} without end marker or record", boundary.name());
            for slot in &boot.after {
                if let Some(reason) = &slot.reason {
                    text.push_str(&format!("; slot {} is refused: {reason}", slot.slot.name()));
                }
            }
            text
        }
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
