//! A static variable that is used from one place: this image has one thread and no interrupts.

use core::cell::UnsafeCell;

/// A static variable.
#[derive(Debug)]
pub struct Place<T>(UnsafeCell<T>);

// SAFETY: there is one thread and no interrupt.
unsafe impl<T> Sync for Place<T> {}

impl<T> Place<T> {
    /// One that holds this.
    pub const fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    /// What it holds.
    ///
    /// # Safety
    /// Called once a boot for each place.
    #[expect(clippy::mut_from_ref, reason = "the caller promises that this is the only one")]
    pub unsafe fn take(&self) -> &mut T {
        // SAFETY: as the caller promises, this is the only reference.
        unsafe { &mut *self.0.get() }
    }

    /// Where it lies.
    pub const fn address(&self) -> *mut T {
        self.0.get()
    }
}
