//! The linker's memory map: `MEMORY`, and one symbol for each field of the static layout.

use crate::parse::{AddressRange, Board, Program};
use std::fmt::Write as _;

/// The contents of `memory.x` for a program of a board.
///
/// Regions: `FLASH` (what the program has of it), `RAM` (all main RAM), `CRASH` (the crash region,
/// inside of `RAM` or of `CCM`) and, where the chip has it, `CCM`. Symbols: `__crashrig_<field>`
/// for each field of [`crate::parse::StaticLayout`], and `__crashrig_interrupt_count`.
#[must_use]
pub fn memory_x(board: &Board, program: Program) -> String {
    let layout = &board.layout;
    let mut text = format!(
        "/* Memory of board {}, part {}.\n   {} */\n\nMEMORY\n{{\n",
        board.name,
        board.part,
        super::origin(&board.files)
    );
    let mut memory = |name: &str, attributes: &str, range: AddressRange| {
        let AddressRange { start, size_bytes } = range;
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "  {:<12} : ORIGIN = 0x{start:08X}, LENGTH = 0x{size_bytes:X}",
            format!("{name} ({attributes})")
        );
    };
    if let Some(flash) = board.flash_of(program) {
        memory("FLASH", "rx", flash);
    }
    memory("RAM", "rwx", board.chip.main_ram_range());
    let crash = AddressRange { start: layout.crash_start, size_bytes: layout.crash_size_bytes };
    memory("CRASH", "rw", crash);
    if let Some(ccm) = board.chip.region("ccm") {
        memory("CCM", "rw", ccm.range);
    }
    text.push_str("}\n\n");
    for (field, value) in layout.fields() {
        let _ = writeln!(text, "__crashrig_{field} = 0x{value:08X};");
    }
    let _ = writeln!(text, "__crashrig_interrupt_count = {};", board.chip.interrupts);
    let alignment = board.chip.vector_table_alignment();
    let _ = writeln!(
        text,
        "\nASSERT(__crashrig_vectors_start % {alignment} == 0,\n  \
         \"the vector table lies at a multiple of {alignment}, as VTOR demands\");"
    );
    text
}
