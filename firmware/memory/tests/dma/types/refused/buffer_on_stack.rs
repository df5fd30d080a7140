//! A buffer on a stack does not live as long as a transfer that nobody ends.

mod bench {
    include!("../bench.inc");
}
use bench::*;

fn receive(memory: &Memory) {
    let mut on_stack = [0; 64];
    let Ok(buffer) = DmaBuffer::of(&mut on_stack, 1, memory) else { return };
    let _transfer = Transfer::receive(Bench, register(), buffer, Shape::DIRECT);
}

fn main() {
    let _ = receive;
}
