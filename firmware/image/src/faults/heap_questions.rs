//! What can be asked of the heap without changing it, asked on the device, and held against what is
//! known. Nothing breaks.

use super::blocks;
use super::words::{read, write};
use core::ops::ControlFlow;
use crashrig_layout::Capabilities;
use crashrig_memory::heap::{AddressError, Alignment, Level, NotMonitoring};
use crashrig_port::{heap, platform};

const CAPS: Capabilities = Capabilities::DEFAULT;
const BLOCK_BYTES: u32 = 200;

fn allocate() -> Option<u32> {
    heap::allocate(BLOCK_BYTES, Alignment::NATURAL, CAPS).ok()
}

/// Runs every check.
#[inline(never)]
pub fn check_all() -> bool {
    let checks = [
        ("monitoring", minimum_is_that_of_a_window()),
        ("block around an address", block_around_an_address() == Some(true)),
        ("numbers of regions", regions_make_up_the_whole()),
        ("walk", a_visitor_may_use_the_heap()),
        ("dump", heap::dump(Capabilities::NONE).ok() == number_of_blocks()),
        ("check", damage_is_found_where_it_is() == Some(true)),
    ];
    for (what, _) in checks.iter().filter(|(_, held)| !held) {
        defmt::error!("{=str} did not hold", what);
    }
    checks.iter().all(|(_, held)| *held)
}

/// While the heap is monitored, its minimum is that since then, and later that of all time again.
fn minimum_is_that_of_a_window() -> bool {
    let minimum = || heap::totals(CAPS).map_or(0, |totals| totals.minimum_free_bytes);
    let mut held = heap::stop_monitoring() == Err(NotMonitoring);
    let of_all_time = minimum();
    heap::start_monitoring();
    let before = minimum();
    held &= Ok(before) == heap::totals(CAPS).map(|totals| totals.free_bytes);
    held &= allocate().is_some_and(|block| blocks::free(block).is_ok());
    held &= minimum() + BLOCK_BYTES <= before;
    held &= heap::stop_monitoring().is_ok() && heap::stop_monitoring().is_err();
    held && minimum() <= of_all_time
}

fn block_around_an_address() -> Option<bool> {
    let address = allocate()?;
    let block = heap::containing_block(address + BLOCK_BYTES / 2).ok()?;
    let mut held = block.address == address && block.size_bytes >= BLOCK_BYTES && !block.is_free;
    held &= blocks::free(address).is_ok();
    held &= heap::containing_block(address).is_ok_and(|block| block.is_free);
    let outside = platform::text_start();
    let foreign = Err(AddressError::Foreign { address: outside });
    Some(held && heap::containing_block(outside) == foreign)
}

fn regions_make_up_the_whole() -> bool {
    let mut sum = 0;
    for region in 0..heap::REGION_LIMIT {
        let totals = heap::region_totals(region).ok().flatten();
        sum += totals.map_or(0, |totals| totals.total_bytes);
    }
    let whole = heap::totals(Capabilities::NONE).map(|totals| totals.total_bytes);
    whole == Ok(sum) && sum > 0 && heap::region_totals(heap::REGION_LIMIT) == Ok(None)
}

fn number_of_blocks() -> Option<u32> {
    let totals = heap::totals(Capabilities::NONE).ok()?;
    Some(totals.allocated_blocks + totals.free_blocks)
}

/// Each block is shown once, to a visitor that allocates and frees as well; one that breaks sees
/// one block of each region.
fn a_visitor_may_use_the_heap() -> bool {
    let (mut shown, mut served, mut last) = (0, 0, (0, 0));
    let mut is_in_order = true;
    let walked = heap::walk(Capabilities::NONE, |block| {
        is_in_order &= shown == 0 || (block.region, block.address) > last;
        last = (block.region, block.address);
        served += u32::from(allocate().is_some_and(|block| blocks::free(block).is_ok()));
        shown += 1;
        ControlFlow::Continue(())
    });
    let mut firsts = 0;
    let broken_off = heap::walk(Capabilities::NONE, |_| {
        firsts += 1;
        ControlFlow::Break(())
    });
    let regions = (0..heap::REGION_LIMIT)
        .filter(|region| heap::region_totals(*region).is_ok_and(|totals| totals.is_some()));
    let all = walked.is_ok() && Some(shown) == number_of_blocks() && is_in_order;
    all && served == shown && broken_off.is_ok() && firsts == regions.count()
}

/// A canary that is written over is found by capabilities and by address, and is fine again once it
/// is repaired. At level off there is none.
fn damage_is_found_where_it_is() -> Option<bool> {
    let block = allocate()?;
    // The word behind the block; it belongs to the block, or to the heap, which is idle.
    let canary = block + BLOCK_BYTES;
    let is_sound = || {
        let by_capabilities = heap::check_integrity_of(CAPS).is_ok();
        [by_capabilities, heap::check_integrity_at(block).is_ok()]
    };
    let mut held = is_sound() == [true; 2];
    let word = read(canary);
    if heap::HeapLevel::IS_CHECKED {
        // Nobody asks the heap for anything until it is written back.
        write(canary, !word);
        held &= is_sound() == [false; 2];
        held &= heap::check_integrity_of(Capabilities::INVALID).is_ok();
        write(canary, word);
    }
    held &= is_sound() == [true; 2] && heap::check_integrity_at(platform::text_start()).is_err();
    Some(held && blocks::free(block).is_ok())
}
