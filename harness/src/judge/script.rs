//! Judges what a device answered to a script.

use super::Judge;
use crate::report::BootReport;
use crate::script::Script;
use crate::verdict::VerdictKind;

impl Judge {
    /// Each step must have been answered, and as the script and every heap demand.
    pub(super) fn script(&mut self, script: Option<&Script>, boot: &BootReport) {
        let complaints = script.map(|script| script.judge(&boot.answers)).unwrap_or_default();
        for complaint in complaints {
            self.add(VerdictKind::Record, "script", complaint.expected, complaint.found);
        }
    }
}
