//! Where QEMU keeps a few fields of a CPU: read from the tables by which it saves them.
//!
//! The layout of a CPU changes with every version; the tables name each field and its offset, and
//! have had the same shape since 7.0. Must never happen here: an offset that is believed without
//! its name.

use std::ffi::{CStr, c_char, c_int, c_void};

use crate::internals::{Internals, Object};

/// `VMStateDescription`, as far as it is used (`include/migration/vmstate.h`, 7.2 and 10.0).
#[repr(C)]
pub struct Description {
    name: *const c_char,
    _flags: [u8; 4],
    _versions: [c_int; 2],
    _priority: c_int,
    /// pre_load, post_load, pre_save, post_save, needed, dev_unplug_pending.
    _functions: [*const c_void; 6],
    fields: *const Field,
    subsections: *const *const Description,
}

/// `VMStateField`.
#[repr(C)]
struct Field {
    name: *const c_char,
    _error_hint: *const c_char,
    offset: usize,
    size: usize,
    _start: usize,
    _number: c_int,
    _more: [usize; 3],
    _flags: c_int,
    _description: *const Description,
    _versions: [c_int; 2],
    _exists: *const c_void,
}

/// Offsets in bytes from the beginning of a CPU.
#[derive(Clone, Copy)]
pub struct CpuFields {
    /// `uint32_t`: not 0 while the CPU waits for an interrupt.
    pub halted: usize,
    /// `uint32_t`: interrupts that the CPU has not seen yet.
    pub interrupt_request: usize,
    /// `int32_t`: the exception that is to be taken, or why the CPU is left.
    pub exception_index: usize,
    /// `uint32_t[16]`: r0 to r15.
    pub registers: usize,
    /// `uint32_t`: CONTROL of the secure state. There QEMU keeps CONTROL.FPCA of a core without
    /// security as well, and does not save it for such a core.
    pub secure_control: usize,
}

impl CpuFields {
    /// Reads them out of QEMU's tables.
    ///
    /// # Errors
    /// What is not as in 7.2 and 10.0.
    pub fn find(internals: &Internals) -> Result<Self, &'static str> {
        let common = internals.vmstate_cpu_common;
        let halted = field(common, 0, c"halted", 4)?;
        let interrupt_request = field(common, 1, c"interrupt_request", 4)?;
        // SAFETY: QEMU's table, which is never changed.
        let subsections = unsafe { (*common).subsections };
        if subsections.is_null() {
            return Err("subsections of a CPU");
        }
        // SAFETY: a list that ends with a null, of which this is the first entry.
        let exception = unsafe { *subsections };
        let exception_index = field(exception, 0, c"exception_index", 4)?;
        let registers = field(internals.vmstate_arm_cpu, 0, c"env.regs", 4)?;
        // The bank of the secure state follows the other one (`M_REG_S`).
        let control = named(subsection(internals.vmstate_arm_cpu, c"cpu/m")?, CONTROL)?;
        let secure_control = control + size_of::<u32>();
        Ok(Self { halted, interrupt_request, exception_index, registers, secure_control })
    }
}

/// CONTROL in the tables.
const CONTROL: &CStr = c"env.v7m.control[M_REG_NS]";

/// More fields and subsections than any table has.
const MOST: usize = 100;

/// A subsection by its name.
fn subsection(
    description: *const Description,
    name: &'static CStr,
) -> Result<*const Description, &'static str> {
    // SAFETY: QEMU's table, which is never changed.
    let subsections = unsafe { (*description).subsections };
    for index in 0..if subsections.is_null() { 0 } else { MOST } {
        // SAFETY: the list ends with a null, behind which this does not go.
        let place = unsafe { subsections.add(index) };
        // SAFETY: as above.
        let found = unsafe { *place };
        if found.is_null() {
            break;
        }
        // SAFETY: a table, which is never changed.
        let found_name = unsafe { (*found).name };
        // SAFETY: a table has a name, which ends with a zero byte.
        if unsafe { CStr::from_ptr(found_name) } == name {
            return Ok(found);
        }
    }
    Err(name.to_str().unwrap_or("a subsection"))
}

/// The offset of the word of a name.
fn named(description: *const Description, name: &'static CStr) -> Result<usize, &'static str> {
    for index in 0..MOST {
        // SAFETY: QEMU's table, which is never changed.
        let fields = unsafe { (*description).fields };
        // SAFETY: the last entry has no name, behind which this does not go.
        let found = unsafe { fields.add(index) };
        // SAFETY: as above.
        if unsafe { (*found).name }.is_null() {
            break;
        }
        if let Ok(offset) = field(description, index, name, size_of::<u32>()) {
            return Ok(offset);
        }
    }
    Err(name.to_str().unwrap_or("a field"))
}

/// The offset of a field, which must have this name and size.
fn field(
    description: *const Description,
    index: usize,
    name: &'static CStr,
    size_bytes: usize,
) -> Result<usize, &'static str> {
    let wrong = name.to_str().unwrap_or("a field of a CPU");
    if description.is_null() {
        return Err(wrong);
    }
    // SAFETY: QEMU's table, which is never changed.
    let fields = unsafe { (*description).fields };
    // SAFETY: the tables asked have more fields than the index; a wrong one ends the search below.
    let field = unsafe { fields.add(index) };
    // SAFETY: as above.
    let field = unsafe { &*field };
    if field.name.is_null() {
        return Err(wrong);
    }
    // SAFETY: a name ends with a zero byte and is never changed.
    let found = unsafe { CStr::from_ptr(field.name) };
    if found == name && field.size == size_bytes { Ok(field.offset) } else { Err(wrong) }
}

/// A word inside of a CPU.
pub fn word(cpu: *mut Object, offset: usize) -> *mut u32 {
    cpu.cast::<u8>().wrapping_add(offset).cast()
}
