//! A scheduler that is written to be believed, not to be fast: lists in the order of events, every
//! priority computed when it is asked for, a clock that does not wrap. What the kernel does is
//! compared with it, step by step.
//!
//! It shares with the kernel the words for calls, states and answers, and none of its ways:
//! no tickets, no bit sets, no kept priorities. Calls on objects are in `model_calls`.

use crashrig_memory::kernel::SLICE_TICKS;
use crashrig_memory::kernel::call::{Answer, Error, TERMINATED};
use crashrig_memory::kernel::object::Handle;
use crashrig_memory::kernel::thread::{NewThread, State, Wait};
use crashrig_memory::stack::StackRange;
use std::cmp::Reverse;
use std::collections::VecDeque;

pub const THREADS: usize = 8;
pub const OBJECTS: usize = 6;

/// What comes of a call: nothing if the caller waits.
pub type Outcome = Result<Option<u32>, Error>;

#[derive(Debug, Clone)]
pub struct Task {
    pub state: State,
    pub generation: u16,
    pub base: u8,
    pub privileged: bool,
    pub answer: Option<Result<u32, Error>>,
    /// The stack that must be given out when it has ended.
    finished: Option<StackRange>,
    until: Option<u64>,
    slice: u32,
}

#[derive(Debug, Clone)]
pub enum Thing {
    Mutex { owner: Option<u8>, depth: u32 },
    Semaphore { count: u32, limit: u32 },
    Flags(u32),
    Queue { words: Vec<u32>, capacity: usize },
    Timer { deadline: Option<u64>, period: u32, due: VecDeque<u64> },
}

#[derive(Debug, Clone)]
pub struct Model {
    pub tasks: Vec<Task>,
    /// Slots that are ready, in the order in which their turns come.
    ready: Vec<u8>,
    /// Slots that wait, in the order in which they began to.
    waiting: Vec<u8>,
    pub current: Option<u8>,
    pub now: u64,
    /// Generation and content of each slot of the table of objects.
    pub things: Vec<(u16, Option<Thing>)>,
}

impl Model {
    pub fn new(now: u32) -> Self {
        let free = Task {
            state: State::Free,
            generation: 0,
            base: 0,
            privileged: false,
            answer: None,
            finished: None,
            until: None,
            slice: 0,
        };
        Self {
            tasks: vec![free; THREADS],
            ready: Vec::new(),
            waiting: Vec::new(),
            current: None,
            now: u64::from(now),
            things: vec![(0, None); OBJECTS],
        }
    }

    pub fn task(&mut self, slot: u8) -> &mut Task {
        &mut self.tasks[usize::from(slot)]
    }

    pub fn state(&self, slot: u8) -> State {
        self.tasks[usize::from(slot)].state
    }

    pub fn slots(&self) -> impl Iterator<Item = u8> {
        (0..).take(self.tasks.len())
    }

    /// The highest of its own priority and those of all that wait for it, directly or not.
    pub fn priority(&self, slot: u8) -> u8 {
        let mut counted = vec![slot];
        let mut next = 0;
        while let Some(owner) = counted.get(next).copied() {
            for other in self.slots().filter(|other| self.waits_for_owner(*other, owner)) {
                if !counted.contains(&other) {
                    counted.push(other);
                }
            }
            next += 1;
        }
        counted.iter().map(|slot| self.tasks[usize::from(*slot)].base).max().unwrap_or_default()
    }

    fn waits_for_owner(&self, slot: u8, owner: u8) -> bool {
        let State::Waiting(Wait::Mutex(mutex)) = self.state(slot) else { return false };
        match self.look(mutex.to_word()) {
            Some(Thing::Mutex { owner: of, .. }) => *of == Some(owner),
            _ => false,
        }
    }

    /// Who should run.
    pub fn chosen(&self) -> Option<u8> {
        self.ready.iter().copied().min_by_key(|slot| Reverse(self.priority(*slot)))
    }

    /// Who among those that wait for this is the first to go on.
    pub fn first(&self, waits: impl Fn(Wait) -> bool) -> Option<u8> {
        let waits = |slot: &u8| matches!(self.state(*slot), State::Waiting(wait) if waits(wait));
        let those = self.waiting.iter().copied().filter(waits);
        those.min_by_key(|slot| Reverse(self.priority(*slot)))
    }

    pub fn switch(&mut self) {
        self.current = self.chosen();
    }

    pub fn add(&mut self, new: &NewThread) -> Result<u32, Error> {
        let slot = self.slots().find(|slot| self.state(*slot) == State::Free);
        let slot = slot.ok_or(Error::TableFull)?;
        let generation = self.task(slot).generation;
        *self.task(slot) = Task {
            state: State::Ready,
            generation,
            base: new.priority as u8,
            privileged: new.privileged,
            answer: None,
            finished: new.stack_from_heap.then_some(new.stack),
            until: None,
            slice: SLICE_TICKS,
        };
        self.ready.push(slot);
        Ok(u32::from(slot) | u32::from(generation) << 8)
    }

    pub fn slot_of(&self, word: u32) -> Result<u8, Error> {
        let named = |slot: &u8| self.handle(*slot) == Some(word);
        self.slots().find(named).ok_or(Error::NoSuchThread)
    }

    pub fn handle(&self, slot: u8) -> Option<u32> {
        let task = &self.tasks[usize::from(slot)];
        let word = u32::from(slot) | u32::from(task.generation) << 8;
        (task.state != State::Free).then_some(word)
    }

    pub fn look(&self, word: u32) -> Option<&Thing> {
        let (generation, thing) = self.things.get((word & 0xFF) as usize)?;
        thing.as_ref().filter(|_| word >> 8 == u32::from(*generation))
    }

    pub fn thing(&mut self, word: u32) -> Result<&mut Thing, Error> {
        let there = self.look(word).is_some();
        let (_, thing) = self.things.get_mut((word & 0xFF) as usize).ok_or(Error::NoSuchObject)?;
        thing.as_mut().filter(|_| there).ok_or(Error::NoSuchObject)
    }

    /// The running thread goes behind its equals.
    pub fn go_behind(&mut self) {
        let Some(slot) = self.current.filter(|slot| self.ready.contains(slot)) else { return };
        self.ready.retain(|other| *other != slot);
        self.ready.push(slot);
        self.task(slot).slice = SLICE_TICKS;
    }

    pub fn begin_to_wait(&mut self, interrupt: bool, wait: Wait, timeout: u32) -> Outcome {
        if interrupt || timeout == 0 {
            return Err(Error::WouldBlock);
        }
        let slot = self.current.ok_or(Error::FromInterrupt)?;
        let until = (timeout != u32::MAX).then(|| self.now + u64::from(timeout));
        let task = self.task(slot);
        (task.state, task.until) = (State::Waiting(wait), until);
        self.ready.retain(|other| *other != slot);
        self.waiting.push(slot);
        Ok(None)
    }

    pub fn wake(&mut self, slot: u8, answer: Result<u32, Error>) {
        let task = self.task(slot);
        (task.state, task.until) = (State::Ready, None);
        (task.answer, task.slice) = (Some(answer), SLICE_TICKS);
        self.waiting.retain(|other| *other != slot);
        self.ready.push(slot);
    }

    pub fn tick(&mut self) {
        self.now += 1;
        self.expire_timers();
        for slot in self.slots().collect::<Vec<_>>() {
            if let State::Waiting(wait) = self.state(slot)
                && self.task(slot).until.is_some_and(|until| until <= self.now)
            {
                self.wake(slot, if wait == Wait::Time { Ok(0) } else { Err(Error::Timeout) });
            }
        }
        if let Some(slot) = self.current.filter(|slot| self.ready.contains(slot)) {
            self.task(slot).slice -= 1;
            if self.task(slot).slice == 0 {
                self.go_behind();
            }
        }
    }

    pub fn end(&mut self, slot: u8, code: u32) {
        self.ready.retain(|other| *other != slot);
        self.waiting.retain(|other| *other != slot);
        self.task(slot).state = State::Ended(code & TERMINATED);
        for place in 0..self.things.len() {
            if let Some(Thing::Mutex { owner, .. }) = self.things[place].1
                && owner == Some(slot)
            {
                self.hand_on(place as u32 | u32::from(self.things[place].0) << 8);
            }
        }
        if let Some(joiner) = self.first(|wait| wait == Wait::End(slot)) {
            self.wake(joiner, Ok(code & TERMINATED));
            self.free(slot);
        }
    }

    pub fn free(&mut self, slot: u8) {
        let task = self.task(slot);
        task.state = State::Free;
        task.generation = task.generation.wrapping_add(1);
    }

    /// The mutex goes to whose turn it is.
    pub fn hand_on(&mut self, word: u32) {
        let next = self.first(|wait| wait == Wait::Mutex(Handle::from_word(word)));
        if let Ok(Thing::Mutex { owner, depth }) = self.thing(word) {
            (*owner, *depth) = (next, 1);
        }
        if let Some(slot) = next {
            self.wake(slot, Ok(0));
        }
    }

    /// Stacks that go back to the heap now.
    pub fn take_finished(&mut self) -> Vec<StackRange> {
        let over = |state| matches!(state, State::Free | State::Ended(_));
        let ended = self.tasks.iter_mut().filter(|task| over(task.state));
        ended.filter_map(|task| task.finished.take()).collect()
    }

    pub fn answer(outcome: Outcome) -> Answer {
        match outcome {
            Ok(None) => Answer::Waits,
            Ok(Some(value)) => Answer::Done(Ok(value)),
            Err(error) => Answer::Done(Err(error)),
        }
    }
}
