//! The optional bootloader: checks the application behind it and hands over before the kernel runs.
//!
//! It is an image of this project like any other, with its own vector table at the start of flash,
//! so a crash in here leaves a record as well. It shares the crash region with the application and
//! never clears it: on the way to a good application it does not write to it at all. A bad
//! application leaves a record and a reset; when too many boots in a row have ended badly, the
//! bootloader stays, with its kernel running, for whoever comes to repair the device. For a host
//! this crate is an empty program, so that `--workspace` commands work.
#![cfg_attr(target_os = "none", no_std, no_main)]

/// The board, generated from its file by the build script.
#[cfg(target_os = "none")]
#[expect(dead_code, reason = "the generated table is complete; this image uses a part of it")]
mod board {
    include!(concat!(env!("OUT_DIR"), "/regions.rs"));
}

#[cfg(target_os = "none")]
mod device {
    use crate::board;
    use crashrig_memory::reboot::Policy;
    use crashrig_memory::retain::BootReport;
    use crashrig_port::{Boot, Platform, application};

    crashrig_port::entry!(
        stay,
        Platform {
            regions: board::REGIONS,
            clock_enables: board::CLOCK_ENABLES,
            core_clock_hz: board::CORE_CLOCK_HZ,
            executable_ram: None,
            before_kernel: start_application,
            // A read error may pass, a damaged image does not. An hour of staying here proves
            // nothing of the application, so the count is as good as never cleared.
            policy: Policy { reboot_limit: 3, healthy_after_ms: 3_600_000 },
            crash_report: leave_to_application,
        }
    );

    /// Does not return if the application is good, nor if it is bad for one of the first times.
    fn start_application() {
        let Some(flash) = board::APPLICATION_FLASH else { return };
        #[expect(unsafe_code, reason = "an address of the board file becomes memory here")]
        // SAFETY: the board file gives this part of the chip's flash to the application, and
        // nothing in here programs flash.
        let checked = unsafe { application::check(flash) };
        match checked {
            Ok(application) => application::hand_over(&application),
            Err(refusal) => application::refuse(refusal, flash.0),
        }
    }

    /// A record that was left by the application is for the application.
    fn leave_to_application(_: &BootReport) -> bool {
        false
    }

    /// The main thread of a device that has no application to run.
    fn stay(_: Boot) -> ! {
        loop {
            cortex_m::asm::wfi();
        }
    }
}

#[cfg(not(target_os = "none"))]
fn main() {}
