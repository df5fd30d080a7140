//! Semaphores, event flags and queues of words. What is given to a waiting thread is handed to it
//! at once, so that nobody can take it in between.

use super::call::Error;
use super::object::{Handle, Object};
use super::thread::{State, Wait};
use super::{Caller, Kernel, in_range};

/// Flags that a set has: all but the bit that marks an error.
const FLAGS: u32 = 0x7FFF_FFFF;

impl<const THREADS: usize, const OBJECTS: usize> Kernel<THREADS, OBJECTS> {
    pub(super) fn acquire(
        &mut self,
        caller: Caller,
        handle: Handle,
        timeout: u32,
    ) -> Result<Option<u32>, Error> {
        let Object::Semaphore { count, .. } = self.objects.get(handle)? else {
            return Err(Error::NoSuchObject);
        };
        if *count > 0 {
            *count -= 1;
            return Ok(Some(0));
        }
        self.wait_for(caller, Wait::Semaphore(handle), timeout)
    }

    pub(super) fn release(&mut self, handle: Handle) -> Result<(), Error> {
        let waiting = self.first_waiting(|wait| *wait == Wait::Semaphore(handle));
        let Object::Semaphore { count, limit } = self.objects.get(handle)? else {
            return Err(Error::NoSuchObject);
        };
        match waiting {
            Some(slot) => self.wake(slot, Ok(0)),
            None if *count < *limit => *count += 1,
            None => return Err(Error::Limit),
        }
        Ok(())
    }

    fn flags(&mut self, handle: Handle) -> Result<&mut u32, Error> {
        match self.objects.get(handle)? {
            Object::Flags { bits } => Ok(bits),
            _ => Err(Error::NoSuchObject),
        }
    }

    pub(super) fn set_flags(&mut self, handle: Handle, bits: u32) -> Result<u32, Error> {
        in_range(bits & !FLAGS == 0)?;
        *self.flags(handle)? |= bits;
        // Each that goes on may clear flags that another one waits for, so they go one by one.
        loop {
            let set = *self.flags(handle)?;
            let Some(slot) = self.first_waiting(|wait| satisfied(wait, handle, set)) else {
                return Ok(set);
            };
            let cleared = match self.thread(slot).map(|thread| thread.state) {
                Some(State::Waiting(Wait::Flags { bits, .. })) => bits,
                _ => 0,
            };
            *self.flags(handle)? &= !cleared;
            self.wake(slot, Ok(set));
        }
    }

    pub(super) fn clear_flags(&mut self, handle: Handle, bits: u32) -> Result<u32, Error> {
        in_range(bits & !FLAGS == 0)?;
        let set = self.flags(handle)?;
        let before = *set;
        *set &= !bits;
        Ok(before)
    }

    pub(super) fn wait_flags(
        &mut self,
        caller: Caller,
        handle: Handle,
        (bits, all): (u32, bool),
        timeout: u32,
    ) -> Result<Option<u32>, Error> {
        in_range(bits != 0 && bits & !FLAGS == 0)?;
        let wait = Wait::Flags { set: handle, bits, all };
        let set = self.flags(handle)?;
        let before = *set;
        if satisfied(&wait, handle, before) {
            *set &= !bits;
            return Ok(Some(before));
        }
        self.wait_for(caller, wait, timeout)
    }

    pub(super) fn put(
        &mut self,
        caller: Caller,
        handle: Handle,
        word: u32,
        timeout: u32,
    ) -> Result<Option<u32>, Error> {
        in_range(word & !FLAGS == 0)?;
        let waiting = self.first_waiting(|wait| *wait == Wait::Word(handle));
        let Object::Queue { words, capacity } = self.objects.get(handle)? else {
            return Err(Error::NoSuchObject);
        };
        if let Some(slot) = waiting {
            self.wake(slot, Ok(word));
        } else if words.len() < *capacity && words.push_back(word).is_ok() {
            // It waits in the queue for whoever takes it.
        } else {
            return self.wait_for(caller, Wait::Room(handle, word), timeout);
        }
        Ok(Some(0))
    }

    pub(super) fn get(
        &mut self,
        caller: Caller,
        handle: Handle,
        timeout: u32,
    ) -> Result<Option<u32>, Error> {
        let waiting =
            self.first_waiting(|wait| matches!(wait, Wait::Room(queue, _) if *queue == handle));
        let room_for = waiting.and_then(|slot| match self.thread(slot)?.state {
            State::Waiting(Wait::Room(_, word)) => Some((slot, word)),
            _ => None,
        });
        let Object::Queue { words, .. } = self.objects.get(handle)? else {
            return Err(Error::NoSuchObject);
        };
        let Some(word) = words.pop_front() else {
            return self.wait_for(caller, Wait::Word(handle), timeout);
        };
        if let Some((slot, waiting_word)) = room_for
            && words.push_back(waiting_word).is_ok()
        {
            self.wake(slot, Ok(0));
        }
        Ok(Some(word))
    }
}

fn satisfied(wait: &Wait, handle: Handle, present: u32) -> bool {
    match *wait {
        Wait::Flags { set, bits, all } if set == handle => {
            if all {
                present & bits == bits
            } else {
                present & bits != 0
            }
        }
        _ => false,
    }
}
