//! Where a boot or a wait ended, in words that every target has in common.

use serde::{Deserialize, Serialize};

/// The limit of a hang that the target's own time used up.
pub const TARGET_TIME: &str = "target time";

/// Where a boot ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Boundary {
    /// The device asked for a reset; RAM is as it left it.
    Reset,
    /// A watchdog ran out; RAM is as it was found some time after that, or as a lockup left it that
    /// the watchdog has ended.
    Watchdog,
    /// The emulator exited with a status. RAM is gone.
    Exit {
        /// The status.
        status: i32,
    },
    /// The core locked up.
    Lockup {
        /// What the emulator said, registers included.
        text: String,
    },
    /// No end within the deadline. The device is stopped, RAM is there.
    Hang {
        /// What was used up: `target time`, `wall time` or `log bytes`.
        limit: String,
        /// Program counter where it was stopped, if it could be read.
        pc: Option<u32>,
    },
}

impl Boundary {
    /// One word for reports.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Reset => "reset",
            Self::Watchdog => "watchdog",
            Self::Exit { .. } => "exit",
            Self::Lockup { .. } => "lockup",
            Self::Hang { .. } => "hang",
        }
    }
}

/// What ended a wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wait {
    /// The boot is over.
    Boundary(Boundary),
    /// A breakpoint set with [`super::Session::set_breakpoint`] was hit; the device is stopped
    /// there.
    Breakpoint {
        /// Its address.
        address: u32,
    },
    /// The pause asked for is over; the device still runs.
    Running,
}
