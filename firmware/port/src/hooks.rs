//! Places where a debugger stops the device without slowing it down.
//!
//! QEMU executes all code of a page of 1 KiB in single steps while a breakpoint is in it. So these
//! functions have a page to themselves, together with the fault entry, which is short as well: the
//! linker script puts there what is in sections of the name `.text.crashrig_hooks`, and nothing
//! else. A function that is called often must never be put there.

use core::arch::naked_asm;

/// The image has booted and is about to do what it is there for. It says so by this call, which
/// does nothing.
pub fn ready() {
    // SAFETY: the function returns at once.
    unsafe { crashrig_ready() }
}

/// # Safety
/// None is needed; naked functions of this kind are unsafe to call.
#[unsafe(naked)]
#[unsafe(no_mangle)]
#[unsafe(link_section = ".text.crashrig_hooks")]
unsafe extern "C" fn crashrig_ready() {
    naked_asm!("bx lr")
}

/// The way to every reset that software asks for: memory is as the boot leaves it.
///
/// # Safety
/// As [`crashrig_ready`].
#[unsafe(naked)]
#[unsafe(no_mangle)]
#[unsafe(link_section = ".text.crashrig_hooks")]
pub(crate) unsafe extern "C" fn crashrig_reset_hook() -> ! {
    naked_asm!("b {request}", request = sym crate::reset::request)
}
