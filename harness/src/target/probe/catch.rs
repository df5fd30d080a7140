//! Faults that halt the core as they are entered: the vector catches of DEMCR. probe-rs 0.32 offers
//! that of HardFault alone.
//!
//! DDI0403E C1.6.5, from memory, not checked: the core halts when the exception is entered, its
//! frame is written, and the first instruction of the handler is not executed.

use super::connect::failed;
use crate::target::BenchError;
use probe_rs::{Core, HaltReason, MemoryInterface as _};

const DEMCR: u64 = 0xE000_EDFC;
/// VC_MMERR, VC_NOCPERR, VC_CHKERR, VC_STATERR, VC_BUSERR, VC_INTERR, VC_HARDERR.
const FAULTS: u32 = 0x7F0;

/// Sets or clears all of them.
pub(super) fn set(core: &mut Core<'_>, are_caught: bool) -> Result<(), BenchError> {
    let of = |error| failed("catch faults", &error);
    let others = core.read_word_32(DEMCR).map_err(of)? & !FAULTS;
    let catches = if are_caught { FAULTS } else { 0 };
    core.write_word_32(DEMCR, others | catches).map_err(of)
}

/// Whether a core that has halted was caught at a fault, by the number of its exception: HardFault,
/// MemManage, BusFault, UsageFault.
pub(super) fn is_it(reason: HaltReason, exception: u32) -> bool {
    reason == HaltReason::Exception && (3..=6).contains(&exception)
}
