//! The few functions and symbols of QEMU's plug-in interface that are used here, written by hand.
//!
//! They are the same in version 1 of the interface (QEMU 7.2) and in versions 2 to 4 (QEMU 10.0).
//! What is not: the versions that are accepted, see `version.rs`. Source: the `qemu-plugin.h` of
//! version 1, and that of version 4 but for accesses to memory, which was not read again: that QEMU
//! 10.0 calls them as declared here was measured.

use std::ffi::{c_char, c_int, c_uint, c_void};

/// QEMU's name of a loaded plug-in.
pub type PluginId = u64;

/// A block of instructions that is being translated. Valid during the callback only.
#[repr(C)]
pub struct Block {
    _opaque: [u8; 0],
}

/// One instruction of a block. Valid during the callback only.
#[repr(C)]
pub struct Instruction {
    _opaque: [u8; 0],
}

/// What QEMU tells about itself at loading; not looked at.
#[repr(C)]
pub struct Information {
    _opaque: [u8; 0],
}

/// Called for each block that is translated.
pub type OnTranslation = extern "C" fn(PluginId, *mut Block);

/// Called before an instruction is executed, with the number of the CPU.
pub type OnExecution = extern "C" fn(c_uint, *mut c_void);

/// What QEMU tells about one access, to be asked with functions of its own.
pub type MemoryInformation = u32;

/// Called after an access to memory, with the number of the CPU, the virtual address, and what was
/// given at registration.
pub type OnAccess = extern "C" fn(c_uint, MemoryInformation, u64, *mut c_void);

/// `QEMU_PLUGIN_MEM_RW`: loads and stores.
pub const LOADS_AND_STORES: c_int = 3;

/// `QEMU_PLUGIN_MEM_W`: stores, not loads.
pub const STORES_ONLY: c_int = 2;

/// `QEMU_PLUGIN_CB_NO_REGS`: the callback reads and writes no register.
pub const NO_REGISTERS: c_int = 0;

/// The arguments of a plug-in as QEMU passes them: `key=value` each.
pub type Arguments = *const *const c_char;

unsafe extern "C" {
    pub fn qemu_plugin_register_vcpu_tb_trans_cb(id: PluginId, callback: OnTranslation);
    pub fn qemu_plugin_tb_n_insns(block: *const Block) -> usize;
    pub fn qemu_plugin_tb_get_insn(block: *const Block, index: usize) -> *mut Instruction;
    pub fn qemu_plugin_register_vcpu_insn_exec_cb(
        instruction: *mut Instruction,
        callback: OnExecution,
        flags: c_int,
        data: *mut c_void,
    );
    pub fn qemu_plugin_insn_vaddr(instruction: *const Instruction) -> u64;
    pub fn qemu_plugin_register_vcpu_mem_cb(
        instruction: *mut Instruction,
        callback: OnAccess,
        flags: c_int,
        accesses: c_int,
        data: *mut c_void,
    );
    pub fn qemu_plugin_mem_is_store(information: MemoryInformation) -> bool;
    pub fn qemu_plugin_mem_size_shift(information: MemoryInformation) -> c_uint;
}
