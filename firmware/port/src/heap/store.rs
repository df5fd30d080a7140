//! The one heap of this device, and what is kept beside it: reached with interrupts masked, so that
//! both say the same.
//!
//! It lies above the static stacks, where an overflowing one cannot reach it.

use super::{HeapLevel, REGION_LIMIT, history, owners, places};
use crate::{errors, platform};
use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicBool, Ordering, compiler_fence};
use crashrig_memory::heap::{
    AddressError, AllocationError, Heap, Move, Origin, ReallocationError, Request, ResizeWay,
    Resizing, Trace,
};
use crashrig_memory::words::Words;
use crashrig_wire::section::Allocation;
use crashrig_wire::status::Misuse;

pub(super) type Memory = Heap<HeapWords, HeapLevel, REGION_LIMIT>;

/// The words of the heap's regions. Others read as 0, and what is written there is lost.
#[derive(Debug)]
pub(super) struct HeapWords;

impl HeapWords {
    fn pointer(address: u32) -> Option<*mut u32> {
        let inside = platform::heap_start() <= address && address < platform::heap_end();
        let inside = (inside || places::contain(address)) && address.is_multiple_of(4);
        inside.then(|| core::ptr::with_exposed_provenance_mut(address as usize))
    }
}

impl Words for HeapWords {
    fn read(&self, address: u32) -> u32 {
        Self::pointer(address).map_or(0, |pointer| {
            // SAFETY: aligned, and inside of RAM that static data leave to the heap, or that it was
            // given.
            unsafe { pointer.read_volatile() }
        })
    }

    fn write(&mut self, address: u32, word: u32) {
        if let Some(pointer) = Self::pointer(address) {
            // SAFETY: as above; the heap writes only what is its own.
            unsafe { pointer.write_volatile(word) }
        }
    }
}

/// The heap, its trace, and who has how much of it at a tracked level.
#[derive(Debug)]
pub(super) struct Store {
    pub(super) heap: Memory,
    pub(super) trace: Trace<'static>,
    #[cfg(feature = "heap-tracking")]
    pub(super) accounts: owners::Table,
}

impl Store {
    /// Serves a request in the way that is given. Who asks is found out here.
    fn serve(
        &mut self,
        request: &Request,
        way: impl FnOnce(&mut Memory, &Request) -> Result<u32, AllocationError>,
    ) -> Result<u32, AllocationError> {
        let request = &self.with_owner(request);
        #[cfg(feature = "heap-tracking")]
        let result = self.accounts.allocate(&mut self.heap, request, owners::is_alive, way);
        #[cfg(not(feature = "heap-tracking"))]
        let result = way(&mut self.heap, request);
        if let Ok(address) = result {
            self.trace.allocated(address, request.size_bytes, request.origin);
        }
        result
    }

    /// Takes a block back.
    pub(super) fn free(&mut self, address: u32, caller: u32) -> Result<u32, AddressError> {
        #[cfg(feature = "heap-tracking")]
        let result = self.accounts.free(&mut self.heap, address);
        #[cfg(not(feature = "heap-tracking"))]
        let result = self.heap.free(address);
        if result.is_ok() {
            self.released(address, caller);
        }
        result
    }

    /// Begins to give a block another size, in the way that is given. Once it has it, here or at
    /// the end of a move, that is a release and an allocation to the trace.
    fn begin_reallocation(
        &mut self,
        address: u32,
        request: &Request,
        way: ResizeWay<Memory>,
    ) -> Result<Resizing, ReallocationError> {
        let request = &self.with_owner(request);
        #[cfg(feature = "heap-tracking")]
        let begun = {
            let Self { heap, accounts, .. } = self;
            accounts.begin_reallocation(heap, address, request, owners::is_alive, way)?
        };
        #[cfg(not(feature = "heap-tracking"))]
        let begun = way(&mut self.heap, address, request)?;
        if let Resizing::InPlace(address) = begun {
            self.resized(address, address, request);
        }
        Ok(begun)
    }

    fn end_reallocation(&mut self, moving: Move, request: &Request) -> Result<u32, AddressError> {
        #[cfg(feature = "heap-tracking")]
        let address = self.accounts.end_reallocation(&mut self.heap, moving)?;
        #[cfg(not(feature = "heap-tracking"))]
        let address = self.heap.end_reallocation(moving)?;
        self.resized(moving.from, address, &self.with_owner(request));
        Ok(address)
    }

    fn resized(&mut self, from: u32, to: u32, request: &Request) {
        self.released(from, request.origin.caller);
        self.trace.allocated(to, request.size_bytes, request.origin);
    }

    /// Noted together with the release, and only if there was one.
    fn released(&mut self, address: u32, caller: u32) {
        self.trace.freed(address, caller);
        history::note(&Allocation { address, size: Allocation::RELEASE, caller });
    }

    /// The request with who asks, where that is kept.
    fn with_owner(&self, request: &Request) -> Request {
        let is_kept = cfg!(feature = "heap-tracking") || self.trace.is_running();
        let owner = if is_kept { owners::Owner::now().to_word() } else { 0 };
        Request { origin: Origin { owner, ..request.origin }, ..*request }
    }
}

struct Cell(UnsafeCell<MaybeUninit<Store>>);

// SAFETY: only `with_store` reaches it, one at a time.
unsafe impl Sync for Cell {}

/// A heap without regions, in flash: it is copied into place, since it is too large for a stack.
static EMPTY: Store = Store {
    heap: Heap::new(HeapWords),
    trace: Trace::new(),
    #[cfg(feature = "heap-tracking")]
    accounts: owners::Table::new(),
};

#[unsafe(link_section = ".upper.heap")]
static STORE: Cell = Cell(UnsafeCell::new(MaybeUninit::uninit()));

/// Whether somebody is at the heap.
#[unsafe(link_section = ".upper.heap_busy")]
static BUSY: AtomicBool = AtomicBool::new(false);

/// Whether an operation of the heap was begun and is not over: for the fault path, which may have
/// come in the middle of one.
pub(super) fn is_busy() -> bool {
    BUSY.load(Ordering::Relaxed)
}

/// Lets nobody else at the heap for as long as `work` takes. `work` calls nothing of an
/// application. Who comes in between all the same, which takes an exception that cannot be masked,
/// ends the boot with a record.
pub(super) fn with_store<R>(work: impl FnOnce(&mut Store) -> R) -> R {
    let reach = || {
        if BUSY.load(Ordering::Relaxed) {
            errors::fatal(Misuse::CallFromInterrupt.status(), 0);
        }
        BUSY.store(true, Ordering::Relaxed);
        compiler_fence(Ordering::SeqCst);
        let store = STORE.0.get().cast::<Store>();
        // SAFETY: `start` has filled the cell; the flag says that there is no other reference, and
        // with interrupts masked nobody comes between its being read and set who does not reset it.
        let result = work(unsafe { &mut *store });
        compiler_fence(Ordering::SeqCst);
        BUSY.store(false, Ordering::Relaxed);
        result
    };
    if cfg!(feature = "without-heap-lock") {
        return reach();
    }
    critical_section::with(|_| reach())
}

/// As [`with_store`], for what only looks at the heap or gives it regions.
pub(super) fn with<R>(work: impl FnOnce(&mut Memory) -> R) -> R {
    with_store(|store| work(&mut store.heap))
}

/// Serves a request in the way that is given. If zeros are asked for, they are written once the
/// heap is let go: of that memory nobody else knows.
pub(super) fn serve(
    request: &Request,
    way: impl FnOnce(&mut Memory, &Request) -> Result<u32, AllocationError>,
) -> Result<u32, AllocationError> {
    let plain = Request { is_zeroed: false, ..*request };
    let address = with_store(|store| store.serve(&plain, way))?;
    if request.is_zeroed {
        request.zero(&mut HeapWords, address);
    }
    Ok(address)
}

/// Gives a block another size, in the way that is given. What a block that moves holds is copied
/// while the heap is let go: the old block is its owner's, and of the new one nobody else knows.
pub(super) fn reallocate(
    address: u32,
    request: &Request,
    way: ResizeWay<Memory>,
) -> Result<u32, ReallocationError> {
    match with_store(|store| store.begin_reallocation(address, request, way))? {
        Resizing::InPlace(address) => Ok(address),
        Resizing::Moves(moving) => {
            moving.copy(&mut HeapWords);
            Ok(with_store(|store| store.end_reallocation(moving, request))?)
        }
    }
}

/// Makes the heap one without regions.
pub(super) fn empty() {
    // SAFETY: nobody uses the heap before this; `EMPTY` owns nothing, so a copy of it is another
    // empty heap.
    unsafe { core::ptr::copy_nonoverlapping(&raw const EMPTY, STORE.0.get().cast(), 1) };
}

/// Does something while the heap is held, as an exception that cannot be masked might: for an image
/// that shows what comes of it.
#[cfg(feature = "injection")]
pub fn hold(work: impl FnOnce()) {
    with_store(|_| work());
}

/// Where the heap keeps what lies in none of its regions, for an image that is to break it.
#[cfg(feature = "injection")]
pub fn state() -> core::ops::Range<u32> {
    with(|heap| {
        let start = core::ptr::from_ref(heap).addr() as u32;
        start..start + core::mem::size_of::<Memory>() as u32
    })
}
