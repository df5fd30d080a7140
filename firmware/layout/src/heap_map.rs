//! Which memory the heap may have: what static data leave of the chip's RAM, in pieces.
//!
//! After ESP-IDF's `heap_caps_init`: regions of the chip file with holes where something else lies,
//! tried in ascending order of size. Unlike there, neighbours stay apart, so that the figures of
//! each region can be told. Pure: nothing here reads memory.

use crate::{Capabilities, PRIORITIES, Region, RegionKind};
use core::ops::Range;

/// The smallest piece that is worth a heap, in bytes: ESP-IDF drops what has 16 or less.
pub const SMALLEST_PIECE_BYTES: u32 = 17;

/// Memory for the heap, inside of one region of the chip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// First address.
    pub start: u32,
    /// Size in bytes, at least [`SMALLEST_PIECE_BYTES`].
    pub size_bytes: u32,
    /// What the heap offers it for.
    pub capabilities: [Capabilities; PRIORITIES],
    /// The region it lies in.
    pub region: &'static Region,
}

/// Why memory is not added to the heap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdditionError {
    /// The range is empty, ends before it starts, or starts at 0.
    InvalidRange,
    /// It does not lie inside of one region of RAM; without capabilities of its own, of one that
    /// the chip file gives the heap.
    NotFound,
    /// It is smaller than [`SMALLEST_PIECE_BYTES`].
    InvalidSize,
    /// Something else lies there: static data, stacks, the crash region.
    Occupied,
    /// A capability is asked for that the region does not have, that none can have, or none at all
    /// is.
    NotCapable {
        /// The capabilities that are too many.
        missing: Capabilities,
    },
}

/// The chip's RAM, and what of it is not the heap's.
#[derive(Debug, Clone, Copy)]
pub struct HeapMap<'a> {
    /// Regions of the chip.
    pub regions: &'static [Region],
    /// What static data, stacks and the crash region take.
    pub occupied: &'a [Range<u32>],
    /// The part of RAM that may hold code: first address, and size in bytes.
    pub executable: Option<(u32, u32)>,
}

impl<'a> HeapMap<'a> {
    /// All pieces, by region in the order of the table and by address.
    pub fn pieces(self) -> impl Iterator<Item = Piece> + 'a {
        let regions = self.regions.iter().filter(|region| region.heap.is_some());
        regions.flat_map(move |region| self.pieces_of(region))
    }

    /// The first `LIMIT` pieces, smallest first, as ESP-IDF orders its heaps.
    #[must_use]
    pub fn by_size<const LIMIT: usize>(self) -> [Option<Piece>; LIMIT] {
        let mut pieces = [None; LIMIT];
        for (place, piece) in pieces.iter_mut().zip(self.pieces()) {
            *place = Some(piece);
        }
        pieces.sort_unstable_by_key(|piece| {
            piece.map_or((u32::MAX, 0), |piece| (piece.size_bytes, piece.start))
        });
        pieces
    }

    /// Memory that is to be added to the heap while the program runs, with the capabilities of the
    /// chip file or with others. A capability that chip files can name must be one of the region's;
    /// the others are free for a purpose of the program's own.
    ///
    /// Whether the heap has that memory already is for the heap to say.
    ///
    /// # Errors
    /// The memory is not there, is not free, or cannot do what is asked for.
    pub fn addition(
        self,
        start: u32,
        end: u32,
        capabilities: Option<[Capabilities; PRIORITIES]>,
    ) -> Result<Piece, AdditionError> {
        if start == 0 || end <= start {
            return Err(AdditionError::InvalidRange);
        }
        let size_bytes = end - start;
        let region = self
            .regions
            .iter()
            .find(|region| region.contains_range(start, size_bytes))
            .filter(|region| region.kind == RegionKind::Ram)
            .ok_or(AdditionError::NotFound)?;
        let of_chip = region.heap.map(|heap| self.offered(heap, start));
        let capabilities = capabilities.or(of_chip).ok_or(AdditionError::NotFound)?;
        let wanted = Capabilities::of_priorities(&capabilities);
        let executable = self.is_executable(start) && self.is_executable(end - 1);
        let fetched = if executable { Capabilities::NONE } else { Capabilities::EXEC };
        let had = region.capabilities.without(fetched);
        let missing = wanted.intersection(Capabilities::OF_CHIP_FILES).without(had);
        let missing = missing.union(wanted.intersection(Capabilities::INVALID));
        if missing != Capabilities::NONE || wanted == Capabilities::NONE {
            return Err(AdditionError::NotCapable { missing });
        }
        if size_bytes < SMALLEST_PIECE_BYTES {
            return Err(AdditionError::InvalidSize);
        }
        if self.occupied.iter().any(|taken| taken.start < end && start < taken.end) {
            return Err(AdditionError::Occupied);
        }
        Ok(Piece { start, size_bytes, capabilities, region })
    }

    fn pieces_of(self, region: &'static Region) -> impl Iterator<Item = Piece> + 'a {
        let (mut next, end) = (region.start, region.start.saturating_add(region.size_bytes));
        let pieces = core::iter::from_fn(move || {
            while let Some(taken) = self.occupied.iter().find(|taken| taken.contains(&next)) {
                next = taken.end;
            }
            let start = next;
            next = self.borders().filter(|border| start < *border).fold(end, u32::min);
            (start < end).then_some(start..next)
        });
        let large = pieces.filter(|piece| piece.end - piece.start >= SMALLEST_PIECE_BYTES);
        large.filter_map(move |Range { start, end }| {
            let capabilities = self.offered(region.heap?, start);
            Some(Piece { start, size_bytes: end - start, capabilities, region })
        })
    }

    /// Addresses at which a piece ends.
    fn borders(self) -> impl Iterator<Item = u32> + 'a {
        let executable = self.executable.into_iter();
        let of_code = executable.flat_map(|(start, bytes)| [start, start.saturating_add(bytes)]);
        self.occupied.iter().map(|taken| taken.start).chain(of_code)
    }

    /// What memory from an address on is offered for. Memory that may hold code is for code first,
    /// and for data that are reached by words last, never for bytes or DMA; other memory never
    /// holds any code.
    fn offered(self, heap: [Capabilities; PRIORITIES], start: u32) -> [Capabilities; PRIORITIES] {
        const WORDS: Capabilities = Capabilities::WORD.union(Capabilities::INTERNAL);
        if self.is_executable(start) {
            let all = Capabilities::of_priorities(&heap);
            let [first, last] =
                [Capabilities::EXEC, WORDS].map(|offered| all.intersection(offered));
            return [first, Capabilities::NONE, last];
        }
        heap.map(|capabilities| capabilities.without(Capabilities::EXEC))
    }

    fn is_executable(self, address: u32) -> bool {
        self.executable.is_some_and(|(start, bytes)| start <= address && address - start < bytes)
    }
}
