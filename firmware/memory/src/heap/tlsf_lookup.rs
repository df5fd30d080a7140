//! What the two-level segregated fit reads before it changes anything: the block for a request, the
//! block at an address, and the free neighbours of one. Nothing here writes.

use super::block::{Header, NO_LINK, previous_size_word};
use super::error::{AddressError, Corruption};
use super::level::Level;
use super::tlsf::Tlsf;
use super::tlsf_lists::{Class, LARGEST_BLOCK_BYTES};
use super::{dress, links};
use crate::words::Words;

/// The free neighbours of a block.
pub(super) struct Neighbours {
    pub previous: Option<Header>,
    pub next: Option<Header>,
}

/// What is checked before it is used. Each is a check that a mutant of `cargo ci mutants` takes out
/// to show that a scenario notices; the check of a whole region has them all the same.
impl<L: Level> Tlsf<L> {
    /// Headers are held against those before and behind.
    const CHECKS_HEADERS: bool = L::IS_CHECKED && !cfg!(feature = "without-heap-header-check");
    /// A link leads to a block that leads back.
    pub(super) const CHECKS_LINKS: bool =
        L::IS_CHECKED && !cfg!(feature = "without-heap-link-check");
    /// The canaries of a block that is taken back or resized are whole.
    const CHECKS_CANARIES: bool = L::IS_CHECKED && !cfg!(feature = "without-heap-canary-check");
    /// What was free is as it was filled.
    pub(super) const CHECKS_FILL: bool = L::IS_FILLED && !cfg!(feature = "without-heap-fill-check");
}

impl<L: Level> Tlsf<L> {
    /// A free block of at least `block_bytes`, the first of its list, everything checked that
    /// taking it needs.
    #[inline(always)]
    pub(super) fn search(
        &self,
        words: &impl Words,
        block_bytes: u32,
    ) -> Result<Option<(Header, Class)>, Corruption> {
        if block_bytes > LARGEST_BLOCK_BYTES {
            return Ok(None);
        }
        // The lists above are sure to do; of the list it would be kept in itself, the first may.
        let (class, may_be_small) = match self.lists.find(block_bytes) {
            Some(class) => (class, false),
            None => (Class::of(block_bytes), true),
        };
        let block = if Self::CHECKS_LINKS {
            match links::head(&self.extent, &self.lists, words, class)? {
                Some(block) => block,
                None if may_be_small => return Ok(None),
                // The map says it has a block.
                None => return self.lists.check_map().map(|()| None),
            }
        } else {
            let head = self.lists.head(class);
            if may_be_small && head == NO_LINK {
                return Ok(None);
            }
            Header::read(words, head)
        };
        if may_be_small && block.size_bytes < block_bytes {
            return Ok(None);
        }
        if Self::CHECKS_LINKS {
            links::successor(&self.extent, &self.lists, words, &block)?;
        }
        Ok(Some((block, class)))
    }

    /// The free blocks in front of one and behind it, each with everything checked that taking it
    /// out of its list needs.
    #[inline(always)]
    pub(super) fn free_neighbours(
        &self,
        words: &impl Words,
        block: &Header,
    ) -> Result<Neighbours, Corruption> {
        if Self::CHECKS_HEADERS {
            return self.free_neighbours_checked(words, block);
        }
        // Both were seen to lie in the region with the block; the end mark is a block in use. What
        // is free is believed, as every word without checks.
        let next = Header::read(words, block.next());
        let previous_bytes = words.read(previous_size_word(block.address));
        let previous =
            (previous_bytes > 0).then(|| Header::read(words, block.address - previous_bytes));
        Ok(Neighbours {
            previous: previous.filter(|previous| previous.is_free),
            next: Some(next).filter(|next| next.is_free),
        })
    }

    fn free_neighbours_checked(
        &self,
        words: &impl Words,
        block: &Header,
    ) -> Result<Neighbours, Corruption> {
        let previous = self.extent.previous(words, block)?.filter(|previous| previous.is_free);
        let next = if block.next() == self.extent.end {
            None
        } else {
            Some(self.extent.block_forward(words, block.next())?).filter(|next| next.is_free)
        };
        for neighbour in previous.iter().chain(&next) {
            self.extent.block(words, neighbour.address)?;
            if Self::CHECKS_LINKS {
                links::check(&self.extent, &self.lists, words, neighbour)?;
            }
        }
        Ok(Neighbours { previous, next })
    }

    /// The block that was handed out at an address, and how many bytes it handed out.
    ///
    /// # Errors
    /// The address is not one that was handed out, or a word is wrong.
    #[inline]
    pub(super) fn allocated_block(
        &self,
        words: &impl Words,
        address: u32,
    ) -> Result<(Header, u32), AddressError> {
        let at = address.wrapping_sub(L::PAYLOAD_OFFSET_BYTES);
        if L::IS_CHECKED {
            return self.allocated_block_checked(words, address, at);
        }
        match self.extent.vouched(words, at) {
            Some(block) => Ok((block, L::usable_bytes(block.size_bytes))),
            None => Err(self.explain(words, address)),
        }
    }

    fn allocated_block_checked(
        &self,
        words: &impl Words,
        address: u32,
        at: u32,
    ) -> Result<(Header, u32), AddressError> {
        let checked = if Self::CHECKS_HEADERS {
            self.extent.block(words, at)
        } else {
            Ok(Header::read(words, at))
        };
        if let Ok(block) = checked.as_ref().copied()
            && !block.is_free
        {
            let asked_bytes = if Self::CHECKS_CANARIES {
                dress::asked_bytes::<L>(words, &block)?
            } else {
                dress::believed_bytes(words, address)
            };
            return Ok((block, asked_bytes));
        }
        // Trouble may take its time: a walk tells a wrong address from a wrong word.
        let block = self.containing(words, address)?;
        if block.is_free || block.address != at {
            return Err(self.explain(words, address));
        }
        Err(checked.err().map_or(AddressError::Foreign { address }, AddressError::Corrupt))
    }

    /// Why an address is not one that is handed out. Walks the region.
    #[cold]
    fn explain(&self, words: &impl Words, address: u32) -> AddressError {
        match self.containing(words, address) {
            Ok(block) if block.is_free => {
                AddressError::AlreadyFree { address, block: dress::payload::<L>(&block) }
            }
            Ok(block) => {
                AddressError::NotStartOfBlock { address, block: dress::payload::<L>(&block) }
            }
            Err(error) => error,
        }
    }

    /// The block that an address lies in, its header included. Walks the region.
    ///
    /// # Errors
    /// The address lies in no block of this region, or a word on the way there is wrong.
    pub(super) fn containing(
        &self,
        words: &impl Words,
        address: u32,
    ) -> Result<Header, AddressError> {
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
    pub(super) fn largest_free_block(&self, words: &impl Words) -> Result<u32, Corruption> {
        if L::IS_CHECKED {
            // What the map hides could be larger.
            self.lists.check_map()?;
        }
        let Some(class) = self.lists.top() else { return Ok(0) };
        let head = links::head(&self.extent, &self.lists, words, class)?;
        Ok(head.map_or(0, |block| L::usable_bytes(block.size_bytes)))
    }
}
