//! The firmware's region table: Rust items in terms of this crate's `no_std` types.

use crate::parse::{Board, ChipBackup, ChipClockEnable, ChipRegion, ChipResetCause, Program};
use crate::{Capabilities, Masters, PRIORITIES, Resets};
use std::fmt::{Debug, Write as _};

/// The contents of `regions.rs` for a board, to be included into a module of the image.
#[must_use]
pub fn regions_rs(board: &Board) -> String {
    let mut text = format!(
        "// Memory of board {}, part {}.\n// {}\n\n",
        board.name,
        board.part,
        super::origin(&board.files)
    );
    constants(&mut text, board);
    // A region is as large as what is used of it, so that no allocator takes the rest.
    let used: Vec<_> =
        board.chip.regions.iter().filter(|region| region.used_bytes > 0).cloned().collect();
    list(&mut text, "Memory regions of the chip.", "REGIONS", "Region", &used, region);
    aliases(&mut text, board);
    let (at_boot, on_demand): (Vec<_>, Vec<_>) =
        board.chip.clock_enables.iter().cloned().partition(|enable| enable.at_boot);
    let doc = "Bits that start-up code sets, in this order.";
    list(&mut text, doc, "CLOCK_ENABLES", "ClockEnable", &at_boot, clock_enable);
    let doc = "Bits that whoever uses a region sets, in this order.";
    list(&mut text, doc, "CLOCK_ENABLES_ON_DEMAND", "ClockEnable", &on_demand, clock_enable);
    reset_cause(&mut text, board.chip.reset_cause.as_ref());
    backup(&mut text, board.chip.backup.as_ref());
    let doc = "Devices whose registers drivers use.";
    list(&mut text, doc, "DEVICES", "Device", &board.chip.devices, |device| {
        fields(&[
            ("name", format!("crashrig_layout::DeviceName::{:?}", device.name)),
            ("start", format!("0x{:08X}", device.start)),
        ])
    });
    text
}

fn constants(text: &mut String, board: &Board) {
    let (chip, layout) = (&board.chip, &board.layout);
    let mut constant = |doc: &str, name: &str, kind: &str, value: String| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "/// {doc}\npub const {name}: {kind} = {value};");
    };
    let address = |value: u32| format!("0x{value:08X}");
    constant("Name of the board.", "BOARD_NAME", "&str", format!("{:?}", board.name));
    constant(
        "Clock of the core in hertz.",
        "CORE_CLOCK_HZ",
        "u32",
        board.core_clock_hz.to_string(),
    );
    constant(
        "An address where nothing answers.",
        "UNMAPPED_ADDRESS",
        "u32",
        address(chip.unmapped_address),
    );
    constant(
        "Device interrupts, without the sixteen entries of the core.",
        "INTERRUPT_COUNT",
        "usize",
        chip.interrupts.to_string(),
    );
    constant(
        "What the address of a vector table must be a multiple of, in bytes.",
        "VECTOR_TABLE_ALIGNMENT",
        "u32",
        chip.vector_table_alignment().to_string(),
    );
    constant(
        "First address of the crash region.",
        "CRASH_REGION_START",
        "u32",
        address(layout.crash_start),
    );
    constant(
        "Size of the crash region in bytes.",
        "CRASH_REGION_SIZE",
        "u32",
        layout.crash_size_bytes.to_string(),
    );
    let executable = board.executable.as_ref().map_or_else(
        || "None".to_owned(),
        |it| format!("Some((0x{:08X}, {}))", it.range.start, it.range.size_bytes),
    );
    constant(
        "The part of RAM that may hold code, as first address and size in bytes.",
        "EXECUTABLE_RAM",
        "Option<(u32, u32)>",
        executable,
    );
    let application = board.flash_of(Program::Application);
    let (start, size_bytes) = application.map_or((0, 0), |it| (it.start, it.size_bytes));
    constant(
        "Flash of the application, as first address and size in bytes.",
        "APPLICATION_FLASH",
        "(u32, u32)",
        format!("(0x{start:08X}, 0x{size_bytes:X})"),
    );
}

/// Writes one table.
fn list<T>(
    text: &mut String,
    doc: &str,
    name: &str,
    kind: &str,
    items: &[T],
    item: impl Fn(&T) -> String,
) {
    let _ = writeln!(text, "\n/// {doc}\npub static {name}: &[crashrig_layout::{kind}] = &[");
    for one in items {
        let _ = writeln!(text, "    crashrig_layout::{kind} {{\n{}    }},", item(one));
    }
    text.push_str("];\n");
}

fn fields(pairs: &[(&str, String)]) -> String {
    pairs.iter().map(|(name, value)| format!("        {name}: {value},\n")).collect()
}

fn region(region: &ChipRegion) -> String {
    fields(&[
        ("name", format!("{:?}", region.name)),
        ("start", format!("0x{:08X}", region.range.start)),
        ("size_bytes", format!("0x{:X}", region.used_bytes)),
        ("kind", format!("crashrig_layout::RegionKind::{:?}", region.kind)),
        ("capabilities", capabilities(region.capabilities)),
        ("heap", heap(region.heap)),
        ("startup_stack", region.startup_stack.to_string()),
        ("dma_alignment_bytes", region.dma_alignment_bytes.to_string()),
        ("masters", masters(region.masters)),
        ("retained_over", resets(region.retained_over)),
    ])
}

fn aliases(text: &mut String, board: &Board) {
    let doc = "Second addresses of memory.";
    list(text, doc, "ALIASES", "Alias", &board.chip.aliases, |alias| {
        fields(&[
            ("name", format!("{:?}", alias.name)),
            ("kind", format!("crashrig_layout::AliasKind::{:?}", alias.kind)),
            ("start", format!("0x{:08X}", alias.range.start)),
            ("size_bytes", format!("0x{:X}", alias.range.size_bytes)),
            ("target_start", format!("0x{:08X}", alias.target.start)),
            ("target_size_bytes", format!("0x{:X}", alias.target.size_bytes)),
        ])
    });
}

fn clock_enable(enable: &ChipClockEnable) -> String {
    fields(&[
        ("name", format!("{:?}", enable.name)),
        ("region", format!("{:?}", enable.region)),
        ("register", format!("0x{:08X}", enable.register)),
        ("bit", enable.bit.to_string()),
        ("ready_register", format!("0x{:08X}", enable.ready_register)),
        ("ready_bit", enable.ready_bit.to_string()),
    ])
}

fn reset_cause(text: &mut String, cause: Option<&ChipResetCause>) {
    let value = cause.map_or_else(
        || "None".to_owned(),
        |cause| {
            let byte = |word: u32| format!("0x{:02X}", word >> cause.shift & 0xFF);
            let fields = fields(&[
                ("register", format!("0x{:08X}", cause.register)),
                ("shift", cause.shift.to_string()),
                ("clear_bit", cause.clear_bit.to_string()),
                ("flags", byte(cause.mask())),
                ("power_on", byte(cause.power_on)),
                ("watchdog", byte(cause.watchdog)),
            ]);
            format!("Some(\n    crashrig_layout::ResetCause {{\n{fields}    }},\n)")
        },
    );
    let doc = "The register that tells why the chip was reset.";
    let kind = "Option<crashrig_layout::ResetCause>";
    let _ = writeln!(text, "\n/// {doc}\npub const RESET_CAUSE: {kind} = {value};");
}

fn backup(text: &mut String, backup: Option<&ChipBackup>) {
    let value = backup.map_or_else(
        || "None".to_owned(),
        |backup| {
            let fields = fields(&[
                ("region", format!("{:?}", backup.region)),
                ("registers", format!("0x{:08X}", backup.registers.start)),
                ("registers_bytes", format!("0x{:X}", backup.registers.size_bytes)),
                ("history", format!("0x{:08X}", backup.history.start)),
                ("history_bytes", format!("0x{:X}", backup.history.size_bytes)),
            ]);
            format!("Some(\n    crashrig_layout::Backup {{\n{fields}    }},\n)")
        },
    );
    let doc = "Memory that a battery keeps.";
    let kind = "Option<crashrig_layout::Backup>";
    let _ = writeln!(text, "\n/// {doc}\npub const BACKUP: {kind} = {value};");
}

fn capabilities(set: Capabilities) -> String {
    let mut text = "crashrig_layout::Capabilities::NONE".to_owned();
    for name in set.constants() {
        let _ = write!(text, "\n            .union(crashrig_layout::Capabilities::{name})");
    }
    text
}

fn heap(priorities: Option<[Capabilities; PRIORITIES]>) -> String {
    priorities.map_or_else(
        || "None".to_owned(),
        |all| format!("Some([{}])", all.map(capabilities).join(", ")),
    )
}

fn masters(set: Masters) -> String {
    chain("Masters", "Master", set.iter())
}

fn resets(set: Resets) -> String {
    chain("Resets", "Reset", set.iter())
}

fn chain(set: &str, item: &str, items: impl Iterator<Item = impl Debug>) -> String {
    let mut text = format!("crashrig_layout::{set}::NONE");
    for one in items {
        let _ = write!(text, "\n            .with(crashrig_layout::{item}::{one:?})");
    }
    text
}
