//! What carries out heap scripts: requests in, calls of a heap, answers out.
//!
//! A crate of its own, so that the device and the host carry out a script alike, whatever memory
//! they have. No request is trusted: what is beyond a bound of the protocol is refused.
//! `docs/scenario.md` says how scripts are written.
#![no_std]
#![forbid(unsafe_code)]

mod contents;

use contents::{Lost, fill, first_lost, write_over};
use crashrig_layout::Capabilities;
use crashrig_memory::heap::{
    AddressError, Alignment, AllocationError, Corruption, Heap, Level, ReallocationError,
    Request as Wish, Totals,
};
use crashrig_memory::words::Words;
use crashrig_wire::script::{
    ARENA_BYTES, ARENA_FILL, OVERRUN_LIMIT_BYTES, Outcome, REGION_LIMIT, Request, Response,
    SLOT_COUNT,
};

/// Who answers requests, at whatever level.
pub trait Answers {
    /// Carries out one request.
    fn answer(&mut self, request: &Request) -> Response;
}

/// A block that a script holds.
#[derive(Debug, Clone, Copy)]
struct Held {
    address: u32,
    size_bytes: u32,
    seed: u32,
}

/// A heap and what it has handed out.
#[derive(Debug)]
pub struct Desk<W, L> {
    heap: Heap<W, L, REGION_LIMIT>,
    /// The same memory, for what blocks hold.
    words: W,
    /// Address of the block that regions lie in; it has [`ARENA_BYTES`].
    arena: u32,
    slots: [Option<Held>; SLOT_COUNT],
    next_seed: u32,
}

impl<W: Words, L: Level> Desk<W, L> {
    /// No region, and nothing held. Both are the same memory.
    pub const fn new(of_heap: W, of_contents: W) -> Self {
        Self {
            heap: Heap::new(of_heap),
            words: of_contents,
            arena: 0,
            slots: [None; SLOT_COUNT],
            next_seed: 1,
        }
    }

    /// Says where the block is that regions will lie in, and makes it what it is before a script.
    pub fn begin(&mut self, arena: u32) {
        self.arena = arena;
        for address in (arena..arena + ARENA_BYTES).step_by(4) {
            self.words.write(address, ARENA_FILL);
        }
    }

    fn region(&mut self, offset: u32, size: u32, caps: [u32; 3]) -> Option<Response> {
        let end = offset.checked_add(size)?;
        let [Some(first), Some(second), Some(third)] = caps.map(Capabilities::from_bits) else {
            return None;
        };
        if end > ARENA_BYTES {
            return None;
        }
        let start = self.arena + offset;
        Some(match self.heap.add_region(start, size, [first, second, third]) {
            Ok(index) => Response::new(Outcome::Done, &[index as u32]),
            Err(_) => Response::new(Outcome::RegionRefused, &[]),
        })
    }

    fn allocate(&mut self, slot: u16, wish: &Wish) -> Option<Response> {
        let place = self.slots.get_mut(usize::from(slot))?;
        if place.is_some() {
            return Some(Response::new(Outcome::BusySlot, &[]));
        }
        Some(match self.heap.request(wish) {
            Ok(address) => {
                let held = Held { address, size_bytes: wish.size_bytes, seed: self.next_seed };
                self.next_seed = self.next_seed.wrapping_add(0x0101_0101);
                fill(&mut self.words, address, held.size_bytes, held.seed);
                *place = Some(held);
                Response::new(Outcome::Done, &[address])
            }
            Err(error) => not_allocated(error),
        })
    }

    fn reallocate(&mut self, slot: u16, wish: &Wish) -> Option<Response> {
        let place = self.slots.get_mut(usize::from(slot))?;
        let Some(held) = place else {
            return Some(Response::new(Outcome::EmptySlot, &[]));
        };
        Some(match self.heap.reallocate(held.address, wish) {
            Ok(address) => {
                let kept_bytes = held.size_bytes.min(wish.size_bytes);
                let lost = first_lost(&self.words, address, kept_bytes, held.seed);
                *held = Held { address, size_bytes: wish.size_bytes, seed: held.seed };
                fill(&mut self.words, address, held.size_bytes, held.seed);
                told(lost, &[address])
            }
            Err(ReallocationError::Address(error)) => wrong_address(error),
            Err(ReallocationError::Allocation(error)) => not_allocated(error),
        })
    }

    fn free(&mut self, slot: u16) -> Option<Response> {
        let place = self.slots.get_mut(usize::from(slot))?;
        let Some(held) = *place else {
            return Some(Response::new(Outcome::EmptySlot, &[]));
        };
        let lost = first_lost(&self.words, held.address, held.size_bytes, held.seed);
        Some(match self.heap.free(held.address) {
            Ok(bytes) => {
                *place = None;
                told(lost, &[bytes])
            }
            Err(error) => wrong_address(error),
        })
    }

    fn overrun(&mut self, slot: u16, size: u32) -> Option<Response> {
        let Some(held) = self.slots.get(usize::from(slot))? else {
            return Some(Response::new(Outcome::EmptySlot, &[]));
        };
        let from = held.address.checked_add(held.size_bytes)?;
        let room = (self.arena + ARENA_BYTES).checked_sub(from)?;
        if size > room.min(OVERRUN_LIMIT_BYTES) {
            return None;
        }
        write_over(&mut self.words, from, size);
        Some(Response::new(Outcome::Done, &[from]))
    }

    fn carry_out(&mut self, request: &Request) -> Option<Response> {
        match *request {
            Request::Region { offset, size, caps } => self.region(offset, size, caps),
            Request::Allocate { slot, size, caps, alignment } => {
                self.allocate(slot, &wish(size, caps, alignment)?)
            }
            Request::Reallocate { slot, size, caps, alignment } => {
                self.reallocate(slot, &wish(size, caps, alignment)?)
            }
            Request::Free { slot } => self.free(slot),
            Request::Overrun { slot, size } => self.overrun(slot, size),
            Request::Check => Some(match self.heap.check_integrity(Capabilities::NONE) {
                Ok(()) => Response::new(Outcome::Done, &[]),
                Err(corruption) => corrupt(corruption),
            }),
            Request::Totals { caps } => {
                Some(match self.heap.totals(Capabilities::from_bits(caps)?) {
                    Ok(totals) => Response::new(Outcome::Done, &numbers(&totals)),
                    Err(corruption) => corrupt(corruption),
                })
            }
            // Whoever has the desk carries these out.
            Request::Open { .. } | Request::Close => None,
        }
    }
}

impl<W: Words, L: Level> Answers for Desk<W, L> {
    fn answer(&mut self, request: &Request) -> Response {
        self.carry_out(request).unwrap_or_else(|| Response::new(Outcome::Refused, &[]))
    }
}

fn wish(size_bytes: u32, caps: u32, align_bytes: u32) -> Option<Wish> {
    let alignment = Alignment { align_bytes, offset_bytes: 0 };
    Some(Wish { alignment, ..Wish::new(size_bytes, Capabilities::from_bits(caps)?) })
}

fn numbers(totals: &Totals) -> [u32; Response::VALUE_COUNT] {
    [
        totals.total_bytes,
        totals.free_bytes,
        totals.minimum_free_bytes,
        totals.largest_free_block,
        totals.allocated_blocks,
        totals.free_blocks,
        totals.failed_allocations,
    ]
}

/// Done, unless contents were lost.
fn told(lost: Option<Lost>, values: &[u32]) -> Response {
    match lost {
        Some(Lost { address, found }) => {
            let first = values.first().copied().unwrap_or(0);
            Response::new(Outcome::ContentsLost, &[address, found, first])
        }
        None => Response::new(Outcome::Done, values),
    }
}

fn corrupt(Corruption { address, found, .. }: Corruption) -> Response {
    Response::new(Outcome::Corrupt, &[address, found])
}

fn not_allocated(error: AllocationError) -> Response {
    match error {
        AllocationError::ZeroSize => Response::new(Outcome::ZeroSize, &[]),
        AllocationError::Alignment(_) => Response::new(Outcome::Alignment, &[]),
        AllocationError::Contradiction { .. } => Response::new(Outcome::Contradiction, &[]),
        // A script asks for no count of things.
        AllocationError::Overflow => Response::new(Outcome::Refused, &[]),
        AllocationError::OutOfMemory { largest_free_block, .. } => {
            Response::new(Outcome::OutOfMemory, &[largest_free_block])
        }
        AllocationError::Corrupt(corruption) => corrupt(corruption),
    }
}

fn wrong_address(error: AddressError) -> Response {
    match error {
        AddressError::Foreign { .. } => Response::new(Outcome::Foreign, &[]),
        // To a script a block that holds a region is one of that region's blocks.
        AddressError::NotStartOfBlock { .. } | AddressError::Lent { .. } => {
            Response::new(Outcome::NotStartOfBlock, &[])
        }
        AddressError::AlreadyFree { .. } => Response::new(Outcome::AlreadyFree, &[]),
        AddressError::Corrupt(corruption) => corrupt(corruption),
    }
}
