//! The trace of this device's heap: who allocated what since it was started, and what is left.
//!
//! Records lie in memory of the application. The stack of a thread is traced like any other block;
//! what it says of who asked is the place in the kernel.
//!
//! While a trace runs, each release and each new size looks for its record with interrupts masked,
//! which takes at most a time in proportion to the number of records.

use super::store::with_store;
use crashrig_memory::heap::{Mode, Record, Summary, TraceError};

/// Starts a trace with memory for records, which it keeps for good, also if it is refused.
///
/// # Errors
/// A trace runs, or there is no memory for even one record.
pub fn trace_start(records: &'static mut [Record], mode: Mode) -> Result<(), TraceError> {
    with_store(|store| {
        store.trace.init(records)?;
        store.trace.start(mode)
    })
}

/// Starts a trace anew with the records it had.
///
/// # Errors
/// It never had any.
pub fn trace_restart(mode: Mode) -> Result<(), TraceError> {
    with_store(|store| store.trace.start(mode))
}

/// Stops the trace. Its records stay.
///
/// # Errors
/// None runs.
pub fn trace_stop() -> Result<(), TraceError> {
    with_store(|store| store.trace.stop())
}

/// Has the trace record releases and no new allocations, until it goes on or is stopped.
///
/// # Errors
/// None runs, or it is paused.
pub fn trace_pause() -> Result<(), TraceError> {
    with_store(|store| store.trace.pause())
}

/// Goes on with a trace that was stopped or paused, and keeps its records.
///
/// # Errors
/// It runs, or there was never one.
pub fn trace_resume() -> Result<(), TraceError> {
    with_store(|store| store.trace.resume())
}

/// A record of the trace by its place, the oldest at 0.
#[must_use]
pub fn trace_record(place: usize) -> Option<Record> {
    with_store(|store| store.trace.get(place).copied())
}

/// Every record, the oldest first. Records that come or go in between shift the others: stop the
/// trace to see each of them once.
pub fn trace_records() -> impl Iterator<Item = Record> {
    (0..).map_while(trace_record)
}

/// The numbers of the trace since its start.
#[must_use]
pub fn trace_summary() -> Summary {
    with_store(|store| store.trace.summary())
}
