//! SVC: by which threads ask the kernel, and by which an unprivileged one that panics is captured.
//!
//! The words of a call come in r0 to r3 of the exception frame, the answer goes into r0. Pointers
//! are never among them, so there is nothing of an unprivileged thread that the kernel would have
//! to believe.

use super::{carry_out, running, stacks_in_use, switch};
use crate::errors::{self, Place};
use crate::{fault, systick};
use core::arch::{asm, naked_asm};
use crashrig_memory::capture::SourceLocation;
use crashrig_memory::kernel::Caller;
use crashrig_memory::kernel::call::{Answer, Call, Error, from_word, to_word};
use crashrig_wire::Misuse;

/// The exception.
pub(super) const SVCALL: u32 = 11;

/// # Safety
/// Only the core calls this, through the vector table in RAM.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn crashrig_svc_entry() {
    naked_asm!(
        // A supervisor call that comes from the main stack has no thread that asks.
        "tst lr, #4",
        "beq crashrig_fault_entry",
        "mrs r0, msp",
        "mrs r1, psp",
        "mov r2, lr",
        "push {{r4-r11}}",
        "mov r3, sp",
        "push {{r3, lr}}",
        "bl {supervise}",
        "pop {{r3, lr}}",
        "pop {{r4-r11}}",
        "bx lr",
        supervise = sym supervise,
    )
}

extern "C" fn supervise(msp: u32, frame: u32, exc_return: u32, callee_saved: &[u32; 8]) {
    let word = |index: u32| {
        let address = (frame + 4 * index) as usize;
        let pointer = core::ptr::with_exposed_provenance::<u32>(address);
        // SAFETY: the core has just written a frame there, or it would have faulted instead.
        unsafe { pointer.read_volatile() }
    };
    if word(0) == PANIC {
        let location = SourceLocation { file: word(1), file_length: word(2), line: word(3) };
        return switch::capture_panic(frame, word(7), location);
    }
    let entry = fault::entry(running(), SVCALL, exc_return, [msp, frame]);
    let [stack, _] = stacks_in_use();
    let (address, stack_pointer) = (word(6), entry.stack_pointer_before(frame, word(7)));
    let place = Place::Thread { stack, address, stack_pointer };
    let answer = match Call::from_words([word(0), word(1), word(2), word(3)]) {
        Some(call) => {
            // The last chance: the switch away from a thread that has ended knows it no more.
            if matches!(call, Call::Exit { .. }) {
                systick::check(&entry, callee_saved);
            }
            carry_out(Caller::Thread, call, place)
        }
        None => {
            errors::misuse((Misuse::NotAllowed, word(0)), place);
            Answer::Done(Err(Error::NoSuchCall))
        }
    };
    if let Answer::Done(result) = answer {
        switch::set_answer(frame, to_word(result));
    }
}

/// A number that no call has: the thread panics.
const PANIC: u32 = u32::MAX;

/// Has the panic of an unprivileged thread captured, which the caller reports.
#[expect(clippy::inline_always, reason = "the call is to lie in the panic handler")]
#[inline(always)]
pub(crate) fn panic(file: u32, file_length: u32, line: u32) -> ! {
    // SAFETY: the kernel does not return to what follows.
    unsafe { panic_call(file, file_length, line) }
}

/// # Safety
/// None to keep: any thread may end the boot like this.
#[unsafe(naked)]
unsafe extern "C" fn panic_call(file: u32, file_length: u32, line: u32) -> ! {
    naked_asm!("mov r3, r2", "mov r2, r1", "mov r1, r0", "mvn r0, #0", "svc #0", "udf #0",)
}

/// Asks from a thread.
#[expect(clippy::inline_always, reason = "the instruction is to lie in the service")]
#[inline(always)]
pub(super) fn call(call: Call) -> Result<u32, Error> {
    let [number, first, second, third] = call.to_words();
    let answer: u32;
    // SAFETY: the handler returns with all registers as they were but for r0.
    unsafe {
        asm!(
            "svc #0",
            inlateout("r0") number => answer,
            in("r1") first,
            in("r2") second,
            in("r3") third,
        );
    }
    from_word(answer)
}
