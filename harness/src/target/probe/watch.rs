//! Data watchpoints by the comparators of the DWT, which probe-rs does not offer.
//!
//! Registers: DDI0403E C1.8, from memory, not checked. A comparator covers a naturally aligned
//! power of two of bytes. The core halts behind the access, a few instructions late on silicon.

use crate::target::BenchError;
use probe_rs::{Core, MemoryInterface as _};

const CONTROL: u64 = 0xE000_1000;
const FIRST: u64 = 0xE000_1020;
const STRIDE: u64 = 0x10;
/// DEMCR, and its bit that lets the unit work at all.
const DEMCR: u64 = 0xE000_EDFC;
const TRACE_ENABLE: u32 = 1 << 24;

/// Which accesses halt the core: what the function register of a comparator holds for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Accesses {
    Loads = 5,
    Stores = 6,
}

/// Sets the comparator of a number.
pub(super) fn set(
    core: &mut Core<'_>,
    number: usize,
    address: u32,
    size_bytes: u32,
    accesses: Accesses,
) -> Result<(), BenchError> {
    if !size_bytes.is_power_of_two() || !address.is_multiple_of(size_bytes) {
        return Err(BenchError(format!(
            "watch {size_bytes} bytes at {address:#010x}: a comparator takes an aligned power of \
             two"
        )));
    }
    let count = core.read_word_32(CONTROL).map_err(BenchError::of)? >> 28;
    if number as u64 >= u64::from(count) {
        return Err(BenchError(format!(
            "watch {size_bytes} bytes at {address:#010x}: all {count} comparators are in use"
        )));
    }
    let demcr = core.read_word_32(DEMCR).map_err(BenchError::of)?;
    let at = FIRST + STRIDE * number as u64;
    [
        (DEMCR, demcr | TRACE_ENABLE),
        (at, address),
        (at + 4, size_bytes.trailing_zeros()),
        (at + 8, accesses as u32),
    ]
    .into_iter()
    .try_for_each(|(register, value)| core.write_word_32(register, value))
    .map_err(BenchError::of)
}

/// Switches a comparator off.
pub(super) fn clear(core: &mut Core<'_>, number: usize) -> Result<(), BenchError> {
    core.write_word_32(FIRST + STRIDE * number as u64 + 8, 0).map_err(BenchError::of)
}

/// The comparator that has seen its access, of the first few. Asking clears it.
pub(super) fn matched(core: &mut Core<'_>, count: usize) -> Result<Option<usize>, BenchError> {
    const MATCHED: u32 = 1 << 24;
    let mut found = None;
    for number in 0..count {
        let at = FIRST + STRIDE * number as u64 + 8;
        if core.read_word_32(at).map_err(BenchError::of)? & MATCHED != 0 {
            found = found.or(Some(number));
        }
    }
    Ok(found)
}
