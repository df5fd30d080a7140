//! The places where DMA meets memory: bytes that somebody else may write, and who promises when.
//!
//! A buffer is kept as an address and not as a reference, since no reference may exist to what a
//! bus master writes. References are made only from a borrow of the buffer, which a running
//! transfer does not give out. Must never happen here: a stream that begins without its buffers
//! being held.
#![expect(unsafe_code, reason = "memory that bus masters reach is raw by nature")]

use super::buffer::{BufferError, DmaBuffer, DmaPlace, PlacedBuffer, Release};
use super::plan::{Plan, TransferState};
use core::cell::UnsafeCell;
use core::marker::PhantomData;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, Ordering};
use crashrig_layout::Memory;

/// Bytes that somebody has lent for `'a`, or for ever.
#[derive(Debug)]
pub(super) struct Span<'a> {
    start: NonNull<u8>,
    size_bytes: usize,
    lent: PhantomData<&'a mut [u8]>,
}

// SAFETY: it stands for a unique borrow of bytes, which may go to another thread.
unsafe impl Send for Span<'_> {}

impl<'a> Span<'a> {
    pub fn of(bytes: &'a mut [u8]) -> Self {
        Self { size_bytes: bytes.len(), start: NonNull::from(bytes).cast(), lent: PhantomData }
    }

    /// The first address. Of a host's, which has more bits than the chips, the low half.
    pub fn address(&self) -> u32 {
        self.start.addr().get() as u32
    }

    pub fn size_bytes(&self) -> u32 {
        self.size_bytes as u32
    }

    pub fn bytes(&self) -> &[u8] {
        // SAFETY: the bytes are lent to this span alone, and nothing writes them while it is
        // borrowed: a transfer borrows or owns it.
        unsafe { core::slice::from_raw_parts(self.start.as_ptr(), self.size_bytes) }
    }

    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and this borrow is the only one.
        unsafe { core::slice::from_raw_parts_mut(self.start.as_ptr(), self.size_bytes) }
    }
}

impl DmaBuffer<'static> {
    /// A buffer of memory that nobody else has, such as a block of a heap. `release` gets its
    /// address back when the buffer is dropped.
    ///
    /// # Errors
    /// The memory is not suited for DMA, or not aligned as asked. It is not released then.
    ///
    /// # Safety
    /// The bytes exist, are initialised, and belong to whoever calls, until they are released.
    pub unsafe fn of_block(
        start: NonNull<u8>,
        size_bytes: u32,
        align_bytes: u32,
        memory: &Memory,
        release: Release,
    ) -> Result<Self, BufferError> {
        let size_bytes = size_bytes as usize;
        let span = Span { start, size_bytes, lent: PhantomData };
        Self::checked(span, align_bytes, memory, Some(release))
    }
}

/// The contents of a static buffer, and whether somebody has them.
#[derive(Debug)]
#[repr(C, align(16))]
pub(super) struct Contents<const N: usize> {
    bytes: UnsafeCell<[u8; N]>,
    taken: AtomicBool,
}

// SAFETY: the bytes are given out once, to one owner.
unsafe impl<const N: usize> Sync for Contents<N> {}

impl<const N: usize> Contents<N> {
    pub const fn new() -> Self {
        Self { bytes: UnsafeCell::new([0; N]), taken: AtomicBool::new(false) }
    }

    #[expect(clippy::mut_from_ref, reason = "they are given out once")]
    fn take(&'static self) -> Option<&'static mut [u8]> {
        if self.taken.swap(true, Ordering::AcqRel) {
            return None;
        }
        let bytes = self.bytes.get();
        // SAFETY: only the first caller comes here, so the reference is the only one there ever is.
        Some(unsafe { &mut *bytes })
    }
}

impl<P, const N: usize> PlacedBuffer<P, N> {
    /// The bytes for the core, once.
    pub fn take_for_core(&'static self) -> Option<&'static mut [u8]> {
        self.contents.take()
    }

    /// The bytes as a buffer for DMA, once.
    ///
    /// # Errors
    /// They were taken before, or the linker put them where the place does not say.
    pub fn take(
        &'static self,
        align_bytes: u32,
        memory: &Memory,
    ) -> Result<DmaBuffer<'static>, BufferError>
    where
        P: DmaPlace,
    {
        let bytes = self.contents.take().ok_or(BufferError::Taken)?;
        DmaBuffer::of(bytes, align_bytes, memory)
    }
}

/// A register of a peripheral that a transfer may read or write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Register(u32);

impl Register {
    /// The register at an address.
    ///
    /// # Safety
    /// It is one of a peripheral, and no access to it by a bus master breaks what safe code relies
    /// on.
    #[must_use]
    pub const unsafe fn new(address: u32) -> Self {
        Self(address)
    }

    /// Its address.
    #[must_use]
    pub const fn address(self) -> u32 {
        self.0
    }
}

/// A stream of a controller, as a driver gives it out.
///
/// # Safety
/// After [`stop`](Self::stop) has returned, and once [`state`](Self::state) is not
/// [`TransferState::Running`], the controller touches no memory of the plan any more.
pub unsafe trait Stream {
    /// Why a transfer did not begin.
    type Error;

    /// Arms the stream and starts it.
    ///
    /// # Errors
    /// The transfer is refused; nothing was touched.
    ///
    /// # Safety
    /// The memory of the plan is left alone by everybody else until the transfer has ended.
    unsafe fn begin(&mut self, plan: &Plan) -> Result<(), Self::Error>;

    /// What has become of the transfer.
    fn state(&self) -> TransferState;

    /// Items that are left.
    fn items_left(&self) -> u16;

    /// Ends the transfer, and waits until the controller has let go of the memory.
    fn stop(&mut self);

    /// Called while somebody waits for the end.
    fn pause(&self) {
        core::hint::spin_loop();
    }
}

/// Starts a stream whose buffers the caller holds: it keeps them borrowed, or owns them, until it
/// has seen the end or has stopped the stream.
pub(super) fn begin_held<S: Stream>(stream: &mut S, plan: &Plan) -> Result<(), S::Error> {
    // The compiler may not move an access to the buffers behind the start.
    core::sync::atomic::fence(Ordering::SeqCst);
    // SAFETY: as the caller of this function has the buffers.
    unsafe { stream.begin(plan) }
}

/// Nothing that is read of a buffer after the end of its transfer may be read before.
pub(super) fn ended() {
    core::sync::atomic::fence(Ordering::SeqCst);
}
