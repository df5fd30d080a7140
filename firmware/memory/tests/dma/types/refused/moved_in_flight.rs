//! A buffer cannot be moved while a transfer borrows it.

mod bench {
    include!("../bench.inc");
}
use bench::*;

fn copy(source: &DmaSource<'_>, mut buffer: DmaBuffer<'static>) {
    let _ = during(&mut Bench, source, &mut buffer, Shape::BYTES, || {
        let moved = buffer;
        moved.size_bytes()
    });
}

fn main() {
    let _ = copy;
}
