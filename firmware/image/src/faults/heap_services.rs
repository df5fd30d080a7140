//! What is built on the heap: its trace, and who has how much of it. What can be asked of it is
//! looked at on the way.

use super::blocks;
use crate::observe::note;
use core::sync::atomic::{AtomicU32, Ordering};
use crashrig_layout::Capabilities;
use crashrig_memory::heap::{Alignment, Mode, Record, TraceError};
use crashrig_port::heap::{self, Owner};
use crashrig_port::kernel::thread::{self, Options, Thread};
use crashrig_port::kernel::{FOREVER, priority};
use crashrig_wire::Observation;

/// Code of `take` or `give` has less.
const FUNCTION_BYTES: u32 = 64;
const STACK_BYTES: u32 = 1024;
/// Records of the trace, fewer than the thread leaves behind.
const RECORDS: usize = 4;
const LEFT_BEHIND: u32 = 6;
const LEFT_BYTES: u32 = 40;

/// A block, asked for from within this function; 0 if there is none.
#[inline(never)]
fn take(size_bytes: u32) -> u32 {
    heap::allocate(size_bytes, Alignment::NATURAL, Capabilities::DEFAULT).unwrap_or(0)
}

/// Gives a block back from within this function.
#[inline(never)]
fn give(address: u32) -> bool {
    blocks::free(address).is_ok()
}

fn is_in(caller: u32, function: *const ()) -> bool {
    (caller & !1).wrapping_sub(function.addr() as u32 & !1) < FUNCTION_BYTES
}

fn current() -> Option<Owner> {
    thread::current().map(Owner::Thread)
}

/// Blocks that the thread left behind.
static LEFT: [AtomicU32; LEFT_BEHIND as usize] =
    [const { AtomicU32::new(0) }; LEFT_BEHIND as usize];

extern "C" fn leave_behind(_: u32) -> u32 {
    for place in &LEFT {
        place.store(take(LEFT_BYTES), Ordering::Relaxed);
    }
    0
}

/// A thread that takes blocks as soon as it is waited for, and leaves them behind.
fn spawn() -> Option<Thread> {
    let options = Options { name: "careless", priority: priority::LOW, privileged: true };
    thread::spawn(&options, STACK_BYTES, Capabilities::DEFAULT, leave_behind, 0).ok()
}

fn give_back() -> bool {
    LEFT.iter().all(|place| give(place.load(Ordering::Relaxed)))
}

/// The trace says what leaked, who asked from where, and that it overflowed.
#[inline(never)]
pub fn check_trace() {
    let Some(records) = cortex_m::singleton!(: [Record; RECORDS] = [Record::EMPTY; RECORDS]) else {
        return;
    };
    let mut held = heap::trace_restart(Mode::All) == Err(TraceError::NoRecords);
    held &= heap::trace_start(records, Mode::Leaks).is_ok();
    let (first, second) = (take(64), take(96));
    held &= give(first);
    held &= heap::trace_stop().is_ok() && heap::trace_stop() == Err(TraceError::NotRunning);
    let mut leaks = heap::trace_records();
    held &= leaks.next().is_some_and(|leak| {
        let whose = Owner::from_word(leak.origin.owner);
        let place = (leak.address, leak.size_bytes, leak.sequence);
        place == (second, 96, 2)
            && is_in(leak.origin.caller, take as *const ())
            && whose == current()
    });
    held &= leaks.next().is_none() && give(second);
    held &= a_thread_overflows_it() && releases_are_kept();
    held &= super::heap_questions::check_all();
    note(Observation::HeapServices, held && heap::check_integrity().is_ok());
}

/// What a thread leaves behind is its own, also after its end; the oldest records made room.
fn a_thread_overflows_it() -> bool {
    let Some(careless) = spawn() else { return false };
    let mut held = heap::trace_restart(Mode::Leaks).is_ok();
    held &= careless.join(FOREVER) == Ok(0);
    held &= heap::trace_stop().is_ok();
    let summary = heap::trace_summary();
    held &= summary.total_allocations == LEFT_BEHIND && summary.records == RECORDS;
    held &= summary.dropped == LEFT_BEHIND - RECORDS as u32 && summary.has_overflowed();
    let newest = LEFT.iter().skip(LEFT_BEHIND as usize - RECORDS);
    let are_its = heap::trace_records().zip(newest).all(|(leak, place)| {
        leak.address == place.load(Ordering::Relaxed)
            && Owner::from_word(leak.origin.owner) == Some(Owner::Thread(careless))
    });
    held && are_its && give_back()
}

/// With all records kept, a release says from where; a new size is a release and an allocation.
/// Zeroed memory is traced as any other.
fn releases_are_kept() -> bool {
    let mut held = heap::trace_restart(Mode::All).is_ok();
    let block = heap::allocate_zeroed(3, 8, Alignment::NATURAL, Capabilities::DEFAULT);
    let block = block.unwrap_or(0);
    held &= heap::trace_record(0).is_some_and(|it| (it.address, it.size_bytes) == (block, 24));
    let resized = blocks::reallocate(block, 48, Capabilities::DEFAULT);
    held &= resized.is_ok_and(give);
    held &= heap::trace_stop().is_ok();
    let freed = |place| heap::trace_record(place).and_then(|record| record.freed_by);
    let from_give = freed(1).is_some_and(|caller| is_in(caller, give as *const ()));
    held && from_give && freed(0).is_some() && heap::trace_summary().total_frees == 2
}

/// Who has how much is known by thread, and what a thread leaves behind when it has ended.
#[cfg(feature = "heap-tracking")]
pub fn check_accounts() {
    let Some(me) = current() else { return };
    let of = |owner| heap::account_of(owner).unwrap_or(NOTHING);
    let Some(careless) = spawn() else { return };
    let its = Owner::Thread(careless);
    let before = of(me);
    // Its stack is mine, for I spawned it.
    let mut held = of(its) == NOTHING && before.blocks > 0 && before.current_bytes >= STACK_BYTES;
    let block = take(100);
    let now = of(me);
    held &= now.current_bytes == before.current_bytes + size_of_block(block);
    held &= now.blocks == before.blocks + 1 && now.allocations == before.allocations + 1;
    held &= careless.join(FOREVER) == Ok(0);
    let its_bytes = LEFT.iter().map(|it| size_of_block(it.load(Ordering::Relaxed))).sum();
    let left = of(its);
    held &= left.is_ended && (left.blocks, left.frees) == (LEFT_BEHIND, 0);
    held &= (left.current_bytes, left.peak_bytes) == (its_bytes, its_bytes);
    // I release what is its: that is its credit, not mine.
    let mine = of(me);
    held &= give_back() && of(me).frees == mine.frees;
    let left = of(its);
    held &= (left.blocks, left.current_bytes, left.frees) == (0, 0, LEFT_BEHIND);
    held &= give(block) && left.peak_bytes == its_bytes && of(Owner::Others) == NOTHING;
    let blocks: u32 = heap::accounts().map(|account| account.blocks).sum();
    let total = heap::totals(Capabilities::NONE).map(|totals| totals.allocated_blocks);
    held &= total == Ok(blocks);
    note(Observation::HeapServices, held && heap::check_integrity().is_ok());
}

/// The account of who has none.
#[cfg(feature = "heap-tracking")]
const NOTHING: crashrig_memory::heap::Account = crashrig_memory::heap::Account {
    owner: 0,
    current_bytes: 0,
    peak_bytes: 0,
    blocks: 0,
    allocations: 0,
    frees: 0,
    is_ended: false,
};

#[cfg(feature = "heap-tracking")]
fn size_of_block(address: u32) -> u32 {
    heap::size_of(address).unwrap_or(0)
}
