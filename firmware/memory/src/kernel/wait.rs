//! Ready sets, blocking and waking.

use super::call::{Error, FOREVER};
use super::object::Handle;
use super::thread::{State, Thread, Wait};
use super::{Caller, Kernel, SLICE_TICKS};

impl<const THREADS: usize, const OBJECTS: usize> Kernel<THREADS, OBJECTS> {
    pub(super) fn draw_ticket(&mut self) -> u32 {
        self.next_ticket = self.next_ticket.wrapping_add(1);
        self.next_ticket
    }

    /// How long ago a ticket was drawn: the higher, the earlier. Right as long as no thread waits
    /// for 2^32 tickets.
    fn age(&self, thread: &Thread) -> u32 {
        self.next_ticket.wrapping_sub(thread.ticket)
    }

    /// The ready thread that should run: highest priority, then earliest ticket.
    pub(super) fn first_ready(&self) -> Option<u8> {
        let priority = self.ready_priorities.checked_ilog2()?;
        let mut set = *self.ready.get(priority as usize)?;
        let mut best: Option<(u32, u8)> = None;
        while set != 0 {
            let slot = set.trailing_zeros() as u8;
            set &= set - 1;
            let age = self.age(self.threads.get(usize::from(slot))?);
            if best.is_none_or(|(oldest, _)| age > oldest) {
                best = Some((age, slot));
            }
        }
        best.map(|(_, slot)| slot)
    }

    /// Makes a thread ready, behind the others of its priority and with a new slice.
    pub(super) fn make_ready(&mut self, slot: u8) {
        let ticket = self.draw_ticket();
        let Some(thread) = self.threads.get_mut(usize::from(slot)) else { return };
        thread.state = State::Ready;
        thread.deadline = None;
        (thread.ticket, thread.slice_left) = (ticket, SLICE_TICKS);
        let priority = thread.priority;
        self.enter_ready(slot, priority);
    }

    pub(super) fn enter_ready(&mut self, slot: u8, priority: u8) {
        if let Some(set) = self.ready.get_mut(usize::from(priority)) {
            *set |= 1 << slot;
            self.ready_priorities |= 1 << priority;
        }
    }

    /// Takes a thread out of the ready set, if it is in it.
    pub(super) fn leave_ready(&mut self, slot: u8) {
        let Some(thread) = self.threads.get(usize::from(slot)) else { return };
        let priority = thread.priority;
        if let Some(set) = self.ready.get_mut(usize::from(priority)) {
            *set &= !(1 << slot);
            if *set == 0 {
                self.ready_priorities &= !(1 << priority);
            }
        }
    }

    /// The running thread waits, or gets an error at once if it cannot. `timeout` is in ticks: 0
    /// does not wait, [`FOREVER`] has no end.
    pub(super) fn wait_for(
        &mut self,
        caller: Caller,
        wait: Wait,
        timeout: u32,
    ) -> Result<Option<u32>, Error> {
        if timeout == 0 || caller == Caller::Interrupt {
            return Err(Error::WouldBlock);
        }
        let slot = self.current.ok_or(Error::FromInterrupt)?;
        self.leave_ready(slot);
        let ticket = self.draw_ticket();
        let deadline = (timeout != FOREVER).then(|| self.now.wrapping_add(timeout));
        if let Some(thread) = self.threads.get_mut(usize::from(slot)) {
            thread.state = State::Waiting(wait);
            thread.deadline = deadline;
            thread.ticket = ticket;
            thread.answer = None;
        }
        Ok(None)
    }

    pub(super) fn sleep(&mut self, ticks: u32) -> Result<Option<u32>, Error> {
        if ticks == 0 {
            self.yield_now();
            return Ok(Some(0));
        }
        self.wait_for(Caller::Thread, Wait::Time, ticks)
    }

    /// Ends the wait of a thread with an answer.
    pub(super) fn wake(&mut self, slot: u8, answer: Result<u32, Error>) {
        if let Some(thread) = self.threads.get_mut(usize::from(slot)) {
            thread.answer = Some(answer);
            self.make_ready(slot);
        }
    }

    /// The waiting thread that a condition holds for and whose turn it is: highest priority, then
    /// earliest.
    pub(super) fn first_waiting(&self, holds: impl Fn(&Wait) -> bool) -> Option<u8> {
        self.threads()
            .filter(|(_, thread)| matches!(&thread.state, State::Waiting(wait) if holds(wait)))
            .max_by_key(|(_, thread)| (thread.priority, self.age(thread)))
            .map(|(slot, _)| slot)
    }

    /// Everybody who waits for an object goes on with an error.
    pub(super) fn wake_all_of(&mut self, object: Handle, error: Error) {
        while let Some(slot) = self.first_waiting(|wait| waits_for(wait, object)) {
            self.wake(slot, Err(error));
        }
    }

    /// Waits whose time is up: a sleep ends well, every other wait with [`Error::Timeout`].
    pub(super) fn expire_waits(&mut self) {
        for slot in (0..).take(THREADS) {
            let Some(thread) = self.thread(slot) else { continue };
            let State::Waiting(wait) = thread.state else { continue };
            // Each tick asks, so a deadline is met exactly, however far away it was.
            if thread.deadline != Some(self.now) {
                continue;
            }
            let answer = if wait == Wait::Time { Ok(0) } else { Err(Error::Timeout) };
            self.wake(slot, answer);
            if let Wait::Mutex(mutex) = wait {
                self.settle_owner(mutex);
            }
        }
    }

    pub(super) fn join(&mut self, handle: u32, timeout: u32) -> Result<Option<u32>, Error> {
        let slot = self.slot_of(handle)?;
        if Some(slot) == self.current {
            return Err(Error::NotThisThread);
        }
        if let Some(State::Ended(code)) = self.thread(slot).map(|thread| thread.state) {
            self.release_slot(slot);
            return Ok(Some(code));
        }
        if self.first_waiting(|wait| *wait == Wait::End(slot)).is_some() {
            return Err(Error::Limit);
        }
        self.wait_for(Caller::Thread, Wait::End(slot), timeout)
    }

    /// The thread that waits for the end of another gets its code, and the slot is free.
    pub(super) fn wake_joiner(&mut self, slot: u8, code: u32) {
        if let Some(joiner) = self.first_waiting(|wait| *wait == Wait::End(slot)) {
            self.wake(joiner, Ok(code));
            self.release_slot(slot);
        }
    }

    pub(super) fn release_slot(&mut self, slot: u8) {
        if let Some(thread) = self.threads.get_mut(usize::from(slot)) {
            let generation = thread.generation.wrapping_add(1);
            // The stack waits in the slot for `take_finished_stack`.
            let Thread { stack, stack_from_heap, .. } = *thread;
            *thread = Thread { generation, stack, stack_from_heap, ..Thread::FREE };
        }
    }
}

fn waits_for(wait: &Wait, object: Handle) -> bool {
    match wait {
        Wait::Mutex(handle) | Wait::Semaphore(handle) | Wait::Word(handle) => *handle == object,
        Wait::Room(handle, _) => *handle == object,
        Wait::Flags { set, .. } => *set == object,
        Wait::Time | Wait::End(_) | Wait::Timer => false,
    }
}
