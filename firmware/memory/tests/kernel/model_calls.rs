//! What each call does to the reference scheduler.

use crate::model::{Model, Outcome, Thing};
use crashrig_memory::kernel::Caller;
use crashrig_memory::kernel::call::{Answer, Call, Error, FOREVER, Rights, TERMINATED};
use crashrig_memory::kernel::object::Handle;
use crashrig_memory::kernel::thread::{State, Wait};
use std::collections::VecDeque;

/// The bits that an answer has.
const VALUE: u32 = 0x7FFF_FFFF;

const DONE: Outcome = Ok(Some(0));

impl Model {
    pub fn call(&mut self, caller: Caller, call: Call) -> Answer {
        let interrupt = caller == Caller::Interrupt;
        let privileged = self.current.is_some_and(|slot| self.task(slot).privileged);
        let refusal = match call.rights() {
            Rights::Everyone => None,
            _ if interrupt => Some(Error::FromInterrupt),
            Rights::Privileged if !privileged => Some(Error::NotPrivileged),
            _ => None,
        };
        let outcome = match refusal {
            Some(error) => Err(error),
            None => self.threads_call(interrupt, call),
        };
        Self::answer(outcome)
    }

    fn threads_call(&mut self, interrupt: bool, call: Call) -> Outcome {
        let current = self.current;
        match call {
            Call::Yield {} | Call::Sleep { ticks: 0 } => self.go_behind(),
            Call::Sleep { ticks } => return self.begin_to_wait(false, Wait::Time, ticks),
            Call::Exit { code } => {
                self.end(current.ok_or(Error::FromInterrupt)?, code);
                self.current = None;
                return Ok(None);
            }
            Call::Join { thread, timeout } => {
                let slot = self.slot_of(thread)?;
                if Some(slot) == current {
                    return Err(Error::NotThisThread);
                }
                if let State::Ended(code) = self.state(slot) {
                    self.free(slot);
                    return Ok(Some(code));
                }
                if self.first(|wait| wait == Wait::End(slot)).is_some() {
                    return Err(Error::Limit);
                }
                return self.begin_to_wait(false, Wait::End(slot), timeout);
            }
            Call::Terminate { thread } => {
                let slot = self.slot_of(thread)?;
                if matches!(self.state(slot), State::Ended(_)) {
                    return DONE;
                }
                if slot == 0 || Some(slot) == current {
                    return Err(Error::NotThisThread);
                }
                self.end(slot, TERMINATED);
            }
            Call::SetPriority { thread, priority } => {
                let slot = self.slot_of(thread)?;
                self.task(slot).base =
                    u8::try_from(priority).ok().filter(|it| *it < 32).ok_or(Error::OutOfRange)?;
            }
            _ => return self.makers_call(interrupt, call),
        }
        DONE
    }

    fn makers_call(&mut self, interrupt: bool, call: Call) -> Outcome {
        let (thing, in_range) = match call {
            Call::NewMutex {} => (Thing::Mutex { owner: None, depth: 0 }, true),
            Call::NewSemaphore { initial, limit } => {
                (Thing::Semaphore { count: initial, limit }, limit > 0 && initial <= limit)
            }
            Call::NewFlags {} => (Thing::Flags(0), true),
            Call::NewQueue { capacity } => {
                let queue = Thing::Queue { words: Vec::new(), capacity: capacity as usize };
                (queue, (1..=16).contains(&capacity))
            }
            Call::NewTimer { .. } => {
                (Thing::Timer { deadline: None, period: 0, due: VecDeque::new() }, true)
            }
            Call::Delete { object } => {
                self.thing(object)?;
                let (generation, thing) = &mut self.things[(object & 0xFF) as usize];
                (*thing, *generation) = (None, generation.wrapping_add(1));
                while let Some(slot) = self.first(|wait| object_of(wait) == Some(object)) {
                    self.wake(slot, Err(Error::NoSuchObject));
                }
                return DONE;
            }
            _ => return self.users_call(interrupt, call),
        };
        if !in_range {
            return Err(Error::OutOfRange);
        }
        let place = self.things.iter().position(|(_, thing)| thing.is_none());
        let place = place.ok_or(Error::TableFull)?;
        self.things[place].1 = Some(thing);
        Ok(Some(place as u32 | u32::from(self.things[place].0) << 8))
    }

    fn users_call(&mut self, interrupt: bool, call: Call) -> Outcome {
        let current = self.current;
        match call {
            Call::Lock { mutex, timeout } => match self.thing(mutex)? {
                Thing::Mutex { owner, depth } if owner.is_none() || *owner == current => {
                    (*owner, *depth) = (current, if owner.is_some() { *depth + 1 } else { 1 });
                    DONE
                }
                Thing::Mutex { .. } => {
                    self.begin_to_wait(false, Wait::Mutex(Handle::from_word(mutex)), timeout)
                }
                _ => Err(Error::NoSuchObject),
            },
            Call::Unlock { mutex } => match self.thing(mutex)? {
                Thing::Mutex { owner, depth } if owner.is_some() && *owner == current => {
                    *depth -= 1;
                    if *depth == 0 {
                        self.hand_on(mutex);
                    }
                    DONE
                }
                Thing::Mutex { .. } => Err(Error::NotOwner),
                _ => Err(Error::NoSuchObject),
            },
            Call::Acquire { semaphore, timeout } => match self.thing(semaphore)? {
                Thing::Semaphore { count: 0, .. } => {
                    let wait = Wait::Semaphore(Handle::from_word(semaphore));
                    self.begin_to_wait(interrupt, wait, timeout)
                }
                Thing::Semaphore { count, .. } => {
                    *count -= 1;
                    DONE
                }
                _ => Err(Error::NoSuchObject),
            },
            Call::Release { semaphore } => {
                let wait = Wait::Semaphore(Handle::from_word(semaphore));
                let next = self.first(|other| other == wait);
                match (self.thing(semaphore)?, next) {
                    (Thing::Semaphore { .. }, Some(slot)) => self.wake(slot, Ok(0)),
                    (Thing::Semaphore { count, limit }, None) if *count < *limit => *count += 1,
                    (Thing::Semaphore { .. }, None) => return Err(Error::Limit),
                    _ => return Err(Error::NoSuchObject),
                }
                DONE
            }
            Call::Put { queue, word, timeout } => self.put(interrupt, queue, word, timeout),
            Call::Get { queue, timeout } => self.get(interrupt, queue, timeout),
            Call::StartTimer { .. } | Call::StopTimer { .. } | Call::NextTimer {} => {
                self.timer_call(call)
            }
            _ => self.flags_call(interrupt, call),
        }
    }

    fn put(&mut self, interrupt: bool, queue: u32, word: u32, timeout: u32) -> Outcome {
        if word > VALUE {
            return Err(Error::OutOfRange);
        }
        let handle = Handle::from_word(queue);
        let getter = self.first(|wait| wait == Wait::Word(handle));
        let Thing::Queue { words, capacity } = self.thing(queue)? else {
            return Err(Error::NoSuchObject);
        };
        if words.len() >= *capacity {
            return self.begin_to_wait(interrupt, Wait::Room(handle, word), timeout);
        }
        match getter {
            Some(slot) => self.wake(slot, Ok(word)),
            None => words.push(word),
        }
        DONE
    }

    fn get(&mut self, interrupt: bool, queue: u32, timeout: u32) -> Outcome {
        let handle = Handle::from_word(queue);
        let Thing::Queue { words, .. } = self.thing(queue)? else {
            return Err(Error::NoSuchObject);
        };
        if words.is_empty() {
            return self.begin_to_wait(interrupt, Wait::Word(handle), timeout);
        }
        let word = words.remove(0);
        let putter = self.first(|wait| matches!(wait, Wait::Room(of, _) if of == handle));
        if let Some(slot) = putter
            && let State::Waiting(Wait::Room(_, next)) = self.state(slot)
        {
            self.wake(slot, Ok(0));
            if let Ok(Thing::Queue { words, .. }) = self.thing(queue) {
                words.push(next);
            }
        }
        Ok(Some(word))
    }

    fn flags_call(&mut self, interrupt: bool, call: Call) -> Outcome {
        let (flags, bits) = match call {
            Call::SetFlags { flags, bits } | Call::ClearFlags { flags, bits } => (flags, bits),
            Call::WaitAny { flags, bits, .. } | Call::WaitAll { flags, bits, .. } => (flags, bits),
            _ => return Err(Error::NoSuchCall),
        };
        let handle = Handle::from_word(flags);
        let waiter = match call {
            Call::WaitAny { timeout, .. } => Some((false, timeout)),
            Call::WaitAll { timeout, .. } => Some((true, timeout)),
            _ => None,
        };
        if bits > VALUE || waiter.is_some() && bits == 0 {
            return Err(Error::OutOfRange);
        }
        let Thing::Flags(set) = self.thing(flags)? else { return Err(Error::NoSuchObject) };
        let before = *set;
        if let Some((all, timeout)) = waiter {
            let wait = Wait::Flags { set: handle, bits, all };
            if wanted(wait, handle, before).is_none() {
                return self.begin_to_wait(interrupt, wait, timeout);
            }
        }
        if !matches!(call, Call::SetFlags { .. }) {
            *set &= !bits;
            return Ok(Some(before));
        }
        let mut now = before | bits;
        while let Some(slot) = self.first(|wait| wanted(wait, handle, now).is_some()) {
            let State::Waiting(wait) = self.state(slot) else { break };
            self.wake(slot, Ok(now));
            now &= !wanted(wait, handle, now).unwrap_or_default();
        }
        *self.thing(flags)? = Thing::Flags(now);
        Ok(Some(now))
    }

    fn timer_call(&mut self, call: Call) -> Outcome {
        let now = self.now;
        match call {
            Call::StartTimer { timer, delay, period } => {
                if !(1..=VALUE).contains(&delay) || period > VALUE {
                    return Err(Error::OutOfRange);
                }
                let Thing::Timer { .. } = self.thing(timer)? else {
                    return Err(Error::NoSuchObject);
                };
                let deadline = Some(now + u64::from(delay));
                let due = VecDeque::new();
                *self.thing(timer)? = Thing::Timer { deadline, period, due };
                DONE
            }
            Call::StopTimer { timer } => match self.thing(timer)? {
                Thing::Timer { deadline, due, .. } => {
                    *deadline = None;
                    due.clear();
                    DONE
                }
                _ => Err(Error::NoSuchObject),
            },
            _ => match self.take_expired() {
                Some(word) => Ok(Some(word)),
                None => self.begin_to_wait(false, Wait::Timer, FOREVER),
            },
        }
    }

    pub fn expire_timers(&mut self) {
        let now = self.now;
        for (_, thing) in &mut self.things {
            if let Some(Thing::Timer { deadline, period, due }) = thing
                && deadline.is_some_and(|deadline| deadline <= now)
            {
                due.push_back(now);
                if due.len() > 255 {
                    due.pop_front();
                }
                *deadline = (*period > 0).then(|| now + u64::from(*period));
            }
        }
        while let Some(slot) = self.first(|wait| wait == Wait::Timer) {
            let Some(word) = self.take_expired() else { return };
            self.wake(slot, Ok(word));
        }
    }

    fn take_expired(&mut self) -> Option<u32> {
        let mut expired: Vec<_> = self
            .things
            .iter_mut()
            .enumerate()
            .filter_map(|(place, (generation, thing))| match thing {
                Some(Thing::Timer { due, .. }) if !due.is_empty() => {
                    Some((place as u32 | u32::from(*generation) << 8, due))
                }
                _ => None,
            })
            .collect();
        // Stable: of those due at the same time the first of the table comes first.
        expired.sort_by_key(|(_, due)| due[0]);
        let (word, due) = expired.into_iter().next()?;
        due.pop_front();
        Some(word)
    }
}

/// The flags that a wait is for, if it is for flags of this set and they are there.
fn wanted(wait: Wait, handle: Handle, present: u32) -> Option<u32> {
    let Wait::Flags { set, bits, all } = wait else { return None };
    let enough = if all { bits & !present == 0 } else { bits & present != 0 };
    (set == handle && enough).then_some(bits)
}

fn object_of(wait: Wait) -> Option<u32> {
    match wait {
        Wait::Mutex(handle) | Wait::Semaphore(handle) | Wait::Word(handle) => Some(handle),
        Wait::Room(handle, _) | Wait::Flags { set: handle, .. } => Some(handle),
        Wait::Time | Wait::End(_) | Wait::Timer => None,
    }
    .map(Handle::to_word)
}
