//! The scheduler: preemptive, fixed priorities, round robin among equals.
//!
//! Pure state: it says which thread runs next and what comes of a call. Registers, stacks and the
//! switch are the port's, which calls every method with interrupts masked. Nothing here allocates,
//! loops without a bound, or panics.
//!
//! Threads that are ready, or wait for the same thing, are found in a bit set of slots and ordered
//! by priority and then by a ticket drawn when they began: with at most 32 threads a scan is short,
//! and there is no list whose links an error could break.
//!
//! * [`call`]: what can be asked for, and what can be answered.
//! * [`thread`], [`object`]: the two tables.
//! * `life`: how threads begin and end.
//! * `wait`: blocking and waking; `mutex` with priority inheritance; `signal`: semaphores, event
//!   flags, queues; `timer`.

pub mod call;
#[cfg(test)]
mod invariants;
mod life;
mod mutex;
pub mod object;
mod signal;
pub mod thread;
mod timer;
mod wait;

use call::{Answer, Call, Error, Rights};
use object::{Handle, Object, Objects, QUEUE_LIMIT};
use thread::{PRIORITY_LIMIT, State, Thread};

/// Ticks that a thread runs before another of the same priority gets its turn.
pub const SLICE_TICKS: u32 = 5;

/// Who calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// The running thread.
    Thread,
    /// An interrupt handler.
    Interrupt,
}

/// The kernel, for at most `THREADS` threads (32 at most) and `OBJECTS` objects.
#[derive(Debug)]
pub struct Kernel<const THREADS: usize, const OBJECTS: usize> {
    threads: [Thread; THREADS],
    objects: Objects<OBJECTS>,
    /// Bit per slot that is ready, by priority.
    ready: [u32; PRIORITY_LIMIT as usize + 1],
    /// Bit per priority with a ready thread.
    ready_priorities: u32,
    /// The slot that runs; nothing before the first thread, and after one has ended.
    current: Option<u8>,
    now: u32,
    next_ticket: u32,
    /// The last timer of which an expiry was lost, until somebody is told.
    overrun: Option<Handle>,
}

impl<const THREADS: usize, const OBJECTS: usize> Kernel<THREADS, OBJECTS> {
    /// A kernel without threads.
    #[must_use]
    pub const fn new() -> Self {
        Self::beginning_at(0)
    }

    /// A kernel whose clock and tickets begin at a number: both wrap, and a test that waited for
    /// it would take weeks.
    #[must_use]
    pub const fn beginning_at(now: u32) -> Self {
        assert!(THREADS <= 32, "a set of threads is one word");
        Self {
            threads: [Thread::FREE; THREADS],
            objects: Objects::new(),
            ready: [0; PRIORITY_LIMIT as usize + 1],
            ready_priorities: 0,
            current: None,
            now,
            next_ticket: now,
            overrun: None,
        }
    }

    /// The slot of the running thread.
    #[must_use]
    pub const fn current(&self) -> Option<u8> {
        self.current
    }

    /// Ticks of the clock; wraps.
    #[must_use]
    pub const fn now(&self) -> u32 {
        self.now
    }

    /// The thread in a slot; nothing if the slot is free.
    #[must_use]
    pub fn thread(&self, slot: u8) -> Option<&Thread> {
        self.threads.get(usize::from(slot)).filter(|thread| thread.state != State::Free)
    }

    /// The running thread.
    #[must_use]
    pub fn running(&self) -> Option<&Thread> {
        self.thread(self.current?)
    }

    /// Every thread with its slot.
    pub fn threads(&self) -> impl Iterator<Item = (u8, &Thread)> {
        (0..).zip(&self.threads).filter(|(_, thread)| thread.state != State::Free)
    }

    /// The handle of the thread in a slot.
    #[must_use]
    pub fn handle_of(&self, slot: u8) -> Option<Handle> {
        self.thread(slot).map(|thread| Handle { slot, generation: thread.generation })
    }

    /// The slot of a thread's handle.
    ///
    /// # Errors
    /// No thread has this handle, or not any more.
    pub fn slot_of(&self, handle: u32) -> Result<u8, Error> {
        let Handle { slot, generation } = Handle::from_word(handle);
        self.thread(slot)
            .filter(|thread| thread.generation == generation)
            .filter(|thread| !matches!(thread.state, State::Starting(_)))
            .map(|_| slot)
            .ok_or(Error::NoSuchThread)
    }

    /// Says which thread runs before the first switch.
    pub fn begin(&mut self, slot: u8) {
        self.current = self.thread(slot).map(|_| slot);
    }

    /// Carries out a call.
    pub fn call(&mut self, caller: Caller, call: Call) -> Answer {
        if let Err(error) = self.may(caller, call) {
            return Answer::Done(Err(error));
        }
        match self.carry_out(caller, call) {
            // An interrupt cannot wait, and must not ask to.
            Ok(None) if caller == Caller::Interrupt => Answer::Done(Err(Error::WouldBlock)),
            Ok(None) => Answer::Waits,
            Ok(Some(value)) => Answer::Done(Ok(value)),
            Err(error) => Answer::Done(Err(error)),
        }
    }

    fn may(&self, caller: Caller, call: Call) -> Result<(), Error> {
        match (caller, call.rights()) {
            (_, Rights::Everyone) | (Caller::Thread, Rights::Threads) => Ok(()),
            (Caller::Interrupt, _) => Err(Error::FromInterrupt),
            (Caller::Thread, Rights::Privileged) => {
                let privileged = self.running().is_some_and(|thread| thread.privileged);
                if privileged { Ok(()) } else { Err(Error::NotPrivileged) }
            }
        }
    }

    /// Nothing means that the caller waits.
    fn carry_out(&mut self, caller: Caller, call: Call) -> Result<Option<u32>, Error> {
        match call {
            Call::Yield {} => self.yield_now(),
            Call::Exit { code } => return self.exit(code),
            Call::Sleep { ticks } => return self.sleep(ticks),
            Call::Join { thread, timeout } => return self.join(thread, timeout),
            Call::Terminate { thread } => self.terminate(thread)?,
            Call::SetPriority { thread, priority } => self.set_priority(thread, priority)?,
            Call::NewMutex {} => return self.new_object(Object::Mutex { owner: None, depth: 0 }),
            Call::NewSemaphore { initial, limit } => {
                in_range(limit > 0 && initial <= limit)?;
                return self.new_object(Object::Semaphore { count: initial, limit });
            }
            Call::NewFlags {} => return self.new_object(Object::Flags { bits: 0 }),
            Call::NewQueue { capacity } => {
                let capacity = capacity as usize;
                in_range((1..=QUEUE_LIMIT).contains(&capacity))?;
                let words = heapless::Deque::new();
                return self.new_object(Object::Queue { words, capacity });
            }
            Call::NewTimer { function, argument } => {
                return self.new_object(timer::stopped(function, argument));
            }
            Call::Delete { object } => self.delete(Handle::from_word(object))?,
            Call::Lock { mutex, timeout } => return self.lock(Handle::from_word(mutex), timeout),
            Call::Unlock { mutex } => self.unlock(Handle::from_word(mutex))?,
            Call::Acquire { semaphore, timeout } => {
                return self.acquire(caller, Handle::from_word(semaphore), timeout);
            }
            Call::Release { semaphore } => self.release(Handle::from_word(semaphore))?,
            Call::SetFlags { flags, bits } => {
                return self.set_flags(Handle::from_word(flags), bits).map(Some);
            }
            Call::ClearFlags { flags, bits } => {
                return self.clear_flags(Handle::from_word(flags), bits).map(Some);
            }
            Call::WaitAny { flags, bits, timeout } => {
                return self.wait_flags(caller, Handle::from_word(flags), (bits, false), timeout);
            }
            Call::WaitAll { flags, bits, timeout } => {
                return self.wait_flags(caller, Handle::from_word(flags), (bits, true), timeout);
            }
            Call::Put { queue, word, timeout } => {
                return self.put(caller, Handle::from_word(queue), word, timeout);
            }
            Call::Get { queue, timeout } => {
                return self.get(caller, Handle::from_word(queue), timeout);
            }
            Call::StartTimer { timer, delay, period } => {
                self.start_timer(Handle::from_word(timer), delay, period)?;
            }
            Call::StopTimer { timer } => self.stop_timer(Handle::from_word(timer))?,
            Call::NextTimer {} => return self.next_timer(),
        }
        Ok(Some(0))
    }

    /// One tick of the clock. Says whether another thread should run.
    pub fn tick(&mut self) -> bool {
        self.now = self.now.wrapping_add(1);
        self.expire_timers();
        self.expire_waits();
        if self.use_up_slice() {
            self.yield_now();
        }
        self.should_switch()
    }

    /// Whether another thread than the running one should run.
    #[must_use]
    pub fn should_switch(&self) -> bool {
        self.first_ready() != self.current
    }

    /// Chooses the thread that runs now. Nothing means that no thread is ready, which cannot be
    /// while there is an idle thread that never waits.
    pub fn switch(&mut self) -> Option<u8> {
        self.current = self.first_ready();
        self.current
    }

    /// The answer that a thread waited for, once, when it runs again.
    pub fn take_answer(&mut self, slot: u8) -> Option<Result<u32, Error>> {
        self.threads.get_mut(usize::from(slot))?.answer.take()
    }

    /// Takes a tick of the running thread's slice, and says whether it was the last. Who began to
    /// wait has none to lose, though it is the running thread until the port has switched.
    fn use_up_slice(&mut self) -> bool {
        let current = self.current.and_then(|slot| self.threads.get_mut(usize::from(slot)));
        let Some(thread) = current.filter(|thread| thread.state == State::Ready) else {
            return false;
        };
        thread.slice_left = thread.slice_left.saturating_sub(1);
        thread.slice_left == 0
    }

    /// The running thread goes behind the others of its priority, with a new slice.
    fn yield_now(&mut self) {
        let ticket = self.draw_ticket();
        let current = self.current.and_then(|slot| self.threads.get_mut(usize::from(slot)));
        if let Some(thread) = current {
            (thread.ticket, thread.slice_left) = (ticket, SLICE_TICKS);
        }
    }

    fn new_object(&mut self, object: Object) -> Result<Option<u32>, Error> {
        self.objects.add(object).map(|handle| Some(handle.to_word()))
    }

    fn delete(&mut self, handle: Handle) -> Result<(), Error> {
        let owner = match self.objects.get(handle)? {
            Object::Mutex { owner, .. } => *owner,
            _ => None,
        };
        self.objects.remove(handle)?;
        // First, because those that waited go on in the order of priorities without this mutex.
        if let Some(owner) = owner {
            self.settle_priority(owner);
        }
        self.wake_all_of(handle, Error::NoSuchObject);
        Ok(())
    }
}

impl<const THREADS: usize, const OBJECTS: usize> Default for Kernel<THREADS, OBJECTS> {
    fn default() -> Self {
        Self::new()
    }
}

fn in_range(holds: bool) -> Result<(), Error> {
    if holds { Ok(()) } else { Err(Error::OutOfRange) }
}
