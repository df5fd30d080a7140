//! Mutexes: who gets them, and what priority who has meanwhile.

use crate::script::{
    By, Got, IDLE, Interrupt, New, Priority, Runs, Step, Ticks, WAITS, check, done, handle,
    refused, sleeps,
};
use crashrig_memory::kernel::call::{Call, Error, FOREVER};

const MUTEX: &[Call] = &[Call::NewMutex {}];
const MUTEXES: &[Call] = &[Call::NewMutex {}, Call::NewMutex {}, Call::NewMutex {}];

const fn lock(mutex: u32) -> Call {
    Call::Lock { mutex, timeout: FOREVER }
}

const fn unlock(mutex: u32) -> Call {
    Call::Unlock { mutex }
}

const fn locks(letter: char, mutex: u32) -> Step {
    By(letter, lock(mutex), done(0))
}

const fn unlocks(letter: char, mutex: u32) -> Step {
    By(letter, unlock(mutex), done(0))
}

const fn waits(letter: char, mutex: u32) -> Step {
    By(letter, lock(mutex), WAITS)
}

const fn waits_at_most(letter: char, mutex: u32, timeout: u32) -> Step {
    By(letter, Call::Lock { mutex, timeout }, WAITS)
}

#[test]
fn the_owner_may_lock_again_and_nobody_else_unlocks() {
    let steps = [
        By('A', unlock(0), refused(Error::NotOwner)),
        locks('A', 0),
        locks('A', 0),
        sleeps('A', 1),
        By('B', unlock(0), refused(Error::NotOwner)),
        By('B', Call::Lock { mutex: 0, timeout: 0 }, refused(Error::WouldBlock)),
        waits('B', 0),
        Ticks(1),
        unlocks('A', 0),
        Runs('A'),
        sleeps('A', 1),
        Runs(IDLE),
        Ticks(1),
        unlocks('A', 0),
        By('A', unlock(0), refused(Error::NotOwner)),
        sleeps('A', 1),
        Got('B', Ok(0)),
        unlocks('B', 0),
    ];
    check("recursion", MUTEX, &[('A', 20), ('B', 10)], &steps);
}

#[test]
fn it_goes_to_the_highest_and_among_equals_to_the_first() {
    let threads = [('A', 12), ('B', 11), ('C', 11), ('D', 10), ('L', 5)];
    let steps = [
        sleeps('A', 4),
        sleeps('B', 3),
        sleeps('C', 2),
        sleeps('D', 1),
        locks('L', 0),
        Ticks(1),
        waits('D', 0),
        Ticks(1),
        waits('C', 0),
        // L has the priority of B by now and became ready earlier.
        Ticks(1),
        By('L', Call::Yield {}, done(0)),
        waits('B', 0),
        Ticks(1),
        waits('A', 0),
        Priority('L', 12),
        unlocks('L', 0),
        Got('A', Ok(0)),
        unlocks('A', 0),
        sleeps('A', 9),
        // C and B have the same priority, and C came first.
        Got('C', Ok(0)),
        unlocks('C', 0),
        sleeps('C', 9),
        Got('B', Ok(0)),
        unlocks('B', 0),
        sleeps('B', 9),
        Got('D', Ok(0)),
        Priority('L', 5),
    ];
    check("order", MUTEX, &threads, &steps);
}

#[test]
fn a_wait_ends_with_its_time_with_the_mutex_or_with_the_owner() {
    let threads = [('H', 20), ('L', 5)];
    // L holds the mutex twice, of which whoever gets it next knows nothing.
    let begin = [sleeps('H', 1), locks('L', 0), locks('L', 0), Ticks(1)];
    let rows: [(&str, &[Step]); 4] = [
        (
            "timeout",
            &[
                waits_at_most('H', 0, 3),
                Priority('L', 20),
                Ticks(2),
                Runs('L'),
                Ticks(1),
                Got('H', Err(Error::Timeout)),
                Priority('L', 5),
                By('H', unlock(0), refused(Error::NotOwner)),
            ],
        ),
        (
            "deleted",
            &[
                waits('H', 0),
                By('L', Call::Delete { object: 0 }, done(0)),
                Got('H', Err(Error::NoSuchObject)),
                Priority('L', 5),
                By('H', lock(0), refused(Error::NoSuchObject)),
                By('H', unlock(0), refused(Error::NoSuchObject)),
            ],
        ),
        (
            "owner exits",
            &[
                waits('H', 0),
                By('L', Call::Exit { code: 1 }, WAITS),
                Got('H', Ok(0)),
                unlocks('H', 0),
            ],
        ),
        (
            "owner is terminated",
            &[
                waits('H', 0),
                New('K', 30),
                By('K', Call::Terminate { thread: handle(2) }, done(0)),
                sleeps('K', 1),
                Got('H', Ok(0)),
                unlocks('H', 0),
                By('H', unlock(0), refused(Error::NotOwner)),
            ],
        ),
    ];
    for (name, rest) in rows {
        let steps = [&begin[..], rest].concat();
        check(name, MUTEX, &threads, &steps);
    }
}

#[test]
fn an_owner_inherits_the_priority_of_who_waits() {
    let threads = [('H', 20), ('M', 10), ('L', 5)];
    let steps = [
        sleeps('H', 2),
        sleeps('M', 3),
        locks('L', 0),
        Ticks(2),
        waits('H', 0),
        Priority('L', 20),
        // M is ready from here on, and does not run before L has unlocked.
        Ticks(1),
        Runs('L'),
        unlocks('L', 0),
        Priority('L', 5),
        Got('H', Ok(0)),
        sleeps('H', 1),
        Runs('M'),
    ];
    check("inversion", MUTEX, &threads, &steps);
}

/// A holds 0; B holds 1 and waits for 0; C holds 2 and waits for 1; D waits for 2 as long as the
/// table says.
fn chain(timeout: u32) -> Vec<Step> {
    vec![
        sleeps('D', 3),
        sleeps('C', 2),
        sleeps('B', 1),
        locks('A', 0),
        Ticks(1),
        locks('B', 1),
        waits('B', 0),
        Priority('A', 6),
        Ticks(1),
        locks('C', 2),
        waits('C', 1),
        Priority('A', 7),
        Ticks(1),
        waits_at_most('D', 2, timeout),
        Priority('A', 8),
        Priority('B', 8),
        Priority('C', 8),
        Runs('A'),
    ]
}

const CHAINED: [(char, u32); 4] = [('A', 5), ('B', 6), ('C', 7), ('D', 8)];

#[test]
fn a_chain_of_owners_inherits_and_falls_back() {
    let up = [
        unlocks('A', 0),
        Priority('A', 5),
        Got('B', Ok(0)),
        unlocks('B', 1),
        Priority('B', 6),
        Got('C', Ok(0)),
        unlocks('C', 2),
        Priority('C', 7),
        Got('D', Ok(0)),
    ];
    check("chain", MUTEXES, &CHAINED, &[chain(FOREVER), up.to_vec()].concat());
    let time_is_up = [Ticks(4), Got('D', Err(Error::Timeout)), Priority('A', 7), Priority('B', 7)];
    check("chain, timeout", MUTEXES, &CHAINED, &[chain(4), time_is_up.to_vec()].concat());
    let raised = By('A', Call::SetPriority { thread: handle(4), priority: 25 }, done(0));
    let lowered = By('A', Call::SetPriority { thread: handle(4), priority: 1 }, done(0));
    let set = vec![raised, Priority('A', 25), Priority('C', 25), lowered, Priority('D', 1)];
    let own = vec![Priority('A', 7), Priority('B', 7), Priority('C', 7)];
    check("chain, set priority", MUTEXES, &CHAINED, &[chain(FOREVER), set, own].concat());
    let deleted = vec![
        By('A', Call::Delete { object: 1 }, done(0)),
        Priority('C', 8),
        Got('C', Err(Error::NoSuchObject)),
        Priority('A', 6),
        Priority('B', 6),
    ];
    check("chain, deleted", MUTEXES, &CHAINED, &[chain(FOREVER), deleted].concat());
}

#[test]
fn threads_that_wait_for_each_other_end_with_their_time() {
    let threads = [('A', 5), ('B', 6), ('C', 7)];
    let steps = [
        sleeps('C', 2),
        sleeps('B', 1),
        locks('A', 0),
        Ticks(1),
        locks('B', 1),
        waits('B', 0),
        Ticks(1),
        locks('C', 2),
        waits('C', 1),
        // The ring closes: A holds what B wants, B what C wants, C what A wants.
        waits_at_most('A', 2, 3),
        Runs(IDLE),
        Priority('A', 7),
        Priority('B', 7),
        Ticks(3),
        Got('A', Err(Error::Timeout)),
        Runs('A'),
        unlocks('A', 0),
        Got('B', Ok(0)),
        unlocks('B', 1),
        Got('C', Ok(0)),
        Priority('A', 5),
        Priority('B', 6),
    ];
    check("ring", MUTEXES, &threads, &steps);
}

#[test]
fn nobody_takes_an_interrupt_for_an_owner() {
    let calls = [
        lock(0),
        Call::Lock { mutex: 0, timeout: 0 },
        unlock(0),
        Call::NewMutex {},
        Call::Delete { object: 0 },
    ];
    let refusals = calls.map(|call| Interrupt(call, Err(Error::FromInterrupt)));
    let steps = [&[locks('A', 0)], &refusals[..], &[unlocks('A', 0)]].concat();
    check("interrupt", MUTEX, &[('A', 5)], &steps);
}

#[test]
fn a_boost_falls_when_who_waits_is_terminated() {
    let end = By('A', Call::Terminate { thread: handle(4) }, done(0));
    let own = [Priority('A', 7), Priority('B', 7), Priority('C', 7)];
    let steps = [chain(FOREVER), vec![end], own.to_vec()].concat();
    check("chain, terminated", MUTEXES, &CHAINED, &steps);
}

#[test]
fn in_a_ring_no_priority_outlives_who_had_it() {
    let threads = [('A', 5), ('B', 6), ('H', 20)];
    let steps = [
        sleeps('H', 2),
        sleeps('B', 1),
        locks('A', 0),
        Ticks(1),
        locks('B', 1),
        waits('B', 0),
        waits('A', 1),
        Ticks(1),
        waits_at_most('H', 0, 2),
        Priority('A', 20),
        Priority('B', 20),
        Ticks(2),
        Got('H', Err(Error::Timeout)),
        Priority('A', 6),
        Priority('B', 6),
    ];
    check("ring, outsider", MUTEXES, &threads, &steps);
}

#[test]
fn a_deleted_mutex_lends_no_priority_to_who_waited_for_it() {
    let threads = [('X', 20), ('W', 5), ('V', 5), ('O', 1)];
    let steps = [
        sleeps('X', 4),
        locks('W', 1),
        sleeps('W', 2),
        sleeps('V', 1),
        locks('O', 0),
        Ticks(1),
        waits('V', 0),
        Ticks(1),
        By('O', Call::Yield {}, done(0)),
        waits('W', 0),
        // O and W wait for each other from here on, and X for both.
        waits('O', 1),
        Ticks(2),
        waits('X', 0),
        Priority('W', 20),
        By(IDLE, Call::Delete { object: 0 }, done(0)),
        Got('X', Err(Error::NoSuchObject)),
        sleeps('X', 9),
        // V is W's equal again, and waited earlier.
        Got('V', Err(Error::NoSuchObject)),
        Priority('W', 5),
    ];
    check("deleted in a ring", MUTEXES, &threads, &steps);
}
