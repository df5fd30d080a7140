//! The verdict: a closed list, one per test, and the mismatches that led to it.

use serde::{Deserialize, Serialize};

/// What a test comes to. The order is the order of judging: the first that matches is the verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VerdictKind {
    /// The bench failed; the firmware is not judged.
    Infrastructure,
    /// What ran is not the image that was to be tested.
    StaleImage,
    /// The core locked up where the scenario expects something else.
    Lockup,
    /// The device went on resetting without ending a boot, where the scenario expects something
    /// else.
    ResetLoop,
    /// A boot made no end within its deadline, where the scenario expects something else.
    Hang,
    /// A crash that was not expected, no crash where one was, or another kind or detector.
    Crash,
    /// The crash is the expected one; something else about its record or the boots is not.
    Record,
    /// Crash and record are the expected ones; the log is not.
    Log,
    /// Everything holds.
    Pass,
}

impl VerdictKind {
    /// Every verdict, in the order of judging.
    pub const ALL: [Self; 9] = [
        Self::Infrastructure,
        Self::StaleImage,
        Self::Lockup,
        Self::ResetLoop,
        Self::Hang,
        Self::Crash,
        Self::Record,
        Self::Log,
        Self::Pass,
    ];

    /// The name in scenario files, JSON and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Infrastructure => "infrastructure",
            Self::StaleImage => "stale-image",
            Self::Lockup => "lockup",
            Self::ResetLoop => "reset-loop",
            Self::Hang => "hang",
            Self::Crash => "crash",
            Self::Record => "record",
            Self::Log => "log",
            Self::Pass => "pass",
        }
    }

    /// The line that opens a report of a failure.
    #[must_use]
    pub const fn headline(self) -> &'static str {
        match self {
            Self::Infrastructure => "INFRASTRUCTURE  the bench failed, the firmware is not judged",
            Self::StaleImage => "STALE IMAGE  what ran is not the image under test",
            Self::Lockup => "LOCKUP  the core locked up",
            Self::ResetLoop => "RESET LOOP  no boot came to an end",
            Self::Hang => "HANG  a boot made no end within its deadline",
            Self::Crash => "FAILED  the crash is not the expected one",
            Self::Record => "FAILED  the record or the boots are not as expected",
            Self::Log => "FAILED  the log is not as expected",
            Self::Pass => "ok",
        }
    }
}

/// One thing that is not as expected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mismatch {
    /// The verdict that this mismatch alone leads to.
    pub kind: VerdictKind,
    /// The boot, counted by the scenario from 1; 0 where it is about no single boot.
    pub boot: u32,
    /// What it is about, e.g. `detector`.
    pub subject: String,
    /// What the scenario expects.
    pub expected: String,
    /// What was found.
    pub found: String,
}

/// The judgement of one run of one scenario.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The verdict.
    pub kind: VerdictKind,
    /// Everything that is not as expected, most important first. Empty on a pass.
    pub mismatches: Vec<Mismatch>,
}

impl Verdict {
    /// The verdict of a list of mismatches: the first kind in the order of judging.
    #[must_use]
    pub fn of(mut mismatches: Vec<Mismatch>) -> Self {
        mismatches.sort_by_key(|mismatch| (mismatch.kind, mismatch.boot));
        let kind = mismatches.first().map_or(VerdictKind::Pass, |mismatch| mismatch.kind);
        Self { kind, mismatches }
    }

    /// A verdict about the bench.
    #[must_use]
    pub fn infrastructure(problem: String) -> Self {
        Self::of(vec![Mismatch {
            kind: VerdictKind::Infrastructure,
            boot: 0,
            subject: "bench".to_owned(),
            expected: "a bench that works".to_owned(),
            found: problem,
        }])
    }

    /// Whether everything holds.
    #[must_use]
    pub fn is_pass(&self) -> bool {
        self.kind == VerdictKind::Pass
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mismatch(kind: VerdictKind) -> Mismatch {
        let word = String::new;
        Mismatch { kind, boot: 1, subject: word(), expected: word(), found: word() }
    }

    #[test]
    fn the_most_important_mismatch_gives_the_verdict() {
        use VerdictKind as V;
        let verdict = Verdict::of([V::Log, V::Crash, V::StaleImage].map(mismatch).to_vec());
        assert_eq!(verdict.kind, V::StaleImage);
        assert_eq!(Verdict::of(Vec::new()).kind, V::Pass);
        assert!(V::ALL.is_sorted(), "the list is the order of judging");
    }
}
