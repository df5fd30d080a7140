//! Buffers: made of memory that DMA reaches and of no other, once, and given back.

use crate::chip::around;
use crashrig_layout::{AccessError, Capabilities};
use crashrig_memory::dma::buffer::{BufferError, Ccm, Sram};
use crashrig_memory::dma::{DmaBuffer, DmaSource, PlacedBuffer};

#[repr(C, align(64))]
struct Bytes([u8; 128]);

#[test]
fn only_capable_memory_becomes_a_buffer() {
    let mut memory = Bytes([0; 128]);
    let bytes = &mut memory.0[..];
    let address = bytes.as_ptr().addr();
    let capable = around(address, Capabilities::DMA);
    let Ok(mut buffer) = DmaBuffer::of(&mut bytes[16..80], 16, &capable) else {
        panic!("memory for DMA")
    };
    assert_eq!((buffer.address(), buffer.size_bytes()), (address as u32 + 16, 64));
    buffer.bytes_mut().fill(7);
    assert_eq!(buffer.bytes(), [7; 64]);
    drop(buffer);
    assert_eq!((bytes[15], bytes[16], bytes[79], bytes[80]), (0, 7, 7, 0));

    let other = around(address, Capabilities::BYTE);
    let found = DmaBuffer::of(&mut bytes[..], 16, &other).err();
    let lacks = Capabilities::DMA;
    let not_capable = AccessError::NotCapable { region: "host", lacks };
    assert_eq!(found, Some(BufferError::Access(not_capable)));
    assert!(DmaSource::constant(bytes, &other).is_err());
    assert!(DmaSource::constant(bytes, &capable).is_ok());

    let found = DmaBuffer::of(&mut bytes[8..], 16, &capable).err();
    assert_eq!(found, Some(BufferError::Alignment { align_bytes: 16 }));
    let found = DmaBuffer::of(&mut bytes[..0], 16, &capable).err();
    assert_eq!(found, Some(BufferError::Access(AccessError::Range)));
}

#[test]
fn a_static_is_given_out_once() {
    static FOR_DMA: PlacedBuffer<Sram, 64> = PlacedBuffer::new();
    static FOR_CORE: PlacedBuffer<Ccm, 64> = PlacedBuffer::new();
    let memory = around((&raw const FOR_DMA).addr(), Capabilities::DMA);
    let Ok(buffer) = FOR_DMA.take(16, &memory) else { panic!("it lies where it says") };
    assert_eq!((buffer.address() % 16, buffer.size_bytes()), (0, 64));
    assert_eq!(FOR_DMA.take(16, &memory).err(), Some(BufferError::Taken));
    drop(buffer);
    assert_eq!(FOR_DMA.take(16, &memory).err(), Some(BufferError::Taken), "nobody gives it back");
    assert!(FOR_DMA.take_for_core().is_none());
    assert_eq!(FOR_CORE.take_for_core().map(|bytes| bytes.len()), Some(64));
    assert!(FOR_CORE.take_for_core().is_none());
}

#[test]
fn a_static_that_lies_elsewhere_is_refused_when_it_is_taken() {
    static MISPLACED: PlacedBuffer<Sram, 64> = PlacedBuffer::new();
    let memory = around((&raw const MISPLACED).addr(), Capabilities::WORD);
    assert!(matches!(MISPLACED.take(16, &memory), Err(BufferError::Access(_))));
}
