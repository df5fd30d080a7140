//! What can become of an injection: a closed list, worst last.

use serde::{Deserialize, Serialize};

/// What became of one injection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The trigger was never met: nothing was injected.
    NotActivated,
    /// Nothing differs from the golden run.
    Masked,
    /// The result is that of the golden run; memory that is kept is not.
    Latent,
    /// The record names what was injected, or that a watchdog ended what would have been a hang.
    DetectedRight,
    /// A record names something else.
    DetectedMisattributed,
    /// The record names what was injected, but later than the budget.
    DetectedLate,
    /// The run did not end within its budget of instructions, or a watchdog ended it and no boot
    /// reports that as the sweep expects it.
    Hang,
    /// The device boots again and again and leaves neither end marker nor record.
    RebootLoop,
    /// A crash without a record, or a lockup that no watchdog ends.
    CrashUnreported,
    /// The result differs from the golden run, and nothing says so.
    SilentDataCorruption,
    /// A record was accepted that is neither the old nor the new one.
    TornAccepted,
    /// The bench failed. Never counted as anything else.
    HarnessError,
}

impl Outcome {
    /// All, in the order of reports.
    pub const ALL: [Self; 12] = [
        Self::NotActivated,
        Self::Masked,
        Self::Latent,
        Self::DetectedRight,
        Self::DetectedMisattributed,
        Self::DetectedLate,
        Self::Hang,
        Self::RebootLoop,
        Self::CrashUnreported,
        Self::SilentDataCorruption,
        Self::TornAccepted,
        Self::HarnessError,
    ];

    /// As it stands in results and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotActivated => "not-activated",
            Self::Masked => "masked",
            Self::Latent => "latent",
            Self::DetectedRight => "detected-right",
            Self::DetectedMisattributed => "detected-misattributed",
            Self::DetectedLate => "detected-late",
            Self::Hang => "hang",
            Self::RebootLoop => "reboot-loop",
            Self::CrashUnreported => "crash-unreported",
            Self::SilentDataCorruption => "silent-data-corruption",
            Self::TornAccepted => "torn-accepted",
            Self::HarnessError => "harness-error",
        }
    }
}
