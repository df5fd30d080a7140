//! Accesses to data that the comparators of the DWT watch for: which accesses halt the core, where,
//! and which comparator says that it was it.

use crate::bench::Bench;
use crate::program::{COUNTER, MAIN, Program};
use crate::registers::{COMPARATORS, DEMCR, DFSR, DHCSR, PC, TIMEOUT};
use probe_rs::{Core, MemoryInterface, RegisterId, Session};
use std::time::Instant;

const LOADS: u32 = 5;
const STORES: u32 = 6;
const BOTH: u32 = 7;
/// The instructions of [`Program::counting`] behind its load and its store.
const BEHIND_LOAD: u32 = MAIN + 10;
const BEHIND_STORE: u32 = MAIN + 14;

/// A program that loads from and stores to [`COUNTER`], halted behind its store, with these
/// comparators set: number, address, low bits that are ignored, function.
fn watching(session: &mut Session, watches: &[(u64, u32, u32, u32)]) {
    let mut core = session.core(0).unwrap();
    core.halt(TIMEOUT).unwrap();
    core.write_core_reg(PC, MAIN).unwrap();
    core.write_word_32(DEMCR, 1 << 24).unwrap();
    for (number, address, ignored_bits, function) in watches {
        let at = COMPARATORS + 0x10 * number;
        core.write_32(at, &[*address, *ignored_bits, *function]).unwrap();
    }
    core.write_word_32(DFSR, 0x1F).unwrap();
}

/// Lets it run, not by way of a step, until it halts: where that is.
fn halted_at(core: &mut Core<'_>) -> u32 {
    core.write_word_32(DHCSR, 0xA05F_0001).unwrap();
    let end = Instant::now() + TIMEOUT;
    while core.read_word_32(DHCSR).unwrap() & 0x2_0000 == 0 {
        assert!(Instant::now() < end, "nothing halts it");
    }
    assert_eq!(core.read_word_32(DFSR).unwrap(), 1 << 2, "DWTTRAP alone");
    core.write_word_32(DFSR, 0x1F).unwrap();
    core.read_core_reg(PC).unwrap()
}

/// The comparators that have matched since they were asked last.
fn matched(core: &mut Core<'_>) -> Vec<u64> {
    let has_matched =
        |number: &u64| core.read_word_32(COMPARATORS + 0x10 * number + 8).unwrap() >> 24 & 1 == 1;
    (0..4).filter(has_matched).collect()
}

#[test]
fn a_store_into_a_watched_range_halts_and_its_comparator_says_so() {
    let (program, _) = Program::counting();
    let bench = Bench::running(&program);
    let mut session = bench.attach().unwrap();
    // The counter lies amid the range of the third; the others watch its neighbours.
    let range = (2, COUNTER & !0xFF, 8, STORES);
    let beside = [(0, COUNTER + 0x100, 8, BOTH), (1, COUNTER + 4, 2, BOTH), (3, COUNTER, 2, 0)];
    watching(&mut session, &[beside[0], beside[1], range, beside[2]]);
    let mut core = session.core(0).unwrap();
    let before = core.read_word_32(u64::from(COUNTER)).unwrap();
    for count in 1..=3 {
        assert_eq!(halted_at(&mut core), BEHIND_STORE);
        assert_eq!(core.read_word_32(u64::from(COUNTER)).unwrap(), before + count);
        assert_eq!(matched(&mut core), [2]);
        assert!(matched(&mut core).is_empty(), "told once");
    }
}

#[test]
fn a_load_from_a_watched_range_halts_and_a_store_to_it_does_not() {
    let (program, _) = Program::counting();
    let bench = Bench::running(&program);
    let mut session = bench.attach().unwrap();
    watching(&mut session, &[(1, COUNTER & !0xF, 4, LOADS)]);
    let mut core = session.core(0).unwrap();
    let before = core.read_word_32(u64::from(COUNTER)).unwrap();
    for count in 0..3 {
        assert_eq!(halted_at(&mut core), BEHIND_LOAD);
        assert_eq!(core.read_core_reg::<u32>(RegisterId(1)).unwrap(), before + count);
        assert_eq!(matched(&mut core), [1]);
    }
}

/// Lets it come through its load and its store twice, with these comparators set; the first halts
/// it behind each load, the other behind each store.
fn check_in_turn(watches: &[(u64, u32, u32, u32)], [at_load, at_store]: [u64; 2]) {
    let (program, _) = Program::counting();
    let bench = Bench::running(&program);
    let mut session = bench.attach().unwrap();
    watching(&mut session, watches);
    let mut core = session.core(0).unwrap();
    let turn = [(BEHIND_LOAD, at_load), (BEHIND_STORE, at_store)];
    for (place, comparator) in turn.into_iter().chain(turn) {
        assert_eq!(halted_at(&mut core), place);
        assert_eq!(matched(&mut core), [comparator]);
    }
}

#[test]
fn whoever_watches_both_is_halted_by_both_in_turn() {
    check_in_turn(&[(3, COUNTER, 2, BOTH)], [3, 3]);
}

#[test]
fn a_load_and_a_store_of_two_comparators_are_told_apart() {
    check_in_turn(&[(0, COUNTER, 2, STORES), (2, COUNTER, 2, LOADS)], [2, 0]);
}
