//! The test image: it boots, checks itself, carries out one command, and ends with a marker.
//!
//! One image serves every scenario of a board: which fault to carry out comes through the mailbox
//! at run time, so what is tested is what ships. For a host this crate is an empty program, so that
//! `--workspace` commands work.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![deny(unsafe_code)]

#[cfg(all(target_os = "none", feature = "injection"))]
extern crate alloc;

#[cfg(target_os = "none")]
mod faults;
#[cfg(target_os = "none")]
mod host;
#[cfg(target_os = "none")]
mod observe;

/// The board, generated from its file by the build script.
#[cfg(target_os = "none")]
#[expect(dead_code, reason = "the generated table is complete; this image uses a part of it")]
mod board {
    include!(concat!(env!("OUT_DIR"), "/regions.rs"));
}

#[cfg(target_os = "none")]
mod device {
    use crate::{board, faults, host, observe};
    use crashrig_memory::reboot::BootMode;
    use crashrig_memory::retain::BootReport;
    use crashrig_port::{Boot, Platform, clock};
    use crashrig_wire::{Fault, Mailbox};

    defmt::timestamp!("{=u32:ms}", clock::uptime_ms());

    mod entry {
        use super::{Platform, board, main};
        use crashrig_memory::reboot::Policy;
        crashrig_port::entry!(
            main,
            Platform {
                regions: board::REGIONS,
                aliases: board::ALIASES,
                clock_enables: board::CLOCK_ENABLES,
                clock_enables_on_demand: board::CLOCK_ENABLES_ON_DEMAND,
                reset_cause: board::RESET_CAUSE,
                core_clock_hz: board::CORE_CLOCK_HZ,
                executable_ram: board::EXECUTABLE_RAM,
                before_kernel: super::before_kernel,
                policy: Policy { reboot_limit: 5, healthy_after_ms: 60 },
                crash_report: super::crash_report,
            }
        );
    }

    /// The one fault that must come before the kernel.
    fn before_kernel() {
        if let Some(command) = host::command().filter(|it| it.fault == Fault::BootCrash) {
            crashrig_port::fault::set_run(command.run_id);
            faults::crash_before_kernel(command.parameters);
        }
    }

    /// Sees the record before `main`; the host says whether that counts as reading it.
    fn crash_report(report: &BootReport) -> bool {
        observe::crash_report_called(report);
        let Some(command) = host::command() else { return false };
        let reads_all = (command.fault, command.parameters[0]) == (Fault::None, 1);
        if reads_all {
            crashrig_port::fault::acknowledge_records();
        }
        reads_all || command.has(Mailbox::ACKNOWLEDGE)
    }

    /// The main thread.
    fn main(boot: Boot) -> ! {
        host::clear_marker();
        let command = host::command();
        if let Some(command) = &command {
            crashrig_port::fault::set_run(command.run_id);
            if command.has(Mailbox::SEMIHOSTING) {
                crashrig_port::channel::enable();
            }
        }
        let run_id = command.map_or(0, |command| command.run_id);
        defmt::info!(
            "boot {=u32} on {=str}, run {=u32:08x}",
            boot.findings.boot,
            board::BOARD_NAME,
            run_id
        );
        defmt::debug!(
            "crash records: first {=str}, last {=str}",
            boot.findings.first.name(),
            boot.findings.last.name()
        );
        if let Some(used_bytes) = observe::isr_stack_reported() {
            defmt::debug!("reported: {=u32} bytes of the ISR stack were in use", used_bytes);
        }
        if boot.clocks_missing > 0 {
            defmt::warn!("{=u32} memory clocks did not come up", boot.clocks_missing);
        }
        observe::at_start(&boot);
        if command.is_some_and(|command| command.has(Mailbox::ACKNOWLEDGE)) {
            crashrig_port::fault::acknowledge_records();
            defmt::info!("crash records marked as read");
        }
        let command = host::settled(command);
        if let BootMode::Safe { crashes_in_a_row } = boot.mode {
            defmt::warn!("safe mode after {=u16} bad ends in a row", crashes_in_a_row);
            host::end(&boot.findings, run_id)
        }
        let (fault, parameters) =
            command.map_or((Fault::None, [0; 4]), |command| (command.fault, command.parameters));
        #[cfg(feature = "injection")]
        if let Some(command) = command.filter(|command| command.without != 0) {
            crashrig_port::detectors::switch_off(command.without);
            defmt::info!("detectors off: {=u32:#x}", command.without);
        }
        defmt::info!("fault {=str}", fault.name());
        crashrig_port::hooks::ready();
        faults::carry_out(fault, parameters);
        observe::at_end();
        defmt::info!("end of boot, observed {=u64:#b}", observe::observed());
        host::end(&boot.findings, run_id)
    }
}

#[cfg(not(target_os = "none"))]
fn main() {}
