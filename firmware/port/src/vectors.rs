//! The vector table: in flash for the reset, copied to RAM for everything after.
//!
//! In flash every exception leads to the fault entry; handlers are installed in RAM only, so a
//! device whose VTOR was not moved shows itself at the first clock tick. The table in flash has the
//! 256 entries that ARMv7-M allows at most (DDI0403E B1.5.3); the copy has those the chip
//! implements.

use crate::registers::system_control;
use crate::{mpu, platform};
use core::arch::global_asm;
use crashrig_wire::image_header::{END_MARK, HEADER_LENGTH};

global_asm!(
    ".section .crashrig.vectors, \"a\", %progbits",
    ".global __crashrig_flash_vectors",
    ".type __crashrig_flash_vectors, %object",
    "__crashrig_flash_vectors:",
    ".word __crashrig_isr_stack_end",
    ".word crashrig_reset",
    ".rept 254",
    ".word crashrig_fault_entry",
    ".endr",
    ".size __crashrig_flash_vectors, . - __crashrig_flash_vectors",
    // Room for what the host writes once the image is linked, and the mark at the image's end.
    ".section .crashrig.image_header, \"a\", %progbits",
    ".space {header_length}",
    ".section .crashrig.image_end, \"a\", %progbits",
    ".word {end_mark}",
    header_length = const HEADER_LENGTH,
    end_mark = const END_MARK,
);

/// Exceptions of the core in front of the first interrupt.
pub(crate) const CORE_EXCEPTIONS: u32 = 16;

/// A handler as it stands in the table.
pub(crate) type Handler = unsafe extern "C" fn();

/// Copies the table to RAM and moves VTOR there.
pub(crate) fn relocate() {
    let (from, to) = (platform::flash_vectors(), platform::vectors_start());
    for offset in (0..platform::vectors_size_bytes()).step_by(4) {
        let source = core::ptr::with_exposed_provenance::<u32>((from + offset) as usize);
        let target = core::ptr::with_exposed_provenance_mut::<u32>((to + offset) as usize);
        // SAFETY: the table in flash has 256 words, the copy has at most as many.
        let word = unsafe { source.read_volatile() };
        // SAFETY: the linker script keeps `vectors_size_bytes` free at `vectors_start`.
        unsafe { target.write_volatile(word) };
    }
    cortex_m::asm::dsb();
    if !cfg!(feature = "without-vector-relocation") {
        // SAFETY: written with interrupts masked, and the table that it names is complete.
        unsafe { system_control().vtor.write(to) };
    }
    cortex_m::asm::dsb();
    cortex_m::asm::isb();
}

/// Whether VTOR points to the table in RAM, at an alignment that the architecture allows.
pub(crate) fn in_ram() -> bool {
    let vtor = system_control().vtor.read();
    let alignment = platform::vectors_size_bytes().next_power_of_two().max(128);
    vtor == platform::vectors_start() && vtor.is_multiple_of(alignment)
}

/// The entry of an exception in flash and in RAM.
pub(crate) fn entries(exception: u32) -> (u32, u32) {
    let read = |table: u32| {
        let address = (table + 4 * exception) as usize;
        let pointer = core::ptr::with_exposed_provenance::<u32>(address);
        // SAFETY: callers pass an exception that the chip implements, so both tables have the
        // entry.
        unsafe { pointer.read_volatile() }
    };
    (read(platform::flash_vectors()), read(platform::vectors_start()))
}

/// Writes a handler into the table in RAM. Numbers that the chip does not implement are ignored.
pub(crate) fn install(exception: u32, handler: Handler) {
    if 4 * exception < platform::vectors_size_bytes() {
        let address = (platform::vectors_start() + 4 * exception) as usize;
        let pointer = core::ptr::with_exposed_provenance_mut::<u32>(address);
        mpu::with_writable_vectors(|| {
            // SAFETY: inside of the table in RAM, as checked above.
            unsafe { pointer.write_volatile(handler as usize as u32) };
        });
    }
}

/// How many interrupts the chip implements.
pub(crate) fn interrupt_count() -> u32 {
    platform::vectors_size_bytes() / 4 - CORE_EXCEPTIONS
}
