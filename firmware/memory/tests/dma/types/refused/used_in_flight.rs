//! The core cannot use a buffer while a transfer borrows it.

mod bench {
    include!("../bench.inc");
}
use bench::*;

fn copy(source: &DmaSource<'_>, mut buffer: DmaBuffer<'static>) {
    let _ = during(&mut Bench, source, &mut buffer, Shape::BYTES, || {
        buffer.bytes_mut().fill(0);
    });
}

fn main() {
    let _ = copy;
}
