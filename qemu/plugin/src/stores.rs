//! Logs the stores of instructions to watched ranges: who wrote there, and when.
//!
//! Nothing is asked of QEMU until a range is watched, so that a run without costs nothing. What was
//! translated before would never report a store; therefore the first range is refused once a block
//! has been translated, and later ones are not.
//!
//! The log keeps the newest stores, since it is read to learn what led to a crash; the older ones
//! are counted as dropped. It must never grow beyond [`LIMIT`], nor keep QEMU waiting for the
//! harness: the lock is held to add or to take, never to write on the socket.
//!
//! Seen is what an instruction stores, after it has stored; of one that faults, nothing. What the
//! core itself stacks on entry to an exception is no instruction's store: QEMU makes no callback
//! for it (measured on 7.2 and 10.0, for a basic frame). An instruction gives as many stores as
//! QEMU makes of it: `strd` is two of 4 bytes on 7.2 and one of 8 bytes on 10.0.
//!
//! While a range is watched, a store elsewhere costs 7 ns, 19 ns with eight ranges, and one that is
//! logged 23 ns; a load nothing on 10.0 and 4 ns on 7.2. An instruction costs 1 ns, and as much
//! again for the count. In time of the processor, on a busy machine, the best of three runs.

use std::collections::VecDeque;
use std::ffi::{c_uint, c_void};
use std::fmt;
use std::ptr::without_provenance_mut;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::count;
use crate::interface::{
    Instruction, MemoryInformation, NO_REGISTERS, STORES_ONLY, qemu_plugin_insn_vaddr,
    qemu_plugin_mem_is_store, qemu_plugin_mem_size_shift, qemu_plugin_register_vcpu_mem_cb,
};

/// Most stores that are kept.
const LIMIT: usize = 4096;

/// Most ranges that are watched.
const RANGES: usize = 8;

/// The watched ranges, each in one word so that a reader never sees half of one: the first address
/// above, the size in bytes below. Zero ends the list.
static WATCHED: [AtomicU64; RANGES] = [const { AtomicU64::new(0) }; RANGES];

/// Whether a range is watched.
static WATCHING: AtomicBool = AtomicBool::new(false);

/// Whether a block was translated without regard for its stores.
static MISSED: AtomicBool = AtomicBool::new(false);

static LOG: Mutex<Log> = Mutex::new(Log::EMPTY);

/// The newest stores in their order.
pub struct Log {
    pub stores: VecDeque<Store>,
    /// How many older ones gave way.
    pub dropped: u64,
}

impl Log {
    const EMPTY: Self = Self { stores: VecDeque::new(), dropped: 0 };
}

pub struct Store {
    /// The number of the instruction, 1 for the first since power-on.
    instruction: u64,
    pc: u64,
    address: u32,
    size_bytes: u32,
}

impl fmt::Display for Store {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { instruction, pc, address, size_bytes } = self;
        write!(formatter, "store {instruction} {pc} {address} {size_bytes}")
    }
}

/// Watches one more range, given as `START SIZE`, in decimal. Answers with the number of ranges.
pub fn watch(range: &str) -> Result<usize, &'static str> {
    let parsed = range.split_once(' ').and_then(|(start, size)| {
        Some((start.parse::<u32>().ok()?, size.parse::<u32>().ok().filter(|size| *size > 0)?))
    });
    let (start, size_bytes) = parsed.ok_or("no range")?;
    // Announced before the question whether something was missed: see `is_watching`.
    let watched_before = WATCHING.swap(true, Ordering::SeqCst);
    if !watched_before && MISSED.load(Ordering::SeqCst) {
        WATCHING.store(false, Ordering::SeqCst);
        return Err("the guest has run");
    }
    let free = WATCHED.iter().position(|range| range.load(Ordering::Relaxed) == 0);
    let place = free.and_then(|index| Some((index, WATCHED.get(index)?)));
    let (index, place) = place.ok_or("too many ranges")?;
    place.store(u64::from(start) << 32 | u64::from(size_bytes), Ordering::Relaxed);
    Ok(index + 1)
}

/// Whether stores are to be logged by a block that is translated now. A block for which this says
/// no has been missed, and either this or [`watch`] learns of the other.
pub fn is_watching() -> bool {
    if !WATCHING.load(Ordering::Relaxed) {
        MISSED.store(true, Ordering::SeqCst);
    }
    WATCHING.load(Ordering::SeqCst)
}

/// Asks QEMU to report the stores of an instruction.
///
/// # Safety
/// The instruction must belong to the block that is being translated.
pub unsafe fn observe(instruction: *mut Instruction) {
    // SAFETY: the caller vouches for the instruction.
    let pc = unsafe { qemu_plugin_insn_vaddr(instruction) };
    // An address of the target has 32 bits; it travels in place of a pointer.
    let pc = without_provenance_mut(pc as usize);
    // SAFETY: as above; the callback has the type asked for, and takes its pointer as a number.
    unsafe {
        qemu_plugin_register_vcpu_mem_cb(instruction, on_store, NO_REGISTERS, STORES_ONLY, pc);
    }
}

extern "C" fn on_store(_cpu: c_uint, information: MemoryInformation, at: u64, pc: *mut c_void) {
    // Asked for stores only, QEMU 7.2 reports loads too (measured).
    // SAFETY: the word is the one that QEMU passes.
    if !unsafe { qemu_plugin_mem_is_store(information) } {
        return;
    }
    // Without a memory management unit the virtual address is the physical one.
    let address = at as u32;
    // SAFETY: as above.
    let size_bytes = 1 << unsafe { qemu_plugin_mem_size_shift(information) };
    if !is_watched(address, size_bytes) {
        return;
    }
    let instruction = count::executed();
    let mut log = log();
    if log.stores.len() == LIMIT {
        log.stores.pop_front();
        log.dropped += 1;
    }
    log.stores.push_back(Store { instruction, pc: pc.addr() as u64, address, size_bytes });
}

/// Whether one byte of a store lies in a watched range.
fn is_watched(address: u32, size_bytes: u32) -> bool {
    WATCHED.iter().map(|range| range.load(Ordering::Relaxed)).take_while(|range| *range != 0).any(
        |range| {
            let (start, watched_bytes) = ((range >> 32) as u32, range as u32);
            // The store begins inside, or the range begins inside the store.
            address.wrapping_sub(start) < watched_bytes || start.wrapping_sub(address) < size_bytes
        },
    )
}

/// The log, which is empty then.
pub fn take() -> Log {
    std::mem::replace(&mut log(), Log::EMPTY)
}

/// The log. A panic of its holder, which ends QEMU, would leave it whole.
fn log() -> MutexGuard<'static, Log> {
    LOG.lock().unwrap_or_else(PoisonError::into_inner)
}
