//! What always holds between the kernel's tables, and random words as calls against it.
//!
//! Tests only. The tables in `tests/kernel` look from outside; this looks inside: a stale bit would
//! be seen from there only when its turn comes. Words are as a hostile thread would send them.

use super::call::{Answer, Call};
use super::object::{Handle, Object};
use super::thread::{NewThread, State, Thread, Wait};
use super::{Caller, Kernel, SLICE_TICKS};
use crate::stack::StackRange;
use std::vec::Vec;

const STEPS: u32 = if cfg!(miri) { 50 } else { 150_000 };

type Small = Kernel<6, 5>;

impl<const THREADS: usize, const OBJECTS: usize> Kernel<THREADS, OBJECTS> {
    fn assert_sound(&self) {
        for (priority, set) in (0..).zip(&self.ready) {
            let bit = self.ready_priorities >> priority & 1 == 1;
            assert_eq!(bit, *set != 0, "the bit of priority {priority}");
            let members = self
                .threads()
                .filter(|(_, thread)| thread.state == State::Ready)
                .filter(|(_, thread)| thread.priority == priority)
                .fold(0, |members, (slot, _)| members | 1_u32 << slot);
            assert_eq!(*set, members, "who is ready with priority {priority}");
        }
        assert!(self.first_ready().is_some(), "the idle thread is always ready");
        for (slot, thread) in self.threads() {
            self.assert_thread(slot, thread);
        }
        for (_, object) in self.objects.iter() {
            self.assert_object(object);
        }
    }

    fn assert_thread(&self, slot: u8, thread: &Thread) {
        let age = |thread: &Thread| self.next_ticket.wrapping_sub(thread.ticket);
        let alike = |(other, twin): &(u8, &Thread)| *other != slot && age(twin) == age(thread);
        assert!(!self.threads().any(|other| alike(&other)), "slot {slot} shares a ticket");
        assert!(thread.slice_left <= SLICE_TICKS);
        match thread.state {
            State::Waiting(wait) => {
                assert!(thread.answer.is_none(), "slot {slot} waits and has an answer");
                assert_eq!(self.kind_is_right(wait), Some(true), "slot {slot} waits for {wait:?}");
            }
            State::Ready | State::Ended(_) => assert!(thread.deadline.is_none(), "slot {slot}"),
            State::Free | State::Starting(_) => {}
        }
        if matches!(thread.state, State::Ready | State::Waiting(_)) {
            let waiting =
                self.threads().filter(|(other, _)| self.waited_for_by(*other) == Some(slot));
            let inherited = waiting.map(|(_, other)| other.priority);
            let expected = inherited.max().unwrap_or_default().max(thread.base_priority);
            assert_eq!(thread.priority, expected, "the priority of slot {slot}");
        }
    }

    /// Whether what a thread waits for is there, of the right kind, and really not to be had.
    fn kind_is_right(&self, wait: Wait) -> Option<bool> {
        let find = |handle| self.objects.iter().find(|(other, _)| *other == handle);
        Some(match wait {
            Wait::Time | Wait::Timer => true,
            Wait::End(slot) => !matches!(self.thread(slot)?.state, State::Ended(_)),
            Wait::Mutex(handle) => matches!(find(handle)?.1, Object::Mutex { owner: Some(_), .. }),
            Wait::Semaphore(handle) => {
                matches!(find(handle)?.1, Object::Semaphore { count: 0, .. })
            }
            Wait::Word(handle) => {
                matches!(find(handle)?.1, Object::Queue { words, .. } if words.is_empty())
            }
            Wait::Room(handle, _) => match find(handle)?.1 {
                Object::Queue { words, capacity } => words.len() == *capacity,
                _ => false,
            },
            Wait::Flags { set, bits, all } => match find(set)?.1 {
                Object::Flags { bits: present } if all => present & bits != bits,
                Object::Flags { bits: present } => present & bits == 0,
                _ => false,
            },
        })
    }

    fn assert_object(&self, object: &Object) {
        match object {
            Object::Mutex { owner, depth } => {
                assert_eq!(owner.is_some(), *depth > 0);
                let owner = owner.map(|slot| self.thread(slot).map(|thread| thread.state));
                let alive = matches!(owner, None | Some(Some(State::Ready | State::Waiting(_))));
                assert!(alive, "a mutex belongs to {owner:?}");
            }
            Object::Semaphore { count, limit } => assert!(count <= limit),
            Object::Flags { bits } => assert_eq!(bits >> 31, 0),
            Object::Queue { words, capacity } => assert!(words.len() <= *capacity),
            Object::Timer(_) | Object::Free => {}
        }
    }
}

fn next(seed: &mut u32) -> u32 {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    *seed
}

/// A word as it might come: small, a handle of what there is, an extreme, or anything.
fn word(kernel: &Small, seed: &mut u32) -> u32 {
    let handles = |slot| kernel.objects.iter().nth(slot).map(|(handle, _)| handle);
    let number = next(seed) % 6;
    match next(seed) % 10 {
        0..3 => number,
        3 | 4 => kernel.handle_of(number as u8).map_or(number, Handle::to_word),
        5..7 => handles(number as usize).map_or(number, Handle::to_word),
        7 => u32::MAX - number % 2,
        8 => 1 << (next(seed) % 32),
        _ => next(seed),
    }
}

fn new_thread(slot: u8, seed: &mut u32) -> NewThread {
    let user = crashrig_wire::Thread::User(slot);
    NewThread {
        name: "",
        priority: if slot == 0 { 0 } else { 1 + next(seed) % 4 },
        privileged: slot == 0 || next(seed).is_multiple_of(2),
        stack_from_heap: next(seed).is_multiple_of(2),
        entry: 0,
        stack: StackRange {
            thread: if slot == 0 { crashrig_wire::Thread::Idle } else { user },
            guard_start: u32::from(slot) << 12,
            start: u32::from(slot) << 12 | 0x100,
            end: u32::from(slot) << 12 | 0x200,
        },
    }
}

/// What a call of an unprivileged thread must leave alone in every other thread.
fn belongings(kernel: &Small, caller: Option<u8>) -> Vec<(u8, u8, bool, StackRange, u32)> {
    let others = kernel.threads.iter().zip(0..).filter(|(_, slot)| Some(*slot) != caller);
    // A slot that is joined is freed; that it had ended is what joining asks for.
    let alive = others.filter(|(thread, _)| !matches!(thread.state, State::Free | State::Ended(_)));
    alive.map(|(it, slot)| (slot, it.base_priority, it.privileged, it.stack, it.entry)).collect()
}

/// The running thread sends four words. The idle thread neither waits nor ends: where it would, it
/// joins what has ended or terminates what waits, so that threads come and go.
fn send(kernel: &mut Small, mut words: [u32; 4]) {
    kernel.switch();
    let caller = kernel.current;
    if let Some(slot) = caller {
        kernel.take_answer(slot);
    }
    if caller == Some(0) {
        match words[0] {
            3 => words[2] = 0,
            0 | 4 | 6..=11 | 13 | 15..=17 | 22 | 23 => {}
            _ => words[0] = 4,
        }
    }
    let Some(call) = Call::from_words(words) else { return };
    let privileged = caller.and_then(|slot| kernel.thread(slot)).is_some_and(|it| it.privileged);
    let before = belongings(kernel, caller);
    let answer = kernel.call(Caller::Thread, call);
    if !privileged {
        assert_eq!(belongings(kernel, caller), before, "{call:?} changed another thread");
    }
    if let Answer::Done(Ok(value)) = answer {
        assert_eq!(value >> 31, 0, "{call:?} gives what looks like an error");
    }
}

#[test]
fn random_words_never_break_the_kernel() {
    let mut seed = 0x0BAD_5EED;
    let mut kernel = Small::beginning_at(u32::MAX - STEPS / 8);
    kernel.add(&new_thread(0, &mut seed)).expect("the idle thread");
    kernel.begin(0);
    let (mut added, mut known) = (0, 0);
    for step in 0..STEPS {
        let mut words = [0; 4].map(|_: u32| word(&kernel, &mut seed));
        // Mostly the number of a call.
        if !next(&mut seed).is_multiple_of(8) {
            words[0] = next(&mut seed) % 26;
        }
        match next(&mut seed) % 16 {
            0 => {
                while kernel.take_finished_stack().is_some() {}
                let slot = kernel.free_slot().unwrap_or_default();
                added += u32::from(kernel.add(&new_thread(slot, &mut seed)).is_ok());
            }
            1 | 2 => {
                let call = Call::from_words(words);
                let answer = call.map(|call| kernel.call(Caller::Interrupt, call));
                assert_ne!(answer, Some(Answer::Waits), "step {step}: {call:?}");
            }
            3..6 => {
                kernel.tick();
            }
            _ => send(&mut kernel, words),
        }
        known += u32::from(kernel.threads().count() > 2);
        kernel.assert_sound();
    }
    // The words did something: threads came and went, and mostly there were some. Under Miri there
    // are too few steps to say so.
    assert!(
        cfg!(miri) || added > STEPS / 300 && known > STEPS / 2,
        "{added} added, {known} of {STEPS}"
    );
}
