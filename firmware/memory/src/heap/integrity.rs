//! The check of a whole region: every header, every link, each against every other word that knows.
//!
//! It finds any one changed word of the heap's own and names it. Four passes, each resting on the
//! one before: the chain of blocks; the lists from their heads; block by block, whether a free one
//! was met in a list, and what it wears; and what the heap keeps outside of the region, the map of
//! the lists and the sums. Each is bounded by the size of the region or the number of lists.

use super::block::{FREE, Header, NO_LINK, next_link, previous_link};
use super::error::{Corruption, Expected};
use super::level::Level;
use super::tlsf::Tlsf;
use super::tlsf_lists::{Class, check_word};
use super::{dress, links};
use crate::words::Words;

/// Checks one region.
///
/// # Errors
/// The first word found wrong.
pub(super) fn check<L: Level>(region: &Tlsf<L>, words: &impl Words) -> Result<(), Corruption> {
    region.extent.check_ends(words)?;
    let mut sums = Sums::default();
    for block in region.extent.blocks(words) {
        sums.count(&block?);
    }
    let mut listed_blocks = 0;
    for (class, _) in region.lists.heads() {
        listed_blocks += check_list(region, words, class)?;
    }
    for block in region.extent.blocks(words) {
        let block = block?;
        if listed_blocks != sums.free_blocks {
            check_listed(region, words, &block)?;
        }
        dress::check::<L>(words, &block)?;
    }
    region.lists.check_map()?;
    check_sums(region, &sums)
}

/// What the heap counts, as a walk counts it.
#[derive(Default)]
struct Sums {
    allocated_blocks: u32,
    free_blocks: u32,
    free_bytes: u32,
}

impl Sums {
    fn count(&mut self, block: &Header) {
        if block.is_free {
            self.free_blocks += 1;
            self.free_bytes += block.size_bytes;
        } else {
            self.allocated_blocks += 1;
        }
    }
}

fn check_sums<L: Level>(region: &Tlsf<L>, sums: &Sums) -> Result<(), Corruption> {
    check_word(&region.allocated_blocks, sums.allocated_blocks)?;
    check_word(&region.free_blocks, sums.free_blocks)?;
    check_word(&region.free_sum_bytes, sums.free_bytes)
}

/// One list from its head; answers its length. It ends because each block leads back to the one
/// before, and the first to none: no block can be met twice.
fn check_list<L: Level>(
    region: &Tlsf<L>,
    words: &impl Words,
    class: Class,
) -> Result<u32, Corruption> {
    let Some(block) = links::head(&region.extent, &region.lists, words, class)? else {
        return Ok(0);
    };
    let mut length = 1;
    let mut last = block;
    while let Some(next) = links::successor(&region.extent, &region.lists, words, &last)? {
        length += 1;
        last = next;
    }
    Ok(length)
}

/// A block that says it is free is the head of its list or known to the one before it.
fn check_listed<L: Level>(
    region: &Tlsf<L>,
    words: &impl Words,
    block: &Header,
) -> Result<(), Corruption> {
    if !block.is_free {
        return Ok(());
    }
    let class = Class::of(block.size_bytes);
    let previous = words.read(previous_link(block.address));
    let is_head = previous == NO_LINK && region.lists.head(class) == block.address;
    let before = links::listed(&region.extent, words, previous, class);
    let forward = before.map(|before| words.read(next_link(before.address)));
    if is_head || forward == Some(block.address) {
        return Ok(());
    }
    // All that can be reached from the heads has proved sound. Either the list has lost its head,
    // or the block before its link, or this one was never in a list and is free by its flag alone.
    let lost_head = region.lists.lost_head(class, block.address);
    if let Some(corruption) = lost_head.filter(|_| previous == NO_LINK) {
        return Err(corruption);
    }
    Err(if let Some(found) = forward.filter(|forward| *forward == NO_LINK) {
        let expected = Expected::Word(block.address);
        Corruption { address: next_link(previous), expected, found }
    } else {
        let expected = Expected::Word(block.word() & !FREE);
        Corruption { address: block.address, expected, found: block.word() }
    })
}
