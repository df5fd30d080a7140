//! Memory protection: what code may do where (DDI0403E B3.5; PM0214 §4.2).
//!
//! | region | covers | rights |
//! |---|---|---|
//! | 0 | the lowest addresses, up to the first region of the chip | none: null pointers |
//! | 1 | flash | read, execute |
//! | 2 | RAM, but for an executable part the board may have | privileged read and write |
//! | 3 | the vector table in RAM | privileged read |
//! | 4 | other RAM (CCM) | privileged read and write |
//! | 5 | the stack of a thread without privileges | read, write |
//! | 6 | the guard under the running thread's stack | none |
//! | 7 | the guard under the ISR stack | none |
//!
//! Where regions overlap, the higher number wins. Privileged code has the default map besides, so
//! peripherals need no region. Inside HardFault and NMI the unit is off (HFNMIENA = 0). A guard
//! lies directly below its stack and is larger than an exception frame with floating-point state
//! (104 bytes), so that stacking cannot jump it.

use crate::registers::memory_protection;
use crate::{detectors, kernel, platform};
use crashrig_layout::RegionKind;
use crashrig_memory::stack::StackRange;
use crashrig_wire::Detector;

const NULL: u32 = 0;
const FLASH: u32 = 1;
const RAM: u32 = 2;
const VECTORS: u32 = 3;
const OTHER_RAM: u32 = 4;
const OWN_STACK: u32 = 5;
const THREAD_GUARD: u32 = 6;
const ISR_GUARD: u32 = 7;

/// A region that is free as long as no unprivileged thread runs.
pub const SPARE_REGION: u32 = OWN_STACK;

const ENABLE_WITH_DEFAULT_MAP: u32 = 0b101;
const REGION_ENABLE: u32 = 1;
const ADDRESS_VALID: u32 = 1 << 4;
const SMALLEST_REGION_BYTES: u32 = 32;
/// A region of 256 bytes or more has eight parts that can be left out (DDI0403E B3.5.9).
const PARTS: u32 = 8;

/// Fields of RASR (DDI0403E B3.5.9): XN, AP, and how the memory is cached.
#[derive(Debug, Clone, Copy)]
struct Rights(u32);

impl Rights {
    const EXECUTE_NEVER: u32 = 1 << 28;
    /// Normal memory, write-through; S is set for RAM (PM0214 §4.2.6).
    const FLASH_MEMORY: u32 = 1 << 17;
    const RAM_MEMORY: u32 = 1 << 18 | 1 << 17;
    const NONE: Self = Self(Self::EXECUTE_NEVER);
    const CODE: Self = Self(0b110 << 24 | Self::FLASH_MEMORY);
    const PRIVILEGED_DATA: Self = Self(Self::EXECUTE_NEVER | 0b001 << 24 | Self::RAM_MEMORY);
    const PRIVILEGED_CONSTANT: Self = Self(Self::EXECUTE_NEVER | 0b101 << 24 | Self::RAM_MEMORY);
    const DATA: Self = Self(Self::EXECUTE_NEVER | 0b011 << 24 | Self::RAM_MEMORY);
}

/// Switches off what whoever ran before has left on.
pub(crate) fn disarm() {
    let unit = memory_protection();
    // SAFETY: without regions the default map is in force.
    unsafe { unit.ctrl.write(0) };
    for number in 0..=ISR_GUARD {
        clear(number);
    }
    barrier();
}

/// Programs what stays as it is, and enables the unit.
pub(crate) fn arm() {
    let regions = platform::platform().regions;
    let lowest = regions.iter().map(|region| region.start).min().unwrap_or(0);
    if let Some(size_bytes) = lowest.checked_ilog2().map(|bits| 1 << bits) {
        set(NULL, 0, size_bytes, Rights::NONE, 0);
    }
    if let Some(flash) = regions.iter().find(|region| region.kind == RegionKind::Flash) {
        set(FLASH, flash.start, flash.size_bytes.next_power_of_two(), Rights::CODE, 0);
    }
    let (start, size_bytes) = main_ram();
    set(RAM, start, size_bytes, Rights::PRIVILEGED_DATA, executable_parts(start, size_bytes));
    let others = regions.iter().filter(|region| {
        // Memory in the peripherals' part of the map is never executable (DDI0403E B3.1).
        region.kind == RegionKind::Ram
            && region.start < start
            && region.size_bytes.is_power_of_two()
    });
    if let Some(other) = others.max_by_key(|region| region.size_bytes) {
        set(OTHER_RAM, other.start, other.size_bytes, Rights::PRIVILEGED_DATA, 0);
    }
    set_vectors();
    set_guard(ISR_GUARD, &kernel::isr_stack());
    let [running, _] = kernel::stacks_in_use();
    set_guard(THREAD_GUARD, &running);
    cortex_m::asm::dsb();
    // SAFETY: everything that code needs is allowed by a region above or by the default map.
    unsafe { memory_protection().ctrl.write(ENABLE_WITH_DEFAULT_MAP) };
    barrier();
}

/// Main RAM as one region: its size is rounded up, and nothing of ours lies behind it.
fn main_ram() -> (u32, u32) {
    let (start, end) = (platform::ram_start(), platform::ram_end());
    (start, (end - start).next_power_of_two())
}

/// Bits of the eighths of RAM that lie in the board's executable part. The default map lets
/// privileged code execute there.
fn executable_parts(start: u32, size_bytes: u32) -> u32 {
    let Some((lowest, bytes)) = platform::platform().executable_ram else { return 0 };
    let eighth = size_bytes / PARTS;
    (0..PARTS)
        .filter(|index| {
            let first = start + index * eighth;
            lowest <= first && first + eighth <= lowest + bytes
        })
        .fold(0, |bits, index| bits | 1 << index)
}

fn set_vectors() {
    let size_bytes = platform::vectors_size_bytes().next_power_of_two();
    let start = platform::vectors_start();
    set(VECTORS, start, size_bytes, Rights::PRIVILEGED_CONSTANT, 0);
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
/// to its own stack.
pub(crate) fn follow(stack: &StackRange, privileged: bool) {
    critical_section::with(|_| {
        set_guard(THREAD_GUARD, stack);
        if privileged {
            clear(OWN_STACK);
        } else {
            set(OWN_STACK, stack.start, stack.size_bytes(), Rights::DATA, 0);
        }
        barrier();
    });
}

/// Whether a stack can be given to an unprivileged thread: it is one region of the unit.
pub(crate) fn can_hold(stack: &StackRange) -> bool {
    let size_bytes = stack.size_bytes();
    size_bytes >= SMALLEST_REGION_BYTES
        && size_bytes.is_power_of_two()
        && stack.start.is_multiple_of(size_bytes)
}

/// Whether the guards of the stacks in use are in force, read back from the unit.
pub(crate) fn guards_armed() -> bool {
    let unit = memory_protection();
    let stacks = kernel::stacks_in_use();
    critical_section::with(|_| {
        unit.ctrl.read() & 1 != 0
            && [THREAD_GUARD, ISR_GUARD].into_iter().zip(stacks).all(|(number, stack)| {
                is_set(number) && unit.rbar.read() & !0x1F == stack.guard_start
            })
    })
}

fn set_guard(number: u32, stack: &StackRange) {
    let size_bytes = stack.start - stack.guard_start;
    if size_bytes > 0 && detectors::is_on(Detector::MpuGuard) {
        set(number, stack.guard_start, size_bytes, Rights::NONE, 0);
    } else {
        clear(number);
    }
}

/// Makes a region without access. `size_bytes` is a power of two from 32 on; `start` is aligned to
/// it.
pub fn no_access(number: u32, start: u32, size_bytes: u32) {
    critical_section::with(|_| {
        set(number, start, size_bytes, Rights::NONE, 0);
        barrier();
    });
}

/// Selects a region and says whether it is in force. Interrupts are masked, here as wherever a
/// region is selected: a handler may change regions too.
fn is_set(number: u32) -> bool {
    let unit = memory_protection();
    // SAFETY: selecting a region changes no right.
    unsafe { unit.rnr.write(number) };
    unit.rasr.read() & REGION_ENABLE != 0
}

fn clear(number: u32) {
    let unit = memory_protection();
    // SAFETY: selecting a region changes no right.
    unsafe { unit.rnr.write(number) };
    // SAFETY: callers take a region away whose rights nobody needs any more.
    unsafe { unit.rasr.write(0) };
}

/// Programs a region; bits of `without` leave out eighths of it.
fn set(number: u32, start: u32, size_bytes: u32, rights: Rights, without: u32) {
    let unit = memory_protection();
    let size_field = (size_bytes.trailing_zeros().saturating_sub(1)) << 1;
    clear(number);
    // SAFETY: the region is off while its address changes.
    unsafe { unit.rbar.write(start | ADDRESS_VALID | number) };
    // SAFETY: callers give rights that all code that runs can live with.
    unsafe { unit.rasr.write(rights.0 | without << 8 | size_field | REGION_ENABLE) };
}

fn barrier() {
    cortex_m::asm::dsb();
    cortex_m::asm::isb();
}
