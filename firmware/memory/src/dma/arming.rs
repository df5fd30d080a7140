//! Whether a transfer may begin: every byte against the bus matrix, every rule of the controller.
//!
//! A capability is a promise of the allocation; a driver is given addresses by anybody. So whoever
//! arms a stream asks here, and gets the first rule that is broken, with the address and what would
//! have been right. Nothing is touched, and nothing is guessed: what the tables do not name is out
//! of reach.
//!
//! Sources: RM0090 revision 11 §10.3.8 (circular mode), §10.3.11 (bursts) and §10.3.12 with table
//! 48 (FIFO), read in copies; §2.1 (bus matrix) as the chip file has it; §10.3.6, §10.3.10 and
//! §10.5.6 from memory, not checked.

use super::pl081;
use super::plan::{Controller, Direction, FIFO_BYTES, Mode, Plan, Side, Threshold, Width};
use crashrig_layout::{AccessError, Master, Memory, RegionKind};
use crashrig_wire::DmaRule;

/// The largest number of items that fits into NDTR.
const ITEMS_LIMIT: u32 = 0xFFFF;
/// No burst crosses a multiple of this: the least that one slave of the bus can have.
const BURST_BOUNDARY_BYTES: u32 = 1024;

/// Addresses of peripherals on one bus, and who reaches them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeripheralBus {
    /// First address.
    pub start: u32,
    /// Size in bytes.
    pub size_bytes: u32,
    /// Whether the peripheral port of DMA1 reaches them.
    pub by_dma1: bool,
    /// Whether the peripheral port of DMA2 does.
    pub by_dma2: bool,
}

/// What the controllers of a chip are connected to.
#[derive(Debug, Clone, Copy)]
pub struct Matrix {
    /// Memory of the chip, with its bus masters.
    pub memory: Memory,
    /// Peripherals.
    pub peripherals: &'static [PeripheralBus],
}

/// Why a transfer may not begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// The rule that it breaks.
    pub rule: DmaRule,
    /// The first address that breaks it; the one of the side that it is about, if the rule is of
    /// sizes; 0 if it is about neither.
    pub address: u32,
    /// What would have been right, by the rule: a multiple or a limit in bytes or items, the number
    /// of the controller, or 0 where there is no such number.
    pub expected: u32,
}

pub(super) const fn refuse(rule: DmaRule, address: u32, expected: u32) -> Result<(), Refusal> {
    Err(Refusal { rule, address, expected })
}

/// Checks a transfer, as `controller` would carry it out.
///
/// # Errors
/// The first rule that it breaks: those of the mode, then sizes, alignment and bursts, then reach.
pub fn check(plan: &Plan, controller: Controller, matrix: &Matrix) -> Result<(), Refusal> {
    match controller {
        Controller::Dma1 | Controller::Dma2 => stm32f4(plan, controller)?,
        Controller::Pl081(_) => pl081::check(plan)?,
    }
    let (writes_peripheral, writes_memory) = match plan.direction {
        Direction::Transmit => (true, false),
        Direction::Receive | Direction::Copy => (false, true),
    };
    let port = Port { controller, is_memory: false, writes: writes_peripheral };
    reach(plan, &plan.peripheral, port, matrix)?;
    let port = Port { controller, is_memory: true, writes: writes_memory };
    reach(plan, &plan.memory, port, matrix)?;
    if let Mode::Double { second } = plan.mode {
        let side = Side { address: second, ..plan.memory };
        alignment(plan, &side)?;
        reach(plan, &side, port, matrix)?;
    }
    Ok(())
}

/// What the controllers of the STM32F4 can do.
fn stm32f4(plan: &Plan, controller: Controller) -> Result<(), Refusal> {
    mode(plan, controller)?;
    items(plan)?;
    for side in [&plan.peripheral, &plan.memory] {
        alignment(plan, side)?;
    }
    fifo(plan)
}

/// What only some modes can do.
fn mode(plan: &Plan, controller: Controller) -> Result<(), Refusal> {
    if plan.direction != Direction::Copy {
        return Ok(());
    }
    if controller != Controller::Dma2 {
        return refuse(DmaRule::CopyController, plan.peripheral.address, 2);
    }
    if plan.fifo.is_none() {
        return refuse(DmaRule::CopyDirect, plan.peripheral.address, 0);
    }
    if plan.mode != Mode::Once {
        return refuse(DmaRule::CopyCircular, plan.memory.address, 0);
    }
    Ok(())
}

/// How many items there may be.
fn items(plan: &Plan) -> Result<(), Refusal> {
    let Plan { peripheral, memory, items, .. } = *plan;
    if items == 0 || items > ITEMS_LIMIT {
        return refuse(DmaRule::Items, memory.address, ITEMS_LIMIT);
    }
    let ratio = (memory.width.bytes() / peripheral.width.bytes()).max(1);
    if !items.is_multiple_of(ratio) {
        return refuse(DmaRule::ItemsWidth, memory.address, ratio);
    }
    if plan.mode != Mode::Once {
        let bytes = [&memory, &peripheral].map(|side| side.burst.beats() * side.width.bytes());
        for (side, burst_bytes) in [memory, peripheral].iter().zip(bytes) {
            if side.burst.beats() > 1 && !plan.size_bytes().is_multiple_of(burst_bytes) {
                let items = burst_bytes.div_ceil(peripheral.width.bytes());
                return refuse(DmaRule::ItemsBurst, side.address, items);
            }
        }
    }
    Ok(())
}

/// Addresses and their widths, and bursts that stay in their kilobyte.
fn alignment(plan: &Plan, side: &Side) -> Result<(), Refusal> {
    let width = side.width.bytes();
    if !side.address.is_multiple_of(width) {
        return refuse(DmaRule::Alignment, side.address, width);
    }
    let burst_bytes = side.burst.beats() * width;
    if side.burst.beats() == 1 {
        return Ok(());
    }
    if plan.fifo.is_none() {
        return refuse(DmaRule::BurstDirect, side.address, 1);
    }
    if !side.advances {
        return Ok(());
    }
    // What is left behind the last whole burst is moved by single accesses. All boundaries have the
    // same distance from each other in whole bursts, so the first one tells for all.
    let whole = plan.size_bytes() / burst_bytes * burst_bytes;
    let to_boundary = BURST_BOUNDARY_BYTES - side.address % BURST_BOUNDARY_BYTES;
    if to_boundary < whole && !to_boundary.is_multiple_of(burst_bytes) {
        let before = to_boundary / burst_bytes * burst_bytes;
        let address = side.address.wrapping_add(before);
        return refuse(DmaRule::BurstBoundary, address, burst_bytes);
    }
    Ok(())
}

/// What fits into the FIFO.
fn fifo(plan: &Plan) -> Result<(), Refusal> {
    let Plan { peripheral, memory, .. } = *plan;
    let burst_bytes = |side: &Side| side.burst.beats() * side.width.bytes();
    let Some(threshold) = plan.fifo else {
        if peripheral.width != memory.width {
            let expected = peripheral.width.bytes();
            return refuse(DmaRule::WidthDirect, memory.address, expected);
        }
        return Ok(());
    };
    let has_bursts = memory.burst.beats() > 1;
    if has_bursts && !threshold.bytes().is_multiple_of(burst_bytes(&memory)) {
        return refuse(DmaRule::BurstThreshold, memory.address, threshold.bytes());
    }
    if burst_bytes(&peripheral) > FIFO_BYTES {
        return refuse(DmaRule::BurstThreshold, peripheral.address, FIFO_BYTES);
    }
    let fills = peripheral.burst.beats() > 1 && burst_bytes(&peripheral) == FIFO_BYTES;
    if fills && threshold == Threshold::ThreeQuarters {
        return refuse(DmaRule::BurstPeripheral, peripheral.address, FIFO_BYTES);
    }
    Ok(())
}

/// A port of a controller, and what it does.
#[derive(Debug, Clone, Copy)]
struct Port {
    controller: Controller,
    is_memory: bool,
    writes: bool,
}

impl Port {
    /// The master of the bus matrix that the port is; that of DMA1 for peripherals is none.
    const fn master(self) -> Option<Master> {
        match (self.controller, self.is_memory) {
            (Controller::Dma1, true) => Some(Master::Dma1Memory),
            (Controller::Dma1, false) => None,
            (Controller::Dma2, true) => Some(Master::Dma2Memory),
            (Controller::Dma2, false) => Some(Master::Dma2Peripheral),
            (Controller::Pl081(_), _) => Some(Master::Pl081),
        }
    }
}

/// Every byte of a side, region by region.
fn reach(plan: &Plan, side: &Side, port: Port, matrix: &Matrix) -> Result<(), Refusal> {
    let size_bytes = plan.occupied_bytes(side);
    let Some(last) = side.address.checked_add(size_bytes - 1) else {
        return refuse(DmaRule::Unmapped, side.address, 0);
    };
    let mut next = side.address;
    loop {
        let end = match matrix.memory.region(next) {
            Ok(region) => {
                if !port.master().is_some_and(|master| region.reached_by(master)) {
                    return refuse(DmaRule::OutOfReach, next, 0);
                }
                let is_ram = matches!(region.kind, RegionKind::Ram | RegionKind::CodeRam);
                if port.writes && !is_ram {
                    return refuse(DmaRule::ReadOnly, next, 0);
                }
                let line = region.dma_alignment_bytes;
                if !(side.address.is_multiple_of(line) && size_bytes.is_multiple_of(line)) {
                    return refuse(DmaRule::Line, side.address, line);
                }
                region.start.saturating_add(region.size_bytes - 1)
            }
            Err(AccessError::Alias { .. }) => return refuse(DmaRule::Alias, next, 0),
            Err(_) => peripheral(next, port, matrix)?,
        };
        if last <= end {
            return Ok(());
        }
        let Some(behind) = end.checked_add(1) else {
            return refuse(DmaRule::Unmapped, next, 0);
        };
        next = behind;
    }
}

/// The last address of the bus of peripherals that an address lies on.
fn peripheral(address: u32, port: Port, matrix: &Matrix) -> Result<u32, Refusal> {
    let bus =
        matrix.peripherals.iter().find(|bus| address.wrapping_sub(bus.start) < bus.size_bytes);
    let Some(bus) = bus else {
        return Err(Refusal { rule: DmaRule::Unmapped, address, expected: 0 });
    };
    let reached = match port.controller {
        Controller::Dma1 => bus.by_dma1,
        Controller::Dma2 => bus.by_dma2,
        Controller::Pl081(_) => false,
    };
    // The memory port is for memory: no peripheral asks there.
    if port.is_memory || !reached {
        return Err(Refusal { rule: DmaRule::OutOfReach, address, expected: 0 });
    }
    Ok(bus.start + (bus.size_bytes - 1))
}

/// What the first address of memory for a transfer must be a multiple of, so that no burst crosses
/// a boundary whatever its length: the bytes of a burst, and 16 where the FIFO is used, so that
/// each of its fillings lies in one piece.
#[must_use]
pub const fn alignment_bytes(width: Width, beats: u32, uses_fifo: bool) -> u32 {
    let burst_bytes = width.bytes() * beats;
    if uses_fifo && burst_bytes < FIFO_BYTES { FIFO_BYTES } else { burst_bytes }
}
