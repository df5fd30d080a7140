//! The engine that keeps one QEMU warm, on the real one: what it injects, and that its runs repeat.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test may stop anywhere"
)]

mod determinism;
mod injections;
mod inside;
mod memory;
mod support;
