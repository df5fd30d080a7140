//! A whole slot, record and sections at their largest: bytes that every later reader must read, and
//! what one flipped bit costs. Damage to a section never costs the record, nor the other way round.
#![expect(clippy::indexing_slicing, reason = "a test may stop on a wrong offset")]

use crashrig_wire::record::{Reading, Record, State, read};
use crashrig_wire::section::{
    ALLOCATION_ROWS, Allocation, BrokenBlock, ErrorRow, FailedAllocation, Float, HEAP_ROWS,
    HeapRow, Interrupts, LOG_TAIL_BYTES, Neighbour, PROTECTION_ROWS, ProtectionRegion,
    RESET_CAUSES, SECTIONS_OFFSET, Section, SectionReading, SectionWriter, THREAD_ROWS,
    TIER_2_LENGTH, TRANSFER_ROWS, ThreadRow, TransferRow, WordSink, sections,
};
use crashrig_wire::thread::{Area, Owner};
use crashrig_wire::{Detector, Kind, Status, Thread, TransferState};

const SEQUENCE: u32 = 2;

struct Bytes<'a>(&'a mut [u8]);

impl WordSink for Bytes<'_> {
    fn write_word(&mut self, offset: usize, word: u32) {
        self.0[offset..offset + 4].copy_from_slice(&word.to_le_bytes());
    }
}

fn record() -> Record {
    Record {
        sequence: SEQUENCE,
        build_id: *b"thisone!",
        boot: 3,
        ..Record::blank(Kind::StackOverflow, Detector::MpuGuard, Thread::Main)
    }
}

/// Rows of different words, so that no two of them can be mistaken for each other.
fn rows<const N: usize>(count: usize, row: impl Fn(u32) -> [u32; N]) -> Vec<u32> {
    (1..).take(count).flat_map(row).collect()
}

fn thread(number: u32) -> [u32; 4] {
    ThreadRow {
        thread: Some(Thread::User(u8::try_from(number).unwrap_or(0))),
        state: 2,
        priority: 24,
        flags: if number == 1 { ThreadRow::RAN } else { ThreadRow::FROM_HEAP },
        stack_start: 0x2000_8000 + 0x800 * number,
        stack_size: 2048,
        high_water: 8 * number,
        stack_pointer: 0x2000_8700 + 0x800 * number,
    }
    .to_words()
}

fn neighbour(number: u32) -> [u32; 3] {
    let owner = Owner { area: Area::Stack, thread: Thread::Main };
    Neighbour { owner: Some(owner), start: number << 12, end: (number + 1) << 12 }.to_words()
}

fn heap(number: u32) -> [u32; 6] {
    HeapRow {
        start: number << 16,
        total: 4096,
        free: 1024,
        minimum_free: 512,
        largest_free: 256,
        failed: number,
    }
    .to_words()
}

fn transfer(number: u32) -> [u32; 5] {
    TransferRow {
        source: 0x2000_0000 + number,
        destination: 0x1000_0000 + number,
        bytes: 64 * number,
        advances: TransferRow::SOURCE_ADVANCES | TransferRow::DESTINATION_ADVANCES,
        stream: 0x27,
        state: Some(TransferState::TransferError),
        owner: 16,
        items_left: 0x1234,
        rule: None,
    }
    .to_words()
}

fn error(number: u32) -> [u32; 4] {
    let status = Status(0x8002_0125);
    ErrorRow { status, address: 0x0800_0401, value: number, line: 77, thread: 17 }.to_words()
}

/// The words of a section at its largest; those of the stack fill what is left of the slot.
fn words(section: Section) -> Vec<u32> {
    match section {
        Section::Float => {
            Float { fpccr: 0xC000_0001, fpcar: 0x2000_2000, fpscr: 3 }.to_words().into()
        }
        Section::Protection => {
            let region =
                |n: u32| ProtectionRegion { base: n << 8, attributes: n << 1 | 1 }.to_words();
            [5].into_iter().chain(rows(PROTECTION_ROWS, region)).collect()
        }
        Section::Interrupts => {
            Interrupts::from_words([1, 2, 4, 8, 16, 32, 64, 128, 256]).to_words().into()
        }
        Section::Threads => rows(THREAD_ROWS, thread),
        Section::Neighbours => rows(3, neighbour),
        Section::Heaps => rows(HEAP_ROWS, heap),
        Section::BrokenBlock => {
            BrokenBlock { address: 0x2000_4000, expected: 0, found: 9 }.to_words().into()
        }
        Section::Allocations => rows(ALLOCATION_ROWS, |n| {
            Allocation { address: n << 8, size: Allocation::RELEASE, caller: n }.to_words()
        }),
        Section::ResetCauses => rows(RESET_CAUSES, |n| [n << 24]),
        Section::Errors => rows(2, error),
        Section::FailedAllocation => FailedAllocation::from_words([1, 2, 3, 4]).to_words().into(),
        Section::LogTail => rows(LOG_TAIL_BYTES / 4, |n| [0x0101_0101 * n]),
        Section::Transfers => rows(TRANSFER_ROWS, transfer),
        Section::StackWindow => rows(TIER_2_LENGTH, |n| [0x2000_0000 + 4 * n]),
    }
}

/// A slot whose last section ran out of room. What was there before shows through nowhere.
fn slot() -> [u8; TIER_2_LENGTH] {
    let mut bytes = [0xA5; TIER_2_LENGTH];
    bytes[..SECTIONS_OFFSET].copy_from_slice(&record().to_bytes(State::Complete));
    let sink = Bytes(&mut bytes);
    let mut writer = SectionWriter::new(sink, SEQUENCE, SECTIONS_OFFSET, TIER_2_LENGTH);
    for section in Section::ALL {
        writer.section(*section, words(*section));
    }
    bytes
}

/// Codes of the sound sections of a slot, and how many damaged stretches there are.
fn codes(slot: &[u8]) -> (Vec<u8>, usize) {
    let (mut codes, mut damaged) = (Vec::new(), 0);
    for reading in sections(&slot[SECTIONS_OFFSET..], SEQUENCE) {
        match reading {
            SectionReading::Sound { code, .. } => codes.push(code),
            SectionReading::Damaged { .. } => damaged += 1,
        }
    }
    (codes, damaged)
}

fn all() -> Vec<u8> {
    Section::ALL.iter().map(|section| section.code()).collect()
}

/// Bytes that version 1 wrote on 2026-11-21; every later reader must read them.
#[test]
fn the_golden_bytes_of_a_full_slot_are_read() {
    let golden: Vec<u8> = include_str!("golden/slot_v1.hex")
        .split_whitespace()
        .map(|pair| u8::from_str_radix(pair, 16).unwrap_or_else(|_| panic!("{pair}: two digits")))
        .collect();
    assert_eq!(read(&golden), Reading::Valid(record()));
    // Sections that came later are not there.
    let later = [Section::FailedAllocation, Section::Transfers];
    let mut expected = Section::ALL.iter().filter(|it| !later.contains(it));
    for reading in sections(&golden[SECTIONS_OFFSET..], SEQUENCE) {
        let SectionReading::Sound { section, cut_short, payload, .. } = reading else {
            panic!("{reading:?}")
        };
        assert_eq!(section.as_ref(), expected.next());
        let Some(section) = section else { panic!("a section of this version") };
        let found: Vec<_> =
            payload.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word)).collect();
        assert_eq!(cut_short, section == Section::StackWindow, "{section}");
        // Records of that day had two regions of the heap at most.
        let whole = if section == Section::Heaps { rows(2, heap) } else { words(section) };
        assert_eq!(found, if cut_short { &whole[..found.len()] } else { &whole[..] }, "{section}");
    }
    assert_eq!(expected.next(), None);
}

#[test]
fn a_full_slot_is_used_to_its_last_word() {
    let slot = slot();
    assert_eq!(codes(&slot), (all(), 0));
    assert_eq!(slot[TIER_2_LENGTH - 4..], [0; 4], "the end of the list");
}

#[test]
fn a_flipped_bit_in_the_record_costs_no_section() {
    let whole = slot();
    for bit in 0..8 * SECTIONS_OFFSET {
        let mut slot = whole;
        slot[bit / 8] ^= 1 << (bit % 8);
        assert!(!matches!(read(&slot), Reading::Valid(_)), "bit {bit}");
        assert_eq!(codes(&slot), (all(), 0), "bit {bit}");
    }
}

#[test]
fn a_flipped_bit_in_a_section_costs_that_section_alone() {
    let whole = slot();
    let mut ends = Vec::new();
    for reading in sections(&whole[SECTIONS_OFFSET..], SEQUENCE) {
        let SectionReading::Sound { payload, .. } = reading else { panic!("{reading:?}") };
        ends.push(ends.last().unwrap_or(&SECTIONS_OFFSET) + 4 + payload.len());
    }
    for bit in 8 * SECTIONS_OFFSET..8 * TIER_2_LENGTH {
        let mut slot = whole;
        slot[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(read(&slot), Reading::Valid(record()), "bit {bit}");
        // The end of the list belongs to no section: damage there costs none.
        let hit = ends.iter().position(|end| bit / 8 < *end);
        let mut expected = all();
        if let Some(hit) = hit {
            expected.remove(hit);
        }
        assert_eq!(codes(&slot), (expected, 1), "bit {bit}");
    }
}
