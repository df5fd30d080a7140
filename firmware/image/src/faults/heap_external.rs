//! RAM off the chip as part of the heap: who gets it, and who does not. Nothing breaks.

use super::blocks;
use super::checks::Checks;
use super::heap_exhaustion::{NONE, release, take_all};
use crashrig_layout::{Capabilities, Memory};
use crashrig_memory::heap::Alignment;
use crashrig_port::{heap, platform};

const EXTERNAL: Capabilities = Capabilities::SPIRAM;
const INTERNAL: Capabilities = Capabilities::DEFAULT.union(Capabilities::INTERNAL);
const DMA: Capabilities = Capabilities::DMA.union(Capabilities::BYTE);
/// What memory on the chip is used up with.
const PIECE_BYTES: u32 = 1024;

/// Runs every check.
#[inline(never)]
pub fn check_all() {
    let mut checks = Checks::new();
    let memory = platform::memory();
    checks.check("asked for", asked_for_by_name(memory).is_some());
    checks.check("for DMA", for_dma_by_name_only(memory).is_some());
    checks.check("figures", figures_are_of_what_can_be_had().is_some());
    checks.check("limit", plain_memory_follows_the_limit(memory).is_some());
    checks.check("used up", stands_in_if_it_is_open(memory).is_some());
    checks.check("resized", moves_where_it_is_sent(memory).is_some());
    checks.check("heap", heap::check_integrity().is_ok());
    checks.say();
}

fn allocate(size_bytes: u32, caps: Capabilities) -> Option<u32> {
    heap::allocate(size_bytes, Alignment::NATURAL, caps).ok()
}

fn free(address: u32) -> Option<()> {
    blocks::free(address).ok().map(drop)
}

/// A plain allocation, and whether it lies off the chip.
fn plain(memory: Memory, size_bytes: u32) -> Option<bool> {
    let address = heap::allocate_default(size_bytes).ok()?;
    let is_external = memory.is_external_ram(address);
    free(address)?;
    Some(is_external)
}

fn asked_for_by_name(memory: Memory) -> Option<()> {
    for caps in [EXTERNAL, EXTERNAL.union(Capabilities::DEFAULT), EXTERNAL.union(DMA)] {
        let address = allocate(100, caps)?;
        let lies_there = memory.is_external_ram(address) && memory.is_external_ram(address + 99);
        free(address)?;
        lies_there.then_some(())?;
    }
    // Nothing is off the chip and on it.
    allocate(8, EXTERNAL.union(Capabilities::INTERNAL)).is_none().then_some(())
}

/// Memory for DMA is on the chip, unless external memory is named; with nothing left there, none.
fn for_dma_by_name_only(memory: Memory) -> Option<()> {
    for caps in [DMA, DMA.union(Capabilities::DEFAULT)] {
        let address = allocate(100, caps)?;
        let lies_inside = memory.is_dma_capable(address, 100) && memory.is_internal(address);
        free(address)?;
        lies_inside.then_some(())?;
    }
    let address = allocate(100, DMA.union(EXTERNAL))?;
    let lies_outside = memory.is_external_dma_capable(address, 100);
    let is_plain = memory.is_dma_capable(address, 100);
    free(address)?;
    let pieces = take_all(PIECE_BYTES, INTERNAL, NONE);
    let kept_out = [DMA, DMA.union(Capabilities::DEFAULT)]
        .into_iter()
        .all(|caps| allocate(PIECE_BYTES, caps).is_none());
    let named = allocate(PIECE_BYTES, DMA.union(EXTERNAL)).and_then(free).is_some();
    (lies_outside && !is_plain && kept_out && named && release(pieces)).then_some(())
}

/// A block off the chip lowers what is free there, and not what DMA gets without naming it.
fn figures_are_of_what_can_be_had() -> Option<()> {
    let free_of = |caps| heap::totals(caps).ok().map(|totals| totals.free_bytes);
    let sets = [EXTERNAL, DMA.union(EXTERNAL), DMA, Capabilities::INTERNAL];
    let before = sets.map(free_of);
    let address = allocate(100, EXTERNAL)?;
    let after = sets.map(free_of);
    free(address)?;
    let lowered = before.iter().zip(&after).map(|(before, after)| after < before);
    (lowered.eq([true, true, false, false]) && before == sets.map(free_of)).then_some(())
}

/// Plain memory is on the chip until it is opened to external RAM: then, from the limit on.
fn plain_memory_follows_the_limit(memory: Memory) -> Option<()> {
    let closed = plain(memory, 100) == Some(false);
    heap::set_external_limit(Some(100));
    let sides = [100, 101].map(|size_bytes| plain(memory, size_bytes));
    heap::set_external_limit(None);
    let closed_again = plain(memory, 101) == Some(false);
    (closed && closed_again && sides == [Some(false), Some(true)]).then_some(())
}

/// With nothing left on the chip, plain memory is refused while external RAM is closed, and comes
/// from there when it is open, below the limit too.
fn stands_in_if_it_is_open(memory: Memory) -> Option<()> {
    let pieces = take_all(PIECE_BYTES, INTERNAL, NONE);
    let closed = heap::allocate_default(PIECE_BYTES).is_err();
    heap::set_external_limit(Some(PIECE_BYTES));
    let open = plain(memory, PIECE_BYTES) == Some(true);
    heap::set_external_limit(None);
    (closed && open && release(pieces)).then_some(())
}

/// A block goes where its new capabilities send it, and keeps what it held.
fn moves_where_it_is_sent(memory: Memory) -> Option<()> {
    const PATTERN: u32 = 0x5AC3_0FF1;
    let word = |address: u32| core::ptr::with_exposed_provenance_mut::<u32>(address as usize);
    let inside = allocate(64, INTERNAL)?;
    // SAFETY: the first word of a block that nobody else has.
    unsafe { word(inside).write_volatile(PATTERN) };
    let outside = blocks::reallocate(inside, 128, EXTERNAL).ok()?;
    // SAFETY: as above.
    let kept = unsafe { word(outside).read_volatile() } == PATTERN;
    let moved = memory.is_internal(inside) && memory.is_external_ram(outside);
    free(outside)?;
    (kept && moved).then_some(())
}
