//! Who may call what. The table is written by hand, so that a call that becomes open to everybody
//! by mistake is noticed.

use crate::script::{Kernel, new_thread, refused};
use crashrig_memory::kernel::Caller;
use crashrig_memory::kernel::call::{Answer, Call, Error, FOREVER};
use crashrig_memory::kernel::thread::NewThread;

/// What an unprivileged thread may ask for, and an interrupt handler; every call is in one row.
const OPEN_TO_THREADS: &[u32] = &[0, 1, 2, 3, 12, 13];
const OPEN_TO_EVERYONE: &[u32] = &[14, 15, 16, 17, 18, 19, 20, 21, 22, 23];
const FOR_PRIVILEGED_THREADS: &[u32] = &[4, 5, 6, 7, 8, 9, 10, 11, 24];

/// Handles of nothing, of objects and of threads.
const HANDLES: &[u32] = if cfg!(miri) { &[2] } else { &[0, 1, 2, 3, 4, 9, u32::MAX] };

/// All that a kernel holds, written down; Miri, which takes a second for each, does not compare.
fn state(kernel: &Kernel) -> String {
    if cfg!(miri) { String::new() } else { format!("{kernel:?}") }
}

/// A call by its number; it names the object or thread, and waits for ever where it can.
fn call(number: u32, handle: u32) -> Call {
    let words = match number {
        // Everything that waits has its timeout last; the bits and the word before it are 1.
        3 | 12 | 14 | 21 => [number, handle, FOREVER, 0],
        18..=20 => [number, handle, 1, FOREVER],
        _ => [number, handle, 1, 1],
    };
    Call::from_words(words).unwrap_or_else(|| panic!("no call {number}"))
}

/// A kernel with one object of each kind, all empty; a privileged thread runs, or one that is not.
fn kernel(privileged: bool) -> Kernel {
    let mut kernel = Kernel::new();
    let running = NewThread { privileged, ..new_thread(1, 5) };
    for new in [new_thread(0, 0), running, new_thread(2, 4)] {
        assert!(kernel.add(&new).is_ok());
    }
    kernel.begin(0);
    for number in 6..=10 {
        let words = [number, u32::from(number == 9), 1, 0];
        let made = Call::from_words(words).map(|call| kernel.call(Caller::Thread, call));
        assert_eq!(made, Some(Answer::Done(Ok(number - 6))));
    }
    assert_eq!(kernel.switch(), Some(1));
    kernel
}

#[test]
fn every_call_stands_in_the_table() {
    let mut all = [OPEN_TO_THREADS, OPEN_TO_EVERYONE, FOR_PRIVILEGED_THREADS].concat();
    all.sort_unstable();
    let known = (0..1000).filter(|number| Call::from_words([*number, 0, 0, 0]).is_some());
    assert_eq!(all, known.collect::<Vec<_>>());
}

#[test]
fn an_unprivileged_thread_gets_what_is_open_and_nothing_else() {
    let refusal = refused(Error::NotPrivileged);
    for &handle in HANDLES {
        for number in FOR_PRIVILEGED_THREADS {
            let call = call(*number, handle);
            let mut kernel = kernel(false);
            let before = state(&kernel);
            assert_eq!(kernel.call(Caller::Thread, call), refusal, "{call:?}");
            assert_eq!(state(&kernel), before, "{call:?} changed something");
            let privileged = self::kernel(true).call(Caller::Thread, call);
            assert_ne!(privileged, refusal, "{call:?}");
        }
        for number in [OPEN_TO_THREADS, OPEN_TO_EVERYONE].concat() {
            let call = call(number, handle);
            assert_ne!(kernel(false).call(Caller::Thread, call), refusal, "{call:?}");
        }
    }
}

#[test]
fn an_interrupt_never_waits() {
    let refusal = refused(Error::FromInterrupt);
    for &handle in HANDLES {
        for number in [OPEN_TO_THREADS, FOR_PRIVILEGED_THREADS].concat() {
            let call = call(number, handle);
            let mut kernel = kernel(true);
            let before = state(&kernel);
            assert_eq!(kernel.call(Caller::Interrupt, call), refusal, "{call:?}");
            assert_eq!(state(&kernel), before, "{call:?} changed something");
        }
        for number in OPEN_TO_EVERYONE {
            let call = call(*number, handle);
            // Once and again until a queue is full and a semaphore at its limit.
            let mut kernel = kernel(true);
            for _ in 0..3 {
                let answer = kernel.call(Caller::Interrupt, call);
                assert!(matches!(answer, Answer::Done(_)), "{call:?}: {answer:?}");
                assert_ne!(answer, refusal, "{call:?}");
            }
            assert!(!kernel.should_switch(), "{call:?} made the running thread wait");
        }
    }
}

#[test]
fn before_the_first_thread_nobody_waits() {
    for number in 0..=24 {
        let mut kernel = Kernel::new();
        let call = call(number, 3);
        let answer = kernel.call(Caller::Thread, call);
        // To yield is to do nothing then.
        let expected = if number == 0 {
            matches!(answer, Answer::Done(Ok(0)))
        } else {
            matches!(answer, Answer::Done(Err(_)))
        };
        assert!(expected, "{call:?}: {answer:?}");
    }
}
