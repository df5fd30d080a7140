//! The capability heap on memory with made-up addresses.
//!
//! Random sequences come from fixed seeds of `ram`'s own generator, so a failure comes again with
//! the next run. `proptest` shortens the sequences that compare devices with this heap
//! (`scenarios/tests/heap_differential`); these also run under Miri, where each step counts.
//!
//! `cargo ci miri` runs them too, at one level, with fewer random steps and sweeps that take larger
//! ones; what would still take minutes there is ignored with its reason. `contract.toml` says what
//! they show of what ESP-IDF promises.
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
mod heap_fill;
mod heap_kept;
mod heap_lent;
mod heap_model;
mod heap_moves;
mod heap_regions;
mod heap_resize;
mod heap_trace;
mod heap_wrong;
mod ram;
