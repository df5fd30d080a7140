//! What a scenario expects of the causes of resets that stand behind a record.

use super::Judge;
use crate::report::CrashReport;
use crate::scenario::ExpectedCrash;
use crate::verdict::VerdictKind;

impl Judge {
    /// The newest first, each with all of its flags and no other. What is older than the list is
    /// not looked at: a device may have run before.
    pub(super) fn reset_causes(&mut self, expected: &ExpectedCrash, crash: &CrashReport) {
        let wanted = &expected.reset_causes;
        let count = wanted.len().min(crash.reset_causes.len());
        let found = crash.reset_causes.get(..count).unwrap_or_default();
        if wanted != found {
            let words = |causes: &[String]| match causes {
                [] => "none".to_owned(),
                causes => causes.join(", "),
            };
            self.add(VerdictKind::Record, "reset-causes", words(wanted), words(found));
        }
    }
}
