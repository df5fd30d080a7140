//! What a scenario expects to stand behind a record.

use super::Judge;
use crate::report::CrashReport;
use crate::scenario::ExpectedCrash;
use crate::scenario::transfer::words_of;
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
        self.cut_short(expected, crash);
        if !expected.transfers.is_empty() {
            let expected: Vec<_> = expected.transfers.iter().map(ToString::to_string).collect();
            let found: Vec<_> = crash.sections.transfers.iter().map(words_of).collect();
            let (expected, found) = (expected.join(", "), found.join(", "));
            self.equal(VerdictKind::Record, "transfers", expected, found);
        }
    }

    /// Tables that had more to say say so, and no other does. The window of the stack takes what
    /// room is left, and the end of the log is one by its nature.
    fn cut_short(&mut self, expected: &ExpectedCrash, crash: &CrashReport) {
        let is_table = |it: &&Section| !matches!(it, Section::StackWindow | Section::LogTail);
        let found = || crash.sections.cut_short.iter().filter(is_table);
        let wanted = &expected.sections_cut_short;
        for section in wanted.iter().filter(|it| !crash.sections.cut_short.contains(it)) {
            self.add(VerdictKind::Record, "sections", format!("{section} cut short"), "all of it");
        }
        for section in found().filter(|it| !wanted.contains(it)) {
            self.add(
                VerdictKind::Record,
                "sections",
                format!("all of {section}"),
                "it is cut short",
            );
        }
    }
}
