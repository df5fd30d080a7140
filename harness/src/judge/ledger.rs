//! What a scenario expects of the ledger, and of what a battery keeps, as they stand at the
//! boundary of a boot.

use super::Judge;
use crate::report::{BackupReport, BootReport, CrashReport, Report};
use crate::scenario::BootPlan;
use crate::verdict::VerdictKind;
use crashrig_wire::Ledger;
use crashrig_wire::ledger::SafeMode;
use std::fmt::Display;

impl Judge {
    pub(super) fn ledger(&mut self, plan: &BootPlan, boot: &BootReport) {
        let ledger = boot.ledger.as_ref();
        self.counted("crashes", plan.crashes, ledger.map(|ledger| ledger.crashes));
        self.mirror(boot);
        self.counted("nested", plan.nested, ledger.map(|ledger| ledger.nested_count));
        let in_a_row = ledger.map(|ledger| ledger.crashes_in_a_row);
        self.counted("crashes-in-a-row", plan.crashes_in_a_row, in_a_row);
        let safe_mode = ledger.map(|ledger| ledger.safe_mode != SafeMode::Off);
        self.counted("safe-mode", plan.safe_mode, safe_mode);
    }

    /// Where there are registers on a battery they hold the ledger, too, whatever the scenario is
    /// about.
    fn mirror(&mut self, boot: &BootReport) {
        let (Some(ledger), Some(backup)) = (&boot.ledger, &boot.backup) else { return };
        if backup.ledger.as_ref() != Some(ledger) {
            let words = |ledger: &Ledger| {
                let Ledger { sequence, boots, crashes, .. } = ledger;
                format!("state {sequence} of the ledger: {boots} boots, {crashes} crashes")
            };
            let found = backup.ledger.as_ref().map_or("no sound ledger".to_owned(), words);
            self.add(VerdictKind::Record, "ledger-mirror", words(ledger), found);
        }
    }

    /// What the history holds: the boots that the plan names, and of each the record that this run
    /// saw there.
    pub(super) fn history(&mut self, plan: &BootPlan, boot: &BootReport, report: &Report) {
        let kept = boot.backup.as_ref().map(BackupReport::records).unwrap_or_default();
        if let Some(expected) = &plan.history {
            let words = |boots: &[u32]| format!("records of boots {boots:?}");
            let found: Vec<_> = kept.iter().map(|crash| crash.record.boot).collect();
            self.equal(VerdictKind::Record, "history", words(expected), words(&found));
        }
        for copy in kept {
            let is_it = |seen: &&CrashReport| seen.record == copy.record;
            let mut seen = report.boots.iter().filter_map(|boot| boot.crash.as_ref());
            let found = match seen.find(is_it) {
                None => "another record",
                Some(seen) if seen.sections != copy.sections => "other sections behind it",
                Some(_) => continue,
            };
            let expected = format!("crash {} as it was", copy.record.sequence);
            self.add(VerdictKind::Record, "history-copy", expected, found);
        }
    }

    /// One value; a ledger that is not there has none.
    fn counted<T: PartialEq + Display>(
        &mut self,
        subject: &str,
        expected: Option<T>,
        found: Option<T>,
    ) {
        match (expected, found) {
            (Some(expected), Some(found)) => {
                self.equal(VerdictKind::Record, subject, expected, found);
            }
            (Some(expected), None) => {
                self.add(VerdictKind::Record, subject, expected, "no sound ledger");
            }
            (None, _) => {}
        }
    }
}
