//! The same steps as in the programs that are refused, in an order that is sound.

mod bench {
    include!("bench.inc");
}
use bench::*;

static BUFFER: PlacedBuffer<Sram, 64> = PlacedBuffer::new();

fn whole(memory: &Memory, stream: Bench) -> Option<u8> {
    let buffer = BUFFER.take(16, memory).ok()?;
    let transfer = Transfer::receive(stream, register(), buffer, Shape::DIRECT).ok()?;
    let mut ended = transfer.wait()?;
    ended.buffers.bytes_mut().first_mut().map(|byte| *byte = 1);
    let buffer = ended.buffers;
    let first = buffer.bytes().first().copied();
    drop(buffer);
    first
}

fn borrowed(memory: &Memory, source: &DmaSource<'_>, stream: &mut Bench) -> Option<u8> {
    let mut on_stack = [0; 64];
    let mut buffer = DmaBuffer::of(&mut on_stack, 1, memory).ok()?;
    let idle = during(stream, source, &mut buffer, Shape::BYTES, || 1).ok()?;
    let moved = buffer;
    moved.bytes().first().map(|byte| byte + idle.0)
}

fn main() {
    let _ = (whole, borrowed);
}
