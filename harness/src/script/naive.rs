//! The naive model: a plain list of what a heap has handed out, and what every heap must hold.
//!
//! It shares no code with the heap and knows nothing of how that works. So it cannot say which
//! address is right, but it can say that one is wrong: it lies in no region with what was asked
//! for, has not the alignment, or shares bytes with another block. And it says when a refusal is
//! wrong: where there is certainly room, by a bound that is stated below.

use super::holdings::{Holdings, Piece, Span, Wish, kept_bytes, out_of_bounds};
use crashrig_layout::Capabilities;
use crashrig_wire::script::{
    ARENA_BYTES, OVERRUN_LIMIT_BYTES, Outcome, REGION_LIMIT, Request, Response, ScriptLevel,
};
use std::fmt::Display;

/// Bytes that a block costs a heap at most besides what was asked for; and that its neighbours, or
/// the ends of a region, take of the gap between them.
const COST_BYTES: u64 = 40;
/// A heap that looks at no block longer than needed may refuse one that is not larger than what it
/// looks for by one part in so many.
const ROUNDING_PARTS: u64 = 8;
/// A region of more than this must be taken.
const SURE_REGION_BYTES: u32 = 128;

/// Something that no heap may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// What would be right.
    pub expected: String,
    /// What was answered.
    pub found: String,
}

impl Complaint {
    pub(super) fn new(expected: impl Display, found: impl Display) -> Self {
        Self { expected: expected.to_string(), found: found.to_string() }
    }

    /// The same, with where it was.
    pub(super) fn at(self, place: &str) -> Self {
        Self { expected: format!("{place}: {}", self.expected), ..self }
    }
}

/// What a heap has handed out, as its answers say.
#[derive(Debug, Default)]
pub struct Naive {
    /// The level and the block that regions lie in, of the heap that is open.
    open: Option<(ScriptLevel, Span)>,
    list: Holdings,
    /// Slots beyond which was written: from then on nothing is asked of the contents of blocks and
    /// of refusals, and at a level without checks of nothing at all.
    overrun: Vec<u16>,
}

impl Naive {
    /// Judges the next answer.
    ///
    /// # Errors
    /// No heap may answer that.
    pub fn judge(&mut self, request: &Request, answer: &Response) -> Result<(), Complaint> {
        if let Some(expected) = self.forced(request) {
            return equal(expected, answer.outcome);
        }
        if answer.outcome == Outcome::ContentsLost {
            let is_allowed = !self.overrun.is_empty();
            self.follow_lost(request, answer);
            return if is_allowed { Ok(()) } else { complain("contents as written", answer) };
        }
        match *request {
            Request::Open { level } => self.open(level, answer),
            Request::Region { offset, size, caps } => self.region(offset, size, caps, answer),
            Request::Allocate { slot, size, caps, alignment } => {
                self.placed(slot, Wish::new(size, caps, alignment), None, answer)
            }
            Request::Reallocate { slot, size, caps, alignment } => {
                let before = self.list.held.get(&slot).copied();
                self.placed(slot, Wish::new(size, caps, alignment), before, answer)
            }
            Request::Free { slot } => self.freed(slot, answer),
            Request::Overrun { slot, size } => self.overran(slot, size, answer),
            Request::Check => self.checked(answer),
            Request::Totals { caps } => self.totals(Wish::new(1, caps, 1).caps, answer),
            Request::Close => equal(Outcome::Done, answer.outcome),
        }
    }

    /// The outcome of a request that says it by itself, or with the list of what is held.
    fn forced(&self, request: &Request) -> Option<Outcome> {
        let has = |slot: u16| self.list.held.contains_key(&slot);
        match *request {
            Request::Open { .. } | Request::Close => None,
            _ if self.open.is_none() => Some(Outcome::Refused),
            Request::Region { offset, size, caps } => {
                let is_known = caps.iter().all(|caps| Capabilities::from_bits(*caps).is_some());
                let is_inside = Span::of(offset, size).end <= ARENA_BYTES.into();
                (!is_known || !is_inside).then_some(Outcome::Refused)
            }
            Request::Allocate { slot, size, caps, alignment } => {
                let busy = has(slot).then_some(Outcome::BusySlot);
                out_of_bounds(slot, caps)
                    .or(busy)
                    .or_else(|| Wish::new(size, caps, alignment).nonsense())
            }
            Request::Reallocate { slot, size, caps, alignment } => {
                let empty = (!has(slot)).then_some(Outcome::EmptySlot);
                out_of_bounds(slot, caps)
                    .or(empty)
                    .or_else(|| Wish::new(size, caps, alignment).nonsense())
            }
            Request::Free { slot } => {
                out_of_bounds(slot, 0).or((!has(slot)).then_some(Outcome::EmptySlot))
            }
            Request::Overrun { slot, size } => {
                let empty = (!has(slot)).then_some(Outcome::EmptySlot);
                out_of_bounds(slot, 0).or(empty).or_else(|| {
                    let end = self.list.held.get(&slot)?.span.end + u64::from(size);
                    let is_outside = self.open.is_some_and(|(_, arena)| end > arena.end);
                    (size > OVERRUN_LIMIT_BYTES || is_outside).then_some(Outcome::Refused)
                })
            }
            Request::Check => None,
            Request::Totals { caps } => out_of_bounds(0, caps),
        }
    }

    /// Whether the heap has been damaged and checks nothing.
    fn is_lost(&self) -> bool {
        let is_off = self.open.is_some_and(|(level, _)| level == ScriptLevel::Off);
        is_off && !self.overrun.is_empty()
    }

    fn open(&mut self, level: ScriptLevel, answer: &Response) -> Result<(), Complaint> {
        equal(Outcome::Done, answer.outcome)?;
        let [start, size, ..] = answer.values;
        *self = Self { open: Some((level, Span::of(start, size))), ..Self::default() };
        if start == 0 || size < ARENA_BYTES {
            return complain(format_args!("{ARENA_BYTES} bytes somewhere"), answer);
        }
        Ok(())
    }

    fn region(
        &mut self,
        offset: u32,
        size: u32,
        caps: [u32; 3],
        answer: &Response,
    ) -> Result<(), Complaint> {
        let arena = self.open.map_or(0, |(_, arena)| arena.start);
        let start = arena + u64::from(offset);
        let span = Span { start, end: start + u64::from(size) };
        let is_shared = self.list.regions.iter().any(|region| region.span.overlaps(&span));
        let is_one_more = self.list.regions.len() == REGION_LIMIT;
        match answer.outcome {
            Outcome::Done if !is_shared && !is_one_more => {
                let known = caps.into_iter().filter_map(Capabilities::from_bits);
                let caps = known.fold(Capabilities::NONE, Capabilities::union);
                self.list.regions.push(Piece { span, caps });
                Ok(())
            }
            Outcome::RegionRefused if is_shared || is_one_more || size <= SURE_REGION_BYTES => {
                Ok(())
            }
            _ if is_shared || is_one_more => complain(Outcome::RegionRefused, answer),
            _ => complain(Outcome::Done, answer),
        }
    }

    /// An answer to a request for a block, which may be one that was there `before`.
    fn placed(
        &mut self,
        slot: u16,
        wish: Wish,
        before: Option<Piece>,
        answer: &Response,
    ) -> Result<(), Complaint> {
        let is_overrun = self.overrun.contains(&slot) && before.is_some();
        match answer.outcome {
            _ if self.is_lost() => {
                if answer.outcome == Outcome::Done {
                    self.hold(slot, wish, answer.first());
                }
                Ok(())
            }
            Outcome::Done if is_overrun => complain(Outcome::Corrupt, answer),
            Outcome::Done => {
                let span = Span::of(answer.first(), wish.size);
                self.list.held.remove(&slot);
                if let Some(expected) = self.list.misplaced(&span, &wish, before) {
                    return complain(expected, answer);
                }
                if let Some(other) = self.list.sharer(&span) {
                    let expected = format_args!("no bytes of the block of slot {other}");
                    return complain(expected, answer);
                }
                self.hold(slot, wish, answer.first());
                Ok(())
            }
            Outcome::Corrupt if !self.overrun.is_empty() => Ok(()),
            Outcome::OutOfMemory if !self.overrun.is_empty() => Ok(()),
            Outcome::OutOfMemory => self.rightly_refused(&wish, before, answer),
            _ => complain("a block, or no memory", answer),
        }
    }

    fn hold(&mut self, slot: u16, wish: Wish, address: u32) {
        let held = Piece { span: Span::of(address, wish.size), caps: wish.caps };
        self.list.held.insert(slot, held);
    }

    /// A refusal is right where no room is certain. What is said of the largest block must fit.
    fn rightly_refused(
        &self,
        wish: &Wish,
        before: Option<Piece>,
        answer: &Response,
    ) -> Result<(), Complaint> {
        let gap = self.list.largest_gap(wish);
        let aligned = if wish.alignment > 8 { u64::from(wish.alignment) + COST_BYTES } else { 0 };
        let needed = wish.kept_bytes() + aligned + COST_BYTES;
        if gap >= needed + needed / ROUNDING_PARTS + COST_BYTES {
            return complain(format_args!("a block, with {gap} bytes in a row free"), answer);
        }
        let stays = before.is_some_and(|held| {
            let span = Span { end: held.span.start + u64::from(wish.size), ..held.span };
            held.span.contains(&span) && self.list.misplaced(&span, wish, before).is_none()
        });
        if stays {
            return complain("the block where it is, since it only shrinks", answer);
        }
        let largest = u64::from(answer.first());
        if largest > gap {
            return complain(format_args!("a largest block within {gap} bytes"), answer);
        }
        if wish.alignment <= 8 && largest >= wish.kept_bytes() {
            return complain("a block, since one is as large", answer);
        }
        Ok(())
    }

    fn freed(&mut self, slot: u16, answer: &Response) -> Result<(), Complaint> {
        let size = self.list.held.get(&slot).map_or(0, |held| held.span.size());
        match answer.outcome {
            Outcome::Done if self.overrun.contains(&slot) && !self.is_lost() => {
                complain(Outcome::Corrupt, answer)
            }
            Outcome::Done => {
                self.list.held.remove(&slot);
                if self.overrun.is_empty() && u64::from(answer.first()) < size {
                    return complain(format_args!("{size} bytes or more"), answer);
                }
                Ok(())
            }
            _ if !self.overrun.is_empty() => Ok(()),
            _ => complain(Outcome::Done, answer),
        }
    }

    /// Contents were lost, but the heap did what it was asked.
    fn follow_lost(&mut self, request: &Request, answer: &Response) {
        let [_, _, address, ..] = answer.values;
        match *request {
            Request::Free { slot } => _ = self.list.held.remove(&slot),
            Request::Reallocate { slot, size, caps, alignment } => {
                self.hold(slot, Wish::new(size, caps, alignment), address);
            }
            _ => {}
        }
    }

    fn overran(&mut self, slot: u16, size: u32, answer: &Response) -> Result<(), Complaint> {
        equal(Outcome::Done, answer.outcome)?;
        let Some(held) = self.list.held.get(&slot) else { return Ok(()) };
        let asked = u32::try_from(held.span.size()).unwrap_or(u32::MAX);
        // Memory for words is handed out in words: the rest of the last one belongs to the block.
        if u64::from(size) > kept_bytes(asked, held.caps) - held.span.size() {
            self.overrun.push(slot);
        }
        Ok(())
    }

    fn checked(&self, answer: &Response) -> Result<(), Complaint> {
        if self.is_lost() {
            return Ok(());
        }
        let is_whole = self.overrun.is_empty();
        equal(if is_whole { Outcome::Done } else { Outcome::Corrupt }, answer.outcome)
    }

    fn totals(&self, caps: Capabilities, answer: &Response) -> Result<(), Complaint> {
        if !self.overrun.is_empty() {
            return Ok(());
        }
        equal(Outcome::Done, answer.outcome)?;
        let regions: Vec<_> = self.list.suited(caps).collect();
        let size: u64 = regions.iter().map(|region| region.span.size()).sum();
        let held = self.list.held.values().map(|held| held.span);
        let held: Vec<_> =
            held.filter(|span| regions.iter().any(|it| it.span.contains(span))).collect();
        let used: u64 = held.iter().map(Span::size).sum();
        let [total, free, minimum, largest, blocks, ..] = answer.values.map(u64::from);
        let is_plausible = total <= size
            && minimum <= free
            && largest <= free
            && free + used <= total
            && blocks == held.len() as u64;
        if is_plausible {
            return Ok(());
        }
        let expected = format!("{} blocks, {used} of {size} bytes used", held.len());
        complain(expected, answer)
    }
}

fn equal(expected: Outcome, found: Outcome) -> Result<(), Complaint> {
    if expected == found { Ok(()) } else { Err(Complaint::new(expected, found)) }
}

fn complain(expected: impl Display, answer: &Response) -> Result<(), Complaint> {
    let [first, second, ..] = answer.values;
    Err(Complaint::new(expected, format_args!("{}, {first:#x}, {second:#x}", answer.outcome)))
}
