//! Code where no code may be.

use crate::board;
use crate::observe::note;
use core::hint::black_box;
use crashrig_layout::Capabilities;
use crashrig_memory::heap::Alignment;
use crashrig_port::heap;
use crashrig_port::host_block::HostBlock;
use crashrig_wire::Observation;

/// `bx lr` twice.
const RETURN: [u8; 4] = [0x70, 0x47, 0x70, 0x47];

static CODE: HostBlock<2> = HostBlock::new();

/// Code in the block of RAM that the board file lets execute, in memory that the heap hands out.
#[inline(never)]
pub fn execute_block() {
    /// `adds r0, #35` (0x3023) and `bx lr` (0x4770); DDI0403E A7.7.3, A7.7.20.
    const ADD_AND_RETURN: u32 = 0x4770_3023;
    let Some((start, size_bytes)) = board::EXECUTABLE_RAM else { return };
    let place = heap::allocate(4, Alignment::NATURAL, Capabilities::EXEC);
    let Some(place) = place.ok().filter(|place| place.wrapping_sub(start) < size_bytes) else {
        return defmt::error!("the heap has nothing in the executable block");
    };
    let pointer = core::ptr::with_exposed_provenance_mut::<u32>(place as usize);
    // SAFETY: an allocation of this size, aligned.
    unsafe { pointer.write_volatile(ADD_AND_RETURN) };
    cortex_m::asm::dsb();
    cortex_m::asm::isb();
    let code = core::ptr::with_exposed_provenance::<()>(place as usize | 1);
    // SAFETY: what was just written is such a function.
    let add: extern "C" fn(u32) -> u32 = unsafe { core::mem::transmute(code) };
    if add(7) == 42 {
        note(Observation::ExecutableBlockRan, true);
    }
}

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
    let Ok(address) = heap::allocate(4, Alignment::NATURAL, Capabilities::SPM) else { return };
    let address = address as usize;
    let pointer = core::ptr::with_exposed_provenance_mut::<u32>(address);
    // SAFETY: an allocation of this size, aligned.
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
