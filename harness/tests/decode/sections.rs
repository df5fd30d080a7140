//! Sections behind a record: read, shown, held against RAM and the log, judged; and never a panic.

use crate::hostile::flipped;
use crate::log::{encode, frame, text as string};
use crate::sample::{STACK, Sample, record};
use crashrig_harness::decode::assemble::crash_of_record;
use crashrig_harness::decode::backtrace::RamRange;
use crashrig_harness::decode::log::LogDecoder;
use crashrig_harness::decode::sections::{Sections, differences, read};
use crashrig_harness::decode::symbols::Symbols;
use crashrig_harness::entry::{Entry, EntryReading};
use crashrig_harness::judge::{Identity, judge};
use crashrig_harness::noise::Noise;
use crashrig_harness::output::text::Detail;
use crashrig_harness::output::{json, text};
use crashrig_harness::report::{BootReport, CrashReport, Report, SlotReport};
use crashrig_harness::scenario::check::parse;
use crashrig_harness::target::Boundary;
use crashrig_wire::Thread;
use crashrig_wire::region::Slot;
use crashrig_wire::section::{
    Allocation, BrokenBlock, FailedAllocation, Float, HeapRow, Interrupts, ProtectionRegion,
    Section, SectionWriter, ThreadRow, WordSink,
};
use std::collections::BTreeMap;
use std::path::Path;

const ROOM: usize = 768;

struct Bytes<'a>(&'a mut [u8]);

impl WordSink for Bytes<'_> {
    fn write_word(&mut self, offset: usize, word: u32) {
        self.0[offset..offset + 4].copy_from_slice(&word.to_le_bytes());
    }
}

/// The bytes behind the sample's record, with some sections.
pub fn written(sections: &[(Section, Vec<u32>)]) -> Vec<u8> {
    let mut bytes = vec![0xA5; ROOM];
    let mut writer = SectionWriter::new(Bytes(&mut bytes), record().sequence, 0, ROOM);
    for (section, words) in sections {
        writer.section(*section, words.iter().copied());
    }
    bytes
}

fn words_of(bytes: &[u8]) -> Vec<u32> {
    let mut padded = bytes.to_vec();
    padded.resize(bytes.len().next_multiple_of(4), 0);
    padded.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word)).collect()
}

fn tail() -> Vec<u32> {
    let frames = [encode(&frame(1, 1, &[7, 0, 0, 0])), encode(&frame(2, 2, &string("no memory")))];
    words_of(&frames.concat())
}

/// One of each that has something to show.
fn full() -> Vec<(Section, Vec<u32>)> {
    let thread = ThreadRow {
        thread: Some(Thread::User(3)),
        state: 2,
        priority: 24,
        flags: ThreadRow::RAN | ThreadRow::UNPRIVILEGED,
        stack_start: 0x2000_8000,
        stack_size: 2048,
        high_water: 304,
        stack_pointer: 0x2000_8700,
    };
    let heap = HeapRow {
        start: 0x2001_0000,
        total: 4096,
        free: 1000,
        minimum_free: 500,
        largest_free: 250,
        failed: 3,
    };
    let guard = ProtectionRegion { base: 0x2000_1780, attributes: 6 << 1 | 1 };
    let irq = Interrupts {
        active0: 1 << 5,
        pending1: 1 << 6,
        enabled2: 1 << 31,
        ..Interrupts::default()
    };
    let released = Allocation { address: 0x2001_0100, size: Allocation::RELEASE, caller: 0x401 };
    let refused = Allocation { address: 0, size: 9000, caller: 0x501 };
    let broken = BrokenBlock { address: 0x2001_0200, expected: 1, found: 0xA5A5_A5A5 };
    let failed = FailedAllocation {
        size: 9000,
        capabilities: 1 << 3 | 1 << 31,
        caller: 0x501,
        largest_free: 250,
    };
    vec![
        (
            Section::Float,
            Float { fpccr: 0xC000_0000, fpcar: 0x2000_1810, fpscr: 1 }.to_words().into(),
        ),
        (Section::Protection, [&[5][..], &guard.to_words()].concat()),
        (Section::Interrupts, irq.to_words().into()),
        (Section::Threads, thread.to_words().into()),
        (Section::Heaps, heap.to_words().into()),
        (Section::BrokenBlock, broken.to_words().into()),
        (Section::Allocations, [released.to_words(), refused.to_words()].concat()),
        (Section::FailedAllocation, failed.to_words().into()),
        (Section::ResetCauses, vec![0x0400_0000, 0x1000_0000]),
        (Section::LogTail, tail()),
        (Section::StackWindow, vec![STACK + 8, STACK, 11, 12, 13, 14, 15]),
    ]
}

pub fn crash(bytes: &[u8]) -> CrashReport {
    let image = Sample::default().with_defmt().image();
    crash_of_record(Slot::First, &record(), false, bytes, &image)
}

/// What is found in some bytes.
fn found(bytes: &[u8]) -> Sections {
    crash(bytes).sections
}

pub fn shown(crash: &CrashReport) -> String {
    let mut out = String::new();
    text::crash(&mut out, crash, Detail::Full);
    out
}

#[test]
fn sections_are_shown_in_words() {
    let crash = crash(&written(&full()));
    assert_eq!(crash.section_differences, Vec::<String>::new());
    let out = shown(&crash);
    for line in [
        "float   fpccr c0000000  fpcar 20001810  fpscr 00000001",
        "mpu     on, control 0x5",
        "mpu     0: 0x20001780 128 bytes: no access",
        "irq     active 5, pending 38, enabled 95",
        "thread  user 3   waiting, priority 24, stack 0x20008000 2048 bytes (304 used), \
         sp 0x20008700, ran, unprivileged",
        "heap    0x20010000: 1000 of 4096 bytes free (least 500), largest 250, 3 refused",
        "word    BROKEN at 0x20010200: 0xa5a5a5a5, expected 0x00000001",
        "alloc   0x20010100 released, caller 0x00000401",
        "alloc   9000 bytes refused, caller 0x00000501",
        "alloc   FAILED: 9000 bytes of dma+0x80000000, largest free 250, caller 0x00000501",
        "reset   this boot: 0x04000000",
        "reset   1 before: 0x10000000",
        "tail    [info ] boot 7",
        "tail    [error] failed: no memory",
        "memory  0x20001800: 0000000b 0000000c 0000000d 0000000e  <- sp\n",
        "memory  0x20001810: 0000000f\n",
    ] {
        assert!(out.contains(line), "{line} in\n{out}");
    }
}

#[test]
fn sections_are_given_to_machines() {
    let json = json::crash(&crash(&written(&full())));
    let sections = &json["sections"];
    let names: Vec<_> = full().iter().map(|(section, _)| section.name()).collect();
    assert_eq!(sections["sound"], serde_json::json!(names));
    assert_eq!(sections["threads"][0]["high_water_bytes"], 304);
    assert_eq!(sections["heaps"][0]["minimum_free_bytes"], 500);
    assert_eq!(sections["allocations"][0]["operation"], "release");
    assert_eq!(sections["allocations"][0]["size_bytes"], serde_json::Value::Null);
    assert_eq!(sections["allocations"][1]["size_bytes"], 9000);
    let capabilities = serde_json::json!(["dma", "0x80000000"]);
    assert_eq!(sections["failed_allocation"]["capabilities"], capabilities);
    assert_eq!(sections["failed_allocation"]["largest_free"], 250);
    assert_eq!(sections["log_tail"], serde_json::json!(["boot 7", "failed: no memory"]));
    assert_eq!(sections["stack_window"]["words"][4], "0x0000000f");
}

#[test]
fn a_record_without_sections_has_none() {
    for behind in [&[][..], &[0; ROOM], &[1, 2, 3]] {
        let found = found(behind);
        assert_eq!((found.sound, found.damaged), (vec![], vec![]), "{behind:?}");
    }
}

#[test]
fn a_damaged_section_is_named_and_costs_no_other() {
    let mut bytes = written(&full());
    // A word of the payload of the second section.
    bytes[4 * (4 + 2)] ^= 1;
    let found = found(&bytes);
    assert_eq!(found.damaged, ["16 bytes at offset 16 are no section"]);
    assert!(!found.sound.contains(&Section::Protection) && found.protection.is_none());
    assert_eq!(found.sound.len(), full().len() - 1);
    assert!(shown(&crash(&bytes)).contains("section DIFFERS: 16 bytes at offset 16"));
}

/// Sealed, and of no length that its rows could have.
#[test]
fn a_section_of_half_a_row_is_not_there() {
    let rows = [Section::Float, Section::Interrupts, Section::Threads, Section::Neighbours]
        .into_iter()
        .chain([Section::Heaps, Section::BrokenBlock, Section::Allocations, Section::Errors])
        .chain([Section::StackWindow]);
    for section in rows {
        let found = found(&written(&[(section, vec![1]), (Section::ResetCauses, vec![7])]));
        assert_eq!(found.sound, [Section::ResetCauses], "{section}");
        assert_eq!(found.damaged, [format!("{section}: 4 bytes are not whole rows")]);
    }
}

#[test]
fn what_was_cut_short_says_so() {
    let found = found(&written(&[(Section::ResetCauses, vec![1; ROOM])]));
    assert_eq!(
        (found.sound, found.cut_short),
        (vec![Section::ResetCauses], vec![Section::ResetCauses])
    );
}

#[test]
fn sections_are_held_against_ram_log_and_core() {
    let found = found(&written(&full()));
    let image = Sample::default().with_defmt().image();
    let symbols = Symbols::new(&image);
    let whole = LogDecoder::new(&symbols)
        .decode(&[encode(&frame(3, 0, &[])), words(&tail())].concat())
        .lines;
    let same = words(&[11, 12, 13, 14, 15]);
    let other = words(&[11, 99, 13, 14, 15]);
    let none = Vec::<String>::new();
    assert_eq!(differences(&found, &[RamRange { start: STACK, bytes: &same }], &whole, None), none);
    assert_eq!(differences(&found, &[], &[], None), none);
    let said = differences(&found, &[RamRange { start: STACK, bytes: &other }], &whole, None);
    assert_eq!(said, ["stack-window: 0x0000000c at 0x20001804 is not in RAM"]);
    let said = differences(&found, &[], &whole[..2], None);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].starts_with("log-tail: "), "{said:?}");
    let status = |value| BTreeMap::from([("mpu_ctrl".to_owned(), value), ("iabr0".to_owned(), 32)]);
    let entry = |value| {
        let (entry, registers, status) = (Entry::Exception, BTreeMap::new(), status(value));
        EntryReading { entry, is_caught: false, registers, status, frame: None }
    };
    assert_eq!(differences(&found, &[], &[], Some(&entry(5))), none);
    assert_eq!(
        differences(&found, &[], &[], Some(&entry(1))),
        ["mpu_ctrl: the record says 0x00000005, the host read 0x00000001"]
    );
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// What a verdict says of sections: what was expected, and what was found.
fn judged(keys: &str, crash: CrashReport) -> Vec<(String, String)> {
    let scenario = format!(
        "timeline = [\"1. a step\"]\ntitle = \"t\"\n[[boot]]\nstart = \"cold\"\n\
         fault = \"bus-read\"\nend = \"crash\"\n[[crash]]\nboot = 1\nkind = \"bus-fault\"\n\
         detector = \"bus-error\"\nthread = \"main\"\n\
         address = {{ region = \"unmapped\" }}\n{keys}\n"
    );
    let scenario = parse(Path::new("family/name.toml"), scenario).unwrap();
    let slot = |slot| SlotReport { slot, record: None, reading: "blank", reason: None };
    let boot = BootReport {
        planned: 1,
        boundary: Boundary::Reset,
        instructions: None,
        marker: None,
        ledger: None,
        backup: None,
        before: Slot::ALL.map(slot),
        after: Slot::ALL.map(slot),
        crash: Some(crash),
        answers: Vec::new(),
        log: Vec::new(),
        log_notes: Vec::new(),
        unmodelled: Vec::new(),
        console: String::new(),
    };
    let identity = Identity { build_id: record().build_id, bootloader: None, run_id: 7 };
    let report = Report { bench_problem: None, recovery: None, boots: vec![boot] };
    let verdict = judge(&scenario, &report, &identity);
    let sections = verdict.mismatches.into_iter().filter(|it| it.subject == "sections");
    sections.map(|it| (it.expected, it.found)).collect()
}

#[test]
fn the_sections_of_every_record_must_stand_there_sound_and_exceptions_must_not() {
    // The sample has no neighbours.
    let keys = "sections-without = [\"neighbours\"]";
    let missing = |name: &str| (name.to_owned(), "no such section".to_owned());
    let whole = written(&full());
    assert_eq!(judged("", crash(&whole)), [missing("neighbours")]);
    assert_eq!(judged(keys, crash(&whole)), []);
    let more = format!("{keys}\nsections = [\"heaps\", \"errors\"]");
    assert_eq!(judged(&more, crash(&whole)), [missing("errors")]);
    let less = "sections-without = [\"neighbours\", \"heaps\"]";
    let there = ("no section heaps".to_owned(), "such a section".to_owned());
    assert_eq!(judged(less, crash(&whole)), [there]);
    let standard = ["float", "protection", "interrupts", "neighbours"];
    let others = ["threads", "heaps", "log-tail", "stack-window"];
    let all: Vec<_> = standard.into_iter().chain(others).map(missing).collect();
    assert_eq!(judged("", crash(&[])), all);
    // Where the threads are: behind float, protection and interrupts.
    let mut damaged = whole;
    damaged[4 * (4 + 4 + 10 + 1)] ^= 1;
    let other = "what else is known of the boot".to_owned();
    let bytes = "20 bytes at offset 72 are no section".to_owned();
    assert_eq!(judged(keys, crash(&damaged)), [(other, bytes), missing("threads")]);
}

/// A window at either end of the address space, as a file of any origin may claim it.
#[test]
fn a_window_at_the_end_of_the_address_space_is_shown() {
    for start in [0, 0xFFFF_FFF8, 0xFFFF_FFFC, u32::MAX] {
        let crash = crash(&written(&[(Section::StackWindow, vec![0, start, 1, 2, 3, 4, 5])]));
        let ram = [RamRange { start: 0, bytes: &[0; 64] }];
        let _ = differences(&crash.sections, &ram, &[], None);
        assert!(shown(&crash).contains("00000001 00000002 00000003 00000004"), "{start:#x}");
    }
}

#[test]
fn sections_of_any_content_are_described() {
    let mut noise = Noise::new(0x5EED);
    let image = Sample::default().with_defmt().image();
    let symbols = Symbols::new(&image);
    let log = LogDecoder::new(&symbols);
    let whole = written(&full());
    let mut described = 0;
    for round in 0..400_usize {
        // Sealed sections whose words are noise.
        let sealed: Vec<_> = Section::ALL
            .iter()
            .map(|section| (*section, (0..round % 20).map(|_| noise.next_word() as u32).collect()))
            .collect();
        let mut random = vec![0; round];
        noise.fill(&mut random);
        for bytes in [written(&sealed), flipped(&mut noise, &whole, 1 + round % 9), random] {
            let sections = read(&bytes, record().sequence, &log);
            let ram = [RamRange { start: STACK, bytes: &bytes }];
            let section_differences = differences(&sections, &ram, &[], None);
            described += sections.sound.len();
            let image = Sample::default().image();
            let crash = crash_of_record(Slot::First, &record(), false, &[], &image);
            let crash = CrashReport { sections, section_differences, ..crash };
            let _ = (shown(&crash), json::crash(&crash));
        }
    }
    assert!(described > 3000, "most of them can be described: {described}");
}
