//! What a heap can be asked for: the ways to allocate.
//!
//! Each stands for a function of ESP-IDF's `esp_heap_caps.h`; `docs/heap_contract.md` says which,
//! and where they differ.

use super::dress::{self, Contents, Origin};
use super::error::{AllocationError, ReallocationError};
use super::level::Level;
use super::region::PRIORITIES;
use super::{Alignment, Heap};
use crate::words::Words;
use crashrig_layout::Capabilities;

/// Memory with one of these is given in whole words.
const FOR_WORDS: Capabilities = Capabilities::WORD.union(Capabilities::EXEC);

/// A request in full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// How many bytes, at least 1.
    pub size_bytes: u32,
    /// Where they may begin.
    pub alignment: Alignment,
    /// What they must be good for.
    pub caps: Capabilities,
    /// Who asks: kept with the block at a tracked level.
    pub origin: Origin,
    /// Whether they must hold zeros.
    pub is_zeroed: bool,
}

impl Request {
    /// A request without wishes beyond size and capabilities.
    #[must_use]
    #[inline]
    pub const fn new(size_bytes: u32, caps: Capabilities) -> Self {
        let origin = Origin { owner: 0, caller: 0 };
        Self { size_bytes, alignment: Alignment::NATURAL, caps, origin, is_zeroed: false }
    }

    /// The same for so many things of this size, all zero.
    ///
    /// # Errors
    /// They are more than 4 GiB together.
    pub fn zeroed(self, count: u32) -> Result<Self, AllocationError> {
        let size_bytes = self.size_bytes.checked_mul(count).ok_or(AllocationError::Overflow)?;
        Ok(Self { size_bytes, is_zeroed: true, ..self })
    }

    /// Writes zeros over memory that was handed out for this request, not beyond its last byte: for
    /// whoever shares a heap and holds it no longer than need be, instead of
    /// [`is_zeroed`](Self::is_zeroed).
    pub fn zero(&self, words: &mut impl Words, address: u32) {
        // What cannot be asked for was not handed out.
        if let Ok(size_bytes) = check(self) {
            dress::zero(words, address, size_bytes);
        }
    }
}

impl<W: Words, L: Level, const REGIONS: usize> Heap<W, L, REGIONS> {
    /// Hands out at least `size_bytes` bytes that have all of `caps`, at a multiple of eight. What
    /// they hold is left over from before. With no capabilities at all, no region is suited.
    ///
    /// # Errors
    /// The size is zero, no region can serve it, or a word of the heap's own is wrong.
    #[inline]
    pub fn allocate(
        &mut self,
        size_bytes: u32,
        caps: Capabilities,
    ) -> Result<u32, AllocationError> {
        let request = Request::new(size_bytes, caps);
        match self.try_last(&request)? {
            Some(address) => Ok(address),
            None => self.request_of_any(&request),
        }
    }

    /// Serves a plain request like the last one, if its memory is good for bytes and has room.
    /// Requests of one kind follow each other, and most of them end here.
    #[inline(always)]
    fn try_last(&mut self, request: &Request) -> Result<Option<u32>, AllocationError> {
        let Request { size_bytes, alignment, caps, origin, is_zeroed } = *request;
        let (last, region) = self.last;
        if is_zeroed || alignment != Alignment::NATURAL || size_bytes == 0 || caps != last {
            return Ok(None);
        }
        let Some(region) = self.regions.get_mut(region) else { return Ok(None) };
        // One wrong bit of the number must not lead to memory that is not good for this.
        if !region.capabilities().contains(caps) {
            return Ok(None);
        }
        let Some(block) = region.allocate(&mut self.words, size_bytes)? else { return Ok(None) };
        dress::dress::<L>(&mut self.words, &block, size_bytes, origin, Contents::Any);
        Ok(Some(dress::payload::<L>(&block)))
    }

    /// Like [`allocate`](Self::allocate), at an address with an alignment. A request may be refused
    /// where a block would just do: the block that is found in bounded time is used if it happens
    /// to lie well, or else one with room to spare for the alignment.
    ///
    /// # Errors
    /// As for `allocate`, and no address can have this alignment.
    pub fn allocate_aligned(
        &mut self,
        size_bytes: u32,
        alignment: Alignment,
        caps: Capabilities,
    ) -> Result<u32, AllocationError> {
        self.request(&Request { alignment, ..Request::new(size_bytes, caps) })
    }

    /// Hands out what a request asks for.
    ///
    /// # Errors
    /// The size is zero, the wishes cannot be had together, no region can serve it, or a word of
    /// the heap's own is wrong.
    pub fn request(&mut self, request: &Request) -> Result<u32, AllocationError> {
        match self.try_last(request)? {
            Some(address) => Ok(address),
            None => self.request_of_any(request),
        }
    }

    /// Asks every region that is suited, in its turn.
    #[inline(never)]
    fn request_of_any(&mut self, request: &Request) -> Result<u32, AllocationError> {
        let size_bytes = check(request)?;
        let mut first = None;
        for priority in 0..PRIORITIES {
            for index in 0..self.used {
                let Some(region) = self.regions.get_mut(index) else { break };
                if !region.is_tried_at(priority, request.caps) {
                    continue;
                }
                let first = *first.get_or_insert(index);
                let alignment = request.alignment;
                let block = region.allocate_aligned(&mut self.words, size_bytes, alignment)?;
                if let Some(block) = block {
                    if request.caps.bits() & FOR_WORDS.bits() == 0 {
                        self.last = (request.caps, first);
                    }
                    let contents = if request.is_zeroed { Contents::Zeros } else { Contents::Any };
                    let words = &mut self.words;
                    dress::dress::<L>(words, &block, size_bytes, request.origin, contents);
                    return Ok(dress::payload::<L>(&block));
                }
                region.note_failure();
            }
        }
        Err(self.out_of_memory(request))
    }

    /// Tries several sets of capabilities in turn, as [`prefer`] does.
    ///
    /// # Errors
    /// That of the last set tried; with none to try, there is no memory.
    pub fn request_prefer(
        &mut self,
        request: &Request,
        preferred: &[Capabilities],
    ) -> Result<u32, AllocationError> {
        prefer(preferred, |caps| self.request(&Request { caps, ..*request })).0
    }

    /// What a plain allocation gets: memory of the default kind, on the chip. Where external memory
    /// is open to plain allocations, it is preferred for those above the limit, and each kind
    /// stands in for the other.
    ///
    /// # Errors
    /// As [`request`](Self::request).
    pub fn request_default(&mut self, request: &Request) -> Result<u32, AllocationError> {
        self.request_prefer(request, self.default_sets(request.size_bytes))
    }

    /// What a plain allocation of a size is looked for in, one after the other.
    pub(super) const fn default_sets(&self, size_bytes: u32) -> &'static [Capabilities] {
        const DEFAULT: Capabilities = Capabilities::DEFAULT;
        const INTERNAL: Capabilities = DEFAULT.union(Capabilities::INTERNAL);
        const EXTERNAL: Capabilities = DEFAULT.union(Capabilities::SPIRAM);
        match self.external_limit_bytes {
            None => &[INTERNAL],
            Some(limit_bytes) if size_bytes <= limit_bytes => &[INTERNAL, DEFAULT],
            Some(_) => &[EXTERNAL, DEFAULT],
        }
    }

    /// Opens external memory to plain allocations of more than so many bytes; `None` closes it.
    pub const fn set_external_limit(&mut self, limit_bytes: Option<u32>) {
        self.external_limit_bytes = limit_bytes;
    }

    /// The answer when no region could serve a request. Looks for the largest block of those that
    /// are suited; a word that is wrong is told instead.
    #[cold]
    fn out_of_memory(&self, request: &Request) -> AllocationError {
        let mut largest_free_block = 0;
        for region in self.regions() {
            let is_suited =
                request.caps != Capabilities::NONE && region.capabilities().contains(request.caps);
            if is_suited {
                match region.tlsf.largest_free_block(&self.words) {
                    Ok(largest) => largest_free_block = largest_free_block.max(largest),
                    Err(corruption) => return AllocationError::Corrupt(corruption),
                }
            }
        }
        let Request { size_bytes, caps, .. } = *request;
        AllocationError::OutOfMemory { size_bytes, caps, largest_free_block }
    }
}

/// Asks for one set of capabilities after the other, until one is served. Goes on only where a set
/// cannot be served, for want of memory or because it contradicts itself; every other refusal, such
/// as that of a damaged heap, is the answer. Answers which set was asked for last, too; with none
/// to try, that is [`Capabilities::NONE`], which no memory has.
pub fn prefer<T: Copy, E: Copy + Into<ReallocationError>>(
    preferred: &[Capabilities],
    mut ask: impl FnMut(Capabilities) -> Result<T, E>,
) -> (Result<T, E>, Capabilities) {
    let (last, others) = preferred.split_last().unwrap_or((&Capabilities::NONE, &[]));
    for caps in others {
        let result = ask(*caps);
        if !result.is_err_and(|error| may_suit_elsewhere(error.into())) {
            return (result, *caps);
        }
    }
    (ask(*last), *last)
}

/// Whether another set of capabilities may be served where one was refused.
const fn may_suit_elsewhere(error: ReallocationError) -> bool {
    use AllocationError::{Contradiction, OutOfMemory};
    matches!(error, ReallocationError::Allocation(OutOfMemory { .. } | Contradiction { .. }))
}

/// The size to look for: memory that is only good for words is asked for in words.
#[inline]
pub(super) fn check(request: &Request) -> Result<u32, AllocationError> {
    let Request { size_bytes, alignment, caps, .. } = *request;
    if size_bytes == 0 {
        return Err(AllocationError::ZeroSize);
    }
    if !alignment.is_possible() {
        return Err(AllocationError::Alignment(alignment));
    }
    if caps.bits() & FOR_WORDS.bits() == 0 {
        return Ok(size_bytes);
    }
    let forbidden = Capabilities::BYTE.union(Capabilities::DMA);
    if caps.contains(Capabilities::EXEC) && caps.bits() & forbidden.bits() != 0 {
        return Err(AllocationError::Contradiction { caps });
    }
    Ok(size_bytes.saturating_add(3) & !3)
}
