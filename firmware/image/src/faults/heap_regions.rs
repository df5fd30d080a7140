//! The heap's regions, used by what they can do; memory added to it, and refused. Nothing breaks.

use super::blocks;
use crate::board;
use crate::observe::note;
use core::sync::atomic::AtomicU32;
use crashrig_layout::{AccessError, AdditionError, Capabilities, Region};
use crashrig_memory::heap::{Alignment, AllocationError, RegionError};
use crashrig_port::heap::{self, AddRegionError, Error};
use crashrig_port::platform;
use crashrig_wire::Observation;

/// Static data, for a heap to be offered.
static TAKEN: [AtomicU32; 64] = [const { AtomicU32::new(0) }; 64];

/// More blocks than the memory is in when all of it is taken.
const MOST_BLOCKS: usize = 24;

/// What no memory can be.
const OFF_AND_ON_CHIP: Capabilities = Capabilities::SPIRAM.union(Capabilities::INTERNAL);

/// Runs every check.
#[inline(never)]
pub fn check_all() {
    let checks = [
        ("plain memory", plain_memory_leaves_room_for_dma()),
        ("memory for DMA", memory_for_dma_is_in_reach()),
        ("memory for code", memory_for_code_is_the_boards()),
        ("impossible memory", impossible_memory_is_refused()),
        ("added memory", added_memory_is_refused()),
        ("lent memory", lent_memory_is_added()),
        ("plain memory of the chip", plain_memory_is_internal()),
    ];
    for (what, _) in checks.iter().filter(|(_, held)| !held) {
        defmt::error!("{=str} did not hold", what);
    }
    let sound = heap::check_integrity().is_ok();
    note(Observation::HeapRegions, sound && checks.iter().all(|(_, held)| *held));
}

fn allocate(size_bytes: u32, caps: Capabilities) -> Result<u32, Error<AllocationError>> {
    heap::allocate(size_bytes, Alignment::NATURAL, caps)
}

fn is_out_of_memory(result: Result<u32, Error<AllocationError>>) -> bool {
    let out_of_memory = |error| {
        matches!(error, Error::Heap(AllocationError::OutOfMemory { largest_free_block: 0, .. }))
    };
    result.is_err_and(out_of_memory)
}

fn total_bytes(caps: Capabilities) -> u32 {
    heap::totals(caps).map_or(0, |totals| totals.total_bytes)
}

/// Memory of the core's own bus, where there is some, goes first to who asks for no more.
fn plain_memory_leaves_room_for_dma() -> bool {
    let Ok(address) = allocate(100, Capabilities::BYTE) else { return false };
    let own = platform::memory()
        .region(address)
        .is_ok_and(|region: &Region| region.capabilities.contains(Capabilities::SPM));
    let free = heap::totals(Capabilities::BYTE).map_or(0, |totals| totals.free_bytes);
    let released = blocks::free(address).is_ok();
    let free_again = heap::totals(Capabilities::BYTE).map_or(0, |totals| totals.free_bytes);
    released && free_again > free && own == (total_bytes(Capabilities::SPM) > 0)
}

/// What is asked for with DMA is in its reach, to the last byte; nothing else serves it.
fn memory_for_dma_is_in_reach() -> bool {
    let memory = platform::memory();
    let Ok(address) = allocate(100, Capabilities::DMA) else { return false };
    let in_reach = memory.is_dma_capable(address, 100);
    let plain = allocate(100, Capabilities::DEFAULT);
    let plain_too = plain.is_ok_and(|address| memory.is_dma_capable(address, 100));
    let aliases_refused = board::ALIASES.iter().all(|alias| {
        let refused = memory.check(alias.start, 4, crashrig_layout::Access::Dma);
        refused == Err(AccessError::Alias { alias: alias.name })
    });
    let own = Capabilities::DMA.union(Capabilities::SPM);
    let released = blocks::free(address).is_ok() && plain.is_ok_and(|it| blocks::free(it).is_ok());
    in_reach && plain_too && aliases_refused && is_out_of_memory(allocate(8, own)) && released
}

/// Code lies in the executable part of RAM; without one there is no memory for code.
fn memory_for_code_is_the_boards() -> bool {
    let code = allocate(6, Capabilities::EXEC);
    match (board::EXECUTABLE_RAM, code) {
        (None, refused) => is_out_of_memory(refused),
        (Some((start, bytes)), Ok(address)) => {
            let size = heap::size_of(address);
            let inside = address.wrapping_sub(start) < bytes;
            inside && size.is_ok_and(|size| size >= 8) && blocks::free(address).is_ok()
        }
        (Some(_), Err(_)) => false,
    }
}

fn impossible_memory_is_refused() -> bool {
    let contradictions =
        [Capabilities::EXEC.union(Capabilities::BYTE), Capabilities::EXEC.union(Capabilities::DMA)];
    let contradicts =
        |caps| allocate(8, caps) == Err(Error::Heap(AllocationError::Contradiction { caps }));
    let nowhere = [OFF_AND_ON_CHIP, Capabilities::PID2, Capabilities::INVALID, Capabilities::NONE];
    contradictions.into_iter().all(contradicts)
        && nowhere.into_iter().all(|caps| is_out_of_memory(allocate(8, caps)))
}

/// Memory that the heap has handed out becomes a region with capabilities of its own: nothing has
/// them before, and nothing else gets any of it.
fn lent_memory_is_added() -> bool {
    const OWN: Capabilities = Capabilities::PID2;
    let Ok(block) = allocate(256, Capabilities::DEFAULT) else { return false };
    let own = [OWN.union(Capabilities::BYTE), Capabilities::NONE, Capabilities::NONE];
    let before = is_out_of_memory(allocate(16, OWN));
    let added = blocks::add_region_with(block, block + 256, own);
    let again = blocks::add_region_with(block, block + 256, own);
    let refused = matches!(again, Err(AddRegionError::Heap(RegionError::Overlap { .. })));
    let served = allocate(16, OWN);
    let inside = served.is_ok_and(|address| address.wrapping_sub(block) < 256);
    let too_much = allocate(256, OWN).is_err();
    let freed = served.is_ok_and(|address| blocks::free(address).is_ok());
    before && added.is_ok() && refused && inside && too_much && freed
}

/// Default memory that is not the chip's own serves who names no more than that, but no plain
/// request: those of the global allocator are plain, also where a block has to move.
fn plain_memory_is_internal() -> bool {
    const PLAIN: Capabilities = Capabilities::DEFAULT.union(Capabilities::INTERNAL);
    let Ok(lent) = heap::allocate_default(256) else { return false };
    let other = [Capabilities::DEFAULT, Capabilities::NONE, Capabilities::NONE];
    let added = blocks::add_region_with(lent, lent + 256, other).is_ok();
    let Ok(block) = heap::allocate_default(24) else { return false };
    let mut taken = [None; MOST_BLOCKS];
    for place in &mut taken {
        let largest = heap::totals(PLAIN).map_or(0, |totals| totals.largest_free_block);
        *place = allocate(largest, PLAIN).ok();
    }
    let served = allocate(64, Capabilities::DEFAULT);
    let inside = served.is_ok_and(|address| address.wrapping_sub(lent) < 256);
    let refused = heap::allocate_default(64).is_err();
    let moved = blocks::reallocate_globally(block, 24, 64);
    let stays = moved.is_null();
    let block = if stays { block } else { moved.addr() as u32 };
    let mut given = [served.ok(), Some(block)].into_iter().chain(taken).flatten();
    let released = given.all(|address| blocks::free(address).is_ok());
    added && inside && refused && stays && released
}

/// Each way in which memory cannot be added has its error.
fn added_memory_is_refused() -> bool {
    let memory_error = |error| Err(AddRegionError::Memory(error));
    let taken = (&raw const TAKEN).addr() as u32;
    let inside = platform::heap_start() + 64;
    let flash = platform::text_start();
    let mirrored = board::ALIASES.iter().all(|alias| {
        // What is at null is never offered.
        alias.start == 0
            || blocks::add_region(alias.start, alias.start + 256)
                == memory_error(AdditionError::NotFound)
    });
    let off = board::CLOCK_ENABLES_ON_DEMAND.iter().all(|enable| {
        let region = board::REGIONS.iter().find(|region| region.name == enable.region);
        region.is_none_or(|region| {
            let end = region.start + region.size_bytes;
            // The history of records, where there is one, is in use since the start.
            let in_use = board::BACKUP.is_some_and(|it| (region.start..end).contains(&it.history));
            let expected = match in_use {
                true => memory_error(AdditionError::Occupied),
                false => Err(AddRegionError::ClockOff),
            };
            blocks::add_region(region.start, end) == expected
        })
    });
    let spiram = [Capabilities::SPIRAM, Capabilities::NONE, Capabilities::NONE];
    let missing = Capabilities::SPIRAM;
    let crash = platform::crash_start();
    blocks::add_region(taken, taken + 256) == memory_error(AdditionError::Occupied)
        && blocks::add_region(crash, crash + 256) == memory_error(AdditionError::Occupied)
        && matches!(
            blocks::add_region(inside, inside + 256),
            Err(AddRegionError::Heap(RegionError::Overlap { .. }))
        )
        && blocks::add_region(inside, inside + 16) == memory_error(AdditionError::InvalidSize)
        && blocks::add_region(inside, inside) == memory_error(AdditionError::InvalidRange)
        && blocks::add_region(0, 256) == memory_error(AdditionError::InvalidRange)
        && blocks::add_region(flash, flash + 256) == memory_error(AdditionError::NotFound)
        && blocks::add_region_with(inside, inside + 256, spiram)
            == memory_error(AdditionError::NotCapable { missing })
        && mirrored
        && off
        && heap::release_startup_stacks() == 0
}
