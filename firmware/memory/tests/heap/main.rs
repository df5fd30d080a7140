//! The capability heap on memory with made-up addresses.
//!
//! Random sequences come from fixed seeds of `ram`'s own generator, so a failure comes again with
//! the next run. `proptest`, which tests on the host use, would add that a sequence is shortened,
//! and take Miri far longer for each step.
//!
//! `cargo ci miri` runs them too, with fewer random steps and sweeps that take larger ones; what
//! would still take minutes there is ignored with its reason. `contract.toml` says what they show
//! of what ESP-IDF promises.
#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test stops at what it did not expect, in its helpers too"
)]

mod heap_accounts;
mod heap_bits;
mod heap_blocks;
mod heap_contract;
mod heap_corruption;
mod heap_model;
mod heap_regions;
mod heap_resize;
mod heap_trace;
mod ram;
