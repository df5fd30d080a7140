//! Semaphores, event flags and queues: who goes on, in which order, and with what.

use crate::script::{
    By, Got, IDLE, Interrupt, Priority, Runs, Step, Ticks, WAITS, check, done, refused, sleeps,
};
use crashrig_memory::kernel::call::{Call, Error, FOREVER};

/// Three threads that call from the highest down to `L`, which never waits by itself.
const THREE: [(char, u32); 3] = [('H', 20), ('M', 10), ('L', 5)];

const fn acquire(timeout: u32) -> Call {
    Call::Acquire { semaphore: 0, timeout }
}

const RELEASE: Call = Call::Release { semaphore: 0 };

#[test]
fn a_semaphore_counts_to_its_limit_and_wakes_the_highest() {
    let rows: [(&str, u32, u32, &[Step]); 4] = [
        (
            "counts",
            2,
            3,
            &[
                By('H', acquire(0), done(0)),
                By('H', acquire(0), done(0)),
                By('H', acquire(0), refused(Error::WouldBlock)),
                By('H', RELEASE, done(0)),
                By('H', RELEASE, done(0)),
                By('H', RELEASE, done(0)),
                By('H', RELEASE, refused(Error::Limit)),
            ],
        ),
        (
            "hands over",
            0,
            1,
            &[
                By('H', acquire(9), WAITS),
                By('M', acquire(FOREVER), WAITS),
                By('L', RELEASE, done(0)),
                Got('H', Ok(0)),
                // H was handed the one there was: it did not count, so H cannot take another.
                By('H', acquire(0), refused(Error::WouldBlock)),
                sleeps('H', 9),
                By('L', RELEASE, done(0)),
                Got('M', Ok(0)),
            ],
        ),
        (
            "from an interrupt",
            0,
            1,
            &[
                By('H', acquire(FOREVER), WAITS),
                Interrupt(acquire(FOREVER), Err(Error::WouldBlock)),
                Interrupt(RELEASE, Ok(0)),
                Got('H', Ok(0)),
                Interrupt(RELEASE, Ok(0)),
                Interrupt(RELEASE, Err(Error::Limit)),
                Interrupt(acquire(FOREVER), Ok(0)),
                Interrupt(acquire(0), Err(Error::WouldBlock)),
            ],
        ),
        (
            "timeout and delete",
            0,
            1,
            &[
                By('H', acquire(2), WAITS),
                By('M', acquire(FOREVER), WAITS),
                Ticks(1),
                Runs('L'),
                Ticks(1),
                Got('H', Err(Error::Timeout)),
                By('H', Call::Delete { object: 0 }, done(0)),
                sleeps('H', 1),
                Got('M', Err(Error::NoSuchObject)),
                By('M', RELEASE, refused(Error::NoSuchObject)),
                By('M', acquire(1), refused(Error::NoSuchObject)),
            ],
        ),
    ];
    for (name, initial, limit, steps) in rows {
        check(name, &[Call::NewSemaphore { initial, limit }], &THREE, steps);
    }
}

const fn any(bits: u32) -> Call {
    Call::WaitAny { flags: 0, bits, timeout: FOREVER }
}

const fn all(bits: u32) -> Call {
    Call::WaitAll { flags: 0, bits, timeout: FOREVER }
}

const fn set(bits: u32) -> Call {
    Call::SetFlags { flags: 0, bits }
}

const FLAGS: [(&str, &[Step]); 5] = [
    (
        "at once",
        &[
            By('H', set(0b0111), done(0b0111)),
            By('H', any(0b1001), done(0b0111)),
            By('H', all(0b0110), done(0b0110)),
            By('H', Call::ClearFlags { flags: 0, bits: 0b1 }, done(0)),
            By('H', Call::WaitAny { flags: 0, bits: 1, timeout: 0 }, refused(Error::WouldBlock)),
        ],
    ),
    (
        "all waits for the last",
        &[
            By('H', all(0b11), WAITS),
            By('M', set(0b01), done(0b01)),
            Runs('M'),
            By('M', set(0b110), done(0b100)),
            Got('H', Ok(0b111)),
            By('H', Call::ClearFlags { flags: 0, bits: 0b100 }, done(0b100)),
        ],
    ),
    (
        "who goes first takes the flag",
        &[
            By('H', any(0b01), WAITS),
            By('M', any(0b11), WAITS),
            By('L', set(0b01), done(0)),
            Got('H', Ok(0b01)),
            sleeps('H', 9),
            // M did not see the flag that H took.
            Runs('L'),
            By('L', set(0b10), done(0)),
            Got('M', Ok(0b10)),
        ],
    ),
    (
        "one set wakes several",
        &[
            By('H', all(0b01), WAITS),
            By('M', any(0b10), WAITS),
            Interrupt(set(0b111), Ok(0b100)),
            Got('H', Ok(0b111)),
            sleeps('H', 9),
            Got('M', Ok(0b110)),
        ],
    ),
    (
        "range, interrupts, delete",
        &[
            By('H', any(0), refused(Error::OutOfRange)),
            By('H', all(1 << 31), refused(Error::OutOfRange)),
            By('H', set(1 << 31), refused(Error::OutOfRange)),
            By('H', Call::ClearFlags { flags: 0, bits: 1 << 31 }, refused(Error::OutOfRange)),
            Interrupt(any(1), Err(Error::WouldBlock)),
            Interrupt(Call::ClearFlags { flags: 0, bits: 1 }, Ok(0)),
            By('H', Call::WaitAll { flags: 0, bits: 1, timeout: 1 }, WAITS),
            By('M', any(1), WAITS),
            Ticks(1),
            Got('H', Err(Error::Timeout)),
            By('H', Call::Delete { object: 0 }, done(0)),
            sleeps('H', 1),
            Got('M', Err(Error::NoSuchObject)),
            By('M', set(1), refused(Error::NoSuchObject)),
        ],
    ),
];

#[test]
fn flags_wake_for_any_or_all_and_clear_what_was_waited_for() {
    for (name, steps) in FLAGS {
        check(name, &[Call::NewFlags {}], &THREE, steps);
    }
}

const fn put(word: u32) -> Call {
    Call::Put { queue: 0, word, timeout: FOREVER }
}

const GET: Call = Call::Get { queue: 0, timeout: FOREVER };

const QUEUES: [(&str, &[Step]); 4] = [
    (
        "first in, first out",
        &[
            By('H', put(1), done(0)),
            By('H', put(2), done(0)),
            By('H', Call::Put { queue: 0, word: 3, timeout: 0 }, refused(Error::WouldBlock)),
            By('H', GET, done(1)),
            By('H', put(3), done(0)),
            By('H', GET, done(2)),
            By('H', GET, done(3)),
            By('H', Call::Get { queue: 0, timeout: 0 }, refused(Error::WouldBlock)),
        ],
    ),
    (
        "full: who waits to put",
        &[
            By('H', put(1), done(0)),
            By('H', put(2), done(0)),
            By('H', put(3), WAITS),
            By('M', put(4), WAITS),
            By('L', GET, done(1)),
            Got('H', Ok(0)),
            sleeps('H', 9),
            By('L', GET, done(2)),
            Got('M', Ok(0)),
            sleeps('M', 9),
            By('L', GET, done(3)),
            By('L', GET, done(4)),
        ],
    ),
    (
        "empty: who waits to get",
        &[
            By('H', GET, WAITS),
            By('M', GET, WAITS),
            By('L', put(7), done(0)),
            Got('H', Ok(7)),
            sleeps('H', 9),
            Interrupt(put(8), Ok(0)),
            Got('M', Ok(8)),
            Interrupt(GET, Err(Error::WouldBlock)),
            Interrupt(put(1), Ok(0)),
            Interrupt(put(2), Ok(0)),
            Interrupt(put(3), Err(Error::WouldBlock)),
            Interrupt(GET, Ok(1)),
        ],
    ),
    (
        "range, timeout, delete",
        &[
            By('H', put(1 << 31), refused(Error::OutOfRange)),
            By('H', Call::Get { queue: 0, timeout: 2 }, WAITS),
            By('M', GET, WAITS),
            Ticks(2),
            Got('H', Err(Error::Timeout)),
            // A getter whose time is up gets no word any more.
            By('H', put(5), done(0)),
            By('H', put(6), done(0)),
            By('H', put(7), done(0)),
            By('H', Call::Put { queue: 0, word: 8, timeout: 1 }, WAITS),
            Got('M', Ok(5)),
            Ticks(1),
            Got('H', Err(Error::Timeout)),
            By('H', GET, done(6)),
            By('H', GET, done(7)),
            By('H', GET, WAITS),
            By('M', Call::Delete { object: 0 }, done(0)),
            Got('H', Err(Error::NoSuchObject)),
            By('H', GET, refused(Error::NoSuchObject)),
        ],
    ),
];

#[test]
fn a_queue_keeps_the_order_of_words_whoever_waits() {
    for (name, steps) in QUEUES {
        check(name, &[Call::NewQueue { capacity: 2 }], &THREE, steps);
    }
}

#[test]
fn among_equals_the_first_goes_on_first() {
    let steps = [
        By('A', acquire(FOREVER), WAITS),
        By('B', acquire(FOREVER), WAITS),
        By('C', acquire(FOREVER), WAITS),
        Runs(IDLE),
        By(IDLE, RELEASE, done(0)),
        Got('A', Ok(0)),
        By('A', acquire(FOREVER), WAITS),
        By(IDLE, RELEASE, done(0)),
        Got('B', Ok(0)),
        By('B', RELEASE, done(0)),
        By('B', RELEASE, done(0)),
        sleeps('B', 9),
        // C and A are ready in the order in which they waited.
        Got('C', Ok(0)),
        Priority('C', 5),
        sleeps('C', 9),
        Got('A', Ok(0)),
    ];
    let threads = [('A', 5), ('B', 5), ('C', 5)];
    check("equals", &[Call::NewSemaphore { initial: 0, limit: 9 }], &threads, &steps);
}

#[test]
fn an_object_is_made_within_its_range_and_used_as_what_it_is() {
    let out_of_range = [
        Call::NewSemaphore { initial: 0, limit: 0 },
        Call::NewSemaphore { initial: 2, limit: 1 },
        Call::NewQueue { capacity: 0 },
        Call::NewQueue { capacity: 17 },
    ];
    let steps = out_of_range.map(|call| By('A', call, refused(Error::OutOfRange)));
    check("range", &[], &[('A', 5)], &steps);
    let made = [
        Call::NewMutex {},
        Call::NewSemaphore { initial: 1, limit: 1 },
        Call::NewFlags {},
        Call::NewQueue { capacity: 16 },
        Call::NewTimer { function: 1, argument: 2 },
    ];
    let uses = |object| {
        [
            (0, Call::Lock { mutex: object, timeout: 0 }),
            (0, Call::Unlock { mutex: object }),
            (1, Call::Acquire { semaphore: object, timeout: 0 }),
            (1, Call::Release { semaphore: object }),
            (2, Call::SetFlags { flags: object, bits: 1 }),
            (2, Call::ClearFlags { flags: object, bits: 1 }),
            (2, Call::WaitAny { flags: object, bits: 1, timeout: 0 }),
            (2, Call::WaitAll { flags: object, bits: 1, timeout: 0 }),
            (3, Call::Put { queue: object, word: 0, timeout: 0 }),
            (3, Call::Get { queue: object, timeout: 0 }),
            (4, Call::StartTimer { timer: object, delay: 1, period: 0 }),
            (4, Call::StopTimer { timer: object }),
        ]
    };
    // Each kind is refused by the calls of every other, and so is a handle of nothing or with
    // bits too many.
    let wrong = (0..5).flat_map(|object| uses(object).map(|row| (object, row)));
    let wrong = wrong.filter(|(object, (right, _))| object != right).map(|(_, (_, call))| call);
    let strange = [5, 0x100, 0xFF, 0x0100_0000, u32::MAX].into_iter().flat_map(uses);
    let calls = wrong.chain(strange.map(|(_, call)| call));
    let steps: Vec<_> = calls.map(|call| By('A', call, refused(Error::NoSuchObject))).collect();
    check("kinds", &made, &[('A', 5)], &steps);
}
