//! The optional bootloader: checks the application behind it and hands over to it.
//!
//! It is an image of this project without a kernel, with a vector table of its own at the start of
//! flash, so a crash in here leaves a record as well. It shares the crash region with the
//! application and never clears it: it notes in the ledger that it handed over, and for a bad
//! application it leaves a record and resets. When too many boots in a row have ended badly, it
//! stays, for whoever comes to repair the device. For a host this crate is an empty program, so
//! that `--workspace` commands work; for a board without bootloader it does not link.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

/// The board, generated from its file by the build script.
#[cfg(target_os = "none")]
#[expect(dead_code, reason = "the generated table is complete; this image uses a part of it")]
mod board {
    include!(concat!(env!("OUT_DIR"), "/regions.rs"));
}

#[cfg(target_os = "none")]
mod device {
    use crate::board;
    // For its critical section, which the port is linked against.
    use cortex_m as _;
    use crashrig_memory::reboot::Policy;
    use crashrig_memory::retain::BootReport;
    use crashrig_port::{Platform, application};

    crashrig_port::entry_without_kernel!(
        start_application,
        Platform {
            regions: board::REGIONS,
            // Without a heap nobody asks what memory can do.
            aliases: &[],
            clock_enables: board::CLOCK_ENABLES,
            clock_enables_on_demand: board::CLOCK_ENABLES_ON_DEMAND,
            reset_cause: board::RESET_CAUSE,
            backup: board::BACKUP,
            devices: board::DEVICES,
            core_clock_hz: board::CORE_CLOCK_HZ,
            executable_ram: None,
            before_kernel: nothing,
            // A read error may pass, a damaged image does not. Nothing in here ever proves healthy.
            policy: Policy { reboot_limit: 3, healthy_after_ms: u32::MAX },
            crash_report: leave_to_application,
        }
    );

    /// Bad ends in a row after which an application is started no more: more than those after
    /// which it runs in its own safe mode, which is to have its chance.
    const TRIES: u16 = 7;

    /// All that there is to do.
    fn start_application() -> ! {
        let flash = board::APPLICATION_FLASH;
        match application::check(flash) {
            Ok(application) => application::hand_over(&application, TRIES),
            Err(refusal) => application::refuse(refusal, flash.0),
        }
    }

    /// There is no kernel.
    fn nothing() {}

    /// A record that the application left is for the application to read.
    fn leave_to_application(_: &BootReport) -> bool {
        false
    }
}

#[cfg(not(target_os = "none"))]
fn main() {}
