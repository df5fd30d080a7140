//! Transfers on a stream of the host, which moves bytes when it is told to: who holds the buffers,
//! and what stops the stream.

use crate::chip::around;
use crate::raw::{Bench, REGISTER};
use crashrig_layout::{Capabilities, Memory};
use crashrig_memory::dma::buffer::Sram;
use crashrig_memory::dma::transfer::{Shape, during};
use crashrig_memory::dma::{DmaBuffer, DmaSource, PlacedBuffer, Stream, Transfer};
use crashrig_wire::TransferState;

fn buffer(bytes: &'static mut [u8]) -> DmaBuffer<'static> {
    let memory: Memory = around(bytes.as_ptr().addr(), Capabilities::DMA);
    let Ok(buffer) = DmaBuffer::of(bytes, 1, &memory) else { panic!("memory for DMA") };
    buffer
}

fn leaked(size_bytes: usize) -> &'static mut [u8] {
    Box::leak(vec![0; size_bytes].into_boxed_slice())
}

#[test]
fn the_end_gives_everything_back() {
    let stream = Bench::default();
    let seen = stream.0.clone();
    let (source, destination) = (buffer(leaked(64)), buffer(leaked(32)));
    let addresses = (source.address(), destination.address());
    let Ok(transfer) = Transfer::copy(stream, source.into(), destination, Shape::BYTES) else {
        panic!("it begins")
    };
    assert_eq!((transfer.state(), transfer.items_left()), (TransferState::Running, 5));
    let Some(ended) = transfer.wait() else { panic!("an end") };
    assert_eq!((ended.state, ended.items_left), (TransferState::Done, 5));
    assert_eq!((ended.buffers.0.address(), ended.buffers.1.address()), addresses);
    let seen = seen.borrow();
    assert_eq!((seen.stops, seen.pauses), (0, 3));
    let [plan] = seen.plans.as_slice() else { panic!("one plan") };
    // As many bytes as both have.
    assert_eq!((plan.size_bytes(), plan.memory.address), (32, addresses.1));
}

#[test]
fn what_is_refused_comes_back() {
    let (source, destination) = (buffer(leaked(2000)), buffer(leaked(2000)));
    let address = destination.address();
    let Err(refused) = Transfer::copy(Bench::default(), source.into(), destination, Shape::BYTES)
    else {
        panic!("too many")
    };
    assert_eq!((refused.error, refused.buffers.1.address()), ("too many", address));
    assert_eq!(refused.stream.0.borrow().stops, 0);
}

#[test]
fn a_dropped_transfer_is_stopped_and_a_forgotten_one_keeps_its_memory() {
    let stream = Bench::default();
    let Ok(transfer) =
        Transfer::receive(stream.clone(), REGISTER, buffer(leaked(16)), Shape::DIRECT)
    else {
        panic!("it begins")
    };
    drop(transfer);
    assert_eq!(stream.0.borrow().stops, 1);

    static KEPT: PlacedBuffer<Sram, 16> = PlacedBuffer::new();
    let memory = around((&raw const KEPT).addr(), Capabilities::DMA);
    let Ok(kept) = KEPT.take(16, &memory) else { panic!("nobody has it") };
    let Ok(transfer) = Transfer::receive(stream.clone(), REGISTER, kept, Shape::DIRECT) else {
        panic!("it begins")
    };
    std::mem::forget(transfer);
    assert_eq!((stream.0.borrow().stops, stream.state()), (1, TransferState::Running));
    assert!(KEPT.take(16, &memory).is_err(), "nobody gets the memory that it may still write");
}

#[test]
fn a_transfer_can_be_stopped_at_any_time() {
    let stream = Bench::default();
    let Ok(source) =
        DmaSource::constant(b"hello", &around(b"hello".as_ptr().addr(), Capabilities::DMA))
    else {
        panic!("memory for DMA")
    };
    let Ok(transfer) = Transfer::transmit(stream.clone(), source, REGISTER, Shape::DIRECT) else {
        panic!("it begins")
    };
    let Some(ended) = transfer.stop() else { panic!("an end") };
    assert_eq!((ended.state, stream.0.borrow().stops), (TransferState::Stopped, 1));
}

#[test]
fn borrowed_memory_is_free_of_dma_when_the_call_is_over() {
    let mut stream = Bench::default();
    let (source, mut destination) = (buffer(leaked(16)).into(), buffer(leaked(16)));
    let result = during(&mut stream, &source, &mut destination, Shape::BYTES, || 7);
    assert_eq!(result, Ok((7, TransferState::Done)));
    // A panic in between stops the stream as well.
    let mut other = Bench::default();
    let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        during(&mut other, &source, &mut destination, Shape::BYTES, || panic!("in between"))
    }));
    assert!(unwound.is_err());
    assert_eq!(other.0.borrow().stops, 1);
}
