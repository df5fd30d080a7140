//! Stops the guest at an exact point, and hands its CPU over to `control.rs`.
//!
//! Instruction numbers come from QEMU's own count: a timer of the virtual clock, which with counted
//! instructions runs out after exactly so many, costs nothing until then. An address has a callback
//! of its own, registered where its block is translated. A range has a callback after every access
//! while it is watched. The last two are met in the middle of a block; they have QEMU go back to
//! the beginning of their instruction, as it does for a watchpoint, so that the CPU is complete
//! there. A reset is taken where the interrupt controller asks for it, and a lockup where QEMU
//! would end.
//!
//! Must never happen here: two stops for one run, or a stop that nobody asked for; the first one
//! wins, and none is taken while nothing runs.

use std::ffi::{c_int, c_uint, c_void};
use std::ptr::{null_mut, without_provenance_mut};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering};

use crate::control;
use crate::first;
use crate::interface::{
    Instruction, LOADS_AND_STORES, MemoryInformation, NO_REGISTERS, qemu_plugin_insn_vaddr,
    qemu_plugin_mem_is_store, qemu_plugin_mem_size_shift, qemu_plugin_register_vcpu_insn_exec_cb,
    qemu_plugin_register_vcpu_mem_cb,
};
use crate::internals::{Internals, Object, internals};
use crate::vmstate::{CpuFields, word};

/// Why the guest stopped; the numbers are those of the socket.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Reason {
    /// It has not.
    None = 0,
    /// Before the first instruction after the harness took over.
    Entry = 1,
    /// The number of instructions is used up.
    Instructions = 2,
    /// Before the instruction at the address.
    Address = 3,
    /// Before an instruction that reaches for the range.
    Access = 4,
    /// The guest asked for a reset, and stands behind that.
    Reset = 5,
    /// No fault can be taken any more. The CPU is in the middle of one.
    Lockup = 6,
}

/// Which accesses count.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Kind {
    Load = 1,
    Store = 2,
}

/// Most addresses that have a callback. They are never taken back: one costs nothing elsewhere.
const POINTS: usize = 64;

/// `EXCP_INTERRUPT`: a CPU with this leaves its loop (`include/exec/cpu-common.h`).
const LEAVE: u32 = 0x1_0000;

/// No address: instructions of this processor are at even ones.
const NOWHERE: u32 = u32::MAX;

static CPU: AtomicPtr<Object> = AtomicPtr::new(null_mut());
static RUNNING: AtomicBool = AtomicBool::new(false);
static REASON: AtomicU32 = AtomicU32::new(Reason::None as u32);
static ENTERING: AtomicBool = AtomicBool::new(false);

static POINT: [AtomicU32; POINTS] = [const { AtomicU32::new(NOWHERE) }; POINTS];
/// The address that is waited for, and how often it is still to be met.
static WANTED: AtomicU32 = AtomicU32::new(NOWHERE);
static LEFT: AtomicU64 = AtomicU64::new(0);
/// Meetings that do not count: that of the instruction at which the guest just stopped.
static SKIP: AtomicU32 = AtomicU32::new(0);

/// Whether accesses are reported by a block that is translated now.
static REPORTING: AtomicBool = AtomicBool::new(false);
/// The range that is waited for: first address above, size below; 0 for none. With its kind.
static RANGE: AtomicU64 = AtomicU64::new(0);
static KIND: AtomicU32 = AtomicU32::new(0);

/// What ends a run besides a reset, a lockup and the number of instructions.
#[derive(Clone, Copy)]
pub enum Until {
    Nothing,
    Address { address: u32, count: u64 },
    Access { start: u32, size_bytes: u32, kind: Kind, count: u64 },
}

/// Has the very first instruction of the guest stop it.
pub fn enter_at_first() {
    ENTERING.store(true, Ordering::SeqCst);
}

/// Whether an address needs a callback of its own that it does not have yet. If so, all blocks must
/// be translated anew.
///
/// # Errors
/// There are too many.
pub fn add_point(address: u32) -> Result<bool, &'static str> {
    if POINT.iter().any(|point| point.load(Ordering::Relaxed) == address) {
        return Ok(false);
    }
    let free = POINT.iter().find(|point| point.load(Ordering::Relaxed) == NOWHERE);
    free.ok_or("too many addresses")?.store(address, Ordering::Relaxed);
    Ok(true)
}

/// Switches reports of accesses on or off. If that is a change, blocks must be translated anew.
pub fn report_accesses(on: bool) -> bool {
    REPORTING.swap(on, Ordering::Relaxed) != on
}

/// Lets the guest run once the thread of its CPU goes on. `skip` says how many meetings do not
/// count.
pub fn arm(until: Until, skip: u32) {
    let (wanted, range, left) = match until {
        Until::Nothing => (NOWHERE, 0, 0),
        Until::Address { address, count } => (address, 0, count),
        Until::Access { start, size_bytes, kind, count } => {
            KIND.store(kind as u32, Ordering::Relaxed);
            (NOWHERE, u64::from(start) << 32 | u64::from(size_bytes), count)
        }
    };
    WANTED.store(wanted, Ordering::Relaxed);
    RANGE.store(range, Ordering::Relaxed);
    LEFT.store(left, Ordering::Relaxed);
    SKIP.store(skip, Ordering::Relaxed);
    REASON.store(Reason::None as u32, Ordering::SeqCst);
    RUNNING.store(true, Ordering::SeqCst);
}

/// Whether the guest runs because a command said so.
pub fn is_running() -> bool {
    RUNNING.load(Ordering::SeqCst)
}

/// Why the guest stopped, once it has. It does not run then.
pub fn reason() -> u32 {
    RUNNING.store(false, Ordering::SeqCst);
    REASON.load(Ordering::SeqCst)
}

/// The guest goes on: this was no stop.
pub fn go_on() {
    REASON.store(Reason::None as u32, Ordering::SeqCst);
    RUNNING.store(true, Ordering::SeqCst);
}

/// Stops the guest where it is. Answers whether this is the first reason to.
pub fn stop(reason: Reason) -> bool {
    let none = Reason::None as u32;
    let is_first = RUNNING.load(Ordering::SeqCst)
        && REASON.compare_exchange(none, reason as u32, Ordering::SeqCst, Ordering::SeqCst).is_ok();
    if is_first && let Ok(internals) = internals() {
        (internals.async_run_on_cpu)(CPU.load(Ordering::Relaxed), control::on_cpu, 0);
    }
    is_first
}

/// Asks QEMU for what stops the guest at an instruction that is translated now. It must come before
/// every other callback of that instruction, which is executed again after a stop.
///
/// # Safety
/// The instruction must belong to the block that is being translated.
pub unsafe fn observe(instruction: *mut Instruction) {
    // SAFETY: the caller vouches for the instruction.
    let address = unsafe { qemu_plugin_insn_vaddr(instruction) } as u32;
    let data = without_provenance_mut(address as usize);
    let is_point = POINT.iter().any(|point| point.load(Ordering::Relaxed) == address);
    if is_point || ENTERING.load(Ordering::SeqCst) {
        // SAFETY: as above; the callback takes its pointer as a number.
        unsafe {
            qemu_plugin_register_vcpu_insn_exec_cb(instruction, on_point, NO_REGISTERS, data);
        }
    }
    if REPORTING.load(Ordering::Relaxed) {
        // SAFETY: as above.
        unsafe {
            qemu_plugin_register_vcpu_mem_cb(
                instruction,
                on_access,
                NO_REGISTERS,
                LOADS_AND_STORES,
                data,
            );
        }
    }
}

/// The callback of an address. Passes the address in the translated block from which it was called
/// on, by which QEMU knows the instruction.
#[cfg(target_arch = "x86_64")]
#[unsafe(naked)]
extern "C" fn on_point(_cpu: c_uint, _data: *mut c_void) {
    core::arch::naked_asm!("mov rdx, [rsp]", "jmp {}", sym at_point)
}

/// The same for an access.
#[cfg(target_arch = "x86_64")]
#[unsafe(naked)]
extern "C" fn on_access(_cpu: c_uint, _what: MemoryInformation, _at: u64, _data: *mut c_void) {
    core::arch::naked_asm!("mov r8, [rsp]", "jmp {}", sym at_access)
}

#[cfg(target_arch = "aarch64")]
#[unsafe(naked)]
extern "C" fn on_point(_cpu: c_uint, _data: *mut c_void) {
    core::arch::naked_asm!("mov x2, x30", "b {}", sym at_point)
}

#[cfg(target_arch = "aarch64")]
#[unsafe(naked)]
extern "C" fn on_access(_cpu: c_uint, _what: MemoryInformation, _at: u64, _data: *mut c_void) {
    core::arch::naked_asm!("mov x4, x30", "b {}", sym at_access)
}

extern "C" fn at_point(cpu: c_uint, address: *mut c_void, caller: usize) {
    if ENTERING.load(Ordering::Relaxed) {
        ENTERING.store(false, Ordering::SeqCst);
        if let Ok(internals) = internals() {
            CPU.store((internals.qemu_get_cpu)(cpu as c_int), Ordering::Relaxed);
            RUNNING.store(true, Ordering::SeqCst);
            stop(Reason::Entry);
            go_back(internals, caller);
        }
    }
    if WANTED.load(Ordering::Relaxed) == address.addr() as u32 && is_last() {
        met(Reason::Address, caller);
    }
}

extern "C" fn at_access(
    _cpu: c_uint,
    what: MemoryInformation,
    at: u64,
    _data: *mut c_void,
    caller: usize,
) {
    // SAFETY: the word is the one that QEMU passes.
    let size_bytes = 1_u32 << unsafe { qemu_plugin_mem_size_shift(what) };
    // SAFETY: as above.
    let is_store = unsafe { qemu_plugin_mem_is_store(what) };
    let kind = if is_store { Kind::Store } else { Kind::Load };
    first::note(kind, at as u32, size_bytes);
    let range = RANGE.load(Ordering::Relaxed);
    if range == 0 {
        return;
    }
    let (address, start, watched_bytes) = (at as u32, (range >> 32) as u32, range as u32);
    // The access begins inside, or the range begins inside the access.
    let is_inside =
        address.wrapping_sub(start) < watched_bytes || start.wrapping_sub(address) < size_bytes;
    if !is_inside {
        return;
    }
    if KIND.load(Ordering::Relaxed) == kind as u32 && is_last() {
        met(Reason::Access, caller);
    }
}

/// Counts one meeting. Answers whether it is the one that is waited for.
fn is_last() -> bool {
    if !RUNNING.load(Ordering::Relaxed) {
        return false;
    }
    let skip = SKIP.load(Ordering::Relaxed);
    if skip > 0 {
        SKIP.store(skip - 1, Ordering::Relaxed);
        return false;
    }
    let left = LEFT.load(Ordering::Relaxed).saturating_sub(1);
    LEFT.store(left, Ordering::Relaxed);
    left == 0
}

/// Stops the guest before the instruction that is executed.
fn met(reason: Reason, caller: usize) {
    if stop(reason)
        && let Ok(internals) = internals()
    {
        go_back(internals, caller);
    }
}

/// Goes back to the beginning of the instruction. Nothing is done where the call did not come from
/// a translated block; then the guest stops at the end of the block. No frame that is left here
/// owns anything.
fn go_back(internals: &Internals, caller: usize) {
    let cpu = CPU.load(Ordering::Relaxed);
    // QEMU takes the address of the call, and is content with one inside of it (`GETPC_ADJ`).
    if (internals.cpu_restore_state)(cpu, caller.wrapping_sub(2), true) {
        (internals.cpu_loop_exit)(cpu)
    }
}

/// The line by which the interrupt controller asks for a reset.
pub extern "C" fn on_reset(_data: *mut c_void, _line: c_int, level: c_int) {
    if level != 0 {
        stop(Reason::Reset);
    }
}

/// The number of instructions is used up, or the guest has slept until then.
pub extern "C" fn on_timer(_data: *mut c_void) {
    stop(Reason::Instructions);
}

/// Called where QEMU is about to end because of a lockup. Does not return if the harness steers.
pub fn escape_lockup() {
    if !RUNNING.load(Ordering::SeqCst) {
        return;
    }
    let Ok(internals) = internals() else { return };
    let Ok(fields) = CpuFields::find(internals) else { return };
    if stop(Reason::Lockup) {
        let cpu = CPU.load(Ordering::Relaxed);
        // SAFETY: a word of this CPU, whose thread this is.
        unsafe { word(cpu, fields.exception_index).write(LEAVE) };
        (internals.cpu_loop_exit)(cpu)
    }
}
