//! The vector table: in flash for the reset, copied to RAM for everything after.
//!
//! In flash every exception leads to the fault entry; handlers are installed in RAM only, so a
//! device whose VTOR was not moved shows itself at the first clock tick. The table in flash has the
//! 256 entries that ARMv7-M allows at most (DDI0403E B1.5.3); the copy has those the chip
//! implements. What was put into it stands in RAM once more, out of the reach of what may have
//! overwritten it, so that a record can say that an entry is damaged.

use crate::registers::{interrupt_controller, system_control};
use crate::{mpu, platform};
use core::arch::global_asm;
use crashrig_memory::vectors::{self, Active, DamagedEntry, TableEntry};
use crashrig_wire::image_header::{END_MARK, HEADER_LENGTH};
use crashrig_wire::record::FaultStatus;
use crashrig_wire::section::INTERRUPT_WORDS;

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

/// ICSR.VECTACTIVE (DDI0403E B3.2.4).
const ICSR_INNERMOST: u32 = 0x1FF;

/// Exceptions of the core in front of the first interrupt.
pub(crate) const CORE_EXCEPTIONS: u32 = 16;

/// A handler as it stands in the table.
pub(crate) type Handler = unsafe extern "C" fn();

/// Copies the table to RAM and moves VTOR there.
pub(crate) fn relocate() {
    for exception in 0..entry_count() {
        // SAFETY: the table in flash has 256 words, the one in RAM has at most as many.
        put(exception, unsafe { entry(platform::flash_vectors(), exception).read_volatile() });
    }
    cortex_m::asm::dsb();
    if !cfg!(feature = "without-vector-relocation") {
        // SAFETY: written with interrupts masked, and the table that it names is complete.
        unsafe { system_control().vtor.write(platform::vectors_start()) };
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
    // SAFETY: callers pass an exception that the chip implements, so both tables have the entry.
    let read = |table: u32| unsafe { entry(table, exception).read_volatile() };
    (read(platform::flash_vectors()), read(platform::vectors_start()))
}

/// Writes a handler into the table in RAM. Numbers that the chip does not implement are ignored.
pub(crate) fn install(exception: u32, handler: Handler) {
    if exception < entry_count() {
        mpu::with_writable_vectors(|| put(exception, handler as usize as u32));
    }
}

/// The entry of the table in RAM that is not what was put there and says most of this crash;
/// nothing as long as exceptions are taken by another table.
pub(crate) fn damaged_entry(faults: &FaultStatus) -> Option<DamagedEntry> {
    let (table, copy) = (platform::vectors_start(), platform::vectors_copy_start());
    if cfg!(feature = "without-vector-check") || faults.vtor != table {
        return None;
    }
    let active = &interrupt_controller().iabr;
    let active = Active {
        innermost: faults.icsr & ICSR_INNERMOST,
        core: faults.shcsr,
        interrupts: core::array::from_fn::<_, INTERRUPT_WORDS, _>(|word| {
            active.get(word).map_or(0, |word| word.read())
        }),
    };
    // SAFETY: the number is one of an entry, and `relocate` has written both tables in RAM.
    let read = |table, exception| unsafe { entry(table, exception).read_volatile() };
    let entries = (0..entry_count()).map(|number| TableEntry {
        unclaimed: read(platform::flash_vectors(), number),
        expected: read(copy, number),
        found: read(table, number),
    });
    vectors::damaged_entry(table, entries, &active)
}

/// Where the entry of an exception stands in a table.
const fn entry(table: u32, exception: u32) -> *mut u32 {
    core::ptr::with_exposed_provenance_mut((table + 4 * exception) as usize)
}

/// Writes an entry of the table in RAM, and its copy.
fn put(exception: u32, word: u32) {
    for table in [platform::vectors_start(), platform::vectors_copy_start()] {
        // SAFETY: the linker script keeps `vectors_size_bytes` free at each, and callers pass the
        // number of an entry.
        unsafe { entry(table, exception).write_volatile(word) };
    }
}

/// How many entries the table in RAM has.
fn entry_count() -> u32 {
    platform::vectors_size_bytes() / 4
}

/// How many interrupts the chip implements.
pub(crate) fn interrupt_count() -> u32 {
    entry_count() - CORE_EXCEPTIONS
}
