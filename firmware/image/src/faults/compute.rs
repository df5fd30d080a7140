//! A long computation over memory, with a result that is known beforehand: what injections into it
//! change shows in the sum, or nowhere. No timer, no call of the kernel, no floating point.

use super::devices::{WITH_WATCHDOG, watched};
use crate::observe::note;
use core::sync::atomic::{AtomicU32, Ordering};
use crashrig_wire::Observation;

/// Words of the table.
const WORDS: usize = 64;
/// Times that the table is gone through: some 0.9 million instructions (measured under QEMU).
const ROUNDS: u32 = 1_500;
/// Knuth's multiplicative constant, 2^32 divided by the golden ratio.
const FACTOR: u32 = 0x9E37_79B9;

static TABLE: [AtomicU32; WORDS] = [const { AtomicU32::new(0) }; WORDS];

/// What the compiler came to.
const SUM: u32 = expected(ROUNDS);

/// Set in the parameter: no clock ticks meanwhile, nor afterwards.
const WITHOUT_TICK: u32 = 1 << 31;

/// Time of the watchdog: three times that of the known rounds under QEMU.
const TIMEOUT_MS: u32 = 100;

/// Computes as many rounds as the parameter says, or those whose sum is known.
pub fn run(parameter: u32) {
    if parameter & WITHOUT_TICK != 0 {
        crashrig_port::clock::stop_tick();
    }
    let rounds = parameter & !(WITHOUT_TICK | WITH_WATCHDOG);
    let sum = watched(parameter, TIMEOUT_MS, || compute(if rounds == 0 { ROUNDS } else { rounds }));
    note(Observation::Computed, rounds == 0 && sum == SUM);
}

fn compute(rounds: u32) -> u32 {
    let mut seed = 0;
    for word in &TABLE {
        seed = mix(seed, FACTOR);
        word.store(seed, Ordering::Relaxed);
    }
    let mut sum = 0;
    for _ in 0..rounds {
        for word in &TABLE {
            sum = mix(sum, word.load(Ordering::Relaxed));
            word.store(sum, Ordering::Relaxed);
        }
    }
    sum
}

/// The same, by the compiler.
#[expect(clippy::indexing_slicing, reason = "an index beyond the end would not compile here")]
const fn expected(rounds: u32) -> u32 {
    let mut table = [0; WORDS];
    let (mut seed, mut index) = (0, 0);
    while index < WORDS {
        seed = mix(seed, FACTOR);
        table[index] = seed;
        index += 1;
    }
    let (mut sum, mut round) = (0, 0);
    while round < rounds {
        index = 0;
        while index < WORDS {
            sum = mix(sum, table[index]);
            table[index] = sum;
            index += 1;
        }
        round += 1;
    }
    sum
}

const fn mix(sum: u32, word: u32) -> u32 {
    (sum.rotate_left(5) ^ word).wrapping_mul(FACTOR).wrapping_add(1)
}
