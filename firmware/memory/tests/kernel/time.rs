//! The clock: sleeps, slices and timers. Like every table, these are played over its wrap too.

use crate::script::{
    By, Got, IDLE, Interrupt, Kernel, Runs, Step, Ticks, WAITS, check, done, new_thread, refused,
    sleeps,
};
use crashrig_memory::kernel::Caller;
use crashrig_memory::kernel::SLICE_TICKS;
use crashrig_memory::kernel::call::{Call, Error, FOREVER};
use crashrig_memory::kernel::object::Handle;

/// Ticks that nothing waits for; Miri looks at each for as long as at a call.
const LONG: u32 = if cfg!(miri) { 20 } else { 1000 };

#[test]
fn a_sleep_lasts_its_ticks() {
    let rows: [(&str, &[Step]); 4] = [
        ("one", &[sleeps('A', 1), Runs(IDLE), Ticks(1), Got('A', Ok(0)), Runs('A')]),
        ("ten", &[sleeps('A', 10), Ticks(9), Runs(IDLE), Ticks(1), Got('A', Ok(0)), Runs('A')]),
        ("none", &[By('A', Call::Sleep { ticks: 0 }, done(0)), Runs('A')]),
        ("endless", &[sleeps('A', FOREVER), Ticks(LONG), Runs(IDLE)]),
    ];
    for (name, steps) in rows {
        check(name, &[], &[('A', 5)], steps);
    }
}

#[test]
fn who_yields_goes_behind_its_equals_and_not_below() {
    let yields = |letter| By(letter, Call::Yield {}, done(0));
    let steps = [
        yields('A'),
        yields('B'),
        By('C', Call::Sleep { ticks: 0 }, done(0)),
        yields('A'),
        sleeps('B', 1),
        yields('C'),
        yields('A'),
        Runs('C'),
        Ticks(1),
        Runs('C'),
        yields('C'),
        Runs('A'),
        yields('A'),
        Runs('B'),
    ];
    check("yield", &[], &[('A', 5), ('B', 5), ('C', 5), ('L', 4)], &steps);
}

#[test]
fn equals_take_turns_of_a_slice() {
    let slice = [Ticks(SLICE_TICKS - 1)];
    let turn = |from, to| [&[Runs(from)], &slice[..], &[Runs(from), Ticks(1), Runs(to)]].concat();
    let steps = [turn('A', 'B'), turn('B', 'C'), turn('C', 'A'), turn('A', 'B')].concat();
    check("slices", &[], &[('A', 5), ('B', 5), ('C', 5), ('L', 4)], &steps);
    check("alone", &[], &[('A', 5), ('L', 4)], &[turn('A', 'A'), turn('A', 'A')].concat());
}

const fn start(timer: u32, delay: u32, period: u32) -> Call {
    Call::StartTimer { timer, delay, period }
}

const NEXT: Step = By('T', Call::NextTimer {}, WAITS);

const fn expired(timer: u32) -> Step {
    By('T', Call::NextTimer {}, done(timer))
}

const TIMERS: [(&str, &[Step]); 9] = [
    (
        "once",
        &[
            By('T', start(0, 3, 0), done(0)),
            NEXT,
            Ticks(2),
            Runs('A'),
            Ticks(1),
            Got('T', Ok(0)),
            NEXT,
            Ticks(20),
            Runs('A'),
        ],
    ),
    (
        "each period, the delay once",
        &[
            By('T', start(0, 1, 4), done(0)),
            NEXT,
            Ticks(1),
            Got('T', Ok(0)),
            NEXT,
            Ticks(3),
            Runs('A'),
            Ticks(1),
            Got('T', Ok(0)),
            NEXT,
            Ticks(4),
            Got('T', Ok(0)),
        ],
    ),
    (
        "stopped, from an interrupt",
        &[
            NEXT,
            Interrupt(start(0, 2, 2), Ok(0)),
            Ticks(1),
            Interrupt(Call::StopTimer { timer: 0 }, Ok(0)),
            Interrupt(Call::StopTimer { timer: 0 }, Ok(0)),
            Ticks(20),
            Runs('A'),
        ],
    ),
    (
        "started again, the first start is void",
        &[
            NEXT,
            By('A', start(0, 3, 0), done(0)),
            Ticks(2),
            By('A', start(0, 3, 0), done(0)),
            Ticks(2),
            Runs('A'),
            Ticks(1),
            Got('T', Ok(0)),
        ],
    ),
    (
        "behind: no expiry is lost, but by a stop",
        &[
            By('T', start(0, 1, 1), done(0)),
            By('T', start(1, 4, 0), done(0)),
            Ticks(4),
            expired(0),
            expired(0),
            expired(0),
            By('T', Call::StopTimer { timer: 0 }, done(0)),
            expired(1),
            NEXT,
        ],
    ),
    (
        "by when they were due, not by slot",
        &[
            By('T', start(1, 1, 0), done(0)),
            By('T', start(0, 2, 0), done(0)),
            Ticks(5),
            expired(1),
            expired(0),
            NEXT,
        ],
    ),
    (
        "one that is behind does not keep another one waiting",
        &[
            By('T', start(0, 1, 1), done(0)),
            By('T', start(1, 2, 2), done(0)),
            Ticks(4),
            expired(0),
            expired(0),
            expired(1),
            expired(0),
            expired(0),
            expired(1),
            NEXT,
        ],
    ),
    (
        "deleted",
        &[
            By('T', start(0, 1, 1), done(0)),
            Ticks(3),
            By('T', Call::Delete { object: 0 }, done(0)),
            By('T', start(0, 1, 1), refused(Error::NoSuchObject)),
            NEXT,
            Ticks(20),
            Runs('A'),
        ],
    ),
    (
        "range",
        &[
            By('T', start(0, 0, 1), refused(Error::OutOfRange)),
            By('T', start(0, 1 << 31, 1), refused(Error::OutOfRange)),
            By('T', start(0, 1, 1 << 31), refused(Error::OutOfRange)),
            By('T', start(0, (1 << 31) - 1, (1 << 31) - 1), done(0)),
            NEXT,
            Ticks(20),
            Runs('A'),
            Interrupt(Call::NextTimer {}, Err(Error::FromInterrupt)),
        ],
    ),
];

#[test]
fn a_timer_expires_when_it_should() {
    let timer = Call::NewTimer { function: 0x0800_0001, argument: 7 };
    for (name, steps) in TIMERS {
        check(name, &[timer, timer], &[('T', 30), ('A', 5)], steps);
    }
}

#[test]
fn the_count_of_expiries_stops_at_255() {
    let begin = [By('T', start(0, 1, 1), done(0)), Ticks(300)];
    let stop_growing = [By('T', start(1, 1, 0), done(0)), Ticks(1)];
    let steps = [&begin[..], &stop_growing, &[expired(0); 255], &[expired(1), NEXT]].concat();
    let timer = Call::NewTimer { function: 0x0800_0001, argument: 7 };
    check("overrun", &[timer, timer], &[('T', 30)], &steps);
}

/// A kernel in which a thread waits for timers, one of which has expired.
fn with_expiry() -> (Kernel, Handle) {
    let mut kernel = Kernel::new();
    for new in [new_thread(0, 0), new_thread(1, 5)] {
        assert!(kernel.add(&new).is_ok());
    }
    kernel.begin(1);
    let timer = Call::NewTimer { function: 0x0800_0001, argument: 7 };
    assert_eq!(kernel.call(Caller::Thread, timer), done(0));
    assert_eq!(kernel.call(Caller::Thread, start(0, 1, 0)), done(0));
    assert_eq!(kernel.call(Caller::Thread, Call::NextTimer {}), WAITS);
    kernel.switch();
    kernel.tick();
    kernel.switch();
    assert_eq!(kernel.take_answer(1), Some(Ok(0)), "the thread is told");
    (kernel, Handle::from_word(0))
}

#[test]
fn what_stops_a_timer_before_the_call_makes_its_expiry_void() {
    let (mut kernel, timer) = with_expiry();
    assert_eq!(kernel.claim_expiry(timer).map(|timer| timer.argument), Some(7));
    assert_eq!(kernel.claim_expiry(timer), None, "once");
    let stop = Call::StopTimer { timer: 0 };
    for between in [stop, start(0, 1, 0), start(0, 5, 5), Call::Delete { object: 0 }] {
        let (mut kernel, timer) = with_expiry();
        assert_eq!(kernel.call(Caller::Thread, between), done(0));
        assert_eq!(kernel.claim_expiry(timer), None, "{between:?}");
    }
}

#[test]
fn a_timer_that_was_started_again_is_called_for_its_new_expiry_only() {
    let (mut kernel, timer) = with_expiry();
    assert_eq!(kernel.call(Caller::Interrupt, Call::StopTimer { timer: 0 }), done(0));
    assert_eq!(kernel.call(Caller::Interrupt, start(0, 1, 0)), done(0));
    kernel.tick();
    assert_eq!(kernel.claim_expiry(timer), None);
    assert_eq!(kernel.call(Caller::Thread, Call::NextTimer {}), done(0));
    assert!(kernel.claim_expiry(timer).is_some());
    assert_eq!(kernel.claim_expiry(timer), None);
}

#[test]
fn an_expiry_that_is_lost_is_told_once() {
    let (mut kernel, timer) = with_expiry();
    assert_eq!(kernel.call(Caller::Thread, start(0, 1, 1)), done(0));
    for tick in 0..255 {
        kernel.tick();
        assert_eq!(kernel.take_overrun(), None, "tick {tick}");
    }
    kernel.tick();
    assert_eq!(kernel.take_overrun(), Some(timer));
    kernel.tick();
    assert_eq!(kernel.take_overrun(), None, "it was told");
    assert_eq!(kernel.call(Caller::Thread, Call::NextTimer {}), done(0));
    kernel.tick();
    assert_eq!(kernel.take_overrun(), None, "there was room");
    kernel.tick();
    assert_eq!(kernel.take_overrun(), Some(timer), "once more");
}

#[test]
fn a_long_wait_is_not_over_at_once() {
    for ticks in [(1 << 31) - 1, 1 << 31, (1 << 31) + 1, FOREVER - 1] {
        let lock = Call::Lock { mutex: 0, timeout: ticks };
        let begin = [By('B', Call::Lock { mutex: 0, timeout: 0 }, done(0)), sleeps('B', ticks)];
        let while_long = Ticks(if cfg!(miri) { 5 } else { 100 });
        let steps = [&begin[..], &[By('A', lock, WAITS), while_long, Runs(IDLE)]].concat();
        check("long", &[Call::NewMutex {}], &[('A', 5), ('B', 6)], &steps);
    }
}

#[test]
fn who_is_interrupted_goes_on_with_the_rest_of_its_slice() {
    // H runs shortly in every slice. Had A a new slice each time, B would never run.
    let often = [Ticks(SLICE_TICKS - 1), sleeps('H', SLICE_TICKS - 1)];
    let steps = [&[sleeps('H', SLICE_TICKS - 1)], &often[..], &[Ticks(1), Runs('B')]].concat();
    check("rest of a slice", &[], &[('H', 9), ('A', 5), ('B', 5)], &steps);
}

#[test]
fn each_that_waits_for_timers_gets_one_that_expired() {
    let waits = By('U', Call::NextTimer {}, WAITS);
    let started = [By('A', start(0, 2, 0), done(0)), By('A', start(1, 2, 0), done(0))];
    let got = [Ticks(2), Got('T', Ok(0)), NEXT, Got('U', Ok(1))];
    let timer = Call::NewTimer { function: 0x0800_0001, argument: 7 };
    let steps = [&[NEXT, waits], &started[..], &got].concat();
    check("two", &[timer, timer], &[('T', 30), ('U', 20), ('A', 5)], &steps);
}
