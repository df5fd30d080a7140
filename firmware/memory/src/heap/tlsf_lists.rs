//! The two levels of the segregated fit: which list a size belongs to, and which lists hold blocks.
//!
//! The first level (rows) divides sizes by powers of two, the second (columns) divides each power
//! into eight. A map of bits finds the next list with a block in two steps: of four rows in a word,
//! then of words. Heads and bitmaps stand in the
//! heap's own state and not in the region, out of reach of who writes beyond a block.
//!
//! Source of the method: Masmano, Ripoll, Crespo, Real: "TLSF: a new dynamic memory allocator for
//! real-time systems" (2004), from memory; the code is our own.

use super::block::{GRANULE_BYTES, NO_LINK};
use super::error::{Corruption, Expected};

/// Each power of two has so many lists.
const COLUMNS: u32 = 8;
const COLUMNS_LOG2: u32 = COLUMNS.ilog2();
/// Sizes below it have one list for each multiple of the granule.
const LINEAR_BYTES: u32 = GRANULE_BYTES * COLUMNS;
const ROWS: u32 = 20;
const LISTS: usize = (ROWS * COLUMNS) as usize;
/// The largest block that has a list: just below 32 MiB.
pub(super) const LARGEST_BLOCK_BYTES: u32 = (LINEAR_BYTES << (ROWS - 1)) - GRANULE_BYTES;
/// Lists in one word of the map.
const WORD_BITS: u32 = u32::BITS;

/// The number of a list; a larger one holds larger blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Class(u32);

impl Class {
    /// The list that a block of a size is kept in. No branch: below [`LINEAR_BYTES`] all sizes
    /// count as of the first power of two.
    #[inline]
    pub const fn of(size_bytes: u32) -> Self {
        let exponent = (size_bytes | LINEAR_BYTES).ilog2();
        let row = exponent - LINEAR_BYTES.ilog2();
        Self(row * COLUMNS + (size_bytes >> (exponent - COLUMNS_LOG2)))
    }

    /// The first list whose blocks all hold a size, which is at most [`LARGEST_BLOCK_BYTES`].
    #[inline]
    const fn serving(size_bytes: u32) -> Self {
        let exponent = (size_bytes | LINEAR_BYTES).ilog2();
        Self::of(size_bytes + (1 << (exponent - COLUMNS_LOG2)) - 1)
    }

    const fn word(self) -> usize {
        (self.0 / WORD_BITS) as usize
    }

    const fn bit(self) -> u32 {
        1 << (self.0 % WORD_BITS)
    }
}

/// The heads of all lists of one region. Invariant: a bit is set where a list has a head, and in
/// `words` where a word of the map has a bit. A stray store may break it like any other.
#[derive(Debug)]
pub(super) struct Lists {
    words: u32,
    map: [u32; LISTS.div_ceil(WORD_BITS as usize)],
    heads: [u32; LISTS],
}

impl Lists {
    /// Lists without blocks.
    pub const EMPTY: Self =
        Self { words: 0, map: [0; LISTS.div_ceil(WORD_BITS as usize)], heads: [NO_LINK; LISTS] };

    /// Header address of the first block of a list, or [`NO_LINK`].
    #[inline]
    pub fn head(&self, class: Class) -> u32 {
        self.heads.get(class.0 as usize).copied().unwrap_or(NO_LINK)
    }

    /// Makes another block the first of a list that has one; [`NO_LINK`] empties it.
    #[inline]
    pub fn set_head(&mut self, class: Class, head: u32) {
        let Some(place) = self.heads.get_mut(class.0 as usize) else { return };
        *place = head;
        if head == NO_LINK
            && let Some(word) = self.map.get_mut(class.word())
        {
            *word &= !class.bit();
            if *word == 0 {
                self.words &= !(1 << class.word());
            }
        }
    }

    /// Makes a block the first of its list; answers the one that was.
    #[inline]
    pub fn push(&mut self, class: Class, block: u32) -> u32 {
        let Some(place) = self.heads.get_mut(class.0 as usize) else { return NO_LINK };
        let head = core::mem::replace(place, block);
        if head == NO_LINK
            && let Some(word) = self.map.get_mut(class.word())
        {
            *word |= class.bit();
            self.words |= 1 << class.word();
        }
        head
    }

    /// The first list with a block, each of which holds a size of at most [`LARGEST_BLOCK_BYTES`].
    #[inline]
    pub fn find(&self, size_bytes: u32) -> Option<Class> {
        let class = Class::serving(size_bytes);
        let (mut number, bit) = (class.word(), class.bit());
        let mut word = self.map.get(number)? & bit.wrapping_neg();
        if word == 0 {
            number = (self.words & (u32::MAX - 1) << number).trailing_zeros() as usize;
            word = *self.map.get(number)?;
        }
        Some(Class(number as u32 * WORD_BITS + word.trailing_zeros()))
    }

    /// The list with the largest blocks.
    pub fn top(&self) -> Option<Class> {
        let number = self.words.checked_ilog2()?;
        let bit = self.map.get(number as usize)?.checked_ilog2()?;
        Some(Class(number * WORD_BITS + bit))
    }

    /// The map says which lists have a head, and `words` which words of the map have a bit.
    ///
    /// # Errors
    /// The word of the map that is wrong, if the heads are right.
    pub fn check_map(&self) -> Result<(), Corruption> {
        let mut words = 0;
        let heads = self.heads.chunks(WORD_BITS as usize);
        for ((number, word), heads) in (0..).zip(&self.map).zip(heads) {
            let bit = |(bit, head): (u32, &u32)| u32::from(*head != NO_LINK) << bit;
            let bits = (0..).zip(heads).map(bit).fold(0, |bits, bit| bits | bit);
            check_word(word, bits)?;
            words |= u32::from(bits != 0) << number;
        }
        check_word(&self.words, words)
    }

    /// What is wrong with a list that has no head, though the map says it has one and a block says
    /// it is the first.
    pub fn lost_head(&self, class: Class, block: u32) -> Option<Corruption> {
        let is_mapped = self.map.get(class.word())? & class.bit() != 0;
        let head = self.heads.get(class.0 as usize)?;
        if is_mapped && *head == NO_LINK { check_word(head, block).err() } else { None }
    }

    /// Every word, for a test to damage: the map's, then the heads.
    #[cfg(test)]
    pub fn words_mut(&mut self) -> impl Iterator<Item = &mut u32> {
        core::iter::once(&mut self.words).chain(&mut self.map).chain(&mut self.heads)
    }

    /// All lists that have a block, with their heads.
    pub fn heads(&self) -> impl Iterator<Item = (Class, u32)> {
        let heads = (0..).map(Class).zip(self.heads.iter().copied());
        heads.filter(|(_, head)| *head != NO_LINK)
    }
}

/// Holds a word of the heap's own state against what it should be. It has an address on the target
/// as words of a region have; on a host, the lower half of one.
pub(super) fn check_word(word: &u32, expected: u32) -> Result<(), Corruption> {
    let address = core::ptr::from_ref(word).addr() as u32;
    let wrong = Corruption { address, expected: Expected::Word(expected), found: *word };
    if *word == expected { Ok(()) } else { Err(wrong) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_rise_with_the_size_and_serve_what_they_say() {
        let mut last = Class(0);
        for size in (16..if cfg!(miri) { 1 << 9 } else { 1 << 13 }).step_by(8) {
            let class = Class::of(size);
            assert!(last <= class && class.0 - last.0 <= 2, "{size}");
            let serving = Class::serving(size);
            // Everything smaller lies in a list below, unless it is served all the same.
            assert!(class <= serving && serving.0 - class.0 <= 1, "{size}");
            assert_eq!(serving == class, Class::of(size - 8) != class, "{size}");
            last = class;
        }
        assert_eq!(Class::of(LARGEST_BLOCK_BYTES), Class(ROWS * COLUMNS - 1));
        assert_eq!(Class::of(LARGEST_BLOCK_BYTES + 8), Class(ROWS * COLUMNS));
    }

    #[test]
    fn the_bitmaps_find_what_a_search_through_all_heads_finds() {
        let mut lists = Lists::EMPTY;
        let sizes = [16, 4096, 24, 72, 1 << 20, 130, LARGEST_BLOCK_BYTES];
        for (step, size) in sizes.iter().enumerate() {
            lists.push(Class::of(*size), step as u32);
            assert_eq!(lists.top(), lists.heads().map(|(class, _)| class).last());
            let bits = (4..25).step_by(if cfg!(miri) { 5 } else { 1 });
            for wanted in bits.flat_map(|bit| [1 << bit, (1 << bit) + 8, (2 << bit) - 8]) {
                let served = lists.heads().map(|(class, _)| class);
                let expected = served.into_iter().find(|class| *class >= Class::serving(wanted));
                assert_eq!(lists.find(wanted), expected, "{wanted}");
            }
        }
        for (class, _) in Lists::EMPTY.heads().chain([(Class::of(16), 0), (Class::of(4096), 0)]) {
            lists.set_head(class, NO_LINK);
        }
        assert_eq!(lists.find(16), Some(Class::of(24)));
        assert_eq!((Lists::EMPTY.find(16), Lists::EMPTY.top()), (None, None));
    }
}
