//! The RTT image: a program as users of `probe-rs run` write them, of published crates alone.
//!
//! It logs through `defmt-rtt` and ends through semihosting, which is safe here because nothing but
//! a debugger ever starts it. With it the unmodified `probe-rs` command is tried on a virtual
//! board; nothing else uses it. For a host this crate is an empty program, so that `--workspace`
//! commands work.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

/// What runs on the chip.
#[cfg(target_os = "none")]
mod device {
    // What it has of critical sections is linked.
    use cortex_m as _;
    use cortex_m_semihosting::debug;
    use defmt_rtt as _;

    /// Lines that are logged.
    const LINES: u32 = 100;

    #[cortex_m_rt::entry]
    fn main() -> ! {
        for line in 1..=LINES {
            defmt::info!("line {=u32} of {=u32}", line, LINES);
        }
        defmt::flush();
        loop {
            debug::exit(debug::EXIT_SUCCESS);
        }
    }

    #[panic_handler]
    fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
        loop {
            debug::exit(debug::EXIT_FAILURE);
        }
    }
}

#[cfg(not(target_os = "none"))]
fn main() {}
