//! What a scenario expects of the ledger, as it stands at the boundary of a boot.

use super::Judge;
use crate::scenario::BootPlan;
use crate::verdict::VerdictKind;
use crashrig_wire::Ledger;
use crashrig_wire::ledger::SafeMode;
use std::fmt::Display;

impl Judge {
    pub(super) fn ledger(&mut self, plan: &BootPlan, ledger: Option<&Ledger>) {
        self.counted("nested", plan.nested, ledger.map(|ledger| ledger.nested_count));
        let in_a_row = ledger.map(|ledger| ledger.crashes_in_a_row);
        self.counted("crashes-in-a-row", plan.crashes_in_a_row, in_a_row);
        let safe_mode = ledger.map(|ledger| ledger.safe_mode != SafeMode::Off);
        self.counted("safe-mode", plan.safe_mode, safe_mode);
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
