//! What a heap has handed out, as a plain list: regions, blocks, and the gaps between them.

use crashrig_layout::Capabilities;
use crashrig_wire::script::{Outcome, SLOT_COUNT};
use std::collections::BTreeMap;

/// Bytes from the first to the one before the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub start: u64,
    pub end: u64,
}

impl Span {
    pub fn of(start: u32, size: u32) -> Self {
        Self { start: start.into(), end: u64::from(start) + u64::from(size) }
    }

    pub const fn size(&self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    pub const fn contains(&self, other: &Self) -> bool {
        self.start <= other.start && other.end <= self.end
    }

    pub const fn overlaps(&self, other: &Self) -> bool {
        self.start < other.end && other.start < self.end
    }
}

/// Memory with capabilities: a region, or a block with those it was asked for with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece {
    pub span: Span,
    pub caps: Capabilities,
}

/// What is asked for when a block is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wish {
    pub size: u32,
    pub caps: Capabilities,
    pub alignment: u32,
}

impl Wish {
    pub fn new(size: u32, caps: u32, alignment: u32) -> Self {
        Self { size, caps: Capabilities::from_bits(caps).unwrap_or_default(), alignment }
    }

    /// What it comes to in a region that suits it.
    pub fn kept_bytes(&self) -> u64 {
        kept_bytes(self.size, self.caps)
    }

    /// Why nobody can be given that.
    pub fn nonsense(&self) -> Option<Outcome> {
        let data = Capabilities::BYTE.union(Capabilities::DMA);
        if self.size == 0 {
            Some(Outcome::ZeroSize)
        } else if !self.alignment.is_power_of_two() {
            Some(Outcome::Alignment)
        } else if self.caps.contains(Capabilities::EXEC) && self.caps.bits() & data.bits() != 0 {
            Some(Outcome::Contradiction)
        } else {
            None
        }
    }
}

/// A size in whole words, for memory that is asked for in words.
pub(super) fn kept_bytes(size: u32, caps: Capabilities) -> u64 {
    let is_in_words = caps.contains(Capabilities::WORD) || caps.contains(Capabilities::EXEC);
    let size = u64::from(size);
    if is_in_words { size.next_multiple_of(4) } else { size }
}

/// Why nobody can ask with these.
pub(super) fn out_of_bounds(slot: u16, caps: u32) -> Option<Outcome> {
    let is_known = Capabilities::from_bits(caps).is_some();
    (usize::from(slot) >= SLOT_COUNT || !is_known).then_some(Outcome::Refused)
}

/// Regions, and the blocks that are handed out.
#[derive(Debug, Default)]
pub(super) struct Holdings {
    pub regions: Vec<Piece>,
    pub held: BTreeMap<u16, Piece>,
}

impl Holdings {
    /// The regions that have all of some capabilities.
    pub fn suited(&self, caps: Capabilities) -> impl Iterator<Item = &Piece> {
        self.regions.iter().filter(move |region| region.caps.contains(caps))
    }

    /// What is wrong with a block at a place, whoever else holds it: what would be right. Nobody is
    /// given a block without asking for any capability, but one that was there may stay.
    pub fn misplaced(
        &self,
        span: &Span,
        wish: &Wish,
        before: Option<Piece>,
    ) -> Option<&'static str> {
        let stays = before.is_some_and(|held| held.span.start == span.start);
        let is_suited = self.suited(wish.caps).any(|region| region.span.contains(span));
        if !is_suited || wish.caps == Capabilities::NONE && !stays {
            return Some("a block in a region with these capabilities");
        }
        let is_aligned = span.start.is_multiple_of(wish.alignment.max(8).into());
        (!is_aligned).then_some("the alignment that was asked for")
    }

    /// The slot of a block that shares bytes with a place.
    pub fn sharer(&self, span: &Span) -> Option<u16> {
        self.held.iter().find(|(_, held)| held.span.overlaps(span)).map(|(slot, _)| *slot)
    }

    /// The most bytes in a row that nobody holds, of the regions that suit a wish.
    pub fn largest_gap(&self, wish: &Wish) -> u64 {
        if wish.caps == Capabilities::NONE {
            return 0;
        }
        self.suited(wish.caps).map(|region| self.largest_gap_of(&region.span)).max().unwrap_or(0)
    }

    fn largest_gap_of(&self, region: &Span) -> u64 {
        let held = self.held.values().map(|held| held.span);
        let mut held: Vec<_> = held.filter(|span| region.contains(span)).collect();
        held.sort_unstable_by_key(|span| span.start);
        let starts = held.iter().map(|span| span.start).chain([region.end]);
        let ends = [region.start].into_iter().chain(held.iter().map(|span| span.end));
        starts.zip(ends).map(|(start, end)| start.saturating_sub(end)).max().unwrap_or(0)
    }
}
