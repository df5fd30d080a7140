//! Blocks and their boundary tags: what lies in memory, and how it is checked before it is used.
//!
//! A region is a chain of blocks without gaps, closed by the end mark, a header alone. A block:
//!
//! | offset | word | holds |
//! |---|---|---|
//! | 0 | size | size of the whole block in bytes, a multiple of 8; bit 0: free; bits 1, 2: zero |
//! | 4 | previous size | size of the block before, or 0 in the first block |
//! | 8 | next link | free blocks: address of the next free block of the list, or [`NO_LINK`] |
//! | 12 | previous link | free blocks: address of the one before in the list, or [`NO_LINK`] |
//!
//! Each size stands twice, so a change of either word is a disagreement of two neighbours. Which of
//! the two words is wrong is decided by asking who else vouches for them. At a level with checks a
//! header that stops being one is wiped, so no header of old is ever taken for one in force.
//! Without checks it stays, but the block in front of it has become larger and does not lead to it
//! any more.
//!
//! Nothing here writes through an address that was read from memory: it is checked to be a header
//! of this region first.

use super::error::{Corruption, Expected};
use crate::words::Words;

/// Sizes and addresses of blocks are multiples of this.
pub(super) const GRANULE_BYTES: u32 = 8;
/// What a block costs besides what can be used of it.
pub(super) const HEADER_BYTES: u32 = 8;
/// A header and two links: no block is smaller.
pub(super) const LINKED_BYTES: u32 = 16;
/// The link that leads nowhere. Zero would not do: memory may begin at address 0.
pub(super) const NO_LINK: u32 = u32::MAX;
/// The size word of the end mark: a block in use of nothing but its header.
const END_WORD: u32 = HEADER_BYTES;
/// Bit 0 of the size word.
pub(super) const FREE: u32 = 1;
/// Bits of the size word that are not size.
const FLAGS: u32 = GRANULE_BYTES - 1;

/// The header of a block whose size word could be one: see [`Extent::shape`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// Address of the header.
    pub address: u32,
    /// Size of the whole block in bytes.
    pub size_bytes: u32,
    /// Whether it can be allocated.
    pub is_free: bool,
}

impl Header {
    /// Address of the header behind this block.
    pub const fn next(&self) -> u32 {
        self.address + self.size_bytes
    }

    /// The header at an address, believed as it stands.
    #[inline]
    pub fn read(words: &impl Words, address: u32) -> Self {
        let word = words.read(address);
        Self { address, size_bytes: word & !FLAGS, is_free: word & FREE != 0 }
    }

    /// The size word as it stands in memory.
    pub const fn word(&self) -> u32 {
        self.size_bytes | if self.is_free { FREE } else { 0 }
    }
}

/// Address of the word that tells the size of the block before.
pub(super) const fn previous_size_word(header: u32) -> u32 {
    header + 4
}

/// Address of the link to the next free block.
pub(super) const fn next_link(header: u32) -> u32 {
    header + 8
}

/// Address of the link to the free block before.
pub(super) const fn previous_link(header: u32) -> u32 {
    header + 12
}

/// Where the chain of blocks lies. Invariant: both are multiples of eight, there is room for one
/// block between them, and the two words from `end` on belong to the region.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extent {
    /// Address of the first header.
    pub first: u32,
    /// Address of the end mark.
    pub end: u32,
}

impl Extent {
    /// Writes one free block, without links, and the end mark.
    pub fn format(&self, words: &mut impl Words) -> Header {
        let size_bytes = self.end - self.first;
        let block = Header { address: self.first, size_bytes, is_free: true };
        words.write(self.end, END_WORD);
        words.write(previous_size_word(self.first), 0);
        self.write(words, &block);
        block
    }

    /// Writes the size of a block into its header and into the one behind it.
    pub fn write(&self, words: &mut impl Words, block: &Header) {
        words.write(block.address, block.word());
        words.write(previous_size_word(block.next()), block.size_bytes);
    }

    /// Makes sure that a header which became part of a block is never taken for one again.
    pub fn wipe(&self, words: &mut impl Words, header: u32) {
        words.write(header, 0);
        words.write(previous_size_word(header), 0);
    }

    /// The header at an address, if the address and the size word could be those of a block.
    pub fn shape(&self, words: &impl Words, address: u32) -> Option<Header> {
        if !self.can_be_block(address) {
            return None;
        }
        let word = words.read(address);
        let (size_bytes, flags) = (word & !FLAGS, word & FLAGS);
        let leads_on = LINKED_BYTES <= size_bytes
            && size_bytes <= self.end - address
            && (size_bytes == self.end - address || self.can_be_block(address + size_bytes));
        let header = Header { address, size_bytes, is_free: flags == FREE };
        (flags & !FREE == 0 && leads_on).then_some(header)
    }

    /// The header of a block in use at an address, if the blocks before and behind vouch for it.
    /// That is all a level without checks asks of an address; which word is wrong it does not look
    /// for, and every step is as short as can be.
    #[inline(always)]
    pub fn vouched(&self, words: &impl Words, address: u32) -> Option<Header> {
        if !self.can_be_block(address) {
            return None;
        }
        let header = Header { address, size_bytes: words.read(address), is_free: false };
        // A flag makes the size none of a block.
        if !self.is_size(&header)
            || words.read(previous_size_word(header.next())) != header.size_bytes
        {
            return None;
        }
        let before_bytes = words.read(previous_size_word(address));
        if before_bytes == 0 {
            return (address == self.first).then_some(header);
        }
        let before = address.wrapping_sub(before_bytes);
        let is_led_to = self.can_be_block(before) && words.read(before) & !FREE == before_bytes;
        is_led_to.then_some(header)
    }

    /// Whether a block of this size ends inside of the chain. Its address can be one's.
    #[inline(always)]
    pub const fn is_size(&self, block: &Header) -> bool {
        block.size_bytes & FLAGS == 0
            && block.size_bytes >= LINKED_BYTES
            && block.size_bytes <= self.end - block.address
    }

    /// Whether a block could begin at an address: then its header and links can be read.
    #[inline(always)]
    pub fn can_be_block(&self, address: u32) -> bool {
        // Turned, an offset that is no multiple of eight is larger than any.
        const { assert!(GRANULE_BYTES == 1 << 3, "as many bits are turned") };
        let offset = address.wrapping_sub(self.first).rotate_right(3);
        let last = (self.end - self.first).saturating_sub(LINKED_BYTES);
        offset <= last.rotate_right(3)
    }

    /// The header at an address, held against both neighbours.
    ///
    /// # Errors
    /// The word that is wrong.
    pub fn block(&self, words: &impl Words, address: u32) -> Result<Header, Corruption> {
        let header = self.block_forward(words, address)?;
        self.previous(words, &header)?;
        Ok(header)
    }

    /// The header at an address, held against the one behind.
    ///
    /// # Errors
    /// The word that is wrong.
    pub fn block_forward(&self, words: &impl Words, address: u32) -> Result<Header, Corruption> {
        let Some(header) = self.shape(words, address) else {
            // An address outside of the chain is never read.
            let inside = self.can_be_block(address);
            let found = if inside { words.read(address) } else { 0 };
            return Err(Corruption { address, expected: Expected::Size, found });
        };
        let tag = previous_size_word(header.next());
        let found = words.read(tag);
        if found == header.size_bytes {
            return Ok(header);
        }
        let next = header.next();
        let wrong_size = Corruption { address, expected: Expected::Size, found: header.word() };
        let expected = Expected::Word(header.size_bytes);
        let wrong_tag = Corruption { address: tag, expected, found };
        let tag_is_vouched = next.checked_sub(found).is_some_and(|other| {
            self.shape(words, other).is_some_and(|other| other.size_bytes == found)
        });
        if tag_is_vouched {
            return Err(wrong_size);
        }
        let next_is_header = next == self.end
            || self
                .shape(words, next)
                .is_some_and(|next| words.read(previous_size_word(next.next())) == next.size_bytes);
        if next_is_header {
            return Err(wrong_tag);
        }
        // Perhaps both words behind the block are overwritten, as an overrun leaves them, and more
        // headers after them. A size that alone is wrong has a sound header behind it that knows.
        let overrun =
            Corruption { address: next, expected: Expected::Size, found: words.read(next) };
        let size_is_wrong =
            !self.is_led_back_to(words, next) && self.is_led_back_to(words, address);
        Err(if size_is_wrong { wrong_size } else { overrun })
    }

    /// Whether a sound header further on says that the block before it begins at `address`. Looks
    /// at every place behind it: for use when something is wrong already.
    fn is_led_back_to(&self, words: &impl Words, address: u32) -> bool {
        let mut place = address + LINKED_BYTES;
        while place < self.end {
            if words.read(previous_size_word(place)) == place - address
                && self.shape(words, place).is_some_and(|header| {
                    words.read(previous_size_word(header.next())) == header.size_bytes
                })
            {
                return true;
            }
            place += GRANULE_BYTES;
        }
        words.read(previous_size_word(self.end)) == self.end - address
    }

    /// The block in front of one, if there is one.
    ///
    /// # Errors
    /// The word that is wrong.
    pub fn previous(
        &self,
        words: &impl Words,
        header: &Header,
    ) -> Result<Option<Header>, Corruption> {
        let tag = previous_size_word(header.address);
        let found = words.read(tag);
        if header.address == self.first {
            let expected = Expected::Word(0);
            let wrong = Corruption { address: tag, expected, found };
            return if found == 0 { Ok(None) } else { Err(wrong) };
        }
        let wrong_tag = Corruption { address: tag, expected: Expected::PreviousSize, found };
        let before = header.address.checked_sub(found).filter(|before| self.can_be_block(*before));
        let before = before.ok_or(wrong_tag)?;
        let previous = self.shape(words, before);
        if let Some(previous) = previous.filter(|previous| previous.size_bytes == found) {
            return Ok(Some(previous));
        }
        // The header that the tag leads to is the wrong one if the block before it knows it, and
        // it does not agree with another block behind.
        let known = before == self.first
            || before
                .checked_sub(words.read(previous_size_word(before)))
                .and_then(|other| self.shape(words, other))
                .is_some_and(|other| other.next() == before);
        let agrees = previous.is_some_and(|previous| {
            words.read(previous_size_word(previous.next())) == previous.size_bytes
        });
        let found = words.read(before);
        let wrong_size = Corruption { address: before, expected: Expected::Size, found };
        Err(if known && !agrees { wrong_size } else { wrong_tag })
    }

    /// The blocks of the chain from the first to the last. What does not agree with the block
    /// behind it is an error, and the last item.
    pub fn blocks<'a, W: Words>(&self, words: &'a W) -> Blocks<'a, W> {
        Blocks { extent: *self, words, address: self.first }
    }

    /// The words that no block has: the first tag and the end mark.
    ///
    /// # Errors
    /// The word that is wrong.
    pub fn check_ends(&self, words: &impl Words) -> Result<(), Corruption> {
        for (address, word) in [(previous_size_word(self.first), 0), (self.end, END_WORD)] {
            let found = words.read(address);
            if found != word {
                return Err(Corruption { address, expected: Expected::Word(word), found });
            }
        }
        Ok(())
    }
}

/// An iterator over the chain: see [`Extent::blocks`]. It ends, because each step leads on by at
/// least the smallest block and none leads beyond the end mark.
pub(super) struct Blocks<'a, W> {
    extent: Extent,
    words: &'a W,
    address: u32,
}

impl<W: Words> Iterator for Blocks<'_, W> {
    type Item = Result<Header, Corruption>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.address >= self.extent.end {
            return None;
        }
        let block = self.extent.block_forward(self.words, self.address);
        self.address = block.map_or(self.extent.end, |block| block.next());
        Some(block)
    }
}
