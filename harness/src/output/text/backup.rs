//! Memory on a battery as people read it: the mirror of the ledger, and a line for each record.

use super::{line, named};
use crate::report::BackupReport;

/// What is kept there.
pub fn backup(out: &mut String, backup: &BackupReport) {
    if let Some(ledger) = &backup.ledger {
        line(
            out,
            format_args!(
                "  battery {} boots, {} crashes, {} without end",
                ledger.boots, ledger.crashes, ledger.boots_without_end
            ),
        );
    }
    for crash in backup.records() {
        let record = &crash.record;
        line(
            out,
            format_args!(
                "  kept    crash {}: {} noticed by {}, thread {}{}, boot {}",
                record.sequence,
                record.kind,
                record.detector,
                record.thread.context(),
                named(crash),
                record.boot
            ),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crashrig_wire::Ledger;

    #[test]
    fn what_is_not_there_is_not_told() {
        let text = |ledger| {
            let mut out = String::new();
            backup(&mut out, &BackupReport { ledger, history: vec![None; 3] });
            out
        };
        assert_eq!(text(None), "");
        let ledger = Ledger { boots: 3, crashes: 2, boots_without_end: 1, ..Ledger::NEW };
        assert_eq!(text(Some(ledger)), "  battery 3 boots, 2 crashes, 1 without end\n");
    }
}
