//! How threads begin and end.

use super::call::{Error, TERMINATED};
use super::object::Handle;
use super::thread::{NewThread, PRIORITY_LIMIT, State, Thread, Wait};
use super::{Kernel, in_range};
use crate::stack::StackRange;

impl<const THREADS: usize, const OBJECTS: usize> Kernel<THREADS, OBJECTS> {
    /// The slot that the next new thread will have: one without a stack that must be given back.
    ///
    /// # Errors
    /// Every slot is in use.
    pub fn free_slot(&self) -> Result<u8, Error> {
        (0..)
            .zip(&self.threads)
            .find(|(_, thread)| thread.state == State::Free && !thread.stack_from_heap)
            .map(|(slot, _)| slot)
            .ok_or(Error::TableFull)
    }

    /// Adds a thread, ready to run.
    ///
    /// # Errors
    /// As [`Self::reserve`].
    pub fn add(&mut self, new: &NewThread) -> Result<Handle, Error> {
        let handle = self.reserve(new)?;
        self.start(handle)?;
        Ok(handle)
    }

    /// Takes slot and stack for a thread, in the slot that [`Self::free_slot`] names. If the
    /// running thread ends before [`Self::start`], both are free again.
    ///
    /// # Errors
    /// The table is full, the priority is out of range, or the stack is too small, does not begin
    /// and end at multiples of eight, or is another thread's.
    pub fn reserve(&mut self, new: &NewThread) -> Result<Handle, Error> {
        let slot = self.free_slot()?;
        if new.priority > PRIORITY_LIMIT {
            return Err(Error::OutOfRange);
        }
        let stack = new.stack;
        if !stack.start.is_multiple_of(8) || !stack.end.is_multiple_of(8) {
            return Err(Error::StackAlignment);
        }
        if stack.end.saturating_sub(stack.start) < crate::stack::SMALLEST_STACK_BYTES {
            return Err(Error::BadStack);
        }
        if self.overlaps_a_stack(&stack) {
            return Err(Error::StackInUse);
        }
        let priority = new.priority as u8;
        let by = self.current.unwrap_or(slot);
        let Some(thread) = self.threads.get_mut(usize::from(slot)) else {
            return Err(Error::TableFull);
        };
        *thread = Thread {
            state: State::Starting(by),
            name: new.name,
            base_priority: priority,
            priority,
            privileged: new.privileged,
            stack_from_heap: new.stack_from_heap,
            entry: new.entry,
            stack,
            generation: thread.generation,
            ..Thread::FREE
        };
        Ok(Handle { slot, generation: thread.generation })
    }

    /// Makes a thread ready whose stack and registers are prepared.
    ///
    /// # Errors
    /// No thread of this handle is about to start.
    pub fn start(&mut self, handle: Handle) -> Result<(), Error> {
        let thread = self.thread(handle.slot).ok_or(Error::NoSuchThread)?;
        let starting = matches!(thread.state, State::Starting(_));
        if !starting || thread.generation != handle.generation {
            return Err(Error::NoSuchThread);
        }
        self.make_ready(handle.slot);
        Ok(())
    }

    /// Whether a thread that has not been joined has a stack that overlaps this one.
    #[must_use]
    pub fn overlaps_a_stack(&self, stack: &StackRange) -> bool {
        self.threads().any(|(_, thread)| {
            thread.stack.guard_start < stack.end && stack.guard_start < thread.stack.end
        })
    }

    /// Whether there is a stack to be given back to the heap. The port switches then, if only to
    /// the same thread: registers of a thread that ends may still be on their way to its stack.
    #[must_use]
    pub fn has_finished_stack(&self) -> bool {
        self.threads.iter().any(Thread::has_finished_stack)
    }

    /// A stack that came from the heap and that no thread uses any more, once. To be asked until
    /// there is none, after each switch.
    pub fn take_finished_stack(&mut self) -> Option<StackRange> {
        let thread = self.threads.iter_mut().find(|thread| thread.has_finished_stack())?;
        thread.stack_from_heap = false;
        Some(core::mem::replace(&mut thread.stack, StackRange::NONE))
    }

    pub(super) fn exit(&mut self, code: u32) -> Result<Option<u32>, Error> {
        let slot = self.current.ok_or(Error::FromInterrupt)?;
        self.end(slot, code & TERMINATED);
        self.current = None;
        Ok(None)
    }

    pub(super) fn terminate(&mut self, handle: u32) -> Result<(), Error> {
        let slot = self.slot_of(handle)?;
        let Some(thread) = self.thread(slot) else { return Err(Error::NoSuchThread) };
        // First, because the stack of a thread that has ended says no more whose it was.
        if matches!(thread.state, State::Ended(_)) {
            return Ok(());
        }
        // The kernel's own threads are those of the image, which have names of their own.
        let own_kind = !matches!(thread.stack.thread, crashrig_wire::Thread::User(_));
        if own_kind || Some(slot) == self.current {
            return Err(Error::NotThisThread);
        }
        self.end(slot, TERMINATED);
        Ok(())
    }

    /// A thread is over: what it owned is handed on, who waits for it goes on.
    fn end(&mut self, slot: u8, code: u32) {
        self.leave_ready(slot);
        let Some(thread) = self.threads.get_mut(usize::from(slot)) else { return };
        let before = core::mem::replace(&mut thread.state, State::Ended(code));
        thread.deadline = None;
        // First, because its own mutexes go on by priorities that it may have raised.
        if let State::Waiting(Wait::Mutex(mutex)) = before {
            self.settle_owner(mutex);
        }
        self.disown_mutexes(slot);
        self.abandon_starts(slot);
        self.wake_joiner(slot, code);
    }

    /// What a thread was about to start when it ended is not started.
    fn abandon_starts(&mut self, by: u8) {
        for slot in (0..).take(THREADS) {
            if self.thread(slot).is_some_and(|thread| thread.state == State::Starting(by)) {
                self.release_slot(slot);
            }
        }
    }

    pub(super) fn set_priority(&mut self, handle: u32, priority: u32) -> Result<(), Error> {
        let slot = self.slot_of(handle)?;
        in_range(priority <= PRIORITY_LIMIT)?;
        if let Some(thread) = self.threads.get_mut(usize::from(slot)) {
            thread.base_priority = priority as u8;
        }
        self.settle_priority(slot);
        Ok(())
    }
}
