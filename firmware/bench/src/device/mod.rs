//! One boot of the bench: what the host wants, then a reset, which keeps RAM for the host to read.

pub mod allocator;
pub mod contenders;
mod contents;
pub mod exchange;
mod others;
mod ours;
mod place;
mod replay;

use crate::board;
// For its critical section, which the port is linked against.
use cortex_m as _;
use crashrig_memory::reboot::Policy;
use crashrig_memory::retain::BootReport;
use crashrig_port::Platform;
use exchange::{Job, RESULT};

crashrig_port::entry_without_kernel!(
    carry_out,
    Platform {
        regions: board::REGIONS,
        aliases: board::ALIASES,
        clock_enables: board::CLOCK_ENABLES,
        clock_enables_on_demand: board::CLOCK_ENABLES_ON_DEMAND,
        reset_cause: board::RESET_CAUSE,
        devices: board::DEVICES,
        backup: None,
        core_clock_hz: board::CORE_CLOCK_HZ,
        executable_ram: None,
        before_kernel: nothing,
        // Each boot ends by a reset of its own will; none of them means anything.
        policy: Policy { reboot_limit: u16::MAX, healthy_after_ms: u32::MAX },
        crash_report: leave_alone,
    }
);

/// All that there is to do. A job that nobody can do leaves no result, and so
/// does a heap that does not keep what is in its blocks.
fn carry_out() -> ! {
    let Job { contender, trace, fill_bytes } = Job::read();
    if let Some(allocator) = contenders::start(contender) {
        if fill_bytes > 0 {
            RESULT.set(replay::fill(allocator, fill_bytes));
        } else if let Some(trace) = crate::trace::by_index(trace) {
            RESULT.set(replay::replay(allocator, trace).unwrap_or(0));
        }
    }
    crashrig_port::reset::reset()
}

/// There is no kernel.
fn nothing() {}

fn leave_alone(_: &BootReport) -> bool {
    false
}
