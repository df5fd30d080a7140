//! Timers, which call functions on the timer thread.
//!
//! The clock only counts expiries; the timer thread takes them one by one, in the order they
//! were due, and calls. A timer whose function is too slow for its period loses no expiry until the
//! count of 255 is full; then the oldest goes, so that no other timer waits for ever.

use super::call::{Error, FOREVER};
use super::object::{Handle, Object, Timer};
use super::thread::Wait;
use super::{Caller, Kernel, in_range};

/// Longest delay or period in ticks.
const LONGEST_TICKS: u32 = 0x7FFF_FFFF;

/// A new timer.
pub(super) const fn stopped(function: u32, argument: u32) -> Object {
    Object::Timer(Timer {
        function,
        argument,
        deadline: None,
        period: 0,
        expired: 0,
        due: 0,
        told: 0,
        overrun: false,
    })
}

impl<const THREADS: usize, const OBJECTS: usize> Kernel<THREADS, OBJECTS> {
    fn timer(&mut self, handle: Handle) -> Result<&mut Timer, Error> {
        match self.objects.get(handle)? {
            Object::Timer(timer) => Ok(timer),
            _ => Err(Error::NoSuchObject),
        }
    }

    pub(super) fn start_timer(
        &mut self,
        handle: Handle,
        delay: u32,
        period: u32,
    ) -> Result<(), Error> {
        in_range((1..=LONGEST_TICKS).contains(&delay) && period <= LONGEST_TICKS)?;
        let deadline = self.now.wrapping_add(delay);
        let timer = self.timer(handle)?;
        timer.forget_expiries();
        (timer.deadline, timer.period) = (Some(deadline), period);
        Ok(())
    }

    pub(super) fn stop_timer(&mut self, handle: Handle) -> Result<(), Error> {
        let timer = self.timer(handle)?;
        timer.forget_expiries();
        timer.deadline = None;
        Ok(())
    }

    /// Counts the timers that expire at this tick, and wakes who waits for them.
    pub(super) fn expire_timers(&mut self) {
        let now = self.now;
        for (handle, object) in self.objects.iter_mut() {
            let Object::Timer(timer) = object else { continue };
            if timer.deadline != Some(now) {
                continue;
            }
            if timer.count_expiry(now) {
                self.overrun = Some(handle);
            }
            timer.deadline = (timer.period > 0).then(|| now.wrapping_add(timer.period));
        }
        while let Some(slot) = self.first_waiting(|wait| *wait == Wait::Timer)
            && let Some(handle) = self.take_expired()
        {
            self.wake(slot, Ok(handle.to_word()));
        }
    }

    pub(super) fn next_timer(&mut self) -> Result<Option<u32>, Error> {
        match self.take_expired() {
            Some(handle) => Ok(Some(handle.to_word())),
            None => self.wait_for(Caller::Thread, Wait::Timer, FOREVER),
        }
    }

    /// The expiry that was due first; of several that of the lowest slot, whose next is due later.
    fn take_expired(&mut self) -> Option<Handle> {
        let now = self.now;
        let mut first: Option<(u32, Handle, &mut Timer)> = None;
        for (handle, object) in self.objects.iter_mut() {
            let Object::Timer(timer) = object else { continue };
            let age = now.wrapping_sub(timer.due);
            if timer.expired > 0 && first.as_ref().is_none_or(|(oldest, ..)| age > *oldest) {
                first = Some((age, handle, timer));
            }
        }
        let (_, handle, timer) = first?;
        timer.expired -= 1;
        timer.due = timer.due.wrapping_add(timer.period);
        timer.told = timer.told.saturating_add(1);
        timer.overrun = false;
        Some(handle)
    }

    /// Whether the function of a timer is still to be called, for an expiry that the timer thread
    /// was told of: the timer, unless it was stopped, started again or deleted in between. To be
    /// asked for directly before the call.
    pub fn claim_expiry(&mut self, handle: Handle) -> Option<Timer> {
        let timer = self.timer(handle).ok()?;
        timer.told = timer.told.checked_sub(1)?;
        Some(*timer)
    }

    /// A timer of which an expiry was lost, once until its count is below the limit again.
    pub fn take_overrun(&mut self) -> Option<Handle> {
        self.overrun.take()
    }
}

impl Timer {
    const fn forget_expiries(&mut self) {
        (self.expired, self.told, self.overrun) = (0, 0, false);
    }

    /// Says whether this is the first that another one is lost for.
    fn count_expiry(&mut self, now: u32) -> bool {
        if self.expired == 0 {
            self.due = now;
        }
        if let Some(more) = self.expired.checked_add(1) {
            self.expired = more;
            return false;
        }
        self.due = self.due.wrapping_add(self.period);
        !core::mem::replace(&mut self.overrun, true)
    }
}
