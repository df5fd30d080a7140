//! How a section may differ between two records of one scenario, and why.
//!
//! Whether a section is there at all is exact for every one of them.

use super::Section;
use crate::field::Class;

/// How a section is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SectionClass {
    /// The section.
    pub section: Section,
    /// How its words may differ.
    pub class: Class,
    /// Whether it shows when a command came to a device that was running already.
    pub shows_time: bool,
    /// Why.
    pub reason: &'static str,
}

/// Every section, in the order of the codes.
pub const SECTION_CLASSES: &[SectionClass] = &[
    exact(Section::Float, "The unit is as the fault left it."),
    exact(Section::Protection, "The regions are those of the last switch."),
    exact(Section::Interrupts, "The clock tick is none of them, and the others come on request."),
    exact(
        Section::Threads,
        "But for the high-water marks: an interrupt may come where a stack is deep.",
    ),
    exact(Section::Neighbours, "Areas of the image, around an address that is exact."),
    exact(Section::Heaps, PROGRAM),
    exact(Section::BrokenBlock, PROGRAM),
    exact(Section::Allocations, PROGRAM),
    exact(Section::ResetCauses, "The boots are those of the scenario."),
    exact(Section::Errors, PROGRAM),
    SectionClass {
        shows_time: true,
        ..exact(
            Section::LogTail,
            "The frames hold times, which count instructions; where a command is sent while the \
             device runs, they are not compared.",
        )
    },
    SectionClass {
        shows_time: true,
        ..exact(
            Section::StackWindow,
            "From the pointer up; below it lies what handlers left that came and went. A copy of \
             an older record there may differ as that record may, and where a command is sent \
             while the device runs, pointer and words are not compared.",
        )
    },
    exact(Section::FailedAllocation, PROGRAM),
    exact(
        Section::Transfers,
        "But for the items left: a stream goes on while the device is stopped at the entry.",
    ),
];

const PROGRAM: &str = "The program has come to the same place by the same way.";

const fn exact(section: Section, reason: &'static str) -> SectionClass {
    SectionClass { section, class: Class::Exact, shows_time: false, reason }
}

const _: () = {
    let (mut index, mut rest) = (0, SECTION_CLASSES);
    while let [first, others @ ..] = rest {
        index += 1;
        assert!(first.section.code() as usize == index, "the order of the codes");
        rest = others;
    }
    assert!(index == Section::ALL.len(), "every section has a class");
};
