//! The two-level segregated fit over one region: allocate, free, resize; split and merge.
//!
//! All take a bounded number of accesses besides filling, whatever the heap holds: the lists find a
//! block without a search, and the boundary tags find its neighbours. At a checked level each
//! operation first reads and checks every word it will need, then writes: corruption is answered
//! before anything has changed. Without checks the same words are believed. Two free blocks are
//! never neighbours.

use super::Alignment;
use super::block::{Extent, Header, LINKED_BYTES, NO_LINK, next_link, previous_link};
use super::dress::{check_fill, fill_free};
use super::error::{AddressError, Corruption};
use super::level::Level;
use super::tlsf_lists::{Class, Lists};
use super::tlsf_lookup::Neighbours;
use super::{dress, links};
use crate::words::Words;
use core::marker::PhantomData;

/// One region under the method.
#[derive(Debug)]
pub(super) struct Tlsf<L> {
    /// Where the blocks lie.
    pub extent: Extent,
    /// The free ones by size.
    pub lists: Lists,
    /// Sizes of all free blocks together, their headers included.
    pub free_sum_bytes: u32,
    /// How many free blocks there are.
    pub free_blocks: u32,
    /// How many blocks are handed out.
    pub allocated_blocks: u32,
    level: PhantomData<L>,
}

impl<L: Level> Tlsf<L> {
    /// No region.
    pub const EMPTY: Self = Self {
        extent: Extent { first: 0, end: 0 },
        lists: Lists::EMPTY,
        free_sum_bytes: 0,
        free_blocks: 0,
        allocated_blocks: 0,
        level: PhantomData,
    };

    /// Makes one free block of a region. What was there is lost. In place, because this is too
    /// large to be handed around on a small stack.
    pub fn format(&mut self, words: &mut impl Words, extent: Extent) {
        *self = Self::EMPTY;
        self.extent = extent;
        let block = extent.format(words);
        if L::IS_FILLED {
            fill_free(words, block.address + LINKED_BYTES, block.next());
        }
        self.insert(words, &block);
        self.free_sum_bytes = block.size_bytes;
        self.free_blocks = 1;
    }

    /// How many bytes free blocks could hand out together.
    #[inline]
    pub fn free_bytes(&self) -> u32 {
        self.free_sum_bytes.wrapping_sub(self.free_blocks.wrapping_mul(L::OVERHEAD_BYTES))
    }

    /// Hands out a block. Nothing, if no list has one that is sure to do.
    ///
    /// # Errors
    /// A word that is wrong; nothing has changed.
    #[inline(always)]
    pub fn allocate(
        &mut self,
        words: &mut impl Words,
        size_bytes: u32,
    ) -> Result<Option<Header>, Corruption> {
        let Some(block_bytes) = L::block_bytes(size_bytes) else { return Ok(None) };
        let Some((block, class)) = self.search(words, block_bytes)? else { return Ok(None) };
        self.take(words, &block, class, 0, block_bytes).map(Some)
    }

    /// As `allocate`, with an alignment. The block that a plain request would get may happen to lie
    /// well; if it does not, one is taken that is large enough wherever it lies.
    ///
    /// # Errors
    /// As `allocate`.
    pub fn allocate_aligned(
        &mut self,
        words: &mut impl Words,
        size_bytes: u32,
        alignment: Alignment,
    ) -> Result<Option<Header>, Corruption> {
        let Some(block_bytes) = L::block_bytes(size_bytes) else { return Ok(None) };
        for extra in [0, alignment.worst_gap(L::SMALLEST_BYTES)] {
            let searched = block_bytes.saturating_add(extra);
            let Some((block, class)) = self.search(words, searched)? else { return Ok(None) };
            let gap = alignment.gap(dress::payload::<L>(&block), L::SMALLEST_BYTES);
            if block.size_bytes - block_bytes >= gap {
                return self.take(words, &block, class, gap, block_bytes).map(Some);
            }
        }
        Ok(None)
    }

    /// Takes a block back and merges it with its free neighbours. Answers how many bytes it had
    /// handed out.
    ///
    /// # Errors
    /// The address is not one that was handed out, or a word is wrong; nothing has changed.
    #[inline]
    pub fn free(&mut self, words: &mut impl Words, address: u32) -> Result<u32, AddressError> {
        let (block, held_bytes) = self.allocated_block(words, address)?;
        let Neighbours { previous, next } = self.free_neighbours(words, &block)?;
        if L::IS_CHECKED {
            let size_bytes = |neighbour: &Option<Header>| neighbour.map_or(0, |it| it.size_bytes);
            let merged_bytes = block.size_bytes + size_bytes(&previous) + size_bytes(&next);
            self.check_list(words, merged_bytes)?;
        }
        let mut merged = Header { is_free: true, ..block };
        self.free_blocks = self.free_blocks.wrapping_add(1);
        if let Some(next) = next {
            self.absorb(words, &next);
            merged.size_bytes += next.size_bytes;
        }
        if let Some(previous) = previous {
            self.absorb(words, &previous);
            merged.address = previous.address;
            merged.size_bytes += previous.size_bytes;
        }
        if L::IS_CHECKED {
            self.erase(words, &block, previous.is_some(), next.is_some());
        }
        self.allocated_blocks = self.allocated_blocks.wrapping_sub(1);
        self.free_sum_bytes = self.free_sum_bytes.wrapping_add(block.size_bytes);
        self.extent.write(words, &merged);
        self.insert(words, &merged);
        Ok(held_bytes)
    }

    /// Makes a block smaller or larger where it is. Answers whether it could.
    ///
    /// # Errors
    /// A word that is wrong; nothing has changed.
    pub fn resize(
        &mut self,
        words: &mut impl Words,
        block: &Header,
        size_bytes: u32,
    ) -> Result<Option<Header>, Corruption> {
        let Some(wanted) = L::block_bytes(size_bytes) else { return Ok(None) };
        let next = self.free_neighbours(words, block)?.next;
        let available = block.size_bytes + next.map_or(0, |next| next.size_bytes);
        if available < wanted {
            return Ok(None);
        }
        let end = block.address + wanted;
        let rest_bytes = available - wanted;
        if L::IS_CHECKED && rest_bytes >= L::SMALLEST_BYTES {
            self.check_list(words, rest_bytes)?;
        }
        if let Some(next) = next {
            if Self::CHECKS_FILL && end > next.address {
                check_fill(words, &next, next.address, end + unsplit::<L>(rest_bytes))?;
            }
            self.absorb(words, &next);
            self.free_sum_bytes = self.free_sum_bytes.wrapping_sub(next.size_bytes);
        }
        let mut resized = *block;
        if rest_bytes >= L::SMALLEST_BYTES {
            let rest = Header { address: end, size_bytes: rest_bytes, is_free: true };
            if L::IS_FILLED {
                let fresh_end = next.map_or(rest.next(), |next| next.address);
                let absorbed = if next.is_some() { LINKED_BYTES } else { 0 };
                fill_free(words, rest.address, (fresh_end + absorbed).min(rest.next()));
            }
            self.extent.write(words, &rest);
            self.insert(words, &rest);
            self.free_blocks = self.free_blocks.wrapping_add(1);
            self.free_sum_bytes = self.free_sum_bytes.wrapping_add(rest_bytes);
            resized.size_bytes = wanted;
        } else {
            resized.size_bytes = available;
        }
        self.extent.write(words, &resized);
        Ok(Some(resized))
    }

    /// Splits a block, the first of its list and checked, into a gap that stays free, the block
    /// that is handed out, and a rest.
    ///
    /// # Errors
    /// Somebody wrote to it after it was freed, or the list for a part is wrong; nothing has
    /// changed.
    #[inline(always)]
    fn take(
        &mut self,
        words: &mut impl Words,
        block: &Header,
        class: Class,
        gap: u32,
        block_bytes: u32,
    ) -> Result<Header, Corruption> {
        let mut taken = Header {
            address: block.address + gap,
            size_bytes: block.size_bytes - gap,
            is_free: false,
        };
        let rest_bytes = taken.size_bytes - block_bytes;
        if Self::CHECKS_FILL {
            let end = taken.address + block_bytes + unsplit::<L>(rest_bytes);
            check_fill(words, block, taken.address, end)?;
        }
        if L::IS_CHECKED && gap > 0 {
            self.check_list(words, gap)?;
        }
        if L::IS_CHECKED && rest_bytes >= L::SMALLEST_BYTES {
            self.check_list(words, rest_bytes)?;
        }
        self.pop(words, block, class);
        if gap > 0 {
            let gap = Header { size_bytes: gap, ..*block };
            self.extent.write(words, &gap);
            self.insert(words, &gap);
            self.free_blocks = self.free_blocks.wrapping_add(1);
        }
        if rest_bytes >= L::SMALLEST_BYTES {
            let address = taken.address + block_bytes;
            let rest = Header { address, size_bytes: rest_bytes, is_free: true };
            taken.size_bytes = block_bytes;
            self.extent.write(words, &rest);
            self.insert(words, &rest);
        } else {
            self.free_blocks = self.free_blocks.wrapping_sub(1);
        }
        self.extent.write(words, &taken);
        self.allocated_blocks = self.allocated_blocks.wrapping_add(1);
        self.free_sum_bytes = self.free_sum_bytes.wrapping_sub(taken.size_bytes);
        Ok(taken)
    }

    /// What lay in a block that became part of a free one. `block` was handed out; a header that
    /// stops being one is wiped, so that none of old is ever taken for one in force.
    fn erase(&self, words: &mut impl Words, block: &Header, has_previous: bool, has_next: bool) {
        if !L::IS_FILLED {
            if has_previous {
                self.extent.wipe(words, block.address);
            }
            if has_next {
                self.extent.wipe(words, block.next());
            }
            // The head canary makes a payload one that can be given back.
            let canary = dress::payload::<L>(block) - 4;
            return words.write(canary, 0);
        }
        let from = if has_previous { 0 } else { LINKED_BYTES };
        let beyond = if has_next { LINKED_BYTES } else { 0 };
        fill_free(words, block.address + from, block.next() + beyond);
    }

    /// What is left of a size can be made the first of its list, if it will be a block: the head,
    /// which will be written to, is one.
    #[inline(always)]
    fn check_list(&self, words: &impl Words, size_bytes: u32) -> Result<(), Corruption> {
        if size_bytes < L::SMALLEST_BYTES || !Self::CHECKS_LINKS {
            return Ok(());
        }
        links::check_head(&self.extent, &self.lists, words, Class::of(size_bytes))
    }

    /// Makes a free block the first of its list, which is checked.
    #[inline(always)]
    fn insert(&mut self, words: &mut impl Words, block: &Header) {
        let class = Class::of(block.size_bytes);
        let head = self.lists.push(class, block.address);
        words.write(next_link(block.address), head);
        words.write(previous_link(block.address), NO_LINK);
        if head != NO_LINK {
            words.write(previous_link(head), block.address);
        }
    }

    /// Takes the first block of a list, checked, out of it.
    #[inline(always)]
    fn pop(&mut self, words: &mut impl Words, block: &Header, class: Class) {
        let next = words.read(next_link(block.address));
        self.lists.set_head(class, next);
        if next != NO_LINK {
            words.write(previous_link(next), NO_LINK);
        }
    }

    /// Takes a free block, whose links are checked, out of its list: it becomes part of another.
    #[inline(always)]
    fn absorb(&mut self, words: &mut impl Words, block: &Header) {
        let next = words.read(next_link(block.address));
        let previous = words.read(previous_link(block.address));
        if next != NO_LINK {
            words.write(previous_link(next), previous);
        }
        if previous == NO_LINK {
            self.lists.set_head(Class::of(block.size_bytes), next);
        } else {
            words.write(next_link(previous), next);
        }
        self.free_blocks = self.free_blocks.wrapping_sub(1);
    }
}

/// How much of a rest loses its fill when the block in front of it is handed out: its header and
/// links, or all of it where it is too small to be a block.
const fn unsplit<L: Level>(rest_bytes: u32) -> u32 {
    if rest_bytes < L::SMALLEST_BYTES { rest_bytes } else { LINKED_BYTES }
}
