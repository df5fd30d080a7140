//! The time in which a controller uses memory, as a type.
//!
//! A [`Transfer`] owns its stream and its buffers. It gives them back when it has ended, and stops
//! the stream when it is dropped. One that is forgotten takes both with it for ever: nobody can
//! reach the memory that the controller may still write. That is sound only because nobody else can
//! get at owned or `'static` memory again; for borrowed memory there is [`during`], which ends the
//! transfer before it returns.

pub use super::raw::{Register, Stream};

use super::buffer::{DmaBuffer, DmaSource};
use super::plan::{Burst, Direction, Mode, Plan, Side, Threshold, TransferState, Width};
use super::raw::{begin_held, ended};

/// How items are moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Width of accesses to memory, or to the destination of a copy.
    pub memory_width: Width,
    /// Accesses to memory, or to the destination of a copy, that go together.
    pub memory_burst: Burst,
    /// Width of accesses to the peripheral, or to the source of a copy.
    pub peripheral_width: Width,
    /// Accesses to the peripheral, or to the source of a copy, that go together.
    pub peripheral_burst: Burst,
    /// Threshold of the FIFO; nothing for direct mode.
    pub fifo: Option<Threshold>,
    /// Whether it begins anew at its end.
    pub is_circular: bool,
}

impl Shape {
    /// Single bytes, through the FIFO.
    pub const BYTES: Self = Self {
        memory_width: Width::Byte,
        memory_burst: Burst::Single,
        peripheral_width: Width::Byte,
        peripheral_burst: Burst::Single,
        fifo: Some(Threshold::Full),
        is_circular: false,
    };
    /// Single words, through the FIFO.
    pub const WORDS: Self =
        Self { memory_width: Width::Word, peripheral_width: Width::Word, ..Self::BYTES };
    /// Single bytes in direct mode, as serial ports want them.
    pub const DIRECT: Self = Self { fifo: None, ..Self::BYTES };

    const fn memory(&self, address: u32) -> Side {
        let (width, burst) = (self.memory_width, self.memory_burst);
        Side { address, width, burst, advances: true }
    }

    const fn peripheral(&self, address: u32, advances: bool) -> Side {
        let (width, burst) = (self.peripheral_width, self.peripheral_burst);
        Side { address, width, burst, advances }
    }

    const fn plan(&self, direction: Direction, sides: [Side; 2], size_bytes: u32) -> Plan {
        let [peripheral, memory] = sides;
        Plan {
            direction,
            peripheral,
            memory,
            items: size_bytes / self.peripheral_width.bytes(),
            fifo: self.fifo,
            mode: if self.is_circular { Mode::Circular } else { Mode::Once },
        }
    }
}

/// A transfer that did not begin: everything comes back.
#[derive(Debug)]
pub struct TransferError<S: Stream, B> {
    /// The stream.
    pub stream: S,
    /// The buffers.
    pub buffers: B,
    /// Why not.
    pub error: S::Error,
}

/// What a transfer leaves.
#[derive(Debug)]
pub struct Ended<S, B> {
    /// The stream.
    pub stream: S,
    /// The buffers.
    pub buffers: B,
    /// What became of it.
    pub state: TransferState,
    /// Items that were left.
    pub items_left: u16,
}

/// A transfer that has begun, with all that it uses.
#[derive(Debug)]
#[must_use = "a transfer that is dropped is stopped"]
pub struct Transfer<S: Stream, B> {
    /// Nothing once it has ended.
    parts: Option<(S, B)>,
}

/// Buffers of a copy.
pub type CopyBuffers = (DmaSource<'static>, DmaBuffer<'static>);

impl<S: Stream> Transfer<S, CopyBuffers> {
    /// Copies as many bytes as both buffers have.
    ///
    /// # Errors
    /// The stream refuses.
    pub fn copy(
        stream: S,
        source: DmaSource<'static>,
        destination: DmaBuffer<'static>,
        shape: Shape,
    ) -> Result<Self, TransferError<S, CopyBuffers>> {
        let size_bytes = source.size_bytes().min(destination.size_bytes());
        let sides = [shape.peripheral(source.address(), true), shape.memory(destination.address())];
        Self::begin(stream, (source, destination), shape.plan(Direction::Copy, sides, size_bytes))
    }
}

impl<S: Stream> Transfer<S, DmaSource<'static>> {
    /// Moves all bytes of a source to a register, as its peripheral asks for them.
    ///
    /// # Errors
    /// The stream refuses.
    pub fn transmit(
        stream: S,
        source: DmaSource<'static>,
        register: Register,
        shape: Shape,
    ) -> Result<Self, TransferError<S, DmaSource<'static>>> {
        let sides = [shape.peripheral(register.address(), false), shape.memory(source.address())];
        let size_bytes = source.size_bytes();
        Self::begin(stream, source, shape.plan(Direction::Transmit, sides, size_bytes))
    }
}

impl<S: Stream> Transfer<S, DmaBuffer<'static>> {
    /// Fills a buffer from a register, as its peripheral has something.
    ///
    /// # Errors
    /// The stream refuses.
    pub fn receive(
        stream: S,
        register: Register,
        destination: DmaBuffer<'static>,
        shape: Shape,
    ) -> Result<Self, TransferError<S, DmaBuffer<'static>>> {
        let sides =
            [shape.peripheral(register.address(), false), shape.memory(destination.address())];
        let size_bytes = destination.size_bytes();
        Self::begin(stream, destination, shape.plan(Direction::Receive, sides, size_bytes))
    }
}

impl<S: Stream, B> Transfer<S, B> {
    /// The plan is one of the buffers, which this value has from here on.
    fn begin(mut stream: S, buffers: B, plan: Plan) -> Result<Self, TransferError<S, B>> {
        match begin_held(&mut stream, &plan) {
            Ok(()) => Ok(Self { parts: Some((stream, buffers)) }),
            Err(error) => Err(TransferError { stream, buffers, error }),
        }
    }

    /// What has become of it so far.
    #[must_use]
    pub fn state(&self) -> TransferState {
        self.parts.as_ref().map_or(TransferState::Stopped, |(stream, _)| stream.state())
    }

    /// Items that are left.
    #[must_use]
    pub fn items_left(&self) -> u16 {
        self.parts.as_ref().map_or(0, |(stream, _)| stream.items_left())
    }

    /// Waits for the end. A circular transfer has none but an error.
    #[must_use]
    pub fn wait(self) -> Option<Ended<S, B>> {
        while self.state() == TransferState::Running {
            if let Some((stream, _)) = &self.parts {
                stream.pause();
            }
        }
        self.stop()
    }

    /// Ends it, wherever it is. The answer is never nothing.
    #[must_use]
    pub fn stop(mut self) -> Option<Ended<S, B>> {
        let (mut stream, buffers) = self.parts.take()?;
        if stream.state() == TransferState::Running {
            stream.stop();
        }
        ended();
        let (state, items_left) = (stream.state(), stream.items_left());
        Some(Ended { stream, buffers, state, items_left })
    }
}

impl<S: Stream, B> Drop for Transfer<S, B> {
    fn drop(&mut self) {
        if let Some((stream, _)) = &mut self.parts {
            stream.stop();
        }
    }
}

/// Stops a stream whatever way is left by.
struct Guard<'a, S: Stream>(&'a mut S);

impl<S: Stream> Drop for Guard<'_, S> {
    fn drop(&mut self) {
        if self.0.state() == TransferState::Running {
            self.0.stop();
        }
        ended();
    }
}

/// Copies from one buffer to another while `work` runs, and waits for the end. Both are borrowed
/// for all of it, so neither can be moved, freed or used by `work`.
///
/// # Errors
/// The stream refuses; `work` was not called.
pub fn during<S: Stream, R>(
    stream: &mut S,
    source: &DmaSource<'_>,
    destination: &mut DmaBuffer<'_>,
    shape: Shape,
    work: impl FnOnce() -> R,
) -> Result<(R, TransferState), S::Error> {
    let size_bytes = source.size_bytes().min(destination.size_bytes());
    let sides = [shape.peripheral(source.address(), true), shape.memory(destination.address())];
    begin_held(stream, &shape.plan(Direction::Copy, sides, size_bytes))?;
    let guard = Guard(stream);
    let result = work();
    while guard.0.state() == TransferState::Running {
        guard.0.pause();
    }
    let state = guard.0.state();
    drop(guard);
    Ok((result, state))
}
