//! What Arm's PL081 can do of what a plan can say: copies of memory with one width.
//!
//! No peripheral of the FPGA images is wired to its requests, so nothing else could ever go on.
//! Bursts need no rule: the controller cuts them at boundaries of 1 KiB by itself, and they may be
//! longer than its FIFO. Must never be allowed here: what the driver (`port/src/dma/pl081.rs`) does
//! not program. Who reaches what is not asked here but in `arming`.
//!
//! Sources: PL081 TRM (Arm DDI 0218), the descriptions of DMACCxControl and DMACCxConfiguration in
//! its chapter on the programmer's model, from memory, not checked; that requests are not wired in
//! AN505, likewise.

use super::arming::{Refusal, refuse};
use super::plan::{Direction, Mode, Plan};
use crashrig_wire::DmaRule;

/// The largest number of items that fits into DMACCxControl.TransferSize.
const ITEMS_LIMIT: u32 = 0xFFF;

/// Checks everything but reach.
///
/// # Errors
/// The first rule that it breaks.
pub(super) fn check(plan: &Plan) -> Result<(), Refusal> {
    let Plan { peripheral, memory, items, .. } = *plan;
    if plan.direction != Direction::Copy {
        return refuse(DmaRule::NoRequest, peripheral.address, 0);
    }
    // Lists of items could do it. The driver has none.
    if plan.mode != Mode::Once {
        return refuse(DmaRule::CopyCircular, memory.address, 0);
    }
    if items == 0 || items > ITEMS_LIMIT {
        return refuse(DmaRule::Items, memory.address, ITEMS_LIMIT);
    }
    // The manual allows different widths. QEMU's model moves a wrong number of bytes then, so the
    // driver could be tried nowhere.
    let width = peripheral.width;
    if memory.width != width {
        return refuse(DmaRule::WidthDirect, memory.address, width.bytes());
    }
    for side in [&peripheral, &memory] {
        if !side.address.is_multiple_of(width.bytes()) {
            return refuse(DmaRule::Alignment, side.address, width.bytes());
        }
    }
    Ok(())
}
