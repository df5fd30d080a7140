//! How much a heap checks, chosen when it is built.
//!
//! The names and what they mean are ESP-IDF's (`CONFIG_HEAP_POISONING_*`): at [`Off`] an address is
//! refused unless the headers around it agree on a block there, but those are believed, whoever
//! wrote them: contents of a block that look like a chain of headers pass, though no release or
//! resize of a wrong address leaves its region for that; at [`Light`] every header
//! and link is held against the words that know it before it is used, and each block stands between
//! two canaries; at [`Comprehensive`] memory is filled when it is handed out and when it comes
//! back, and what was free must still be filled when it is handed out again. [`Tracked`] adds to
//! any of them who owns a block.

use super::block::{GRANULE_BYTES, HEADER_BYTES, LINKED_BYTES};
use core::fmt::Debug;

/// A level of checks. The numbers follow from the three switches.
pub trait Level: Debug + sealed::Sealed {
    /// Headers and links are checked before use, and blocks have canaries.
    const IS_CHECKED: bool;
    /// Memory is filled on allocate and free; what is free is checked before it is handed out.
    const IS_FILLED: bool;
    /// Blocks know their owner.
    const IS_TRACKED: bool;

    /// Bytes between the header of a block and what is handed out.
    const PREFIX_BYTES: u32 =
        if Self::IS_CHECKED { 8 } else { 0 } + if Self::IS_TRACKED { 8 } else { 0 };
    /// Bytes behind what was asked for.
    const TAIL_BYTES: u32 = if Self::IS_CHECKED { 4 } else { 0 };
    /// From the header of a block to the address that is handed out.
    const PAYLOAD_OFFSET_BYTES: u32 = HEADER_BYTES + Self::PREFIX_BYTES;
    /// What a block costs besides what can be used of it.
    const OVERHEAD_BYTES: u32 = Self::PAYLOAD_OFFSET_BYTES + Self::TAIL_BYTES;
    /// The smallest block: it can hand out a byte, and it has room for two links when it is free.
    const SMALLEST_BYTES: u32 = {
        let one_byte = (Self::OVERHEAD_BYTES + 1).next_multiple_of(GRANULE_BYTES);
        if one_byte > LINKED_BYTES { one_byte } else { LINKED_BYTES }
    };

    /// The size of the block for a request, or nothing if no block is that large.
    #[inline]
    fn block_bytes(size_bytes: u32) -> Option<u32> {
        let most = u32::MAX - Self::OVERHEAD_BYTES - (GRANULE_BYTES - 1);
        if size_bytes > most {
            return None;
        }
        let rounding = Self::OVERHEAD_BYTES + GRANULE_BYTES - 1;
        let block = (size_bytes + rounding) & !(GRANULE_BYTES - 1);
        Some(block.max(Self::SMALLEST_BYTES))
    }

    /// How many bytes a block can hand out; none, if a damaged header tells of less than there is.
    #[inline]
    fn usable_bytes(block_bytes: u32) -> u32 {
        if Self::IS_CHECKED {
            block_bytes.saturating_sub(Self::OVERHEAD_BYTES)
        } else {
            block_bytes.wrapping_sub(Self::OVERHEAD_BYTES)
        }
    }
}

/// Nothing is checked but whether there is a block at the address that is given back.
#[derive(Debug)]
pub enum Off {}
/// Headers, links and canaries are checked.
#[derive(Debug)]
pub enum Light {}
/// As [`Light`], and memory is filled.
#[derive(Debug)]
pub enum Comprehensive {}
/// As `L`, and each block knows who asked for it: eight bytes more for each.
#[derive(Debug)]
pub struct Tracked<L>(core::marker::PhantomData<L>);

impl Level for Off {
    const IS_CHECKED: bool = false;
    const IS_FILLED: bool = false;
    const IS_TRACKED: bool = false;
}

impl Level for Light {
    const IS_CHECKED: bool = true;
    const IS_FILLED: bool = false;
    const IS_TRACKED: bool = false;
}

impl Level for Comprehensive {
    const IS_CHECKED: bool = true;
    const IS_FILLED: bool = true;
    const IS_TRACKED: bool = false;
}

impl<L: Level> Level for Tracked<L> {
    const IS_CHECKED: bool = L::IS_CHECKED;
    const IS_FILLED: bool = L::IS_FILLED;
    const IS_TRACKED: bool = true;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Off {}
    impl Sealed for super::Light {}
    impl Sealed for super::Comprehensive {}
    impl<L: super::Level> Sealed for super::Tracked<L> {}
}
