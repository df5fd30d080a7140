//! Who has how much of a heap: one row for each owner, for a heap at a tracked level.
//!
//! An owner is a number ([`Origin::owner`]); what it stands for, a thread or an interrupt, is the
//! user's. A block is charged to who asked for it until it is released, by whomever.
//!
//! The table has a fixed number of rows. An owner that has ended keeps its row, marked, since what
//! a thread leaves behind is what one looks for (ESP-IDF keeps deleted tasks for the same reason,
//! `CONFIG_HEAP_TRACK_DELETED_TASKS`). Its row goes to somebody else only when no row is empty and
//! all of its blocks have come back: a leak is never forgotten. When there is no row to be had, a
//! block is charged to [`OTHERS`], and the block itself says so; hence every release finds the row
//! that was charged, and the sums are exact.
//!
//! What it must never do: change what the heap answers. It reads memory only through the heap, and
//! a table on the device is used in the same critical section as the heap it belongs to.

use super::dress::{self, Origin};
use super::{
    AddressError, AllocationError, Heap, Level, Move, ReallocationError, Request, ResizeWay,
    Resizing,
};
use crate::words::Words;

/// The owner of blocks for whose owner there was no row.
pub const OTHERS: u32 = u32::MAX;

/// What one owner has and had. Sizes are in bytes, as [`Heap::size_of`] tells them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    /// The number of the owner, or [`OTHERS`].
    pub owner: u32,
    /// What its blocks hold together now.
    pub current_bytes: u32,
    /// The most they ever held.
    pub peak_bytes: u32,
    /// How many blocks it has now.
    pub blocks: u32,
    /// How many it was ever given, a block that moved counted again.
    pub allocations: u32,
    /// How many of them were released, or moved away from.
    pub frees: u32,
    /// Whether the owner has ended.
    pub is_ended: bool,
}

impl Account {
    const fn of(owner: u32) -> Self {
        Self {
            owner,
            current_bytes: 0,
            peak_bytes: 0,
            blocks: 0,
            allocations: 0,
            frees: 0,
            is_ended: false,
        }
    }

    /// A row is empty until something was charged to it.
    const fn is_empty(&self) -> bool {
        self.allocations == 0
    }

    const fn can_be_given_away(&self) -> bool {
        self.is_empty() || self.is_ended && self.blocks == 0
    }

    fn grow(&mut self, size_bytes: u32) {
        self.current_bytes = self.current_bytes.saturating_add(size_bytes);
        self.peak_bytes = self.peak_bytes.max(self.current_bytes);
    }

    fn shrink(&mut self, size_bytes: u32) {
        self.current_bytes = self.current_bytes.saturating_sub(size_bytes);
    }
}

/// The accounts of at most `ROWS` owners, and of all others together.
#[derive(Debug)]
pub struct Accounts<const ROWS: usize> {
    /// Invariant: no two rows that are in use have the same owner.
    rows: [Account; ROWS],
    others: Account,
    /// Releases that no row could be found for.
    strays: u32,
}

impl<const ROWS: usize> Default for Accounts<ROWS> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const ROWS: usize> Accounts<ROWS> {
    /// No owner has anything.
    #[must_use]
    pub const fn new() -> Self {
        Self { rows: [Account::of(0); ROWS], others: Account::of(OTHERS), strays: 0 }
    }

    /// The rows in use, that of [`OTHERS`] last. A row that is not in use is left out.
    pub fn iter(&self) -> impl Iterator<Item = &Account> {
        self.rows.iter().chain([&self.others]).filter(|row| !row.is_empty())
    }

    /// A row by its place, if it is in use; that of [`OTHERS`] is behind the last.
    #[must_use]
    pub fn row(&self, place: usize) -> Option<&Account> {
        let others = (place == ROWS).then_some(&self.others);
        self.rows.get(place).or(others).filter(|row| !row.is_empty())
    }

    /// The account of an owner, if it has one.
    #[must_use]
    pub fn of(&self, owner: u32) -> Option<&Account> {
        self.iter().find(|row| row.owner == owner)
    }

    /// How many blocks came back with the number of nobody, since somebody wrote over it.
    #[must_use]
    pub const fn strays(&self) -> u32 {
        self.strays
    }

    /// Marks those owners as ended that are none any more.
    pub fn mark_ended(&mut self, is_alive: impl Fn(u32) -> bool) {
        let rows = self.rows.iter_mut().filter(|row| !row.is_empty());
        rows.for_each(|row| row.is_ended = !is_alive(row.owner));
    }

    /// Has a heap serve a request, in the way that is given, and charges it to who asked, or to
    /// [`OTHERS`]. Which owners are still there is asked only when no row is empty.
    ///
    /// # Errors
    /// Those of the heap; nothing is charged.
    pub fn allocate<W: Words, L: Level, const REGIONS: usize>(
        &mut self,
        heap: &mut Heap<W, L, REGIONS>,
        request: &Request,
        is_alive: impl Fn(u32) -> bool,
        serve: impl FnOnce(&mut Heap<W, L, REGIONS>, &Request) -> Result<u32, AllocationError>,
    ) -> Result<u32, AllocationError> {
        let request = self.stamped(request, is_alive);
        let address = serve(heap, &request)?;
        // A block that was just handed out has a size.
        let size_bytes = heap.size_of(address).unwrap_or(request.size_bytes);
        self.charge(request.origin.owner, size_bytes);
        Ok(address)
    }

    /// Has a heap release a block, and credits it to who asked for it.
    ///
    /// # Errors
    /// Those of [`Heap::free`]; nothing is credited.
    pub fn free<W: Words, L: Level, const REGIONS: usize>(
        &mut self,
        heap: &mut Heap<W, L, REGIONS>,
        address: u32,
    ) -> Result<u32, AddressError> {
        let (size_bytes, origin) = heap.charged(address)?;
        let freed_bytes = heap.free(address)?;
        self.credit(origin.owner, size_bytes);
        Ok(freed_bytes)
    }

    /// Has a heap begin to give a block another size, in the way that is given, such as
    /// [`Heap::begin_reallocation`]. One that stays where it is stays with its owner; one that
    /// moves is from then on that of who asked, as with ESP-IDF.
    ///
    /// # Errors
    /// Those of the heap; nothing has changed.
    pub fn begin_reallocation<W: Words, L: Level, const REGIONS: usize>(
        &mut self,
        heap: &mut Heap<W, L, REGIONS>,
        address: u32,
        request: &Request,
        is_alive: impl Fn(u32) -> bool,
        way: ResizeWay<Heap<W, L, REGIONS>>,
    ) -> Result<Resizing, ReallocationError> {
        let request = self.stamped(request, is_alive);
        let (held_bytes, origin) = heap.charged(address)?;
        let begun = way(heap, address, &request)?;
        let size_of = |fresh| heap.size_of(fresh).unwrap_or(request.size_bytes);
        match begun {
            // Both blocks are held for a while, and that is what the peak says.
            Resizing::Moves(Move { to, .. }) => self.charge(request.origin.owner, size_of(to)),
            Resizing::InPlace(_) => {
                if let Some(row) = self.row_of(origin.owner) {
                    row.shrink(held_bytes);
                    row.grow(size_of(address));
                }
            }
        }
        Ok(begun)
    }

    /// Has a heap end a move, and credits the block that is released.
    ///
    /// # Errors
    /// Those of [`Heap::end_reallocation`]: then the new block counts as allocated and released.
    pub fn end_reallocation<W: Words, L: Level, const REGIONS: usize>(
        &mut self,
        heap: &mut Heap<W, L, REGIONS>,
        moving: Move,
    ) -> Result<u32, AddressError> {
        let charged = [moving.from, moving.to].map(|address| heap.charged(address));
        let result = heap.end_reallocation(moving);
        let [from, to] = charged;
        if let Ok((size_bytes, origin)) = if result.is_ok() { from } else { to } {
            self.credit(origin.owner, size_bytes);
        }
        result
    }

    /// The request with the owner that it will be charged to.
    fn stamped(&mut self, request: &Request, is_alive: impl Fn(u32) -> bool) -> Request {
        let Origin { owner, caller } = request.origin;
        if !self.has_room_for(owner) {
            self.mark_ended(is_alive);
        }
        let owner = if self.has_room_for(owner) { owner } else { OTHERS };
        Request { origin: Origin { owner, caller }, ..*request }
    }

    fn has_room_for(&self, owner: u32) -> bool {
        self.rows.iter().any(|row| row.can_be_given_away() || row.owner == owner)
    }

    /// The row in use of an owner.
    fn row_of(&mut self, owner: u32) -> Option<&mut Account> {
        if owner == OTHERS {
            return Some(&mut self.others);
        }
        self.rows.iter_mut().find(|row| row.owner == owner && !row.is_empty())
    }

    /// The row that an owner has or is given, if there is one to be had.
    fn row_for(&mut self, owner: u32) -> Option<&mut Account> {
        let rows = &self.rows;
        let place = (rows.iter().position(|row| row.owner == owner && !row.is_empty()))
            // An empty row comes first: as long as there is one, nobody who has ended is forgotten.
            .or_else(|| rows.iter().position(Account::is_empty))
            .or_else(|| rows.iter().position(Account::can_be_given_away));
        let row = self.rows.get_mut(place?)?;
        if row.owner != owner || row.is_empty() {
            *row = Account::of(owner);
        }
        Some(row)
    }

    fn charge(&mut self, owner: u32, size_bytes: u32) {
        let row = if owner == OTHERS { Some(&mut self.others) } else { self.row_for(owner) };
        // `stamped` has seen that there is one.
        let Some(row) = row else { return };
        row.allocations = row.allocations.saturating_add(1);
        row.blocks = row.blocks.saturating_add(1);
        // A number that is used again is alive again.
        row.is_ended = false;
        row.grow(size_bytes);
    }

    fn credit(&mut self, owner: u32, size_bytes: u32) {
        match self.row_of(owner) {
            Some(row) => {
                row.frees = row.frees.saturating_add(1);
                row.blocks = row.blocks.saturating_sub(1);
                row.shrink(size_bytes);
            }
            None => self.strays = self.strays.saturating_add(1),
        }
    }
}

impl<W: Words, L: Level, const REGIONS: usize> Heap<W, L, REGIONS> {
    /// Size and origin of a block that is handed out. Without an owner in each block there can be
    /// no accounts, so a heap at another level is refused when the program is built.
    fn charged(&self, address: u32) -> Result<(u32, Origin), AddressError> {
        const { assert!(L::IS_TRACKED, "accounts need a heap at a tracked level") };
        let (_, region) = self.region_of(address)?;
        let (block, size_bytes) = region.tlsf.allocated_block(&self.words, address)?;
        Ok((size_bytes, dress::origin::<L>(&self.words, &block)))
    }
}
