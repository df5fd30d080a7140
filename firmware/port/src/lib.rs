//! Everything with assembly or registers: start-up, vector table, fault entry, guards, clock,
//! channels.
//!
//! The image gives this crate a [`Platform`] (what the board file says) and a function to run on
//! the main thread's stack ([`entry!`]); the linker gives it the rest. It knows what detected a
//! crash and never what was asked for: the command types of `wire` are out of its sight.
//!
//! Sources: DDI0403E (ARMv7-M), PM0214 (Cortex-M4 of the STM32F4). Registers of the core come from
//! `cortex-m`; registers of the chip come from the chip file. ARMv8-M runs in secure state; what
//! differs there stands behind `cfg(armv8m)`, mostly in `limits.rs` and `mpu_v8.rs`.
#![no_std]

pub mod application;
pub mod channel;
pub mod clock;
pub mod detectors;
pub mod dma;
mod entry;
pub mod errors;
pub mod fault;
pub mod flash;
pub mod heap;
pub mod hooks;
pub mod host_block;
pub mod interrupts;
pub mod kernel;
mod limits;
mod log_tail;
#[cfg_attr(armv8m, path = "mpu_v8.rs")]
pub mod mpu;
pub mod platform;
mod registers;
pub mod reset;
mod reset_cause;
#[doc(hidden)]
pub mod sections;
pub mod start;
mod systick;
mod vectors;
pub mod watchdog;

pub use platform::Platform;
pub use start::Boot;
