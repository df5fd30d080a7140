//! Where a capture begins: three entries that leave the stack in use before they push anything,
//! and the emergency stack that they go to.
//!
//! None of them trusts the stack that it comes from, nor (where the core has stack limit registers)
//! the limits. Nothing is decided here: [`crate::fault`] goes on from each.

use crate::fault::{Notice, capture_exception, capture_meaning, capture_notice};
use core::arch::naked_asm;
use crashrig_memory::classify::{Entry, Meaning};

/// Size of the emergency stack in bytes. The capture path was seen to use 2,164 of them.
const EMERGENCY_STACK_BYTES: usize = 6144;

#[repr(C, align(8))]
struct EmergencyStack(core::cell::UnsafeCell<[u8; EMERGENCY_STACK_BYTES]>);

// SAFETY: only the fault entry uses it, as a stack; no Rust reference to it is ever made.
unsafe impl Sync for EmergencyStack {}

#[unsafe(link_section = ".upper.emergency")]
static EMERGENCY_STACK: EmergencyStack =
    EmergencyStack(core::cell::UnsafeCell::new([0; EMERGENCY_STACK_BYTES]));

/// The instructions that leave the faulting stack, or nothing in the mutant that stays on it.
#[cfg(not(feature = "without-emergency-stack"))]
macro_rules! switch_stack {
    () => {
        concat!(
            $crate::limits::take_limits_away!(),
            "movw r3, #:lower16:{stack}\nmovt r3, #:upper16:{stack}\nadd r3, #{size}\nmov sp, r3"
        )
    };
}
#[cfg(feature = "without-emergency-stack")]
macro_rules! switch_stack {
    () => {
        "/* {stack} {size} */"
    };
}

/// Where every exception without a handler of its own leads. It is one of the [`crate::hooks`].
///
/// # Safety
/// Only the core calls this, through a vector table.
#[unsafe(naked)]
#[unsafe(no_mangle)]
#[unsafe(link_section = ".text.crashrig_hooks")]
unsafe extern "C" fn crashrig_fault_entry() {
    naked_asm!(
        "mrs r0, msp",
        "mrs r1, psp",
        "mov r2, lr",
        "mrs r12, primask",
        "cpsid i",
        switch_stack!(),
        "push {{r4-r11}}",
        "mov r3, sp",
        "push {{r12, lr}}",
        "bl {capture}",
        "udf #0",
        stack = sym EMERGENCY_STACK,
        size = const EMERGENCY_STACK_BYTES,
        capture = sym capture_exception,
    )
}

/// Where software that noticed something goes; saves what a record needs.
///
/// # Safety
/// `notice` lives as long as the device runs on.
#[unsafe(naked)]
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn crashrig_notice_entry(notice: &Notice) -> ! {
    naked_asm!(
        "mrs r12, primask",
        "cpsid i",
        "mov r1, sp",
        "mov r2, lr",
        switch_stack!(),
        "push {{r4-r11}}",
        "mov r3, sp",
        "push {{r12, lr}}",
        "bl {capture}",
        "udf #0",
        stack = sym EMERGENCY_STACK,
        size = const EMERGENCY_STACK_BYTES,
        capture = sym capture_notice,
    )
}

/// Where a check of a stack goes that found something.
///
/// # Safety
/// All references stay sound: they point to memory that the emergency stack does not cover.
#[unsafe(naked)]
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn crashrig_found_entry(
    entry: &Entry,
    meaning: &Meaning,
    callee_saved: &[u32; 8],
) -> ! {
    naked_asm!(
        "cpsid i",
        switch_stack!(),
        "bl {capture}",
        "udf #0",
        stack = sym EMERGENCY_STACK,
        size = const EMERGENCY_STACK_BYTES,
        capture = sym capture_meaning,
    )
}
