//! Memory that DMA reaches, as a type: it cannot be made of any other.
//!
//! A [`DmaBuffer`] is checked once, against the region table, when it is made; from then on a
//! driver may rely on it. A transfer that runs owns it or borrows it mutably, so that the compiler
//! refuses to free, move or use it meanwhile. Static memory says by a marker type where the linker
//! puts it ([`PlacedBuffer`]), so that a static in core-coupled memory is refused before anything
//! runs.

use super::raw::{Contents, Span};
use core::marker::PhantomData;
use crashrig_layout::{Access, AccessError, Memory};

/// Why memory is no buffer for DMA.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BufferError {
    /// Somebody has it already.
    Taken,
    /// The region that it lies in says why.
    Access(AccessError),
    /// Its first address is not a multiple of so many bytes.
    Alignment {
        /// What it should be a multiple of.
        align_bytes: u32,
    },
}

/// Where a static buffer lies, as its type says. No type of another crate can be one.
pub trait Place: sealed::Sealed {}

/// A place that DMA controllers reach.
#[diagnostic::on_unimplemented(
    message = "no DMA controller reaches memory in `{Self}`",
    label = "this buffer is for the core only",
    note = "use a static in `Sram`, or a block of the heap with capability `dma`"
)]
pub trait DmaPlace: Place {}

/// The RAM of the bus matrix, where statics lie unless something else is said.
#[derive(Debug)]
pub struct Sram;
/// Core-coupled memory: on the data bus of the core and nowhere else (RM0090 §2.1).
#[derive(Debug)]
pub struct Ccm;

impl Place for Sram {}
impl DmaPlace for Sram {}
impl Place for Ccm {}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Sram {}
    impl Sealed for super::Ccm {}
}

/// A static buffer of `N` bytes, given out once. It begins at a multiple of 16.
#[derive(Debug)]
#[repr(C)]
pub struct PlacedBuffer<P, const N: usize> {
    pub(super) contents: Contents<N>,
    place: PhantomData<fn() -> P>,
}

impl<P: Place, const N: usize> PlacedBuffer<P, N> {
    /// A buffer of zeros.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "only a static makes sense")]
    pub const fn new() -> Self {
        Self { contents: Contents::new(), place: PhantomData }
    }
}

/// Takes the memory of a buffer back, by its first address.
pub type Release = fn(u32);

/// Memory that DMA reaches, for as long as `'a`.
#[derive(Debug)]
pub struct DmaBuffer<'a> {
    span: Span<'a>,
    release: Option<Release>,
}

impl<'a> DmaBuffer<'a> {
    /// A buffer of bytes that somebody lends. Their first address must be a multiple of
    /// `align_bytes`, a power of two: see [`alignment_bytes`](super::arming::alignment_bytes).
    ///
    /// # Errors
    /// No DMA controller reaches some of them, or they begin elsewhere.
    pub fn of(bytes: &'a mut [u8], align_bytes: u32, memory: &Memory) -> Result<Self, BufferError> {
        Self::checked(Span::of(bytes), align_bytes, memory, None)
    }

    pub(super) fn checked(
        span: Span<'a>,
        align_bytes: u32,
        memory: &Memory,
        release: Option<Release>,
    ) -> Result<Self, BufferError> {
        let address = span.address();
        memory.check(address, span.size_bytes(), Access::Dma).map_err(BufferError::Access)?;
        if !address.is_multiple_of(align_bytes.max(1)) {
            return Err(BufferError::Alignment { align_bytes });
        }
        Ok(Self { span, release })
    }

    /// The first address.
    #[must_use]
    pub fn address(&self) -> u32 {
        self.span.address()
    }

    /// Size in bytes, never zero.
    #[must_use]
    pub fn size_bytes(&self) -> u32 {
        self.span.size_bytes()
    }

    /// What it holds.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.span.bytes()
    }

    /// What it holds, to be changed.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        self.span.bytes_mut()
    }
}

impl Drop for DmaBuffer<'_> {
    fn drop(&mut self) {
        if let Some(release) = self.release {
            release(self.address());
        }
    }
}

/// What a transfer reads: a buffer, or bytes that nobody ever writes, in flash mostly.
#[derive(Debug)]
pub enum DmaSource<'a> {
    /// Memory of its own.
    Buffer(DmaBuffer<'a>),
    /// Bytes that do not change.
    Constant(Constant<'a>),
}

/// Bytes that do not change and that DMA reaches.
#[derive(Debug, Clone, Copy)]
pub struct Constant<'a>(&'a [u8]);

impl<'a> DmaSource<'a> {
    /// Bytes that do not change.
    ///
    /// # Errors
    /// No DMA controller reaches some of them.
    pub fn constant(bytes: &'a [u8], memory: &Memory) -> Result<Self, BufferError> {
        let (address, size_bytes) = (bytes.as_ptr().addr() as u32, bytes.len() as u32);
        memory.check(address, size_bytes, Access::Dma).map_err(BufferError::Access)?;
        Ok(Self::Constant(Constant(bytes)))
    }

    /// The first address.
    #[must_use]
    pub fn address(&self) -> u32 {
        match self {
            Self::Buffer(buffer) => buffer.address(),
            Self::Constant(Constant(bytes)) => bytes.as_ptr().addr() as u32,
        }
    }

    /// Size in bytes, never zero.
    #[must_use]
    pub fn size_bytes(&self) -> u32 {
        match self {
            Self::Buffer(buffer) => buffer.size_bytes(),
            Self::Constant(Constant(bytes)) => bytes.len() as u32,
        }
    }
}

impl<'a> From<DmaBuffer<'a>> for DmaSource<'a> {
    fn from(buffer: DmaBuffer<'a>) -> Self {
        Self::Buffer(buffer)
    }
}
