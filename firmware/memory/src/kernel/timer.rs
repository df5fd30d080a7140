//! Timers, which call functions on the timer thread.
//!
//! The clock only counts expiries; the timer thread takes them one by one and calls. A timer whose
//! function is too slow for its period loses no expiry until the count of 255 is full.

use super::call::{Error, FOREVER};
use super::object::{Handle, Object, Timer};
use super::thread::Wait;
use super::{Caller, Kernel, in_range};

/// Longest delay or period in ticks.
const LONGEST_TICKS: u32 = 0x7FFF_FFFF;

/// A new timer.
pub(super) const fn stopped(function: u32, argument: u32) -> Object {
    Object::Timer(Timer { function, argument, deadline: None, period: 0, expired: 0 })
}

impl<const THREADS: usize, const OBJECTS: usize> Kernel<THREADS, OBJECTS> {
    /// A timer by its handle.
    ///
    /// # Errors
    /// No timer has this handle.
    pub fn timer(&mut self, handle: Handle) -> Result<&mut Timer, Error> {
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
        (timer.deadline, timer.period, timer.expired) = (Some(deadline), period, 0);
        Ok(())
    }

    pub(super) fn stop_timer(&mut self, handle: Handle) -> Result<(), Error> {
        let timer = self.timer(handle)?;
        (timer.deadline, timer.expired) = (None, 0);
        Ok(())
    }

    /// Counts the timers that expire at this tick, and wakes who waits for them.
    pub(super) fn expire_timers(&mut self) {
        let now = self.now;
        for (_, object) in self.objects.iter_mut() {
            let Object::Timer(timer) = object else { continue };
            if timer.deadline != Some(now) {
                continue;
            }
            timer.expired = timer.expired.saturating_add(1);
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

    fn take_expired(&mut self) -> Option<Handle> {
        self.objects.iter_mut().find_map(|(handle, object)| match object {
            Object::Timer(timer) if timer.expired > 0 => {
                timer.expired -= 1;
                Some(handle)
            }
            _ => None,
        })
    }
}
