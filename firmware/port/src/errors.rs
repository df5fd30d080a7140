//! Errors that software reports: warnings are kept, a fatal error ends the boot with a record.
//!
//! What is kept and counted is portable and lies in `memory`; here is the one state of this image,
//! and who ran.

use crate::{fault, kernel};
use core::cell::RefCell;
use core::panic::Location;
use crashrig_memory::capture::Reported;
use crashrig_memory::errors::{Context, Errors, Hook, Raised};
use crashrig_memory::stack::StackRange;
use crashrig_wire::{Detector, Misuse, Status};
use critical_section::Mutex;

static ERRORS: Mutex<RefCell<Errors>> = Mutex::new(RefCell::new(Errors::new()));

/// Reads or changes the state. Not to be nested.
fn with<R>(work: impl FnOnce(&mut Errors) -> R) -> R {
    critical_section::with(|token| work(&mut ERRORS.borrow_ref_mut(token)))
}

/// Sets what is called for each error and warning, or nothing.
pub fn set_hook(hook: Option<Hook>) {
    with(|errors| errors.set_hook(hook));
}

/// Reports an error that the caller survives.
#[track_caller]
pub fn warning(status: Status, value: u32) {
    warn(&context(status, value, Location::caller()));
}

fn warn(context: &Context) {
    let hook = with(|errors| errors.warn(context));
    if let Some(hook) = hook {
        hook.call();
        with(Errors::hook_returned);
    }
}

/// Where a mistake was made, and by whom.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place {
    /// Here: by who runs, in this line.
    Here(&'static Location<'static>),
    /// By who runs, who goes on at this address.
    Caller(u32),
    /// By a thread that has called the kernel, or whose work the kernel does.
    Thread {
        /// Its stack, which says who it is.
        stack: StackRange,
        /// Where its call returns to; 0 if it is over.
        address: u32,
        /// Its stack pointer there.
        stack_pointer: u32,
    },
}

/// Warns of a mistake that was refused. Every refusal of kernel and heap that is one comes here.
pub(crate) fn misuse((misuse, value): (Misuse, u32), place: Place) {
    let status = misuse.status();
    warn(&match place {
        Place::Here(location) => context(status, value, location),
        Place::Caller(address) => {
            Context { address, ..context_of(status, value, &kernel::stack_in_use()) }
        }
        Place::Thread { stack, address, stack_pointer } => {
            Context { address, stack_pointer, ..context_of(status, value, &stack) }
        }
    });
}

/// Reports an error that nobody survives: hook, record, reset.
#[track_caller]
pub fn fatal(status: Status, value: u32) -> ! {
    end_with(Reported { status, value, detector: Detector::ErrorCall, address: None })
}

/// As [`fatal`], for what a detector of its own has noticed.
#[track_caller]
pub(crate) fn end_with(error: Reported) -> ! {
    let location = Location::caller();
    let context = context(error.status, error.value, location);
    if let Raised::First(Some(hook)) = with(|errors| errors.raise(&context)) {
        hook.call();
    }
    fault::capture_error(error, location)
}

/// The first error of this boot, warnings included.
#[must_use]
pub fn first() -> Option<Context> {
    with(|errors| errors.first().copied())
}

/// The last error of this boot.
#[must_use]
pub fn last() -> Option<Context> {
    with(|errors| errors.last().copied())
}

/// Both, as the fault path asks for them: nothing if it was in the middle of a change.
pub(crate) fn first_and_last() -> [Option<Context>; 2] {
    critical_section::with(|token| {
        let state = ERRORS.borrow(token).try_borrow();
        state.map_or([None; 2], |errors| [errors.first().copied(), errors.last().copied()])
    })
}

/// How many errors and warnings there were in this boot; saturates.
#[must_use]
pub fn count() -> u32 {
    with(|errors| errors.count())
}

/// Forgets all of them.
pub fn clear() {
    with(Errors::clear);
}

fn context(status: Status, value: u32, location: &Location<'_>) -> Context {
    Context {
        file: location.file().as_ptr().addr() as u32,
        file_length_bytes: location.file().len() as u32,
        line: location.line(),
        ..context_of(status, value, &kernel::stack_in_use())
    }
}

fn context_of(status: Status, value: u32, stack: &StackRange) -> Context {
    Context {
        value,
        thread: stack.thread,
        thread_entry: kernel::entry_of(stack.thread),
        stack_start: stack.start,
        stack_size_bytes: stack.size_bytes(),
        ..Context::of_status(status)
    }
}
