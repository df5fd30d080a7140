//! What can be asked of the heap without changing it.
//!
//! Interrupts are masked for as long as one question takes, and what that is in proportion to is
//! said with each. Nothing of an application is called in that time.

use super::store::with;
use super::{HeapLevel, REGION_LIMIT};
use crate::platform;
use core::ops::ControlFlow;
use crashrig_layout::{Capabilities, DmaNeeds};
use crashrig_memory::heap::{AddressError, Block, Corruption, Level, NotMonitoring, Totals};

/// How many bytes can be used at an address that is handed out. Masks interrupts for a bounded
/// time; for a wrong address in proportion to the number of blocks.
///
/// # Errors
/// As [`Heap::size_of`](crashrig_memory::heap::Heap::size_of).
pub fn size_of(address: u32) -> Result<u32, AddressError> {
    with(|heap| heap.size_of(address))
}

/// The block, free or not, that any address lies in. Masks interrupts for a time in proportion to
/// the number of blocks in that region.
///
/// # Errors
/// As [`Heap::containing_block`](crashrig_memory::heap::Heap::containing_block).
pub fn containing_block(address: u32) -> Result<Block, AddressError> {
    with(|heap| heap.containing_block(address))
}

/// Sums over the regions that a request for `caps` may be served from: those with all of them, but
/// for DMA no RAM off the chip that is not asked for by name. Masks interrupts for a time in
/// proportion to the number of their blocks.
///
/// # Errors
/// A word of the heap's own is wrong.
pub fn totals(caps: Capabilities) -> Result<Totals, Corruption> {
    let needs = DmaNeeds::of(caps, platform::platform().regions);
    with(|heap| heap.totals(needs.capabilities))
}

/// The numbers of one region, by its index; nothing, if there is no such region. Masks interrupts
/// for a time in proportion to the number of its blocks.
///
/// # Errors
/// A word of the heap's own is wrong.
pub fn region_totals(region: usize) -> Result<Option<Totals>, Corruption> {
    with(|heap| heap.region_totals(region))
}

/// From now on, the minimum of free bytes is that of a window. Once more: of a new one.
pub fn start_monitoring() {
    with(crashrig_memory::heap::Heap::start_monitoring);
}

/// The minimum of free bytes is that of all time again.
///
/// # Errors
/// Monitoring was not started.
pub fn stop_monitoring() -> Result<(), NotMonitoring> {
    with(crashrig_memory::heap::Heap::stop_monitoring)
}

/// Shows each block of the regions with all of `caps`, by region and address; where `visit` breaks,
/// the rest of that region is left out.
///
/// Interrupts are masked only while a block is looked for, which takes a time in proportion to the
/// number of blocks before it. `visit` is called in between, and may use the heap; what it or
/// others change behind the block just shown is shown as it is then.
///
/// # Errors
/// A header is wrong; the blocks before it have been shown.
pub fn walk(
    caps: Capabilities,
    mut visit: impl FnMut(Block) -> ControlFlow<()>,
) -> Result<(), Corruption> {
    let mut from = (0, 0);
    while let Some(block) = block_from(caps, from)? {
        from = match visit(block) {
            ControlFlow::Continue(()) => (block.region, block.address.saturating_add(1)),
            ControlFlow::Break(()) => (block.region + 1, 0),
        };
    }
    Ok(())
}

/// The first block at a region and address, or behind them.
fn block_from(caps: Capabilities, from: (usize, u32)) -> Result<Option<Block>, Corruption> {
    let mut found = None;
    let walked = with(|heap| {
        heap.walk(caps, |block| {
            if found.is_none() && (block.region, block.address) >= from {
                found = Some(block);
            }
            // A region before that one, or behind what was found, need not be seen to its end.
            let is_over = found.is_some() || block.region < from.0;
            if is_over { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
    });
    // What is wrong behind a block is told when that is reached.
    found.map_or(walked.map(|()| None), |block| Ok(Some(block)))
}

/// Checks every header, link, canary and fill of all regions. Masks interrupts for a time in
/// proportion to the number of blocks, and at a level that fills also to what is free.
///
/// # Errors
/// The first word found wrong.
pub fn check_integrity() -> Result<(), Corruption> {
    check_integrity_of(Capabilities::NONE)
}

/// As [`check_integrity`], for the regions with all of `caps`.
///
/// # Errors
/// The first word found wrong.
pub fn check_integrity_of(caps: Capabilities) -> Result<(), Corruption> {
    with(|heap| heap.check_integrity(caps))
}

/// As [`check_integrity`], for the region that an address lies in.
///
/// # Errors
/// The address lies in no region, or the first word found wrong.
pub fn check_integrity_at(address: u32) -> Result<(), AddressError> {
    with(|heap| heap.check_integrity_at(address))
}

/// Writes each block of the regions with all of `caps` into the log, and the numbers of each region
/// behind its blocks. How many blocks it was. Masks interrupts as [`walk`] does.
///
/// # Errors
/// A header is wrong; the blocks before it are in the log.
pub fn dump(caps: Capabilities) -> Result<u32, Corruption> {
    let (mut blocks, mut regions) = (0, 0_u32);
    walk(caps, |block| {
        let Block { region, address, size_bytes, is_free, origin } = block;
        let state = if is_free { "free" } else { "in use" };
        defmt::info!(
            "{=usize}: {=u32:#010x}, {=u32} bytes {=str}",
            region,
            address,
            size_bytes,
            state
        );
        if HeapLevel::IS_TRACKED && !is_free {
            defmt::info!("asked for by {=u32:#x} from {=u32:#010x}", origin.owner, origin.caller);
        }
        (blocks, regions) = (blocks + 1, regions | 1 << region);
        ControlFlow::Continue(())
    })?;
    for region in (0..REGION_LIMIT).filter(|region| regions & 1 << region != 0) {
        if let Some(totals) = region_totals(region)? {
            let Totals { free_bytes, total_bytes, minimum_free_bytes: minimum, .. } = totals;
            defmt::info!(
                "{=usize}: {=u32} of {=u32} bytes free, largest block {=u32}, minimum {=u32}",
                region,
                free_bytes,
                total_bytes,
                totals.largest_free_block,
                minimum
            );
        }
    }
    Ok(blocks)
}
