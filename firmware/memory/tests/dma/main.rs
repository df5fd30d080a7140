//! The DMA contract on the host: every rule at its limits, buffers, and transfers on a stream of
//! bytes.

#![expect(clippy::panic, reason = "a test may stop at what is wrong")]

#[cfg(not(miri))]
mod types;

mod arming;
mod buffers;
mod chip;
mod pl081;
mod protected;
mod raw;
mod transfers;
