//! A hash over the addresses of all executed instructions, in their order: equal hashes, equal
//! runs.
//!
//! One callback per instruction, where `count.rs` has the reasons why it is not one per block: a
//! block that is left in its middle, or cut where a count of instructions ends, would give another
//! hash for the same run. It is off unless it is asked for, because it makes long blocks five times
//! slower.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::count;

/// FNV's first value and factor, of 64 bits; a step takes a whole address, not a byte.
const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;

/// Written by the thread of the CPU only.
static HASH: AtomicU64 = AtomicU64::new(BASIS);

static TRACING: AtomicBool = AtomicBool::new(false);

/// The state of the trace, to be kept with a snapshot.
#[derive(Clone, Copy)]
pub struct State {
    pub hash: u64,
    /// Instructions begun.
    pub begun: u64,
}

/// Whether instructions are hashed by a block that is translated now.
pub fn is_on() -> bool {
    TRACING.load(Ordering::Relaxed)
}

/// Switches the trace on or off, for blocks that are translated from now on.
pub fn switch(on: bool) {
    TRACING.store(on, Ordering::Relaxed);
}

/// Takes one more instruction into the hash, before it is executed.
pub fn step(address: u64) {
    let hash = (HASH.load(Ordering::Relaxed) ^ address).wrapping_mul(PRIME);
    HASH.store(hash, Ordering::Relaxed);
    count::step();
}

/// Where the trace stands.
pub fn state() -> State {
    State { hash: HASH.load(Ordering::Relaxed), begun: count::executed() }
}

/// Puts the trace back to where it stood.
pub fn set_state(state: State) {
    HASH.store(state.hash, Ordering::Relaxed);
    count::set(state.begun);
}
