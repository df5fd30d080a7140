//! What a scenario expects to stand behind a record.

use super::Judge;
use crate::report::CrashReport;
use crate::scenario::ExpectedCrash;
use crate::verdict::VerdictKind;
use crashrig_wire::section::Section;

/// What stands behind every whole record of an image with a kernel, whatever the scenario says of
/// it: all but what only some boots have to tell.
pub(crate) const STANDARD: [Section; 8] = [
    Section::Float,
    Section::Protection,
    Section::Interrupts,
    Section::Neighbours,
    Section::Threads,
    Section::Heaps,
    Section::LogTail,
    Section::StackWindow,
];

impl Judge {
    /// The standard set and what the scenario adds to it; what it takes out must not be there, so
    /// that an exception which holds no longer shows. A partial record has no sections to judge.
    pub(super) fn sections(&mut self, expected: &ExpectedCrash, crash: &CrashReport) {
        for difference in &crash.section_differences {
            self.add(VerdictKind::Record, "sections", "what else is known of the boot", difference);
        }
        let standard = STANDARD.iter().filter(|it| !expected.partial && !expected.lacks(**it));
        let others = expected.sections.iter().filter(|it| !STANDARD.contains(it));
        for section in standard.chain(others).filter(|it| !crash.sections.sound.contains(it)) {
            self.add(VerdictKind::Record, "sections", section, "no such section");
        }
        let unwanted = crash.sections.sound.iter().filter(|it| expected.lacks(**it));
        for section in unwanted {
            let wanted = format!("no section {section}");
            self.add(VerdictKind::Record, "sections", wanted, "such a section");
        }
    }
}
