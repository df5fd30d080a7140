//! DMA to a buffer on a stack: of a thread whose stack lies in core-coupled memory, which no
//! controller reaches.

use super::dma::{COPY, run};
use super::services::worker;
use core::hint::black_box;
use crashrig_layout::Capabilities;
use crashrig_memory::dma::Plan;
use crashrig_port::kernel::{FOREVER, priority, thread};
use crashrig_wire::TransferState;

const STACK_BYTES: u32 = 2048;
const BUFFER_BYTES: u32 = 64;

/// A buffer that begins where the FIFO needs it.
#[repr(align(16))]
struct Buffer([u8; BUFFER_BYTES as usize]);

/// Copies from an address to a buffer on the stack of a thread of its own.
#[inline(never)]
pub fn copy_to_stack(from: u32) {
    let options = worker("in-ccm", priority::NORMAL);
    let ended = thread::spawn(&options, STACK_BYTES, Capabilities::SPM, arm, from)
        .and_then(|thread| thread.join(FOREVER));
    defmt::warn!("dma: thread of a stack in core-coupled memory ended: {=bool}", ended.is_ok());
}

extern "C" fn arm(from: u32) -> u32 {
    let mut buffer = Buffer([0; BUFFER_BYTES as usize]);
    let to = (&raw mut buffer).addr() as u32;
    let ended = run(COPY, &Plan::copy(from, to, BUFFER_BYTES));
    defmt::warn!("dma: {=bool}", ended == Ok(TransferState::Done));
    black_box(buffer.0.len() as u32)
}
