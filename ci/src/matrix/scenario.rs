//! The scenario of a cell, as text.

use super::Cell;
use crashrig_wire::thread::Context;
use crashrig_wire::{Detector, Way};
use std::fmt::Write as _;

/// The file of a cell.
pub(super) fn text(cell: &Cell) -> String {
    let Cell { stack, way, detector, without } = cell;
    let mut text = format!(
        "timeline = [\n  \"1. {}, {}\",\n  \"2. {}: record, reset; then the same once more\",\n  \
         \"3. warm boot: both records are found unread; clean end\",\n]\n\
         title = \"{stack} stack, {way}: noticed by {detector}\"\n\
         needs = [{}]\nmeasure = [\"bytes-lost\"]\n\
         # Written by `cargo ci bless` from `ci/src/matrix`.\n",
        who(*stack),
        what(*way),
        noticed(*detector),
        needs(cell),
    );
    for (start, comment) in [("cold", "1 and 2"), ("warm", "2")] {
        let _ = write!(
            text,
            "\n[[boot]] # {comment}\nstart = \"{start}\"\nfault = \"stack-overflow\"\n\
             stack = \"{stack}\"\nway = \"{way}\"\n"
        );
        if !without.is_empty() {
            let names: Vec<_> = without.iter().map(|it| format!("\"{it}\"")).collect();
            let _ = writeln!(text, "without = [{}]", names.join(", "));
        }
        text.push_str("end = \"crash\"\n");
    }
    text.push_str(
        "\n[[boot]] # 3\nstart = \"warm\"\nend = \"clean\"\n\
         first = \"unread\"\nlast = \"unread\"\n",
    );
    for (boot, slot) in [(1, "first"), (2, "last")] {
        let _ = write!(
            text,
            "\n[[crash]]\nboot = {boot}\nkind = \"stack-overflow\"\ndetector = \"{detector}\"\n\
             thread = \"{stack}\"\naddress = {{ region = \"{}\" }}\nslot = \"{slot}\"\n",
            region(cell),
        );
        if *stack == Context::User {
            text.push_str("thread-name = \"worker\"\n");
        }
    }
    text
}

fn who(stack: Context) -> &'static str {
    match stack {
        Context::Main => "the main thread",
        Context::Timer => "the timer thread",
        Context::Idle => "the idle thread",
        Context::Isr => "an interrupt handler",
        _ => "a worker thread",
    }
}

fn what(way: Way) -> &'static str {
    match way {
        Way::Recursion => "calling itself without end",
        Way::LargeFrame => "with one frame larger than what is left, written from its upper end",
        Way::SkippedFrame => "with one frame of which only the end below the guard is written",
        Way::BelowPointer => "storing below the limit with its stack pointer where it was",
        Way::ExceptionFrame => "with its stack full to the last word when the clock ticks",
        Way::FloatFrame => "with no room for floating-point state when the clock ticks",
        Way::NestedInterrupt => "which another one preempts when little is left",
    }
}

fn noticed(detector: Detector) -> &'static str {
    match detector {
        Detector::StackLimit => "the limit register refuses the stack pointer",
        Detector::MpuGuard => "the guard region refuses",
        Detector::StackCanary => "without the guard, the canary is found overwritten",
        _ => "the stack pointer is found outside of its stack",
    }
}

fn needs(cell: &Cell) -> String {
    let needs = [
        (cell.detector == Detector::StackLimit, "stack-limit"),
        (!cell.without.contains(&Detector::MpuGuard), "mpu"),
        (cell.way == Way::FloatFrame, "fpu"),
    ];
    let names: Vec<_> =
        needs.iter().filter(|(is, _)| *is).map(|(_, name)| format!("\"{name}\"")).collect();
    names.join(", ")
}

/// Where the address of the record lies.
fn region(cell: &Cell) -> String {
    match (cell.detector, cell.way, cell.stack) {
        (Detector::StackCanary, _, stack) => format!("{stack}-stack"),
        // The first word below the limit, whatever the frame jumps.
        (Detector::StackLimit, _, stack) => format!("{stack}-stack-guard"),
        (_, Way::SkippedFrame, _) => "main-ram".to_owned(),
        (_, _, stack) => format!("{stack}-stack-guard"),
    }
}
