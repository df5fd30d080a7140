//! Mutexes with priority inheritance.
//!
//! A thread has the highest of its own priority and those of all threads that wait for a mutex it
//! holds, along chains of any length. The owner may lock again. A mutex whose owner ends goes to
//! the next that waits for it.

use super::call::Error;
use super::object::{Handle, Object};
use super::thread::{State, Wait};
use super::{Caller, Kernel};

impl<const THREADS: usize, const OBJECTS: usize> Kernel<THREADS, OBJECTS> {
    fn mutex(&mut self, handle: Handle) -> Result<(&mut Option<u8>, &mut u8), Error> {
        match self.objects.get(handle)? {
            Object::Mutex { owner, depth } => Ok((owner, depth)),
            _ => Err(Error::NoSuchObject),
        }
    }

    pub(super) fn lock(&mut self, handle: Handle, timeout: u32) -> Result<Option<u32>, Error> {
        let current = self.current.ok_or(Error::FromInterrupt)?;
        let (owner, depth) = self.mutex(handle)?;
        match *owner {
            None => {
                (*owner, *depth) = (Some(current), 1);
                Ok(Some(0))
            }
            Some(slot) if slot == current => {
                *depth = depth.checked_add(1).ok_or(Error::Limit)?;
                Ok(Some(0))
            }
            Some(slot) => {
                let answer = self.wait_for(Caller::Thread, Wait::Mutex(handle), timeout)?;
                self.settle_priority(slot);
                Ok(answer)
            }
        }
    }

    pub(super) fn unlock(&mut self, handle: Handle) -> Result<(), Error> {
        let current = self.current.ok_or(Error::FromInterrupt)?;
        let (owner, depth) = self.mutex(handle)?;
        if *owner != Some(current) {
            return Err(Error::NotOwner);
        }
        *depth -= 1;
        if *depth == 0 {
            self.hand_on(handle);
            self.settle_priority(current);
        }
        Ok(())
    }

    /// The mutex goes to the first that waits for it, or to nobody.
    fn hand_on(&mut self, handle: Handle) {
        let next = self.first_waiting(|wait| *wait == Wait::Mutex(handle));
        if let Ok((owner, depth)) = self.mutex(handle) {
            (*owner, *depth) = (next, u8::from(next.is_some()));
        }
        if let Some(slot) = next {
            self.wake(slot, Ok(0));
            self.settle_priority(slot);
        }
    }

    /// Every mutex of a thread that has ended goes on.
    pub(super) fn disown_mutexes(&mut self, slot: u8) {
        while let Some(handle) = self.first_mutex_of(slot) {
            self.hand_on(handle);
        }
    }

    fn first_mutex_of(&self, slot: u8) -> Option<Handle> {
        self.objects
            .iter()
            .find(|(_, object)| match object {
                Object::Mutex { owner, .. } => *owner == Some(slot),
                _ => false,
            })
            .map(|(handle, _)| handle)
    }

    /// Gives the owner of a mutex the priority it should have.
    pub(super) fn settle_owner(&mut self, mutex: Handle) {
        if let Ok((Some(owner), _)) = self.mutex(mutex) {
            let owner = *owner;
            self.settle_priority(owner);
        }
    }

    /// Gives a thread the priority it should have, and so on along the chain of owners, which is at
    /// most as long as there are threads. Where threads wait for each other the chain is a ring: in
    /// it a priority would uphold itself, so all fall to their own first, and what comes in
    /// anywhere has reached everybody after two rounds.
    pub(super) fn settle_priority(&mut self, slot: u8) {
        let mut next = Some(slot);
        for _ in 0..THREADS {
            let Some(slot) = next else { break };
            next = self.fall(slot);
        }
        next = Some(slot);
        for _ in 0..2 * THREADS {
            let Some(slot) = next else { break };
            next = self.inherit(slot);
        }
    }

    /// Takes from a thread what it inherited. Returns the thread that it waits for.
    fn fall(&mut self, slot: u8) -> Option<u8> {
        let base = self.thread(slot)?.base_priority;
        self.change_priority(slot, base);
        self.waited_for_by(slot)
    }

    /// Gives a thread what it inherits from those that wait for it. Returns the thread that it
    /// waits for.
    fn inherit(&mut self, slot: u8) -> Option<u8> {
        let base = self.thread(slot)?.base_priority;
        let waiting = self.threads().filter(|(other, _)| self.waited_for_by(*other) == Some(slot));
        let inherited = waiting.map(|(_, thread)| thread.priority).max();
        self.change_priority(slot, inherited.map_or(base, |inherited| inherited.max(base)));
        self.waited_for_by(slot)
    }

    fn change_priority(&mut self, slot: u8, priority: u8) {
        let ready = self.thread(slot).is_some_and(|thread| thread.state == State::Ready);
        if ready {
            self.leave_ready(slot);
        }
        if let Some(thread) = self.threads.get_mut(usize::from(slot)) {
            thread.priority = priority;
        }
        if ready {
            self.enter_ready(slot, priority);
        }
    }

    /// The owner of the mutex that a thread waits for.
    pub(super) fn waited_for_by(&self, slot: u8) -> Option<u8> {
        match self.thread(slot)?.state {
            State::Waiting(Wait::Mutex(mutex)) => self.owner_of(mutex),
            _ => None,
        }
    }

    fn owner_of(&self, mutex: Handle) -> Option<u8> {
        self.objects.iter().find(|(handle, _)| *handle == mutex).and_then(
            |(_, object)| match object {
                Object::Mutex { owner, .. } => *owner,
                _ => None,
            },
        )
    }
}
