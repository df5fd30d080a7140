//! A static in core-coupled memory is no buffer for DMA.

mod bench {
    include!("../bench.inc");
}
use bench::*;

static BUFFER: PlacedBuffer<Ccm, 64> = PlacedBuffer::new();

fn main() {
    let _ = BUFFER.take(16, &nowhere());
}
