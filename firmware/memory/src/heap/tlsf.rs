//! The two-level segregated fit over one region: allocate, free, split, merge.
//!
//! Both take a bounded number of accesses, whatever the heap holds: the lists find a block without
//! a search, and the boundary tags find its neighbours. Each operation first reads and checks every
//! word it will need, then writes: corruption is answered before anything has changed. Two free
//! blocks are never neighbours.

use super::Alignment;
use super::block::{
    Extent, FREE, HEADER_BYTES, Header, NO_LINK, SMALLEST_BLOCK_BYTES, next_link, previous_link,
};
use super::error::{AddressError, Corruption, Expected};
use super::tlsf_lists::{Class, LARGEST_BLOCK_BYTES, Lists};
use crate::words::Words;

/// One region under the method.
#[derive(Debug)]
pub(super) struct Tlsf {
    /// Where the blocks lie.
    pub extent: Extent,
    /// The free ones by size.
    pub lists: Lists,
    /// How many bytes free blocks could hand out together.
    pub free_bytes: u32,
    /// How many free blocks there are.
    pub free_blocks: u32,
    /// How many blocks are handed out.
    pub allocated_blocks: u32,
}

impl Tlsf {
    /// No region.
    pub const EMPTY: Self = Self {
        extent: Extent { first: 0, end: 0 },
        lists: Lists::EMPTY,
        free_bytes: 0,
        free_blocks: 0,
        allocated_blocks: 0,
    };

    /// Makes one free block of a region. What was there is lost. In place, because this is too
    /// large to be handed around on a small stack.
    pub fn format(&mut self, words: &mut impl Words, extent: Extent) {
        *self = Self::EMPTY;
        self.extent = extent;
        let block = extent.format(words);
        self.insert(words, &block);
    }

    /// Hands out a block. Nothing, if no list has one that is sure to do.
    ///
    /// # Errors
    /// A word that is wrong; nothing has changed.
    pub fn allocate(
        &mut self,
        words: &mut impl Words,
        size_bytes: u32,
        alignment: Alignment,
    ) -> Result<Option<Header>, Corruption> {
        let Some(block_bytes) = block_bytes(size_bytes) else { return Ok(None) };
        // The block that a plain request would get may happen to lie well; if it does not, one is
        // taken that is large enough wherever it lies.
        let worst_gap = alignment.worst_gap();
        for extra in [0, worst_gap] {
            let searched = block_bytes.saturating_add(extra);
            let Some(block) = self.search(words, searched)? else { return Ok(None) };
            let gap = alignment.gap(block.payload());
            if block.size_bytes - block_bytes >= gap {
                return Ok(Some(self.take(words, &block, gap, block_bytes)));
            }
        }
        Ok(None)
    }

    /// Takes a block back and merges it with its free neighbours. Answers what it held.
    ///
    /// # Errors
    /// The address is not one that was handed out, or a word is wrong; nothing has changed.
    pub fn free(&mut self, words: &mut impl Words, address: u32) -> Result<Header, AddressError> {
        let block = self.allocated_block(words, address)?;
        let previous = self.extent.previous(words, &block)?.filter(|previous| previous.is_free);
        let next = if block.next() == self.extent.end {
            None
        } else {
            Some(self.extent.block_forward(words, block.next())?).filter(|next| next.is_free)
        };
        for neighbour in previous.iter().chain(&next) {
            self.extent.block(words, neighbour.address)?;
            self.check_links(words, neighbour)?;
        }

        let mut merged = Header { is_free: true, ..block };
        if let Some(next) = next {
            self.unlink(words, &next);
            self.extent.wipe(words, &next);
            merged.size_bytes += next.size_bytes;
        }
        if let Some(previous) = previous {
            self.unlink(words, &previous);
            self.extent.wipe(words, &block);
            merged.address = previous.address;
            merged.size_bytes += previous.size_bytes;
        }
        self.extent.write(words, &merged);
        self.insert(words, &merged);
        self.allocated_blocks -= 1;
        Ok(block)
    }

    /// The block that was handed out at an address.
    ///
    /// # Errors
    /// The address is not one that was handed out, or a word is wrong.
    pub fn allocated_block(
        &self,
        words: &impl Words,
        address: u32,
    ) -> Result<Header, AddressError> {
        let at = address.wrapping_sub(HEADER_BYTES);
        let checked = self.extent.block(words, at);
        if let Ok(block) = checked.as_ref().copied()
            && !block.is_free
        {
            return Ok(block);
        }
        // Trouble may take its time: a walk tells a wrong address from a wrong word.
        let block = self.containing(words, address)?;
        if block.is_free {
            return Err(AddressError::AlreadyFree { address, block: block.payload() });
        }
        if block.address == at {
            return checked.map_err(AddressError::Corrupt);
        }
        Err(AddressError::NotStartOfBlock { address, block: block.payload() })
    }

    /// The block that an address lies in, its header included. Walks the region.
    ///
    /// # Errors
    /// The address lies in no block of this region, or a word on the way there is wrong.
    pub fn containing(&self, words: &impl Words, address: u32) -> Result<Header, AddressError> {
        for block in self.extent.blocks(words) {
            let block = block?;
            if block.address <= address && address < block.next() {
                return Ok(block);
            }
        }
        Err(AddressError::Foreign { address })
    }

    /// The largest size that a plain request would be given, in bytes.
    ///
    /// It is that of the first block of the topmost list. Another block in that list may be larger
    /// by less than an eighth; finding it would take a search.
    ///
    /// # Errors
    /// A word that is wrong.
    pub fn largest_free_block(&self, words: &impl Words) -> Result<u32, Corruption> {
        let Some(class) = self.lists.top() else { return Ok(0) };
        self.head(words, class).map(|block| block.map_or(0, |block| block.payload_bytes()))
    }

    /// A free block of at least `block_bytes`, everything checked that taking it needs.
    fn search(&self, words: &impl Words, block_bytes: u32) -> Result<Option<Header>, Corruption> {
        if block_bytes > LARGEST_BLOCK_BYTES {
            return Ok(None);
        }
        // The lists above are sure to do; of the list it would be kept in itself, the first may.
        let class = self.lists.find(block_bytes).unwrap_or(Class::of(block_bytes));
        let head = self.head(words, class)?;
        let Some(block) = head.filter(|block| block.size_bytes >= block_bytes) else {
            return Ok(None);
        };
        self.check_links(words, &block)?;
        Ok(Some(block))
    }

    /// The first block of a list, checked to be a free one of that list.
    fn head(&self, words: &impl Words, class: Class) -> Result<Option<Header>, Corruption> {
        let head = self.lists.head(class);
        if head == NO_LINK {
            return Ok(None);
        }
        let block = self.extent.block(words, head)?;
        let wrong = |expected| Corruption { address: head, expected, found: block.word() };
        if !block.is_free {
            return Err(wrong(Expected::Word(block.word() | FREE)));
        }
        if Class::of(block.size_bytes) != class {
            return Err(wrong(Expected::Size));
        }
        Ok(Some(block))
    }

    /// Splits a block, whose links are checked, into a gap that stays free, the block that is
    /// handed out, and a rest.
    fn take(
        &mut self,
        words: &mut impl Words,
        block: &Header,
        gap: u32,
        block_bytes: u32,
    ) -> Header {
        self.unlink(words, block);
        let mut taken = Header {
            address: block.address + gap,
            size_bytes: block.size_bytes - gap,
            is_free: false,
        };
        if gap > 0 {
            let gap = Header { size_bytes: gap, ..*block };
            self.extent.write(words, &gap);
            self.insert(words, &gap);
        }
        if taken.size_bytes - block_bytes >= SMALLEST_BLOCK_BYTES {
            let rest = Header {
                address: taken.address + block_bytes,
                size_bytes: taken.size_bytes - block_bytes,
                is_free: true,
            };
            taken.size_bytes = block_bytes;
            self.extent.write(words, &rest);
            self.insert(words, &rest);
        }
        self.extent.write(words, &taken);
        self.allocated_blocks += 1;
        taken
    }

    /// Makes a free block the first of its list.
    fn insert(&mut self, words: &mut impl Words, block: &Header) {
        let class = Class::of(block.size_bytes);
        let head = self.lists.head(class);
        words.write(next_link(block.address), head);
        words.write(previous_link(block.address), NO_LINK);
        if head != NO_LINK {
            words.write(previous_link(head), block.address);
        }
        self.lists.set_head(class, block.address);
        self.free_bytes += block.payload_bytes();
        self.free_blocks += 1;
    }

    /// Takes a free block, whose links are checked, out of its list.
    fn unlink(&mut self, words: &mut impl Words, block: &Header) {
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
        self.free_bytes -= block.payload_bytes();
        self.free_blocks -= 1;
    }

    /// Both links of a free block lead to free blocks of its list that lead back to it.
    fn check_links(&self, words: &impl Words, block: &Header) -> Result<(), Corruption> {
        self.successor(words, block)?;
        let link = previous_link(block.address);
        let found = words.read(link);
        let wrong = Corruption { address: link, expected: Expected::FreeBlock, found };
        let class = Class::of(block.size_bytes);
        let leads_here = if found == NO_LINK {
            self.lists.head(class) == block.address
        } else if self.listed(words, found, class).is_some() {
            words.read(next_link(found)) == block.address
        } else {
            return Err(self.damage_at(words, found, next_link, block).unwrap_or(wrong));
        };
        if leads_here { Ok(()) } else { Err(wrong) }
    }

    /// What is wrong with a header whose block leads back: then the link to it is right.
    fn damage_at(
        &self,
        words: &impl Words,
        address: u32,
        link: impl Fn(u32) -> u32,
        neighbour: &Header,
    ) -> Option<Corruption> {
        if !self.extent.can_be_block(address) || words.read(link(address)) != neighbour.address {
            return None;
        }
        match self.extent.block(words, address) {
            Ok(block) if block.is_free => None,
            Ok(block) => {
                let expected = Expected::Word(block.word() | FREE);
                Some(Corruption { address, expected, found: block.word() })
            }
            Err(corruption) => Some(corruption),
        }
    }

    /// The block behind a free one in its list, once it leads back.
    ///
    /// # Errors
    /// The word that is wrong: one of the two links, or the flag of the block behind.
    pub fn successor(
        &self,
        words: &impl Words,
        block: &Header,
    ) -> Result<Option<Header>, Corruption> {
        let link = next_link(block.address);
        let found = words.read(link);
        if found == NO_LINK {
            return Ok(None);
        }
        let class = Class::of(block.size_bytes);
        let wrong_link = Corruption { address: link, expected: Expected::FreeBlock, found };
        let Some(next) = self.listed(words, found, class) else {
            let damage = self.damage_at(words, found, previous_link, block);
            return Err(damage.unwrap_or(wrong_link));
        };
        let back_link = previous_link(next.address);
        let back = words.read(back_link);
        if back == block.address {
            return Ok(Some(next));
        }
        let back_is_vouched = if back == NO_LINK {
            self.lists.head(class) == next.address
        } else {
            self.listed(words, back, class).is_some() && words.read(next_link(back)) == next.address
        };
        let expected = Expected::Word(block.address);
        let wrong_back = Corruption { address: back_link, expected, found: back };
        Err(if back_is_vouched { wrong_link } else { wrong_back })
    }

    /// The free block at an address, if it could stand in a list.
    pub fn listed(&self, words: &impl Words, address: u32, class: Class) -> Option<Header> {
        let block = self.extent.block_forward(words, address).ok()?;
        (block.is_free && Class::of(block.size_bytes) == class).then_some(block)
    }
}

/// The size of the block for a request, or nothing if no region could ever hold it.
fn block_bytes(size_bytes: u32) -> Option<u32> {
    let block = size_bytes.checked_add(HEADER_BYTES)?.checked_next_multiple_of(8)?;
    Some(block.max(SMALLEST_BLOCK_BYTES))
}
