//! Instructions that cannot be executed, and a panic.

use core::arch::asm;
use core::hint::black_box;

/// UDF, which every ARMv7-M core refuses (DDI0403E A7.7.194).
#[inline(never)]
pub fn undefined_instruction() {
    // SAFETY: none; the instruction is meant to fault.
    unsafe { asm!("udf #0") };
    black_box(());
}

/// UDIV by zero, in assembly because the compiler would put a check and a panic in front.
#[inline(never)]
pub fn divide_by_zero() {
    let quotient: u32;
    // SAFETY: none; the instruction is meant to fault.
    unsafe {
        asm!(
            "udiv {quotient}, {dividend}, {divisor}",
            quotient = out(reg) quotient,
            dividend = in(reg) 42_u32,
            divisor = in(reg) 0_u32,
        );
    }
    black_box(quotient);
}

/// A Rust panic.
#[inline(never)]
#[expect(clippy::panic, reason = "this fault is a panic")]
pub fn panic_on_purpose(parameter: u32) {
    if black_box(parameter) != u32::MAX {
        panic!("a panic on purpose");
    }
}
