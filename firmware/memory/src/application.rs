//! Whether an image in flash may be started, as a bootloader decides it.
//!
//! What the core would load first comes first: a vector table of noise must not be jumped through
//! whatever else holds. What the image says of itself is checked in [`crashrig_wire`]. Pure: flash
//! is a slice, and what is RAM is asked for.

use crashrig_wire::BuildId;
use crashrig_wire::image_header::{HEADER_LENGTH, HEADER_OFFSET, ImageHeader, Refusal};

/// The AAPCS demands it of a stack pointer, and exception entry of its frame.
const STACK_ALIGNMENT: u32 = 8;

/// An application that was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Application {
    /// Address of its vector table.
    pub vectors: u32,
    /// Which build it is.
    pub build_id: BuildId,
}

/// Checks the image that `flash` begins with; `start` is its address. `is_ram` says whether a
/// range, of first address and size in bytes, is RAM all over.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn check(
    flash: &[u8],
    start: u32,
    is_ram: impl Fn(u32, u32) -> bool,
) -> Result<Application, Refusal> {
    if cfg!(feature = "without-image-check") {
        return Ok(Application { vectors: start, build_id: BuildId::default() });
    }
    let word = |index: usize| flash.as_chunks().0.get(index).map(|word| u32::from_le_bytes(*word));
    let (stack_pointer, reset) = word(0).zip(word(1)).ok_or(Refusal::Vector)?;
    // A stack grows down from its first value, which may be the end of RAM.
    let stack = stack_pointer.checked_sub(STACK_ALIGNMENT);
    let has_stack = stack_pointer.is_multiple_of(STACK_ALIGNMENT)
        && stack.is_some_and(|lowest| is_ram(lowest, STACK_ALIGNMENT));
    let offset = (reset & !1).checked_sub(start).and_then(|offset| usize::try_from(offset).ok());
    let is_code = |length: usize| {
        reset & 1 == 1
            && offset.is_some_and(|at| (HEADER_OFFSET + HEADER_LENGTH..length).contains(&at))
    };
    if !has_stack || !is_code(flash.len()) {
        return Err(Refusal::Vector);
    }
    let header = ImageHeader::check(flash)?;
    if !is_code(header.length_bytes as usize) {
        return Err(Refusal::Vector);
    }
    Ok(Application { vectors: start, build_id: header.build_id })
}
