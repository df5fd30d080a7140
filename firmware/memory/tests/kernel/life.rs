//! How threads begin and end: joins, terminations, handles that are out of date, stacks.

use crate::script::{
    By, Got, IDLE, Interrupt, Kernel, New, Runs, Step, Ticks, WAITS, check, done, handle,
    new_thread, refused, sleeps,
};
use crashrig_memory::kernel::Caller;
use crashrig_memory::kernel::call::{Answer, Call, Error, FOREVER, TERMINATED};
use crashrig_memory::kernel::thread::{NewThread, PRIORITY_LIMIT, State};
use crashrig_memory::stack::{SMALLEST_STACK_BYTES, StackRange};

const fn join(thread: u32) -> Call {
    Call::Join { thread, timeout: FOREVER }
}

const fn exit(letter: char, code: u32) -> Step {
    By(letter, Call::Exit { code }, WAITS)
}

const fn terminate(thread: u32) -> Call {
    Call::Terminate { thread }
}

/// The threads of the table of joins.
const A: u32 = handle(1);
const B: u32 = handle(2);

const JOINS: [(&str, &[Step]); 9] = [
    (
        "before the end",
        &[
            By('A', join(B), WAITS),
            exit('B', 7),
            Got('A', Ok(7)),
            By('A', join(B), refused(Error::NoSuchThread)),
        ],
    ),
    (
        "after the end",
        &[
            sleeps('A', 1),
            exit('B', 7),
            Ticks(1),
            By('A', join(B), done(7)),
            By('A', join(B), refused(Error::NoSuchThread)),
        ],
    ),
    (
        "at once, with and without an end",
        &[
            By('A', Call::Join { thread: B, timeout: 0 }, refused(Error::WouldBlock)),
            sleeps('A', 1),
            exit('B', 8),
            Ticks(1),
            By('A', Call::Join { thread: B, timeout: 0 }, done(8)),
        ],
    ),
    (
        "time is up, and again",
        &[
            By('A', Call::Join { thread: B, timeout: 2 }, WAITS),
            Ticks(2),
            Got('A', Err(Error::Timeout)),
            By('A', join(B), WAITS),
            exit('B', 9),
            Got('A', Ok(9)),
        ],
    ),
    (
        "oneself, nobody, never",
        &[
            By('A', join(A), refused(Error::NotThisThread)),
            By('A', join(handle(5)), refused(Error::NoSuchThread)),
            By('A', join(B | 1 << 8), refused(Error::NoSuchThread)),
            By('A', join(B | 1 << 24), refused(Error::NoSuchThread)),
            By('A', join(u32::MAX), refused(Error::NoSuchThread)),
            Interrupt(join(B), Err(Error::FromInterrupt)),
            Interrupt(Call::Exit { code: 0 }, Err(Error::FromInterrupt)),
        ],
    ),
    (
        "two for one",
        &[By('A', join(B), WAITS), New('C', 20), By('C', join(B), refused(Error::Limit))],
    ),
    (
        "a joiner that is terminated leaves its place",
        &[
            By('A', join(B), WAITS),
            New('C', 20),
            By('C', terminate(A), done(0)),
            By('C', join(B), WAITS),
            exit('B', 3),
            Got('C', Ok(3)),
            By('C', join(A), done(TERMINATED)),
        ],
    ),
    (
        "a code has 31 bits",
        &[By('A', join(B), WAITS), exit('B', u32::MAX), Got('A', Ok(TERMINATED))],
    ),
    (
        "a slot that is used again has another handle",
        &[
            By('A', join(B), WAITS),
            exit('B', 1),
            New('C', 5),
            By('A', join(B), refused(Error::NoSuchThread)),
            By('A', terminate(B), refused(Error::NoSuchThread)),
            By('A', join(B | 1 << 8), WAITS),
            exit('C', 2),
            Got('A', Ok(2)),
        ],
    ),
];

#[test]
fn a_join_gives_the_code_once() {
    for (name, steps) in JOINS {
        check(name, &[], &[('A', 10), ('B', 5)], steps);
    }
}

#[test]
fn a_thread_can_be_terminated_whatever_it_does() {
    let (a, b) = (handle(1), handle(2));
    let joined = |rest: &[Step]| [rest, &[By('A', join(b), done(TERMINATED))]].concat();
    let ends = By('A', terminate(b), done(0));
    let acquire = Call::Acquire { semaphore: 0, timeout: 3 };
    let rows: [(&str, Vec<Step>); 7] = [
        ("ready", joined(&[ends])),
        ("asleep", joined(&[sleeps('A', 1), sleeps('B', 5), Ticks(1), ends, Ticks(9)])),
        (
            "in a wait, which gets nothing",
            joined(&[
                sleeps('A', 1),
                By('B', acquire, WAITS),
                Ticks(1),
                ends,
                By('A', Call::Release { semaphore: 0 }, done(0)),
                By('A', acquire, done(0)),
            ]),
        ),
        ("twice", joined(&[ends, ends])),
        (
            "after its end, whose code stays",
            vec![sleeps('A', 1), exit('B', 4), Ticks(1), ends, By('A', join(b), done(4))],
        ),
        (
            "while it is joined",
            vec![
                By('A', join(b), WAITS),
                New('C', 20),
                By('C', terminate(b), done(0)),
                sleeps('C', 1),
                Got('A', Ok(TERMINATED)),
            ],
        ),
        (
            "oneself, one of the kernel's, nobody",
            vec![
                By('A', terminate(a), refused(Error::NotThisThread)),
                By('A', terminate(handle(0)), refused(Error::NotThisThread)),
                By('A', terminate(handle(7)), refused(Error::NoSuchThread)),
                Interrupt(terminate(b), Err(Error::FromInterrupt)),
                Runs('A'),
            ],
        ),
    ];
    for (name, steps) in rows {
        let semaphore = Call::NewSemaphore { initial: 0, limit: 1 };
        check(name, &[semaphore], &[('A', 10), ('B', 5)], &steps);
    }
}

#[test]
fn a_priority_can_be_set_and_takes_effect() {
    let (a, b) = (handle(1), handle(2));
    let set = |thread, priority| Call::SetPriority { thread, priority };
    let steps = [
        By('A', set(b, PRIORITY_LIMIT + 1), refused(Error::OutOfRange)),
        By('A', set(handle(5), 1), refused(Error::NoSuchThread)),
        Interrupt(set(b, 1), Err(Error::FromInterrupt)),
        By('A', set(b, PRIORITY_LIMIT), done(0)),
        By('B', set(b, 1), done(0)),
        By('A', set(a, 0), done(0)),
        By('B', set(a, 1), done(0)),
        // They are equals now, and A became ready earlier than B.
        Runs('A'),
        By('A', set(a, 0), done(0)),
        Runs('B'),
    ];
    check("set priority", &[], &[('A', 10), ('B', 5)], &steps);
}

#[test]
fn the_last_thread_that_is_ready_is_the_idle_thread() {
    let steps = [exit('A', 1), exit('B', 1), Runs(IDLE), Ticks(100), Runs(IDLE)];
    check("idle", &[], &[('A', 10), ('B', 5)], &steps);
}

/// A kernel whose idle thread runs, and how to begin and to end a thread with a stack of the heap.
fn with_idle() -> Kernel {
    let mut kernel = Kernel::new();
    assert!(kernel.add(&new_thread(0, 0)).is_ok());
    kernel.begin(0);
    kernel
}

fn from_heap(slot: u8) -> NewThread {
    NewThread { stack_from_heap: true, ..new_thread(slot, 1) }
}

#[test]
fn a_finished_stack_is_given_out_once_whoever_joins() {
    for join_first in [true, false] {
        let mut kernel = with_idle();
        let Ok(thread) = kernel.add(&from_heap(1)) else { panic!("no thread") };
        let thread = thread.to_word();
        assert_eq!(kernel.take_finished_stack(), None, "it is in use");
        let stack = new_thread(1, 1).stack;
        assert!(kernel.overlaps_a_stack(&stack));
        assert_eq!(kernel.call(Caller::Thread, terminate(thread)), done(0));
        if join_first {
            assert_eq!(kernel.call(Caller::Thread, join(thread)), done(TERMINATED));
        }
        assert!(kernel.has_finished_stack());
        assert_eq!(kernel.free_slot(), Ok(2), "its slot still has the stack");
        assert_eq!(kernel.take_finished_stack(), Some(stack));
        assert!(!kernel.has_finished_stack());
        assert_eq!(kernel.take_finished_stack(), None, "it was given out");
        assert!(!kernel.overlaps_a_stack(&stack));
        if !join_first {
            assert_eq!(kernel.call(Caller::Thread, terminate(thread)), done(0), "as before");
            assert_eq!(kernel.call(Caller::Thread, join(thread)), done(TERMINATED));
        }
        assert_eq!(kernel.take_finished_stack(), None, "it was given out");
        assert!(kernel.thread(1).is_none());
    }
}

#[test]
fn a_stack_of_the_caller_is_never_given_out() {
    let mut kernel = with_idle();
    assert!(kernel.add(&new_thread(1, 1)).is_ok());
    assert_eq!(kernel.call(Caller::Thread, terminate(1)), done(0));
    assert_eq!(kernel.take_finished_stack(), None);
    // Not joined: its record may be asked for, and its stack counts as in use.
    assert!(kernel.overlaps_a_stack(&new_thread(1, 1).stack));
    assert_eq!(kernel.call(Caller::Thread, join(1)), done(TERMINATED));
    assert_eq!(kernel.take_finished_stack(), None);
    assert!(!kernel.overlaps_a_stack(&new_thread(1, 1).stack));
}

#[test]
fn stacks_overlap_with_their_guards() {
    let kernel = with_idle();
    let StackRange { thread, guard_start, end, .. } = new_thread(0, 0).stack;
    let range = |guard_start, start, end| StackRange { thread, guard_start, start, end };
    assert!(!kernel.overlaps_a_stack(&range(end, end + 0x20, end + 0x200)));
    assert!(kernel.overlaps_a_stack(&range(end - 1, end + 0x20, end + 0x200)));
    assert!(!kernel.overlaps_a_stack(&range(guard_start - 0x200, guard_start - 8, guard_start)));
    let into_the_guard = range(guard_start - 0x200, guard_start - 8, guard_start + 1);
    assert!(kernel.overlaps_a_stack(&into_the_guard));
}

#[test]
fn a_thread_needs_a_slot_a_priority_and_a_sound_stack() {
    let mut kernel = with_idle();
    let good = new_thread(1, 1);
    let stack = |start, end| NewThread { stack: StackRange { start, end, ..good.stack }, ..good };
    let (start, smallest) = (good.stack.start, SMALLEST_STACK_BYTES);
    let rows = [
        (NewThread { priority: PRIORITY_LIMIT + 1, ..good }, Error::OutOfRange),
        (NewThread { priority: u32::MAX, ..good }, Error::OutOfRange),
        (stack(start, start + smallest - 8), Error::BadStack),
        (stack(start + 4, start + 0x400), Error::StackAlignment),
        (stack(start, start + 0x404), Error::StackAlignment),
        (stack(start, start - 0x400), Error::BadStack),
        (NewThread { stack: new_thread(0, 0).stack, ..good }, Error::StackInUse),
    ];
    for (new, error) in rows {
        assert_eq!(kernel.add(&new), Err(error), "{new:?}");
        assert_eq!(kernel.free_slot(), Ok(1), "nothing was added");
    }
    assert!(kernel.add(&stack(start, start + smallest)).is_ok());
    for slot in 2..8 {
        assert!(kernel.add(&new_thread(slot, 1)).is_ok());
    }
    assert_eq!(kernel.free_slot(), Err(Error::TableFull));
    assert_eq!(kernel.add(&good), Err(Error::TableFull));
}

/// Handles have 16 bits for the generation. Each generation is told from the one before, the last
/// from the first too, and no handle looks like an error.
#[test]
fn generations_wrap_without_harm() {
    let mut kernel = with_idle();
    let mut before = u32::MAX;
    let rounds = if cfg!(miri) { 3 } else { u32::from(u16::MAX) + 1 };
    for round in 0..=rounds {
        let Ok(thread) = kernel.add(&new_thread(1, 1)) else { panic!("round {round}") };
        let word = thread.to_word();
        assert_eq!((word & 0xFF, word >> 8), (1, round % 0x1_0000));
        assert_eq!(kernel.slot_of(before), Err(Error::NoSuchThread), "round {round}");
        assert_eq!(kernel.call(Caller::Thread, terminate(word)), done(0));
        assert_eq!(kernel.call(Caller::Thread, join(word)), done(TERMINATED));
        let Answer::Done(Ok(object)) = kernel.call(Caller::Thread, Call::NewFlags {}) else {
            panic!("round {round}")
        };
        assert_eq!((object & 0xFF, object >> 8), (0, round % 0x1_0000));
        let delete = |object| Call::Delete { object };
        assert_eq!(kernel.call(Caller::Thread, delete(object)), done(0));
        assert_eq!(kernel.call(Caller::Thread, delete(object)), refused(Error::NoSuchObject));
        before = word;
    }
    assert!(kernel.threads().all(|(_, thread)| thread.state == State::Ready));
}

/// Between reserving and starting, slot and stack are taken, and nobody can name the thread.
#[test]
fn a_reserved_thread_is_nobodys_until_it_starts() {
    let mut kernel = with_idle();
    let Ok(thread) = kernel.reserve(&from_heap(1)) else { panic!("no thread") };
    let word = thread.to_word();
    assert!(!kernel.should_switch(), "it does not run yet");
    assert_eq!(kernel.free_slot(), Ok(2));
    assert_eq!(kernel.reserve(&from_heap(1)), Err(Error::StackInUse));
    let unknown = refused(Error::NoSuchThread);
    for call in [terminate(word), join(word), Call::SetPriority { thread: word, priority: 3 }] {
        assert_eq!(kernel.call(Caller::Thread, call), unknown, "{call:?}");
    }
    assert_eq!(kernel.start(thread), Ok(()));
    assert_eq!(kernel.start(thread), Err(Error::NoSuchThread), "once");
    assert_eq!(kernel.switch(), Some(1));
}

/// A thread that is ended in the middle of a spawn leaves neither slot nor stack behind.
#[test]
fn a_spawn_is_abandoned_with_its_thread() {
    let mut kernel = with_idle();
    let Ok(spawner) = kernel.add(&new_thread(1, 5)) else { panic!("no thread") };
    assert_eq!(kernel.switch(), Some(1));
    let Ok(started) = kernel.reserve(&from_heap(2)) else { panic!("no thread") };
    assert!(kernel.add(&new_thread(3, 6)).is_ok());
    assert_eq!(kernel.switch(), Some(3));
    assert_eq!(kernel.call(Caller::Thread, terminate(spawner.to_word())), done(0));
    assert_eq!(kernel.take_finished_stack(), Some(new_thread(2, 1).stack));
    assert_eq!(kernel.free_slot(), Ok(2));
    assert_eq!(kernel.start(started), Err(Error::NoSuchThread));
}
