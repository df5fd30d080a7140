//! Code where no code may be.

use crate::board;
use core::hint::black_box;
use crashrig_port::host_block::HostBlock;

/// `bx lr` twice.
const RETURN: [u8; 4] = [0x70, 0x47, 0x70, 0x47];

static CODE: HostBlock<2> = HostBlock::new();

/// Code in static RAM.
#[inline(never)]
pub fn execute_ram() {
    CODE.write(&RETURN);
    call((&raw const CODE).addr());
}

/// Code on the stack.
#[inline(never)]
pub fn execute_stack() {
    let code = black_box(RETURN.map(u32::from).map(|_| 0x4770_4770_u32));
    call(code.as_ptr().addr());
    black_box(&code);
}

/// Code in the CCM.
#[inline(never)]
pub fn execute_ccm() {
    let Some(ccm) = board::REGIONS.iter().find(|region| region.name == "ccm") else { return };
    let address = ccm.start as usize;
    let pointer = core::ptr::with_exposed_provenance_mut::<u32>(address);
    // SAFETY: nothing of this image lies in the CCM but, at its end, the crash region of one board.
    unsafe { pointer.write_volatile(u32::from_le_bytes(RETURN)) };
    call(address);
}

/// Calls what lies at an address.
#[inline(never)]
pub fn call(address: usize) {
    let pointer = core::ptr::with_exposed_provenance::<()>(address | 1);
    // SAFETY: none; the call is meant to fault, or to come back at once.
    let function: extern "C" fn() = unsafe { core::mem::transmute(pointer) };
    function();
    black_box(());
}
