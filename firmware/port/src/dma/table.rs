//! What each stream does and did last: kept for its owner, for the watchdog and for a record.
//!
//! The fault path reads it while nothing else runs; a change that it has interrupted makes it
//! unreadable, never half read.

use super::registers::{self, STREAM_COUNT, place};
use core::cell::RefCell;
use crashrig_memory::dma::{Mode, Plan, StreamId};
use crashrig_wire::section::TransferRow;
use crashrig_wire::{DmaRule, Thread, TransferState};
use critical_section::Mutex;

/// One transfer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub plan: Plan,
    pub state: TransferState,
    /// Items left when it ended.
    pub items_left: u16,
    pub owner: Thread,
    /// When it began, and after how many milliseconds it must have ended.
    pub started_ms: u32,
    pub limit_ms: Option<u32>,
    /// The rule that it broke.
    pub rule: Option<DmaRule>,
    /// Rises with each transfer; given by [`put`].
    pub number: u32,
}

impl Entry {
    pub fn new(plan: &Plan, state: TransferState, owner: Thread) -> Self {
        Self {
            plan: *plan,
            state,
            items_left: plan.items as u16,
            owner,
            started_ms: 0,
            limit_ms: None,
            rule: None,
            number: 0,
        }
    }

    fn row(&self, id: StreamId) -> TransferRow {
        let (source, destination) = self.plan.ends();
        let advances = |is: bool, bit: u8| if is { bit } else { 0 };
        TransferRow {
            source: source.address,
            destination: destination.address,
            bytes: self.plan.size_bytes(),
            advances: advances(source.advances, TransferRow::SOURCE_ADVANCES)
                | advances(destination.advances, TransferRow::DESTINATION_ADVANCES),
            stream: id.code(),
            state: Some(self.state),
            owner: self.owner.code(),
            items_left: self.items_left,
            rule: self.rule,
        }
    }
}

#[derive(Debug)]
struct Table {
    entries: [Option<Entry>; STREAM_COUNT],
    next_number: u32,
}

static TABLE: Mutex<RefCell<Table>> =
    Mutex::new(RefCell::new(Table { entries: [None; STREAM_COUNT], next_number: 0 }));

/// The last transfer of a stream.
pub(super) fn get(id: StreamId) -> Option<Entry> {
    critical_section::with(|token| {
        TABLE.borrow(token).try_borrow().ok()?.entries.get(place(id)?).copied().flatten()
    })
}

/// Puts a new transfer in, unless one runs: then its state is the answer.
pub(super) fn put(id: StreamId, entry: Entry) -> Result<(), TransferState> {
    critical_section::with(|token| {
        let mut table = TABLE.borrow_ref_mut(token);
        let number = table.next_number;
        let place = place(id).and_then(|place| table.entries.get_mut(place));
        let Some(old) = place else { return Ok(()) };
        if let Some(Entry { state: TransferState::Running, .. }) = old {
            return Err(TransferState::Running);
        }
        *old = Some(Entry { number, ..entry });
        table.next_number = number.wrapping_add(1);
        Ok(())
    })
}

/// Changes the transfer of a stream that runs. Nothing if none does.
pub(super) fn change_running<R>(id: StreamId, work: impl FnOnce(&mut Entry) -> R) -> Option<R> {
    critical_section::with(|token| {
        let mut table = TABLE.borrow(token).try_borrow_mut().ok()?;
        let entry = table.entries.get_mut(place(id)?)?.as_mut()?;
        (entry.state == TransferState::Running).then(|| work(entry))
    })
}

/// Streams that run.
pub(super) fn running() -> impl Iterator<Item = (StreamId, Entry)> {
    let found = registers::all().filter_map(|id| Some((id, get(id)?)));
    found.filter(|(_, entry)| entry.state == TransferState::Running)
}

/// The newest transfers of all streams, oldest first.
pub(super) fn newest<const N: usize>() -> [Option<TransferRow>; N] {
    let mut rows: [Option<(u32, TransferRow)>; N] = [None; N];
    for (id, entry) in registers::all().filter_map(|id| Some((id, get(id)?))) {
        // The place of the oldest goes to what is newer, and the order is kept by insertion.
        let mut candidate = Some((entry.number, entry.row(id)));
        for place in rows.iter_mut().rev() {
            if candidate.map(|it| it.0) > place.map(|it| it.0) || place.is_none() {
                core::mem::swap(place, &mut candidate);
            }
        }
    }
    rows.map(|row| row.map(|(_, row)| row))
}

/// Whether a plan begins anew at its end.
pub(super) const fn is_endless(plan: &Plan) -> bool {
    !matches!(plan.mode, Mode::Once)
}

/// The address that a transfer has come to on the memory side.
pub(super) const fn progress(plan: &Plan, items_left: u16) -> u32 {
    let done = plan.items.saturating_sub(items_left as u32) * plan.peripheral.width.bytes();
    let address = plan.memory.address;
    if plan.memory.advances { address.wrapping_add(done) } else { address }
}
