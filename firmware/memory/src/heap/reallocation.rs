//! How a block is given another size: where it is, or at another place with what it held.
//!
//! A move takes time in proportion to what is copied, and copying needs no heap: the old block is
//! its owner's, and of the new one nobody else knows. So a heap that is shared is held for the two
//! steps around the copy, each bounded, and let go meanwhile. What is copied ends with the last
//! byte that was asked for, so that nothing of the heap's own changes in that time: whoever comes
//! in between finds it whole.

use super::error::{AddressError, ReallocationError};
use super::level::Level;
use super::request::{Request, check, prefer};
use super::{Heap, dress};
use crate::words::Words;

/// What became of a request for another size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Resizing {
    /// The block has it, at the address that it had.
    InPlace(u32),
    /// There is a new block. What the old one holds must be copied, and the move ended.
    Moves(Move),
}

/// A block that moves. Two blocks are handed out until the move is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Move {
    /// The old address.
    pub from: u32,
    /// The new address.
    pub to: u32,
    /// How many bytes the block has in both sizes.
    pub kept_bytes: u32,
}

/// How a heap begins to give a block another size.
pub type ResizeWay<H> = fn(&mut H, u32, &Request) -> Result<Resizing, ReallocationError>;

impl Move {
    /// Copies what the old block holds into the new one, by whole words where it can.
    pub fn copy(&self, words: &mut impl Words) {
        dress::copy(words, self.from, self.to, self.kept_bytes);
    }
}

impl<W: Words, L: Level, const REGIONS: usize> Heap<W, L, REGIONS> {
    /// Gives a block another size: where it is, if its memory has what is asked for and there is
    /// room, or else at another place, with what it held. Answers where it is now. Bytes beyond the
    /// old size hold anything, whatever the request says of zeros.
    ///
    /// # Errors
    /// The size is zero, the address is none that is handed out, the block holds a region, there is
    /// no memory, or a word of the heap's own is wrong. The block is as before.
    pub fn reallocate(
        &mut self,
        address: u32,
        request: &Request,
    ) -> Result<u32, ReallocationError> {
        let begun = self.begin_reallocation(address, request)?;
        self.carry_out(begun)
    }

    /// Gives a block another size, in memory that [`request_default`](Self::request_default) would
    /// choose from: while external memory is closed, no block comes to lie there.
    ///
    /// # Errors
    /// As [`reallocate`](Self::reallocate).
    pub fn reallocate_default(
        &mut self,
        address: u32,
        request: &Request,
    ) -> Result<u32, ReallocationError> {
        let begun = self.begin_default_reallocation(address, request)?;
        self.carry_out(begun)
    }

    fn carry_out(&mut self, begun: Resizing) -> Result<u32, ReallocationError> {
        match begun {
            Resizing::InPlace(address) => Ok(address),
            Resizing::Moves(moving) => {
                moving.copy(&mut self.words);
                Ok(self.end_reallocation(moving)?)
            }
        }
    }

    /// The first step of [`reallocate`](Self::reallocate), in bounded time but for the fill of the
    /// level. If the block is to move, contents are copied and
    /// [`end_reallocation`](Self::end_reallocation) follows; until then both blocks are handed out.
    ///
    /// # Errors
    /// As `reallocate`.
    pub fn begin_reallocation(
        &mut self,
        address: u32,
        request: &Request,
    ) -> Result<Resizing, ReallocationError> {
        let size_bytes = check(request)?;
        let index = self.region_to_change(address)?;
        let words = &mut self.words;
        let region = self.regions.get_mut(index);
        let region = region.ok_or(AddressError::Foreign { address })?;
        let (block, held_bytes) = region.tlsf.allocated_block(words, address)?;
        let suits =
            region.capabilities().contains(request.caps) && request.alignment.gap(address, 0) == 0;
        if suits && let Some(block) = region.resize(words, &block, size_bytes)? {
            dress::redress::<L>(words, &block, held_bytes, size_bytes);
            return Ok(Resizing::InPlace(address));
        }
        let to = self.request(&Request { is_zeroed: false, ..*request })?;
        let kept_bytes = held_bytes.min(size_bytes);
        Ok(Resizing::Moves(Move { from: address, to, kept_bytes }))
    }

    /// As [`begin_reallocation`](Self::begin_reallocation), for
    /// [`reallocate_default`](Self::reallocate_default).
    ///
    /// # Errors
    /// As `reallocate`.
    pub fn begin_default_reallocation(
        &mut self,
        address: u32,
        request: &Request,
    ) -> Result<Resizing, ReallocationError> {
        let sets = self.default_sets(request.size_bytes);
        prefer(sets, |caps| self.begin_reallocation(address, &Request { caps, ..*request })).0
    }

    /// Ends a move whose contents were copied: the old block is released. Answers the new address.
    ///
    /// # Errors
    /// As [`free`](Self::free), for the old block, which stays its owner's; the new one is released
    /// instead.
    pub fn end_reallocation(&mut self, moving: Move) -> Result<u32, AddressError> {
        if let Err(error) = self.free(moving.from) {
            // The copy is nobody's.
            let _may_be_refused = self.free(moving.to);
            return Err(error);
        }
        Ok(moving.to)
    }
}
