//! From memory to memory, on DMA2: the crate does it by bytes.

use super::report::{self, Found, INTERRUPTED, bits};
use crate::board;
use core::cell::RefCell;
use core::sync::atomic::{AtomicBool, Ordering};
use cortex_m::interrupt::Mutex;
use cortex_m::peripheral::NVIC;
use stm32f4xx_hal::dma::config::{BurstMode, DmaConfig, FifoThreshold};
use stm32f4xx_hal::dma::traits::Direction as _;
use stm32f4xx_hal::dma::{DmaFlag, MemoryToMemory, Stream0, Stream1, Transfer};
use stm32f4xx_hal::pac::{DMA2, Interrupt, interrupt};
use stm32f4xx_hal::prelude::*;

type Bytes = &'static mut [u8];
type Copy<Stream> = Transfer<Stream, 0, MemoryToMemory<u8>, MemoryToMemory<u8>, Bytes>;

/// The most that is copied at once.
const MOST_BYTES: usize = 8192;
/// All targets together.
const TARGETS_BYTES: usize = 3 * MOST_BYTES;

/// Aligned as bursts of sixteen want it: within a boundary of 1 KiB.
#[repr(align(1024))]
struct Aligned<const SIZE: usize>([u8; SIZE]);

/// Targets that nobody has had, one behind the other.
struct Targets(Bytes);

impl Targets {
    /// The next one. None begins in the burst of another.
    fn take(&mut self, size_bytes: usize) -> Bytes {
        let all = core::mem::take(&mut self.0);
        let (skipped, rest) = all.split_at_mut(size_bytes.next_multiple_of(16));
        self.0 = rest;
        skipped.get_mut(..size_bytes).unwrap_or_default()
    }
}

/// All cases, one after the other.
pub fn run(stream: Stream0<DMA2>, other: Stream1<DMA2>) {
    let sources = cortex_m::singleton!(SOURCE: Aligned<MOST_BYTES> = Aligned([0; MOST_BYTES]));
    let targets =
        cortex_m::singleton!(TARGET: Aligned<TARGETS_BYTES> = Aligned([0; TARGETS_BYTES]));
    let (Some(Aligned(source)), Some(Aligned(targets))) = (sources, targets) else { return };
    for (index, byte) in source.iter_mut().enumerate() {
        *byte = (index * 7 + (index >> 8)) as u8;
    }
    let mut targets = Targets(targets);
    let plain = config(FifoThreshold::QuarterFull);
    let half = config(FifoThreshold::HalfFull);
    let full = config(FifoThreshold::Full);
    let by_4 = half.memory_burst(BurstMode::Burst4);
    let by_16 = full.memory_burst(BurstMode::Burst16).peripheral_burst(BurstMode::Burst16);
    let cases = [
        (&report::ONE_BYTE, 1, plain),
        (&report::ODD, 101, half),
        (&report::BURSTS_OF_4, 256, by_4),
        (&report::BURSTS_OF_16, 1024, by_16),
    ];
    let mut state = (stream, source as Bytes);
    for (case, size_bytes, config) in cases {
        let (found, next) = copy(state, targets.take(size_bytes), config);
        found.keep(case);
        state = next;
    }
    state = copy_twice(state, [targets.take(500), targets.take(300)]);
    state = pause(state, targets.take(MOST_BYTES));
    state = misfit(state, targets.take(64), plain.memory_burst(BurstMode::Burst16));
    let (stream, source) = from_ccm(state, targets.take(64), plain);
    let (found, (_, source)) = copy((stream, source), targets.take(64), plain);
    found.keep(&report::AFTER_ERROR);
    by_interrupt(other, source, targets.take(4096));
}

/// With the FIFO, as copies have to be.
fn config(threshold: FifoThreshold) -> DmaConfig {
    let config = DmaConfig::default().fifo_enable(true).fifo_threshold(threshold);
    config.memory_increment(true).peripheral_increment(true)
}

fn init<Stream>(stream: Stream, source: Bytes, target: Bytes, config: DmaConfig) -> Copy<Stream>
where
    Stream: stm32f4xx_hal::dma::traits::Stream,
    MemoryToMemory<u8>: stm32f4xx_hal::dma::traits::DMASet<Stream, 0, MemoryToMemory<u8>>,
{
    Transfer::init_memory_to_memory(stream, MemoryToMemory::new(), target, source, config)
}

type State = (Stream0<DMA2>, Bytes);

/// A whole transfer that is waited for.
fn copy(state: State, target: Bytes, config: DmaConfig) -> (Found, State) {
    let (stream, source) = state;
    let mut transfer = init(stream, source, target, config);
    transfer.start(|_| ());
    transfer.wait();
    end(transfer)
}

/// What there is to be seen of a transfer, which is over.
fn end(transfer: Copy<Stream0<DMA2>>) -> (Found, State) {
    let bits = bits(transfer.flags().iter());
    let left = transfer.number_of_transfers();
    let (stream, _, target, source) = transfer.release();
    let source = source.unwrap_or_default();
    let whole = source.starts_with(target);
    (Found { bits, whole, left }, (stream, source))
}

/// A second target takes the place of the first, as the crate's examples do it: with the flag of
/// the half still set.
fn copy_twice(state: State, targets: [Bytes; 2]) -> State {
    let (stream, source) = state;
    let [first, second] = targets;
    let mut transfer = init(stream, source, first, config(FifoThreshold::Full));
    transfer.start(|_| ());
    transfer.wait();
    let replaced = transfer.next_transfer(second).is_ok();
    transfer.wait();
    let (mut found, state) = end(transfer);
    found.whole &= replaced;
    found.keep(&report::NEXT);
    state
}

/// Stopped on its way: what has arrived is the beginning, and nothing is behind it.
fn pause(state: State, target: Bytes) -> State {
    let (stream, source) = state;
    let mut transfer = init(stream, source, target, config(FifoThreshold::Full));
    transfer.start(|_| ());
    transfer.pause(|_| ());
    let bits = bits(transfer.flags().iter());
    let left = transfer.number_of_transfers();
    let (stream, _, target, source) = transfer.release();
    let source = source.unwrap_or_default();
    let (arrived, rest) = target.split_at(target.len() - usize::from(left));
    let whole = source.starts_with(arrived) && rest.iter().all(|byte| *byte == 0);
    Found { bits, whole, left }.keep(&report::PAUSED);
    (stream, source)
}

/// The stream refuses to be enabled.
fn misfit(state: State, target: Bytes, config: DmaConfig) -> State {
    let (stream, source) = state;
    let mut transfer = init(stream, source, target, config);
    transfer.start(|_| ());
    let (found, state) = end(transfer);
    found.keep(&report::MISFIT);
    state
}

/// The source is out of reach.
fn from_ccm(state: State, target: Bytes, config: DmaConfig) -> State {
    let (stream, source) = state;
    let region = board::REGIONS.iter().find(|region| region.name == "ccm");
    let start = region.map_or(0, |region| region.start) as *mut u8;
    // SAFETY: the linker puts nothing of this image there, and the core never reads it: only its
    // address and its size are used.
    let ccm = unsafe { core::slice::from_raw_parts_mut(start, target.len()) };
    let mut transfer = init(stream, ccm, target, config);
    transfer.start(|_| ());
    while !transfer.is_transfer_error() && !transfer.is_transfer_complete() {}
    let bits = bits(transfer.flags().iter());
    let left = transfer.number_of_transfers();
    let (stream, _, target, _) = transfer.release();
    let whole = target.iter().all(|byte| *byte == 0);
    Found { bits, whole, left }.keep(&report::FROM_CCM);
    (stream, source)
}

static BY_INTERRUPT: Mutex<RefCell<Option<Copy<Stream1<DMA2>>>>> = Mutex::new(RefCell::new(None));
static HAS_ENDED: AtomicBool = AtomicBool::new(false);

/// The core does something else until the interrupt comes.
fn by_interrupt(stream: Stream1<DMA2>, source: Bytes, target: Bytes) {
    let config = config(FifoThreshold::Full).transfer_complete_interrupt(true);
    let transfer = init(stream, source, target, config);
    cortex_m::interrupt::free(|token| {
        let mut place = BY_INTERRUPT.borrow(token).borrow_mut();
        place.insert(transfer).start(|_| ());
    });
    // SAFETY: its handler is below, and no critical section relies on its mask.
    unsafe { NVIC::unmask(Interrupt::DMA2_STREAM1) };
    while !HAS_ENDED.load(Ordering::Relaxed) {
        core::hint::spin_loop();
    }
    let transfer = cortex_m::interrupt::free(|token| BY_INTERRUPT.borrow(token).take());
    let Some(transfer) = transfer else { return };
    let bits = bits(transfer.flags().iter()) | INTERRUPTED;
    let left = transfer.number_of_transfers();
    let (_, _, target, source) = transfer.release();
    let whole = source.is_some_and(|source| source.starts_with(target));
    Found { bits, whole, left }.keep(&report::BY_INTERRUPT);
}

#[interrupt]
fn DMA2_STREAM1() {
    cortex_m::interrupt::free(|token| {
        if let Some(transfer) = BY_INTERRUPT.borrow(token).borrow_mut().as_mut() {
            HAS_ENDED.store(transfer.is_transfer_complete(), Ordering::Relaxed);
            transfer.clear_flags(DmaFlag::TransferComplete);
        }
    });
}
