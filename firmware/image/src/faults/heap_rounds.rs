//! Work on the heap that looks at all that it was promised, for whoever disturbs it: a sweep has
//! allocations fail, bits of the heap's own words flipped, interrupts come in between.
//!
//! Three ends are told apart. All of it was done and held; something was refused, and everything
//! else held; or something did not hold, of which nobody was told. What the heap says of itself at
//! the end counts as told: it ends the boot with a record.

use super::blocks;
use super::heap_exhaustion::state;
use super::words::{read, write};
use crate::observe::note;
use core::sync::atomic::{AtomicU32, Ordering};
use crashrig_layout::Capabilities;
use crashrig_memory::heap::{Alignment, Totals};
use crashrig_port::heap::{self, FromInterrupt};
use crashrig_port::{errors, interrupts, platform};
use crashrig_wire::Observation;
use crashrig_wire::status::Misuse;

/// Bytes asked for; between them free blocks come to lie.
const SIZES: [u32; 9] = [8, 24, 40, 8, 64, 16, 12, 100, 32];
const MORE_BYTES: u32 = 56;
/// Blocks are to lie so close to each other.
const SWEPT_BYTES: u32 = 704;
const PATTERN: u32 = 0x6B1D_0000;

/// A block, and its number in the pattern that it holds.
#[derive(Debug, Clone, Copy)]
struct Held {
    address: u32,
    size_bytes: u32,
    number: u32,
}

/// What is held, and whether everything asked for was given.
#[derive(Debug)]
struct Work {
    caps: Capabilities,
    held: [Option<Held>; SIZES.len()],
    was_refused: bool,
    is_sound: bool,
}

/// The blocks lie as they are to lie, and hold nothing yet.
#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn crashrig_rounds_begin() {
    cortex_m::asm::dsb();
}

/// Nothing is asked of the heap any more.
#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn crashrig_rounds_end() {
    cortex_m::asm::dsb();
}

/// Works with memory that has some capabilities.
#[inline(never)]
pub fn run(bits: u32) {
    let Some(caps) = Capabilities::from_bits(bits) else { return };
    let mut work = Work { caps, held: [None; SIZES.len()], was_refused: false, is_sound: true };
    let before = figures();
    for place in 0..SIZES.len() {
        work.take(place);
    }
    for place in [1, 4, 6] {
        work.give(place);
    }
    work.say_where();
    crashrig_rounds_begin();
    work.rounds();
    crashrig_rounds_end();
    work.is_sound &= figures() == before;
    if work.is_sound && !work.was_refused {
        note(Observation::HeapWorked, true);
    } else if !work.is_sound {
        note(Observation::CheckFailed, true);
    }
}

/// What allocating and releasing bring back to what it was. A heap that finds a word of its own
/// wrong is the end.
fn figures() -> Totals {
    if heap::check_integrity().is_err() {
        errors::fatal(Misuse::HeapCorrupt.status(), 0);
    }
    state(Capabilities::NONE)
}

impl Work {
    /// A sweep of bits must look where the blocks are.
    fn say_where(&self) {
        let starts = || self.held.iter().flatten().map(|held| held.address);
        let first = starts().min().unwrap_or(0);
        if starts().all(|start| start < first + SWEPT_BYTES) {
            defmt::debug!("blocks within {=u32} bytes from {=u32:#010x} on", SWEPT_BYTES, first);
        }
    }

    fn rounds(&mut self) {
        self.fill();
        self.take(1);
        self.resize(3, MORE_BYTES);
        self.give(0);
        self.take(4);
        self.resize(7, 20);
        self.give(2);
        self.give(3);
        self.take(6);
        self.resize(8, MORE_BYTES);
        self.look();
        for place in 0..SIZES.len() {
            self.give(place);
        }
    }

    fn take(&mut self, place: usize) {
        let size_bytes = SIZES.get(place).copied().unwrap_or(0);
        match heap::allocate(size_bytes, Alignment::NATURAL, self.caps) {
            Ok(address) => self.hold(place, address, size_bytes),
            Err(_) => self.was_refused = true,
        }
    }

    fn resize(&mut self, place: usize, size_bytes: u32) {
        let Some(old) = self.held.get(place).copied().flatten() else { return };
        match blocks::reallocate(old.address, size_bytes, self.caps) {
            Ok(address) => {
                let kept_bytes = size_bytes.min(old.size_bytes);
                self.is_sound &= Held { address, size_bytes: kept_bytes, ..old }.is_whole();
                self.hold(place, address, size_bytes);
            }
            Err(_) => self.was_refused = true,
        }
    }

    /// A block of the heap is no other's, and where DMA comes if that was asked for.
    fn hold(&mut self, place: usize, address: u32, size_bytes: u32) {
        let number = place as u32 + 1;
        let new = Held { address, size_bytes, number };
        if let Some(slot) = self.held.get_mut(place) {
            *slot = None;
        }
        self.is_sound &= self.held.iter().flatten().all(|other| !other.shares_with(&new));
        self.is_sound &= !self.caps.contains(Capabilities::DMA)
            || platform::memory().is_dma_capable(address, size_bytes);
        new.fill();
        if let Some(slot) = self.held.get_mut(place) {
            *slot = Some(new);
        }
    }

    fn give(&mut self, place: usize) {
        let Some(old) = self.held.get_mut(place).and_then(Option::take) else { return };
        self.is_sound &= old.is_whole();
        // A right address is refused only by a heap that is damaged, which ends the boot before.
        self.is_sound &= blocks::free(old.address).is_ok();
    }

    fn fill(&self) {
        self.held.iter().flatten().for_each(Held::fill);
    }

    fn look(&mut self) {
        self.is_sound &= self.held.iter().flatten().all(Held::is_whole);
    }
}

impl Held {
    fn words(&self) -> impl Iterator<Item = (u32, u32)> + use<> {
        let Self { address, size_bytes, number } = *self;
        let pattern = PATTERN | number << 8;
        (0..size_bytes / 4).map(move |word| (address + 4 * word, pattern | word))
    }

    fn fill(&self) {
        self.words().for_each(|(address, word)| write(address, word));
    }

    fn is_whole(&self) -> bool {
        self.words().all(|(address, word)| read(address) == word)
    }

    const fn shares_with(&self, other: &Self) -> bool {
        self.address < other.address + other.size_bytes
            && other.address < self.address + self.size_bytes
    }
}

/// How often the handler has come, and how often it was answered otherwise than it must be.
static CAME: AtomicU32 = AtomicU32::new(0);
static WRONG: AtomicU32 = AtomicU32::new(0);
static IS_ALLOWED: AtomicU32 = AtomicU32::new(0);

/// Asks the heap for a block and gives it back, or is refused, as the policy says.
extern "C" fn handler() {
    let answer = heap::allocate(24, Alignment::NATURAL, Capabilities::DEFAULT);
    let is_right = match answer {
        Ok(address) => {
            let block = Held { address, size_bytes: 24, number: 0xFF };
            block.fill();
            let is_whole = block.is_whole();
            IS_ALLOWED.load(Ordering::Relaxed) != 0 && blocks::free(address).is_ok() && is_whole
        }
        Err(heap::Error::FromInterrupt) => IS_ALLOWED.load(Ordering::Relaxed) == 0,
        Err(_) => false,
    };
    WRONG.fetch_add(u32::from(!is_right), Ordering::Relaxed);
    CAME.fetch_add(1, Ordering::Relaxed);
}

/// Works while an interrupt that uses the heap as well may come; it comes once, in any case. A
/// handler is served with `is_allowed` = 1, and refused with 0.
#[inline(never)]
pub fn run_interrupted(is_allowed: u32) {
    IS_ALLOWED.store(is_allowed, Ordering::Relaxed);
    if is_allowed != 0 {
        heap::set_from_interrupt(FromInterrupt::Allowed);
    }
    let interrupt = interrupts::count() - 2;
    interrupts::install(interrupt, handler);
    interrupts::raise(interrupt);
    run(Capabilities::DEFAULT.bits());
    if CAME.load(Ordering::Relaxed) == 0 || WRONG.load(Ordering::Relaxed) != 0 {
        note(Observation::CheckFailed, true);
    }
}
