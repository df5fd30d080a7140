//! The sections of a record in words.

use super::line;
use crate::decode::sections::{Sections, Window};
use crate::report::CrashReport;
use crashrig_wire::record::Architecture;
use crashrig_wire::section::{Allocation, Interrupts, ProtectionRegion, ThreadRow};
use crashrig_wire::thread::Area;
use crashrig_wire::{Thread, TransferState};

/// Words of the stack in one line.
const WORDS_IN_LINE: usize = 4;

/// Everything that stands behind a record.
pub(super) fn sections(out: &mut String, crash: &CrashReport) {
    let found = &crash.sections;
    for row in &found.threads {
        line(out, format_args!("  thread  {}", thread(row)));
    }
    neighbours(out, found);
    heap(out, found);
    transfers(out, crash);
    if let Some((control, regions)) = &found.protection {
        let state = if control & 1 == 0 { "off" } else { "on" };
        line(out, format_args!("  mpu     {state}, control {control:#x}"));
        for (number, region) in regions.iter().enumerate() {
            if let Some(text) = protection(crash.record.architecture, region) {
                line(out, format_args!("  mpu     {number}: {text}"));
            }
        }
    }
    if let Some(found) = &found.interrupts {
        let sets = interrupts(found).map(|(name, numbers)| format!("{name} {numbers}"));
        line(out, format_args!("  irq     {}", sets.join(", ")));
    }
    if let Some(float) = &found.float {
        let (fpccr, fpcar, fpscr) = (float.fpccr, float.fpcar, float.fpscr);
        line(
            out,
            format_args!("  float   fpccr {fpccr:08x}  fpcar {fpcar:08x}  fpscr {fpscr:08x}"),
        );
    }
    let known = |(index, cause): &(usize, &u32)| *index == 0 || **cause != 0;
    for (index, cause) in found.reset_causes.iter().enumerate().filter(known) {
        let words = crash.reset_causes.get(index).map_or("", String::as_str);
        let when = if index == 0 { "this boot".to_owned() } else { format!("{index} before") };
        line(out, format_args!("  reset   {when}: {cause:#010x}  {words}"));
    }
    for entry in &found.log {
        line(out, format_args!("  tail    [{:<5}] {}", entry.level, entry.message));
    }
    if let Some(window) = &found.stack {
        stack(out, window);
    }
    if !found.cut_short.is_empty() {
        let names: Vec<_> = found.cut_short.iter().map(|section| section.name()).collect();
        line(out, format_args!("  section cut short, there was more: {}", names.join(", ")));
    }
    for difference in &crash.section_differences {
        line(out, format_args!("  section DIFFERS: {difference}"));
    }
}

/// The heap, what was last asked of it, and what went wrong before.
fn heap(out: &mut String, found: &Sections) {
    for heap in &found.heaps {
        if heap.total == 0 {
            line(
                out,
                format_args!("  heap    {:#010x}: broken, nothing can be summed", heap.start),
            );
            continue;
        }
        line(
            out,
            format_args!(
                "  heap    {:#010x}: {} of {} bytes free (least {}), largest {}, {} refused",
                heap.start,
                heap.free,
                heap.total,
                heap.minimum_free,
                heap.largest_free,
                heap.failed
            ),
        );
    }
    if let Some(broken) = &found.broken_block {
        let expected = match broken.expected {
            0 => "another value".to_owned(),
            word => format!("{word:#010x}"),
        };
        line(
            out,
            format_args!(
                "  word    BROKEN at {:#010x}: {:#010x}, expected {expected}",
                broken.address, broken.found
            ),
        );
    }
    for allocation in &found.allocations {
        let Allocation { address, size, caller } = *allocation;
        let what = match (size, address) {
            (Allocation::RELEASE, _) => format!("{address:#010x} released"),
            (_, 0) => format!("{size} bytes refused"),
            _ => format!("{address:#010x} {size} bytes"),
        };
        line(out, format_args!("  alloc   {what}, caller {caller:#010x}"));
    }
    if let Some(failed) = &found.failed_allocation {
        let names = crate::capabilities::names(failed.capabilities).join("+");
        line(
            out,
            format_args!(
                "  alloc   FAILED: {} bytes of {names}, largest free {}, caller {:#010x}",
                failed.size, failed.largest_free, failed.caller
            ),
        );
    }
    for error in &found.errors {
        let (words, value) = (error.status.words(), error.value);
        let line_number = error.line;
        line(out, format_args!("  error   {words}, value {value:#x}, line {line_number}"));
    }
}

/// DMA transfers; those are marked whose memory holds the fault address, or the heap's broken word.
fn transfers(out: &mut String, crash: &CrashReport) {
    let broken = crash.sections.broken_block.map(|broken| broken.address);
    let fault = Some(crash.record.fault_address).filter(|_| crash.address_region.is_some());
    for row in &crash.sections.transfers {
        let (controller, stream) = (row.controller(), row.stream_number());
        let state = row.state.map_or("unknown", TransferState::name);
        let rule = row.rule.map_or(String::new(), |rule| format!(" by rule {rule}"));
        let owner = name_of(Thread::from_code(row.owner));
        line(
            out,
            format_args!(
                "  dma     {controller}.{stream} {:#010x} -> {:#010x}, {} bytes: {state}{rule}, \
                 {} items left, begun by {owner}",
                row.source, row.destination, row.bytes, row.items_left
            ),
        );
        for (what, address) in [("the fault address", fault), ("the broken word", broken)] {
            let Some(address) = address.filter(|address| row.touches(*address, 4)) else {
                continue;
            };
            let does = if row.writes(address, 4) { "writes" } else { "reads" };
            line(
                out,
                format_args!("  dma     {controller}.{stream} {does} {what} {address:#010x}"),
            );
        }
    }
}

fn name_of(thread: Option<Thread>) -> String {
    thread.map_or("unknown".to_owned(), |thread| match thread {
        Thread::User(slot) => format!("user {slot}"),
        other => other.context().name().to_owned(),
    })
}

fn thread(row: &ThreadRow) -> String {
    let name = name_of(row.thread);
    let state = match row.state {
        1 => "ready",
        2 => "waiting",
        3 => "ended",
        4 => "starting",
        _ => "unknown",
    };
    let flags = [
        (ThreadRow::RAN, ", ran"),
        (ThreadRow::UNPRIVILEGED, ", unprivileged"),
        (ThreadRow::FROM_HEAP, ", stack from the heap"),
    ];
    let flags: String =
        flags.iter().filter(|(bit, _)| row.flags & bit != 0).map(|(_, text)| *text).collect();
    format!(
        "{name:<8} {state}, priority {}, stack {:#010x} {} bytes ({} used), sp {:#010x}{flags}",
        row.priority, row.stack_start, row.stack_size, row.high_water, row.stack_pointer
    )
}

fn neighbours(out: &mut String, found: &Sections) {
    for (place, row) in ["below", "itself", "above"].into_iter().zip(&found.neighbours) {
        let Some(owner) = row.owner.filter(|owner| owner.area != Area::None) else { continue };
        let (area, thread) = (owner.area, owner.thread.context());
        line(
            out,
            format_args!(
                "  around  {place:<6} {:#010x}..{:#010x} {area}, thread {thread}",
                row.start, row.end
            ),
        );
    }
}

/// A region of the MPU; nothing if it is off (DDI0403E B3.5.8, B3.5.9; for ARMv8-M from memory).
fn protection(architecture: Architecture, region: &ProtectionRegion) -> Option<String> {
    let ProtectionRegion { base, attributes } = *region;
    if attributes & 1 == 0 {
        return None;
    }
    let word = |never: bool| if never { ", no execution" } else { "" };
    Some(match architecture {
        Architecture::Armv7m => {
            let start = base & !0x1F;
            let size = 1_u64 << ((attributes >> 1 & 0x1F) + 1);
            let left_out = match attributes >> 8 & 0xFF {
                0 => String::new(),
                parts => format!(" without parts {parts:#04x}"),
            };
            let rights = match attributes >> 24 & 0b111 {
                0b000 => "no access",
                0b001 => "privileged read and write",
                0b010 => "read and write, unprivileged read",
                0b011 => "read and write",
                0b101 => "privileged read",
                _ => "read",
            };
            let never = word(attributes >> 28 & 1 != 0);
            format!("{start:#010x} {size} bytes{left_out}: {rights}{never}")
        }
        Architecture::Armv8m => {
            let (start, last) = (base & !0x1F, attributes | 0x1F);
            let rights = match base >> 1 & 0b11 {
                0b00 => "privileged read and write",
                0b01 => "read and write",
                0b10 => "privileged read",
                _ => "read",
            };
            format!("{start:#010x}..={last:#010x}: {rights}{}", word(base & 1 != 0))
        }
    })
}

fn interrupts(found: &Interrupts) -> [(&'static str, String); 3] {
    let sets = [
        ("active", [found.active0, found.active1, found.active2]),
        ("pending", [found.pending0, found.pending1, found.pending2]),
        ("enabled", [found.enabled0, found.enabled1, found.enabled2]),
    ];
    sets.map(|(name, words)| {
        let numbers: Vec<_> = (0..96_usize)
            .filter(|number| {
                words.get(number / 32).is_some_and(|word| word >> (number % 32) & 1 != 0)
            })
            .map(|number| number.to_string())
            .collect();
        let none = numbers.is_empty();
        (name, if none { "none".to_owned() } else { numbers.join(" ") })
    })
}

/// The words of the stack; the line that the stack pointer is in is marked.
fn stack(out: &mut String, window: &Window) {
    let words: Vec<_> = window.addressed().collect();
    for row in words.chunks(WORDS_IN_LINE) {
        let Some((start, _)) = row.first() else { continue };
        let cells: Vec<_> = row.iter().map(|(_, word)| format!("{word:08x}")).collect();
        let holds = row.iter().any(|(address, _)| *address == window.head.pointer & !3);
        let mark = if holds { "  <- sp" } else { "" };
        line(out, format_args!("  memory  {start:#010x}: {}{mark}", cells.join(" ")));
    }
}
