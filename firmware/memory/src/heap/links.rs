//! The lists of free blocks, held against each other: each link leads to a free block of the same
//! list that leads back. Everything here reads and decides; nothing writes.

use super::block::{Extent, FREE, Header, NO_LINK, next_link, previous_link};
use super::error::{Corruption, Expected};
use super::tlsf_lists::{Class, Lists};
use crate::words::Words;

/// The first block of a list, checked to be a free one of that list with none before it.
///
/// # Errors
/// The word that is wrong.
pub(super) fn head(
    extent: &Extent,
    lists: &Lists,
    words: &impl Words,
    class: Class,
) -> Result<Option<Header>, Corruption> {
    let head = lists.head(class);
    if head == NO_LINK {
        return Ok(None);
    }
    let block = extent.block(words, head)?;
    let wrong = |expected| Corruption { address: head, expected, found: block.word() };
    if !block.is_free {
        return Err(wrong(Expected::Word(block.word() | FREE)));
    }
    if Class::of(block.size_bytes) != class {
        return Err(wrong(Expected::Size));
    }
    check_is_first(words, head)?;
    Ok(Some(block))
}

/// The first block of a list, if it has one, is free, of that list and the first: what another one
/// in front of it relies on, told from few words.
///
/// # Errors
/// The word that is wrong.
#[inline]
pub(super) fn check_head(
    extent: &Extent,
    lists: &Lists,
    words: &impl Words,
    class: Class,
) -> Result<(), Corruption> {
    let address = lists.head(class);
    if address == NO_LINK {
        return Ok(());
    }
    let is_block = extent.can_be_block(address) && {
        let block = Header::read(words, address);
        block.is_free && Class::of(block.size_bytes) == class
    };
    if !is_block {
        // Trouble may take its time: more words are asked which one is wrong.
        head(extent, lists, words, class)?;
    }
    check_is_first(words, address)
}

/// The head of a list has none before it.
fn check_is_first(words: &impl Words, head: u32) -> Result<(), Corruption> {
    let address = previous_link(head);
    let found = words.read(address);
    let wrong = Corruption { address, expected: Expected::Word(NO_LINK), found };
    if found == NO_LINK { Ok(()) } else { Err(wrong) }
}

/// Both links of a free block lead to free blocks of its list that lead back to it.
///
/// # Errors
/// The word that is wrong.
pub(super) fn check(
    extent: &Extent,
    lists: &Lists,
    words: &impl Words,
    block: &Header,
) -> Result<(), Corruption> {
    successor(extent, lists, words, block)?;
    let link = previous_link(block.address);
    let found = words.read(link);
    let wrong = Corruption { address: link, expected: Expected::FreeBlock, found };
    let class = Class::of(block.size_bytes);
    let leads_here = if found == NO_LINK {
        lists.head(class) == block.address
    } else if listed(extent, words, found, class).is_some() {
        words.read(next_link(found)) == block.address
    } else {
        return Err(damage_at(extent, words, found, next_link, block).unwrap_or(wrong));
    };
    if leads_here { Ok(()) } else { Err(wrong) }
}

/// The block behind a free one in its list, once it leads back.
///
/// # Errors
/// The word that is wrong: one of the two links, or the flag of the block behind.
pub(super) fn successor(
    extent: &Extent,
    lists: &Lists,
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
    let Some(next) = listed(extent, words, found, class) else {
        let damage = damage_at(extent, words, found, previous_link, block);
        return Err(damage.unwrap_or(wrong_link));
    };
    let back_link = previous_link(next.address);
    let back = words.read(back_link);
    if back == block.address {
        return Ok(Some(next));
    }
    let back_is_vouched = if back == NO_LINK {
        lists.head(class) == next.address
    } else {
        listed(extent, words, back, class).is_some() && words.read(next_link(back)) == next.address
    };
    let expected = Expected::Word(block.address);
    let wrong_back = Corruption { address: back_link, expected, found: back };
    Err(if back_is_vouched { wrong_link } else { wrong_back })
}

/// The free block at an address, if it could stand in a list.
pub(super) fn listed(
    extent: &Extent,
    words: &impl Words,
    address: u32,
    class: Class,
) -> Option<Header> {
    let block = extent.block_forward(words, address).ok()?;
    (block.is_free && Class::of(block.size_bytes) == class).then_some(block)
}

/// What is wrong with a header whose block leads back: then the link to it is right.
fn damage_at(
    extent: &Extent,
    words: &impl Words,
    address: u32,
    link: impl Fn(u32) -> u32,
    neighbour: &Header,
) -> Option<Corruption> {
    if !extent.can_be_block(address) || words.read(link(address)) != neighbour.address {
        return None;
    }
    match extent.block(words, address) {
        Ok(block) if block.is_free => None,
        Ok(block) => {
            let expected = Expected::Word(block.word() | FREE);
            Some(Corruption { address, expected, found: block.word() })
        }
        Err(corruption) => Some(corruption),
    }
}
