//! How long a boot may take.

use crashrig_wire::Fault;
use std::time::Duration;

/// How long a boot may take. The first limit that is reached ends the wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline {
    /// Milliseconds of the target's own time, where it has a clock.
    pub target_ms: u64,
    /// Time on the wall.
    pub wall: Duration,
    /// Bytes of log and console together.
    pub log_bytes: u64,
    /// Bytes of the witness's log.
    pub witness_bytes: u64,
}

impl Default for Deadline {
    fn default() -> Self {
        Self {
            target_ms: 2_000,
            wall: Duration::from_secs(30),
            log_bytes: 4 << 20,
            witness_bytes: 16 << 20,
        }
    }
}

impl Deadline {
    /// That of a boot with a fault: a sweep over instructions takes far longer than anything else.
    #[must_use]
    pub fn of(fault: Fault) -> Self {
        if fault == Fault::HeapSwitches {
            Self {
                target_ms: 20_000,
                wall: Duration::from_secs(120),
                witness_bytes: 64 << 20,
                ..Self::default()
            }
        } else {
            Self::default()
        }
    }
}
