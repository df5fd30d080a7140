//! Variables written where they are not: beyond the end of a static array, and in a frame that was
//! left.

use core::arch::naked_asm;
use core::hint::black_box;
use crashrig_port::mpu;

const WORDS: usize = 8;

/// An array, and as much memory behind it as the smallest region of the memory protection covers.
#[repr(C, align(32))]
struct Guarded {
    array: core::cell::UnsafeCell<[u32; WORDS]>,
    behind: core::cell::UnsafeCell<[u32; WORDS]>,
}

// SAFETY: only `static_overrun` reaches it, on the main thread.
unsafe impl Sync for Guarded {}

static GUARDED: Guarded = Guarded {
    array: core::cell::UnsafeCell::new([0; WORDS]),
    behind: core::cell::UnsafeCell::new([0; WORDS]),
};

/// A static array is filled, and one word more is stored behind it, where nothing may be.
#[inline(never)]
pub fn static_overrun() {
    let (array, behind) = (GUARDED.array.get().addr() as u32, GUARDED.behind.get().addr() as u32);
    mpu::no_access(mpu::SPARE_REGION, behind, 4 * WORDS as u32);
    for address in (array..=behind).step_by(4) {
        super::access::bus_write(address);
    }
    black_box(());
}

/// A pointer to a variable outlives its function. Nothing notices that it is used: the function
/// that has its frame there now follows a pointer that it did not store, and that is noticed.
#[inline(never)]
pub fn dangling_frame(address: u32) {
    // SAFETY: it touches nothing but its own frame.
    let dangling = unsafe { address_of_variable() };
    // SAFETY: none; the store through the pointer is meant to hit the function's own variable.
    let word = unsafe { store_and_follow(dangling, address) };
    black_box(word);
}

/// The address of its own variable, which is gone when the caller has it.
///
/// # Safety
/// None is needed: what is done with the address is up to the caller.
#[unsafe(naked)]
unsafe extern "C" fn address_of_variable() -> u32 {
    naked_asm!(
        "push {{r7, lr}}",
        "mov r7, sp",
        "sub sp, #16",
        "mov r0, sp",
        "add sp, #16",
        "pop {{r7, pc}}",
    )
}

/// Has a pointer in the variable at the same place, stores `word` through `dangling`, and follows
/// its own.
///
/// # Safety
/// None: what its pointer leads to is up to whoever left `dangling`.
#[unsafe(naked)]
unsafe extern "C" fn store_and_follow(dangling: u32, word: u32) -> u32 {
    naked_asm!(
        "push {{r7, lr}}",
        "mov r7, sp",
        "sub sp, #16",
        "add r2, sp, #8",
        "str r2, [sp]",
        "str r1, [r0]",
        "ldr r2, [sp]",
        "ldr r0, [r2]",
        "add sp, #16",
        "pop {{r7, pc}}",
    )
}
