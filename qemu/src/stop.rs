//! Why the guest stopped, and how far it may go.

use std::time::Duration;

/// Why the guest is no longer running. All of these are results; none is an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// The guest asked for a reset. It is stopped; memory and registers are those of the boot that
    /// ended.
    Reset,
    /// The guest asked QEMU to exit. Memory is gone.
    Exit {
        /// The guest's code modulo 256. Zero says nothing about success.
        code: i32,
    },
    /// QEMU was ended by a signal. Memory is gone, but for what an observer has read of it at a
    /// lockup: see [`crate::Emulator::lockup_ram`].
    Killed {
        /// The signal; 6 is QEMU's own abort.
        signal: i32,
        /// The end of what QEMU wrote to standard error since the guest was resumed.
        text: String,
    },
    /// A breakpoint or watchpoint was hit. The guest is stopped before the instruction.
    Breakpoint {
        /// Which of the registered ones.
        token: crate::gdb::Token,
    },
    /// A watchdog that the host supplies ran out. The guest is stopped where it was met after that,
    /// memory intact, and can only be reset.
    Watchdog,
    /// The guest executed as many instructions as it was allowed, and possibly some more: the count
    /// is looked at every few milliseconds. It is stopped, memory intact.
    InstructionLimit,
    /// The host's time for this run is used up. The guest is stopped, memory intact.
    WallLimit,
    /// The guest wrote more than it was allowed to. It is stopped, memory intact.
    OutputLimit,
}

impl Stop {
    /// The name in reports and error messages.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Reset => "reset",
            Self::Exit { .. } => "exit",
            Self::Killed { .. } => "killed",
            Self::Breakpoint { .. } => "breakpoint",
            Self::Watchdog => "watchdog",
            Self::InstructionLimit => "instruction limit",
            Self::WallLimit => "wall limit",
            Self::OutputLimit => "output limit",
        }
    }

    /// Whether this is QEMU's abort at a lockup of the guest: a fault where no fault can be taken.
    #[must_use]
    pub fn is_lockup(&self) -> bool {
        matches!(self, Self::Killed { signal: 6, text } if text.contains("Lockup"))
    }
}

/// How far the guest may go, counted from the last time it was resumed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Instructions. Without counted instructions this has no effect. A guest that sleeps for ever
    /// executes none, so that only `wall` ends it.
    pub instructions: Option<u64>,
    /// Time of the host.
    pub wall: Duration,
    /// Bytes on standard output, console and standard error together.
    pub output_bytes: u64,
    /// Bytes of QEMU's log.
    pub log_bytes: u64,
}

impl Default for Limits {
    /// 200 million instructions (6.4 s of target time at the default shift), 30 s of the host's
    /// time, 16 MiB of output and of log each.
    fn default() -> Self {
        Self {
            instructions: Some(200_000_000),
            wall: Duration::from_secs(30),
            output_bytes: 16 * 1024 * 1024,
            log_bytes: 16 * 1024 * 1024,
        }
    }
}
