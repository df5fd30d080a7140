//! The HAL image: DMA as the published crate `stm32f4xx-hal` does it, unchanged.
//!
//! It is the witness for the bench's models of DMA1 and DMA2 that was written by others, for chips:
//! what their driver does on silicon must come to the same end here. So it links nothing of this
//! project but the table of regions, starts by `cortex-m-rt`, and judges nothing: for each case it
//! leaves what the crate's own functions gave back (`device/report.rs`), and the host compares.
//!
//! Clocks are those after a reset: QEMU's RCC never says that another one is ready, for which
//! `freeze` of the crate waits for ever. For a host this crate is an empty program, so that
//! `--workspace` commands work.
#![cfg_attr(target_os = "none", no_std, no_main)]

/// The board, generated from its file by the build script.
#[cfg(target_os = "none")]
#[expect(dead_code, reason = "the generated table is complete; this image uses a part of it")]
mod board {
    include!(concat!(env!("OUT_DIR"), "/regions.rs"));
}

#[cfg(target_os = "none")]
mod device;

#[cfg(not(target_os = "none"))]
fn main() {}
