//! What is done to the guest where it stands: memory, registers, interrupts, reset.
//!
//! All of it is done by the thread of the CPU, between blocks, so that the CPU is complete and the
//! next instruction sees it. Must never happen here: something else done than was asked for. What
//! cannot be done is refused.

use std::ffi::{c_int, c_void};
use std::ptr::null_mut;

use crate::internals::{Object, symbol};
use crate::snapshot::Machine;
use crate::vmstate::word;

/// GDB's number of xPSR, as QEMU's M profile has it.
const XPSR: c_int = 25;

/// Numbers of registers on the socket beyond `r15`.
const MSP: u8 = 16;
const PSP: u8 = 17;
const PC: u8 = 15;

/// The fields of xPSR that hold the state of an IT block: ITSTATE\[7:2\] and \[1:0\]
/// (DDI0403E B1.4.2).
const IT_HIGH: u32 = 0x0000_fc00;
const IT_LOW: u32 = 0x0600_0000;

/// The cause that QEMU gives to a reset which it reports to nobody.
const NO_CAUSE: c_int = 0;

/// `GByteArray` of glib.
#[repr(C)]
struct Bytes {
    data: *mut u8,
    length: u32,
}

/// Reads or writes as the CPU would, the System Control Space included, privileged.
///
/// # Errors
/// Nothing answers there.
pub fn access(
    machine: &Machine,
    address: u32,
    bytes: &mut [u8],
    is_write: bool,
) -> Result<(), &'static str> {
    let space = (machine.internals.cpu_get_address_space)(machine.cpu, 0);
    let length = bytes.len() as u64;
    let rw = machine.internals.address_space_rw;
    match rw(space, u64::from(address), 0, bytes.as_mut_ptr(), length, is_write) {
        0 => Ok(()),
        _ => Err("nothing answers at an address"),
    }
}

/// Changes a word: flips bits, then sets some, then clears some.
///
/// # Errors
/// Nothing answers there.
pub fn change_word(
    machine: &Machine,
    address: u32,
    [flip, set, clear]: [u32; 3],
) -> Result<(), &'static str> {
    let mut bytes = [0; 4];
    access(machine, address, &mut bytes, false)?;
    let value = ((u32::from_le_bytes(bytes) ^ flip) | set) & !clear;
    access(machine, address, &mut value.to_le_bytes(), true)
}

/// A register; 0 to 15 as the instruction set numbers them, 16 the main and 17 the process stack
/// pointer.
///
/// # Errors
/// This QEMU has no way to it.
pub fn register(machine: &Machine, number: u8) -> Result<*mut u32, &'static str> {
    if number <= PC {
        let first = word(machine.cpu, machine.fields.registers);
        return Ok(first.wrapping_add(usize::from(number)));
    }
    /// `arm_v7m_get_sp_ptr`: registers of the core, secure, in a thread, the process stack.
    type StackPointer = extern "C" fn(*mut Object, bool, bool, bool) -> *mut u32;
    let found = symbol("arm_v7m_get_sp_ptr\0").ok_or("no function arm_v7m_get_sp_ptr")?;
    // SAFETY: the function has this type in QEMU 10.0, the first version that exports it.
    let find = unsafe { std::mem::transmute::<*mut c_void, StackPointer>(found) };
    // The registers are the first of what that function takes for a CPU.
    let core = word(machine.cpu, machine.fields.registers).cast();
    match number {
        MSP => Ok(find(core, false, false, false)),
        PSP => Ok(find(core, false, true, true)),
        _ => Err("no such register"),
    }
}

/// Reads a register.
///
/// # Errors
/// See [`register`].
pub fn read_register(machine: &Machine, number: u8) -> Result<u32, &'static str> {
    let place = register(machine, number)?;
    // SAFETY: a word of this CPU, whose thread this is.
    Ok(unsafe { place.read() })
}

/// Writes a register. Bits that the core holds at zero stay so (DDI0403E B1.4.1, B1.4.7).
///
/// # Errors
/// See [`register`].
pub fn write_register(machine: &Machine, number: u8, value: u32) -> Result<(), &'static str> {
    let place = register(machine, number)?;
    let value = match number {
        13 | MSP | PSP => value & !3,
        PC => value & !1,
        _ => value,
    };
    // SAFETY: as above.
    unsafe { place.write(value) };
    Ok(())
}

/// Makes an exception pending by its number: 2 is the NMI, 16 the first interrupt.
///
/// # Errors
/// There is no interrupt controller.
pub fn pend(machine: &Machine, exception: u16) -> Result<(), &'static str> {
    let controller = interrupt_controller(machine).ok_or("no interrupt controller")?;
    (machine.internals.armv7m_nvic_set_pending)(controller, c_int::from(exception), false);
    Ok(())
}

/// The only interrupt controller of the machine.
pub fn interrupt_controller(machine: &Machine) -> Option<*mut Object> {
    let find = machine.internals.object_resolve_path_type;
    let found = find(c"".as_ptr(), c"armv7m_nvic".as_ptr(), null_mut());
    (!found.is_null()).then_some(found)
}

/// Resets the machine; memory is kept, but for what the image places there.
pub fn reset(machine: &Machine) {
    (machine.internals.qemu_system_reset)(NO_CAUSE);
}

/// Steps over the next instruction without executing it. In an IT block the next one has its turn.
///
/// # Errors
/// The instruction cannot be read, or the status of the core.
pub fn skip(machine: &Machine) -> Result<(), &'static str> {
    let address = read_register(machine, PC)?;
    let mut half = [0; 2];
    access(machine, address, &mut half, false)?;
    // DDI0403E A5.1: these five bits begin an instruction of two halfwords.
    let is_wide = u16::from_le_bytes(half) >> 11 >= 0b11101;
    let status = status(machine)?;
    let advanced = after_one(status);
    if advanced != status {
        let bytes = advanced.to_le_bytes();
        (machine.internals.arm_cpu_gdb_write_register)(machine.cpu, bytes.as_ptr(), XPSR);
    }
    write_register(machine, PC, address.wrapping_add(if is_wide { 4 } else { 2 }))
}

/// The status after one more instruction of an IT block (`ITAdvance`, DDI0403E A7.3.3).
fn after_one(status: u32) -> u32 {
    let state = (status & IT_HIGH) >> 8 | (status & IT_LOW) >> 25;
    let state = if state & 7 == 0 { 0 } else { state & 0xe0 | (state << 1) & 0x1f };
    status & !(IT_HIGH | IT_LOW) | (state << 8) & IT_HIGH | (state << 25) & IT_LOW
}

/// xPSR, as GDB would read it.
fn status(machine: &Machine) -> Result<u32, &'static str> {
    type New = extern "C" fn() -> *mut Bytes;
    type Free = extern "C" fn(*mut Bytes, c_int) -> *mut u8;
    type Read = extern "C" fn(*mut Object, *mut Bytes, c_int) -> c_int;
    let missing = "no function to read xPSR";
    let found = symbol("g_byte_array_new\0").ok_or(missing)?;
    // SAFETY: the function has this type in every version of glib.
    let new = unsafe { std::mem::transmute::<*mut c_void, New>(found) };
    let found = symbol("g_byte_array_free\0").ok_or(missing)?;
    // SAFETY: as above.
    let free = unsafe { std::mem::transmute::<*mut c_void, Free>(found) };
    let found = symbol("arm_cpu_gdb_read_register\0").ok_or(missing)?;
    // SAFETY: the function has this type in QEMU 7.2 and 10.0.
    let read = unsafe { std::mem::transmute::<*mut c_void, Read>(found) };
    let array = new();
    let length = read(machine.cpu, array, XPSR);
    // SAFETY: glib made the array, and it is ours.
    let Bytes { data, length: have } = unsafe { std::ptr::read(array) };
    let value = (length == 4 && have == 4).then(|| {
        // SAFETY: four bytes are there, in the order of the target, which is that of the host.
        unsafe { data.cast::<u32>().read_unaligned() }
    });
    free(array, 1);
    value.ok_or(missing)
}
