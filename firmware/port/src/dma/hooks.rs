//! What the rest of the port asks a DMA driver, if there is one: an image that arms no stream has
//! none of it.
//!
//! A driver makes itself known when it arms its first stream.

use crate::sections::Writer;
use core::cell::Cell;
use critical_section::Mutex;

/// What a driver answers.
pub(crate) struct Hooks {
    /// The clock has ticked.
    pub tick: fn(),
    /// A record is about to be written: every stream is stopped, and what it had left is noted.
    pub stop_all: fn(),
    /// Writes the section of a record.
    pub write_section: fn(&mut Writer<'_>),
    /// The code of a stream that is using some of these bytes.
    pub borrower: fn(u32, u32) -> Option<u8>,
}

static HOOKS: Mutex<Cell<Option<&'static Hooks>>> = Mutex::new(Cell::new(None));

/// Makes a driver known.
pub(super) fn register(hooks: &'static Hooks) {
    critical_section::with(|token| HOOKS.borrow(token).set(Some(hooks)));
}

fn hooks() -> Option<&'static Hooks> {
    critical_section::with(|token| HOOKS.borrow(token).get())
}

/// Whether there is a driver at work.
pub(crate) fn is_registered() -> bool {
    hooks().is_some()
}

pub(crate) fn tick() {
    if let Some(hooks) = hooks() {
        (hooks.tick)();
    }
}

pub(crate) fn stop_all() {
    if let Some(hooks) = hooks() {
        (hooks.stop_all)();
    }
}

pub(crate) fn write_section(writer: &mut Writer<'_>) {
    if let Some(hooks) = hooks() {
        (hooks.write_section)(writer);
    }
}

pub(crate) fn borrower(address: u32, size_bytes: u32) -> Option<u8> {
    (hooks()?.borrower)(address, size_bytes)
}
