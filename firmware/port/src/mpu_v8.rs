//! Memory protection of ARMv8-M: the counterpart of `mpu.rs`, with the same functions.
//!
//! | region | covers | rights |
//! |---|---|---|
//! | 0 | null pointers: addresses below the first region of the chip | privileged read |
//! | 1 | the memory that holds the program | read, execute |
//! | 2 | the vector table in RAM | privileged read |
//! | 3 | RAM behind it, up to the stack of region 5 or the ISR stack | privileged read and write |
//! | 4 | RAM behind the stack of region 5, up to the ISR stack | privileged read and write |
//! | 5 | the stack of a thread without privileges | read, write |
//! | 6 | the guard under the running thread's stack | overlaps: none |
//! | 7 | the guard under the ISR stack | overlaps: none |
//!
//! This unit differs in two ways. It has no right "none" for privileged code; but regions must not
//! overlap, and an address that two of them cover is refused altogether, which is how guards are
//! made. And nothing can be left out of a region, so RAM is tiled around the stack of region 5; the
//! ISR stack is left to the default map, in which it may be executed. Privileged code has that map
//! besides. Inside HardFault and NMI the unit is off (HFNMIENA = 0). A guard lies directly below
//! its stack and is larger than an exception frame with floating-point state (104 bytes), so that
//! stacking cannot jump it.
//!
//! Source: DDI0553 (PMSAv8), from memory; the behaviour was measured on QEMU 7.2 and 10.0.

use crate::registers::memory_protection;
use crate::{detectors, kernel, platform};
use crashrig_memory::stack::StackRange;
use crashrig_wire::Detector;

const NULL: u32 = 0;
const CODE: u32 = 1;
const VECTORS: u32 = 2;
const RAM: u32 = 3;
const RAM_BEHIND: u32 = 4;
const OWN_STACK: u32 = 5;
const THREAD_GUARD: u32 = 6;
const ISR_GUARD: u32 = 7;

/// A region that is free as long as no unprivileged thread runs.
pub const SPARE_REGION: u32 = OWN_STACK;

const ENABLE_WITH_DEFAULT_MAP: u32 = 0b101;
const REGION_ENABLE: u32 = 1;
/// Regions begin and end at multiples of this many bytes.
const BLOCK_BYTES: u32 = 32;
const ADDRESS: u32 = !(BLOCK_BYTES - 1);
/// MAIR: attribute 0 is normal memory, not cached.
const NORMAL_NOT_CACHED: u32 = 0x44;

/// Fields of RBAR: AP in bits 2 and 1, XN in bit 0.
#[derive(Debug, Clone, Copy)]
struct Rights(u32);

impl Rights {
    const EXECUTE_NEVER: u32 = 1;
    const CODE: Self = Self(0b11 << 1);
    const PRIVILEGED_DATA: Self = Self(Self::EXECUTE_NEVER);
    const PRIVILEGED_CONSTANT: Self = Self(0b10 << 1 | Self::EXECUTE_NEVER);
    const DATA: Self = Self(0b01 << 1 | Self::EXECUTE_NEVER);
}

/// Switches off what whoever ran before has left on, or power-on has: the enable bits of the
/// regions have no reset value.
pub(crate) fn disarm() {
    let unit = memory_protection();
    // SAFETY: without regions the default map is in force.
    unsafe { unit.ctrl.write(0) };
    for number in 0..(unit._type.read() >> 8 & 0xFF) {
        clear(number);
    }
    if let Some(attributes) = unit.mair.first() {
        // SAFETY: no region uses an attribute.
        unsafe { attributes.write(NORMAL_NOT_CACHED) };
    }
    barrier();
}

/// Programs what stays as it is, follows the running thread, which is privileged, and enables the
/// unit.
pub(crate) fn arm() {
    let regions = platform::platform().regions;
    let lowest = regions.iter().map(|region| region.start).min().unwrap_or(0);
    if lowest > 0 {
        set(NULL, 0, lowest, Rights::PRIVILEGED_CONSTANT);
    }
    if let Some(code) = regions.iter().find(|region| region.kind.holds_code()) {
        set(CODE, code.start, code.start + code.size_bytes, Rights::CODE);
    }
    set_vectors();
    let [running, _] = kernel::stacks_in_use();
    follow(&running, true);
    set_guard(ISR_GUARD, &kernel::isr_stack());
    cortex_m::asm::dsb();
    // SAFETY: everything that code needs is allowed by a region above or by the default map.
    unsafe { memory_protection().ctrl.write(ENABLE_WITH_DEFAULT_MAP) };
    barrier();
}

fn set_vectors() {
    set(VECTORS, platform::vectors_start(), behind_vectors(), Rights::PRIVILEGED_CONSTANT);
}

/// Nothing but the table lies in front of this, as in the layout of the board.
fn behind_vectors() -> u32 {
    platform::vectors_start() + platform::vectors_size_bytes().next_power_of_two()
}

/// Opens the vector table in RAM for as long as `work` takes.
pub(crate) fn with_writable_vectors(work: impl FnOnce()) {
    critical_section::with(|_| {
        let was_set = is_set(VECTORS);
        clear(VECTORS);
        barrier();
        work();
        if was_set {
            set_vectors();
        }
        barrier();
    });
}

/// Follows a switch: the guard of the thread that runs now and, if it is not privileged, the right
/// to its own stack. No two regions overlap on the way: the kernel runs while they change.
pub(crate) fn follow(stack: &StackRange, privileged: bool) {
    critical_section::with(|_| {
        let end = platform::isr_stack_start();
        for number in [THREAD_GUARD, OWN_STACK, RAM_BEHIND] {
            clear(number);
        }
        if privileged {
            set(RAM, behind_vectors(), end, Rights::PRIVILEGED_DATA);
        } else {
            set(RAM, behind_vectors(), stack.start, Rights::PRIVILEGED_DATA);
            set(OWN_STACK, stack.start, stack.end, Rights::DATA);
            set(RAM_BEHIND, stack.end, end, Rights::PRIVILEGED_DATA);
        }
        set_guard(THREAD_GUARD, stack);
        barrier();
    });
}

/// Whether a stack can be given to an unprivileged thread: it is one region of the unit.
pub(crate) fn can_hold(stack: &StackRange) -> bool {
    stack.size_bytes() >= BLOCK_BYTES
        && stack.start.is_multiple_of(BLOCK_BYTES)
        && stack.end.is_multiple_of(BLOCK_BYTES)
}

/// Whether the guards of the stacks in use are in force, read back from the unit.
pub(crate) fn guards_armed() -> bool {
    let unit = memory_protection();
    let stacks = kernel::stacks_in_use();
    critical_section::with(|_| {
        unit.ctrl.read() & 1 != 0
            && [THREAD_GUARD, ISR_GUARD].into_iter().zip(stacks).all(|(number, stack)| {
                is_set(number) && unit.rbar.read() & ADDRESS == stack.guard_start
            })
    })
}

fn set_guard(number: u32, stack: &StackRange) {
    if stack.guard_start < stack.start && detectors::is_on(Detector::MpuGuard) {
        set(number, stack.guard_start, stack.start, Rights::PRIVILEGED_CONSTANT);
    } else {
        clear(number);
    }
}

/// Makes RAM behind the vector table inaccessible, by a second region over it. `start` and
/// `size_bytes` are multiples of 32.
pub fn no_access(number: u32, start: u32, size_bytes: u32) {
    critical_section::with(|_| {
        set(number, start, start + size_bytes, Rights::PRIVILEGED_CONSTANT);
        barrier();
    });
}

/// Selects a region and says whether it is in force. Interrupts are masked, here as wherever a
/// region is selected: a handler may change regions too.
fn is_set(number: u32) -> bool {
    let unit = memory_protection();
    // SAFETY: selecting a region changes no right.
    unsafe { unit.rnr.write(number) };
    unit.rlar.read() & REGION_ENABLE != 0
}

fn clear(number: u32) {
    let unit = memory_protection();
    // SAFETY: selecting a region changes no right.
    unsafe { unit.rnr.write(number) };
    // SAFETY: callers take a region away whose rights nobody needs any more.
    unsafe { unit.rlar.write(0) };
}

/// Programs a region, from `start` to the address behind it.
fn set(number: u32, start: u32, end: u32, rights: Rights) {
    let unit = memory_protection();
    clear(number);
    // SAFETY: the region is off while its address changes.
    unsafe { unit.rbar.write(start & ADDRESS | rights.0) };
    // SAFETY: callers give rights that all code that runs can live with.
    unsafe { unit.rlar.write(end.wrapping_sub(1) & ADDRESS | REGION_ENABLE) };
}

fn barrier() {
    cortex_m::asm::dsb();
    cortex_m::asm::isb();
}
