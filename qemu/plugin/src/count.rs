//! Counts the instructions that the guest executes: one callback before each of them.
//!
//! Not one per block with the length of the block, which is cheaper and wrong: QEMU leaves a block
//! at an exception, and with counted instructions also at an access to a device, and translates the
//! rest anew. On a loop that reads a device register such a count was three times too large.
//!
//! The count agrees with that of QEMU's own `-icount`, but for an instruction whose access to
//! memory faults: it is counted here, because it was begun, and not there. Measured on 7.2 and
//! 10.0.
//!
//! Optimised, a callback costs nothing measurable in a loop of two instructions, where QEMU's own
//! work between blocks hides it, and 1.5 ns in blocks of a hundred, which makes those five times
//! slower. Not optimised it costs 8 ns, hence the profile in the manifest of the workspace.

use std::ffi::{c_uint, c_void};
use std::ptr::without_provenance_mut;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::interface::{
    Block, Instruction, NO_REGISTERS, OnExecution, PluginId, qemu_plugin_insn_vaddr,
    qemu_plugin_register_vcpu_insn_exec_cb, qemu_plugin_register_vcpu_tb_trans_cb,
    qemu_plugin_tb_get_insn, qemu_plugin_tb_n_insns,
};
use crate::{control, stop, stores, trace};

/// Instructions begun since power-on. Written by one thread only: the boards have one CPU.
static EXECUTED: AtomicU64 = AtomicU64::new(0);

/// Begins to count, before the first instruction.
pub fn begin(id: PluginId) {
    // SAFETY: QEMU gave the id, and the callback has the type that the interface asks for.
    unsafe { qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation) }
}

/// Instructions begun since power-on. While the guest runs, this is a moment of the past.
pub fn executed() -> u64 {
    EXECUTED.load(Ordering::Relaxed)
}

/// Counts one more instruction. Not one atomic addition, which locks the bus: there is no other
/// writer.
pub fn step() {
    let before = EXECUTED.load(Ordering::Relaxed);
    EXECUTED.store(before.wrapping_add(1), Ordering::Relaxed);
}

/// Puts the count back to where it stood.
pub fn set(executed: u64) {
    EXECUTED.store(executed, Ordering::Relaxed);
}

extern "C" fn on_translation(_id: PluginId, block: *mut Block) {
    // SAFETY: QEMU keeps the block for the time of this callback.
    let count = unsafe { qemu_plugin_tb_n_insns(block) };
    let is_watching = stores::is_watching();
    let is_steered = control::is_steered();
    for index in 0..count {
        // SAFETY: as above; the index is below the number of instructions.
        let instruction = unsafe { qemu_plugin_tb_get_insn(block, index) };
        if is_steered {
            // SAFETY: the instruction belongs to the block.
            unsafe { stop::observe(instruction) };
        }
        if !is_steered {
            // SAFETY: as above.
            unsafe { call_at(instruction, on_execution) };
        } else if trace::is_on() {
            // SAFETY: as above.
            unsafe { call_at(instruction, on_traced) };
        }
        if is_watching {
            // SAFETY: the instruction belongs to the block.
            unsafe { stores::observe(instruction) };
        }
    }
}

/// Has QEMU call before it executes an instruction, with the instruction's address for a pointer.
///
/// # Safety
/// The instruction must belong to the block that is being translated.
unsafe fn call_at(instruction: *mut Instruction, callback: OnExecution) {
    // SAFETY: the caller vouches for the instruction.
    let address = unsafe { qemu_plugin_insn_vaddr(instruction) };
    let data = without_provenance_mut(address as usize);
    // SAFETY: as above; the callbacks take their pointer as a number.
    unsafe { qemu_plugin_register_vcpu_insn_exec_cb(instruction, callback, NO_REGISTERS, data) }
}

extern "C" fn on_execution(_cpu: c_uint, _address: *mut c_void) {
    step();
}

extern "C" fn on_traced(_cpu: c_uint, address: *mut c_void) {
    trace::step(address.addr() as u64);
}
