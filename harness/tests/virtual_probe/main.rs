//! The virtual probe under the ordinary API of probe-rs: what works on a board works here.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may stop")]

mod agreement;
mod bench;
mod catches;
mod devices;
mod halts;
mod program;
mod registers;
mod rtt;
mod session;
mod trouble;
mod watches;
