//! Backtraces over a synthetic stack: `outer` called `middle` called `inner`.

use crate::sample::{CODE, STACK, Sample, record};
use crashrig_harness::decode::backtrace::{MAXIMUM_CALLS, RamRange, backtrace};
use crashrig_harness::decode::symbols::Symbols;
use crashrig_wire::Record;
use crashrig_wire::record::Trust;

const IN_OUTER: u32 = (CODE + 8) | 1;
const IN_MIDDLE: u32 = (CODE + 16 + 8) | 1;
const IN_INNER: u32 = CODE + 32 + 6;

/// A stack with these words at these offsets.
fn stack(words: &[(usize, u32)]) -> Vec<u8> {
    let mut bytes = vec![0; 0x100];
    for (offset, word) in words {
        bytes[*offset..offset + 4].copy_from_slice(&word.to_le_bytes());
    }
    bytes
}

/// The chain: `inner`'s frame at offset 0x10 returns to `middle`, `middle`'s at 0x20 to `outer`.
fn chain() -> Vec<u8> {
    stack(&[(0x10, STACK + 0x20), (0x14, IN_MIDDLE), (0x20, 0), (0x24, IN_OUTER)])
}

/// Checks a backtrace written as one line per frame: address, function, note.
fn check(record: &Record, ram: &[u8], expected: &[&str]) {
    let image = Sample::default().image();
    let ranges = [RamRange { start: STACK, bytes: ram }];
    let ranges = if ram.is_empty() { &[] } else { &ranges[..] };
    let found: Vec<_> = backtrace(record, ranges, &Symbols::new(&image))
        .into_iter()
        .map(|frame| {
            let address = frame.address.map_or("lost".to_owned(), |a| format!("+{:#x}", a - CODE));
            let function = frame.function.unwrap_or_default();
            let note = frame.note.map_or(String::new(), |note| format!(" ({note})"));
            format!("{address} {function}{note}")
        })
        .collect();
    assert_eq!(found, expected);
}

fn record_with(trust: u16, pc: u32, lr: u32) -> Record {
    let mut record = record();
    record.trust = Trust(trust);
    record.registers.r[7] = STACK + 0x10;
    record.registers.pc = pc;
    record.registers.lr = lr;
    record
}

#[test]
fn a_lost_pc_is_said_and_the_chain_goes_on() {
    let mut record = record_with(Trust::CALLEE_SAVED, 0, 0);
    record.faults.cfsr = 0x92;
    let lost = "lost  (pc and lr are lost: the core could not write the exception frame)";
    check(&record, &chain(), &[lost, "+0x18 sample::middle", "+0x8 sample::outer"]);
}

#[test]
fn a_known_pc_begins_and_the_chain_follows() {
    let trust = Trust::CALLEE_SAVED | Trust::FRAME | Trust::PC;
    let expected = ["+0x26 inner", "+0x18 sample::middle", "+0x8 sample::outer"];
    check(&record_with(trust, IN_INNER, IN_MIDDLE), &chain(), &expected);
    // What lr held from an earlier call into the same function says nothing.
    check(&record_with(trust, IN_INNER, (CODE + 32 + 4) | 1), &chain(), &expected);
}

#[test]
fn lr_gives_the_call_that_the_chain_lacks() {
    let trust = Trust::CALLEE_SAVED | Trust::FRAME | Trust::PC;
    let mut record = record_with(trust, IN_INNER, IN_MIDDLE);
    // r7 is still that of `middle`: `inner` has not pushed its frame.
    record.registers.r[7] = STACK + 0x20;
    let from_lr = "+0x18 sample::middle (from lr, may be stale)";
    check(&record, &chain(), &["+0x26 inner", from_lr, "+0x8 sample::outer"]);
}

#[test]
fn software_that_noticed_leaves_the_call() {
    // The call is the last instruction of `outer`; what follows it is already `middle`'s.
    let record = record_with(Trust::PC, CODE + 12, 0);
    check(&record, &[], &["+0xc sample::outer"]);
}

#[test]
fn without_a_snapshot_the_trail_of_the_record_is_used() {
    let mut record = record_with(Trust::CALLEE_SAVED, 0, 0);
    record.trail[..2].copy_from_slice(&[IN_MIDDLE, IN_OUTER]);
    record.trail_length = 2;
    let lost = "lost  (pc and lr are lost: the record holds no exception frame)";
    check(&record, &[], &[lost, "+0x18 sample::middle", "+0x8 sample::outer"]);
    record.trail_length = u16::MAX;
    check(&record, &[], &[lost]);
}

#[test]
fn a_trail_that_differs_from_the_snapshot_is_noted() {
    let mut record = record_with(Trust::CALLEE_SAVED, 0, 0);
    record.trail[0] = IN_OUTER;
    record.trail_length = 1;
    let lost = "lost  (pc and lr are lost: the record holds no exception frame)";
    let noted = "+0x18 sample::middle (the record's trail has 0x08000409 here)";
    check(&record, &chain(), &[lost, noted, "+0x8 sample::outer"]);
}

#[test]
fn registers_that_are_not_trusted_are_not_followed() {
    let lost = "lost  (pc and lr are lost: the record holds no exception frame)";
    check(&record_with(0, IN_INNER, IN_MIDDLE), &chain(), &[lost]);
}

#[test]
fn a_backtrace_is_cut_and_says_so() {
    let image = Sample::default().image();
    let words: Vec<u8> = (0..0x4000_u32 / 8)
        .flat_map(|index| [STACK + 8 * (index + 1), IN_OUTER])
        .flat_map(u32::to_le_bytes)
        .collect();
    let mut record = record();
    record.registers.r[7] = STACK;
    record.stack_size = 0x4000;
    let ranges = [RamRange { start: STACK, bytes: &words }];
    let frames = backtrace(&record, &ranges, &Symbols::new(&image));
    assert_eq!(frames.len(), MAXIMUM_CALLS + 1);
    let note = frames.last().and_then(|frame| frame.note.clone());
    assert_eq!(note.as_deref(), Some("cut after 256 calls"));
}
