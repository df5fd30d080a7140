//! The driver of DMA controllers: the STM32F4's streams, and on ARMv8-M, of which AN505 is the only
//! chip here, the PL081 engines of Arm's FPGA images (`registers` is the one or the other).
//!
//! Every transfer is checked against the bus matrix of the chip file before a register is touched;
//! what the bus then says comes by interrupt, and what nobody says is noticed by a watchdog at the
//! clock tick. A record tells of the last transfers. Safe code goes through [`StreamHandle`] and
//! the typed transfers of `crashrig_memory::dma`; [`arm`] is for whoever knows better. Must never
//! happen here: a stream that runs and is not in the table.

mod failure;
pub(crate) mod hooks;
#[cfg(armv8m)]
mod protection;
#[cfg_attr(armv8m, path = "pl081.rs")]
#[cfg_attr(not(armv8m), path = "stm32f4.rs")]
mod registers;
#[cfg(not(armv8m))]
pub mod serial;
mod table;
mod words;

pub use failure::{OnFailure, set_on_failure};
#[cfg(armv8m)]
pub use protection::set_secure;

use crate::{clock, detectors, interrupts, kernel, platform};
use core::sync::atomic::{AtomicU32, Ordering};
use crashrig_layout::Capabilities;
use crashrig_memory::dma::buffer::BufferError;
use crashrig_memory::dma::{DmaBuffer, Matrix, Plan, Refusal, Stream, StreamId, check};
use crashrig_memory::heap::{Alignment, AllocationError};
use crashrig_wire::section::{Section, TRANSFER_ROWS, TransferRow};
use crashrig_wire::{Detector, TransferState};

use crate::heap;
use crate::sections::Writer;

/// Why a transfer did not begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// The chip has no such controllers.
    NoController,
    /// The stream carries out another transfer.
    Busy,
    /// It breaks a rule.
    Refused(Refusal),
}

/// What of a transfer is about the stream rather than about memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// The request that it serves, 0 to 7; of no meaning for a copy.
    pub channel: u8,
    /// Priority among the streams of its controller, 0 to 3.
    pub priority: u8,
    /// Milliseconds after which it must have ended.
    pub limit_ms: Option<u32>,
}

impl Options {
    /// A copy, which must end within a second.
    pub const COPY: Self = Self { channel: 0, priority: 0, limit_ms: Some(1000) };
}

static HOOKS: hooks::Hooks = hooks::Hooks {
    tick: failure::tick,
    stop_all: failure::stop_all,
    write_section,
    borrower: |address, size_bytes| borrower(address, size_bytes).map(StreamId::code),
};

/// What the controllers of this chip reach.
#[must_use]
pub fn matrix() -> Matrix {
    Matrix { memory: platform::memory(), peripherals: registers::PERIPHERALS }
}

/// Whether the controllers are known to be there, and the chip file has them as bus masters.
#[must_use]
pub fn is_present() -> bool {
    let mut regions = platform::platform().regions.iter();
    registers::are_present() && regions.any(|region| region.reached_by(registers::MASTER))
}

/// Checks a transfer, programs its stream and starts it.
///
/// # Errors
/// It is refused, if that is not fatal; nothing was touched.
///
/// # Safety
/// Everybody else leaves the memory of the plan alone until the transfer has ended, and the stream
/// alone until this has returned; what its registers then do breaks nothing that safe code relies
/// on. A [`StreamHandle`] is there for the second.
#[track_caller]
pub unsafe fn arm(id: StreamId, plan: &Plan, options: Options) -> Result<(), Error> {
    if !is_present() || registers::place(id).is_none() {
        return Err(Error::NoController);
    }
    let owner = kernel::stack_in_use().thread;
    let checked = match detectors::is_on(Detector::DmaCapability) {
        true => check(plan, id.controller, &matrix()).and_then(|()| registers::check(plan)),
        false => Ok(()),
    };
    hooks::register(&HOOKS);
    if let Err(refusal) = checked {
        let entry = table::Entry::new(plan, TransferState::Refused, owner);
        let entry = table::Entry { rule: Some(refusal.rule), ..entry };
        table::put(id, entry).map_err(|_| Error::Busy)?;
        failure::refused(&refusal);
        return Err(Error::Refused(refusal));
    }
    if state(id) == TransferState::Running {
        return Err(Error::Busy);
    }
    let entry = table::Entry::new(plan, TransferState::Running, owner);
    let (started_ms, limit_ms) = (clock::uptime_ms(), options.limit_ms);
    registers::enable_clock(id.controller);
    // What the stream may still be doing for a program before this one.
    let _ = registers::disable(id);
    table::put(id, table::Entry { started_ms, limit_ms, ..entry }).map_err(|_| Error::Busy)?;
    for line in registers::lines(id) {
        interrupts::install(line, failure::handler);
        interrupts::enable(line);
    }
    // SAFETY: the memory is the stream's, as the caller promises; the stream is off.
    unsafe { registers::start(id, plan, options.channel, options.priority) };
    Ok(())
}

/// What has become of the last transfer of a stream.
#[must_use]
pub fn state(id: StreamId) -> TransferState {
    table::get(id).map_or(TransferState::Stopped, |entry| entry.state)
}

/// Items that are left of the last transfer of a stream.
#[must_use]
pub fn items_left(id: StreamId) -> u16 {
    match table::get(id) {
        Some(entry) if entry.state == TransferState::Running => registers::items_left(id),
        Some(entry) => entry.items_left,
        None => 0,
    }
}

/// Which of the two memories of a double buffer the stream uses: 0 or 1.
#[must_use]
pub fn memory_in_use(id: StreamId) -> u8 {
    registers::memory_in_use(id)
}

/// Stops a stream, and waits until it has let go of memory.
pub fn stop(id: StreamId) {
    if state(id) == TransferState::Running {
        failure::end(id, TransferState::Stopped, None);
    }
}

/// The stream that is using some of the bytes from an address on.
#[must_use]
pub fn borrower(address: u32, size_bytes: u32) -> Option<StreamId> {
    let mut running = table::running();
    running.find(|(_, entry)| entry.plan.uses(address, size_bytes)).map(|(id, _)| id)
}

/// A block of the heap that DMA reaches, as a buffer; it is released with it. `align_bytes` is a
/// power of two.
///
/// # Errors
/// There is no such memory.
pub fn buffer(
    size_bytes: u32,
    align_bytes: u32,
) -> Result<DmaBuffer<'static>, heap::Error<AllocationError>> {
    const CAPS: Capabilities = Capabilities::DMA.union(Capabilities::BYTE);
    let alignment = Alignment { align_bytes: align_bytes.max(8), offset_bytes: 0 };
    let address = heap::allocate_zeroed(1, size_bytes, alignment, CAPS)?;
    let none = AllocationError::OutOfMemory { size_bytes, caps: CAPS, largest_free_block: 0 };
    let Some(start) =
        core::ptr::NonNull::new(core::ptr::with_exposed_provenance_mut(address as usize))
    else {
        return Err(heap::Error::Heap(none));
    };
    // SAFETY: called by the buffer when it is released, which nobody uses then, or below.
    let release = |address| _ = unsafe { heap::free(address) };
    // SAFETY: the heap has handed the block out, zeroed, and takes it back when it is released.
    let made = unsafe {
        DmaBuffer::of_block(start, size_bytes, align_bytes, &platform::memory(), release)
    };
    made.map_err(|_: BufferError| {
        release(address);
        heap::Error::Heap(none)
    })
}

/// Streams that somebody has, as bits.
static TAKEN: AtomicU32 = AtomicU32::new(0);

/// A stream that nobody else has.
#[derive(Debug)]
pub struct StreamHandle {
    id: StreamId,
    options: Options,
}

impl StreamHandle {
    /// Takes a stream. Nothing if somebody has it, or the chip has none of it.
    #[must_use]
    pub fn take(id: StreamId, options: Options) -> Option<Self> {
        let bit = Self::bit(id)?;
        let before = TAKEN.fetch_or(bit, Ordering::AcqRel);
        (before & bit == 0).then_some(Self { id, options })
    }

    /// Which one it is.
    #[must_use]
    pub const fn id(&self) -> StreamId {
        self.id
    }

    fn bit(id: StreamId) -> Option<u32> {
        registers::place(id).map(|place| 1 << place)
    }
}

impl Drop for StreamHandle {
    fn drop(&mut self) {
        TAKEN.fetch_and(!Self::bit(self.id).unwrap_or(0), Ordering::AcqRel);
    }
}

// SAFETY: `stop` returns when the stream is off, and every other state than running is set when it
// is. A stream that does not let go, which no manual knows of, is given up after a limit.
unsafe impl Stream for StreamHandle {
    type Error = Error;

    unsafe fn begin(&mut self, plan: &Plan) -> Result<(), Error> {
        // SAFETY: as the caller promises.
        unsafe { arm(self.id, plan, self.options) }
    }

    fn state(&self) -> TransferState {
        state(self.id)
    }

    fn items_left(&self) -> u16 {
        items_left(self.id)
    }

    fn stop(&mut self) {
        stop(self.id);
    }
}

/// The newest transfers, for a record.
fn write_section(writer: &mut Writer<'_>) {
    let rows = table::newest::<TRANSFER_ROWS>().into_iter().flatten();
    writer.rows(Section::Transfers, TRANSFER_ROWS, rows.map(TransferRow::to_words));
}
