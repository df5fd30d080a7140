//! A buffer cannot be given back while a transfer has it.

mod bench {
    include!("../bench.inc");
}
use bench::*;

fn receive(buffer: DmaBuffer<'static>) {
    let _transfer = Transfer::receive(Bench, register(), buffer, Shape::DIRECT);
    drop(buffer);
}

fn main() {
    let _ = receive;
}
