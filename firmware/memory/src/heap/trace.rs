//! Who allocated what, and what was not given back: records of allocations while a trace runs.
//!
//! It stands for ESP-IDF's standalone heap trace (`components/heap/heap_trace_standalone.c`) and
//! behaves like it. The caller owns the memory for records; when all are in use the oldest makes
//! room, and the trace says so. A block that is given another size is released and allocated again,
//! even where it stays. Releases are counted while it runs, whether or not there is a record.
//! Unlike there, the most records that were in use are counted from each start anew, and how many
//! were dropped is known.
//!
//! What it must never do: allocate, or look at the blocks themselves. It is told of each allocation
//! and release, by whoever holds the heap. A release looks through the records from the newest, in
//! time proportional to how many there are.

use super::dress::Origin;

/// One allocation that was traced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Record {
    /// The address that was handed out.
    pub address: u32,
    /// How many bytes were asked for.
    pub size_bytes: u32,
    /// Who asked, from where.
    pub origin: Origin,
    /// Where it was released from; nothing as long as it is not. Only with [`Mode::All`].
    pub freed_by: Option<u32>,
    /// The number of the allocation since the start, from 1 on.
    pub sequence: u32,
}

impl Record {
    /// Memory for a record.
    pub const EMPTY: Self = Self {
        address: 0,
        size_bytes: 0,
        origin: Origin { owner: 0, caller: 0 },
        freed_by: None,
        sequence: 0,
    };
}

/// What is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Every allocation, and of each who released it.
    All,
    /// Allocations that were not released: a release takes the record away.
    Leaks,
}

/// Numbers of a trace, since its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// What is kept.
    pub mode: Mode,
    /// Whether it runs, paused or not.
    pub is_running: bool,
    /// Allocations while it ran.
    pub total_allocations: u32,
    /// Releases while it ran, those without a record among them.
    pub total_frees: u32,
    /// Records there are.
    pub records: usize,
    /// Records there can be.
    pub capacity: usize,
    /// The most records there were.
    pub high_water_records: usize,
    /// Records that made room for newer ones; with any, the trace has overflowed.
    pub dropped: u32,
}

impl Summary {
    /// Whether records are missing.
    #[must_use]
    pub const fn has_overflowed(&self) -> bool {
        self.dropped > 0
    }
}

/// Why a trace is as it was before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TraceError {
    /// It has no memory for records.
    NoRecords,
    /// It runs.
    Running,
    /// It does not run.
    NotRunning,
}

/// A trace, with records that somebody else owns.
#[derive(Debug)]
pub struct Trace<'a> {
    /// A ring: the oldest at `oldest`, so many as `summary` says, none but the last ones free.
    records: &'a mut [Record],
    oldest: usize,
    summary: Summary,
    /// Only releases are recorded. Not while it is stopped.
    is_paused: bool,
}

impl Default for Trace<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl<'a> Trace<'a> {
    const BEFORE_START: Summary = Summary {
        mode: Mode::All,
        is_running: false,
        total_allocations: 0,
        total_frees: 0,
        records: 0,
        capacity: 0,
        high_water_records: 0,
        dropped: 0,
    };

    /// A trace without records, which does not run.
    #[must_use]
    pub const fn new() -> Self {
        Self { records: &mut [], oldest: 0, summary: Self::BEFORE_START, is_paused: false }
    }

    /// Gives it memory for records; what it had recorded is lost.
    ///
    /// # Errors
    /// It runs, or there is no memory for even one.
    pub fn init(&mut self, records: &'a mut [Record]) -> Result<(), TraceError> {
        if self.summary.is_running {
            return Err(TraceError::Running);
        }
        if records.is_empty() {
            return Err(TraceError::NoRecords);
        }
        let capacity = records.len();
        (self.records, self.oldest) = (records, 0);
        self.summary = Summary { capacity, ..Self::BEFORE_START };
        Ok(())
    }

    /// Begins anew, without records. One that runs begins anew as well.
    ///
    /// # Errors
    /// It has no memory for records.
    pub fn start(&mut self, mode: Mode) -> Result<(), TraceError> {
        let capacity = self.records.len();
        if capacity == 0 {
            return Err(TraceError::NoRecords);
        }
        (self.oldest, self.is_paused) = (0, false);
        self.summary = Summary { mode, is_running: true, capacity, ..Self::BEFORE_START };
        Ok(())
    }

    /// Ends it; the records stay.
    ///
    /// # Errors
    /// It does not run.
    pub fn stop(&mut self) -> Result<(), TraceError> {
        if !self.summary.is_running {
            return Err(TraceError::NotRunning);
        }
        (self.summary.is_running, self.is_paused) = (false, false);
        Ok(())
    }

    /// From now on only releases are recorded: what a program has not given back in the end, of all
    /// that it had at this moment, is what leaks.
    ///
    /// # Errors
    /// It does not run, or is paused already.
    pub fn pause(&mut self) -> Result<(), TraceError> {
        if !self.summary.is_running || self.is_paused {
            return Err(TraceError::NotRunning);
        }
        self.is_paused = true;
        Ok(())
    }

    /// Goes on where it was stopped or paused. A block that came in between, or went while it was
    /// stopped, is not known of.
    ///
    /// # Errors
    /// It runs, or it has no memory for records.
    pub fn resume(&mut self) -> Result<(), TraceError> {
        if self.summary.is_running && !self.is_paused {
            return Err(TraceError::Running);
        }
        if self.records.is_empty() {
            return Err(TraceError::NoRecords);
        }
        (self.summary.is_running, self.is_paused) = (true, false);
        Ok(())
    }

    /// Whether it runs, paused or not.
    #[must_use]
    #[inline]
    pub const fn is_running(&self) -> bool {
        self.summary.is_running
    }

    /// A record by its place, the oldest at 0.
    #[must_use]
    pub fn get(&self, place: usize) -> Option<&Record> {
        if place >= self.summary.records {
            return None;
        }
        self.records.get(self.slot(place))
    }

    /// Every record, the oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Record> {
        (0..self.summary.records).filter_map(|place| self.get(place))
    }

    /// Its numbers.
    #[must_use]
    pub const fn summary(&self) -> Summary {
        self.summary
    }

    /// A block was handed out.
    #[inline]
    pub fn allocated(&mut self, address: u32, size_bytes: u32, origin: Origin) {
        if self.is_running() && !self.is_paused {
            self.push(address, size_bytes, origin);
        }
    }

    /// A block was taken back, or moved away, by who goes on at `caller`.
    #[inline]
    pub fn freed(&mut self, address: u32, caller: u32) {
        if self.is_running() {
            self.settle(address, caller);
        }
    }

    #[inline(never)]
    fn push(&mut self, address: u32, size_bytes: u32, origin: Origin) {
        if self.summary.records == self.records.len() {
            self.oldest = self.slot(1);
            self.summary.records -= 1;
            self.summary.dropped = self.summary.dropped.saturating_add(1);
        }
        let summary = &mut self.summary;
        summary.total_allocations = summary.total_allocations.wrapping_add(1);
        let sequence = summary.total_allocations;
        let place = summary.records;
        summary.records += 1;
        summary.high_water_records = summary.high_water_records.max(summary.records);
        self.set(place, Record { address, size_bytes, origin, freed_by: None, sequence });
    }

    #[inline(never)]
    fn settle(&mut self, address: u32, caller: u32) {
        self.summary.total_frees = self.summary.total_frees.wrapping_add(1);
        let is_it = |record: &Record| record.address == address && record.freed_by.is_none();
        let places = 0..self.summary.records;
        let Some(place) = places.rev().find(|place| self.get(*place).is_some_and(is_it)) else {
            return;
        };
        match self.summary.mode {
            Mode::All => {
                if let Some(record) = self.get(place).copied() {
                    self.set(place, Record { freed_by: Some(caller), ..record });
                }
            }
            Mode::Leaks => self.remove(place),
        }
    }

    /// Newer records move up. Most of what is released is young, so they are few.
    fn remove(&mut self, place: usize) {
        for later in place + 1..self.summary.records {
            if let Some(record) = self.get(later).copied() {
                self.set(later - 1, record);
            }
        }
        self.summary.records -= 1;
    }

    /// Where in the ring a place is. There are at most `usize::MAX / 2` records, as of everything
    /// that takes more than a byte.
    const fn slot(&self, place: usize) -> usize {
        let (slot, capacity) = (self.oldest + place, self.records.len());
        if slot < capacity { slot } else { slot - capacity }
    }

    fn set(&mut self, place: usize, record: Record) {
        let slot = self.slot(place);
        if let Some(it) = self.records.get_mut(slot) {
            *it = record;
        }
    }
}
