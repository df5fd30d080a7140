//! The capability heap on memory with made-up addresses.
//!
//! Random sequences come from a seed of this file's own generator, printed when a test fails. The
//! one thing a property-testing crate would add is shrinking; for that its tree of some twenty
//! crates is too much, and a failing seed is replayed in a moment.
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
mod heap_model;
mod heap_regions;
mod heap_resize;
mod heap_trace;
mod ram;
