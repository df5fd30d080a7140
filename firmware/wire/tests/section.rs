//! Sections of a record: what is written is read, damage costs one section, and any bytes are read.
#![expect(clippy::indexing_slicing, clippy::panic, reason = "a test may stop on what is wrong")]

use crashrig_wire::section::{
    ErrorRow, Neighbour, Section, SectionReading, SectionWriter, ThreadRow, WordSink, sections,
};
use crashrig_wire::thread::{Area, Owner};
use crashrig_wire::{Status, Thread};

struct Bytes<'a>(&'a mut Vec<u8>);

impl WordSink for Bytes<'_> {
    fn write_word(&mut self, offset: usize, word: u32) {
        self.0[offset..offset + 4].copy_from_slice(&word.to_le_bytes());
    }
}

const SEQUENCE: u32 = 7;

/// A list of every section, each with as many words as its code.
fn full(room: usize) -> Vec<u8> {
    let mut bytes = vec![0xA5; room];
    let mut writer = SectionWriter::new(Bytes(&mut bytes), SEQUENCE, 0, room);
    for section in Section::ALL {
        let code = u32::from(section.code());
        writer.section(*section, (0..code).map(|index| code << 16 | index));
    }
    bytes
}

/// Codes of the sound sections, and how many damaged stretches there are.
fn read(bytes: &[u8], sequence: u32) -> (Vec<u8>, usize) {
    let (mut codes, mut damaged) = (Vec::new(), 0);
    for reading in sections(bytes, sequence) {
        match reading {
            SectionReading::Sound { code, payload, .. } => {
                assert_eq!(payload.len() % 4, 0);
                codes.push(code);
            }
            SectionReading::Damaged { length, .. } => {
                assert!(length > 0);
                damaged += 1;
            }
        }
    }
    (codes, damaged)
}

#[test]
fn what_is_written_is_read_in_order() {
    let bytes = full(768);
    let all: Vec<_> = Section::ALL.iter().map(|section| section.code()).collect();
    assert_eq!(read(&bytes, SEQUENCE), (all, 0));
    let Some(SectionReading::Sound { section, cut_short, payload, .. }) =
        sections(&bytes, SEQUENCE).nth(2)
    else {
        panic!("the third section")
    };
    assert_eq!((section, cut_short, payload.len()), (Some(Section::Interrupts), false, 12));
    assert_eq!(payload[..4], [0, 0, 3, 0]);
}

#[test]
fn what_an_older_record_left_does_not_count() {
    let bytes = full(768);
    let (codes, _) = read(&bytes, SEQUENCE + 1);
    assert!(codes.is_empty(), "{codes:?}");
}

#[test]
fn what_does_not_fit_is_cut_short_and_says_so() {
    for room in 0..=100 {
        let bytes = full(room);
        let found: Vec<_> = sections(&bytes, SEQUENCE).collect();
        let cut = |reading: &SectionReading<'_>| {
            matches!(reading, SectionReading::Sound { cut_short: true, .. })
        };
        assert!(found.iter().filter(|reading| cut(reading)).count() <= 1, "{room}: {found:?}");
        let damaged =
            |reading: &SectionReading<'_>| matches!(reading, SectionReading::Damaged { .. });
        // Without room for the end of the list, nothing is written.
        assert!(room < 4 || !found.iter().any(damaged), "{room}: {found:?}");
    }
}

/// Length and mark of a table of two words in front and rows of three.
fn table(room: usize, limit: usize, count: u32) -> Option<(usize, bool)> {
    let mut bytes = vec![0xA5; room];
    let mut writer = SectionWriter::new(Bytes(&mut bytes), SEQUENCE, 0, room);
    writer.table(Section::Threads, [1, 2], limit, (0..count).map(|row| [row; 3]));
    sections(&bytes, SEQUENCE).next().map(|reading| match reading {
        SectionReading::Sound { cut_short, payload, .. } => (payload.len() / 4, cut_short),
        SectionReading::Damaged { .. } => panic!("{reading:?}"),
    })
}

#[test]
fn a_table_is_cut_at_whole_rows_and_says_so() {
    for (room, limit, count, expected) in [
        (768, 8, 7, Some((2 + 21, false))),
        (768, 8, 8, Some((2 + 24, false))),
        (768, 8, 9, Some((2 + 24, true))),
        (768, 0, 1, Some((2, true))),
        (2048, 100, 90, Some((2 + 3 * 84, true))),
        // Head, two words, two rows, the end of the list.
        (4 * (1 + 2 + 6 + 1), 8, 2, Some((2 + 6, false))),
        (4 * (1 + 2 + 6 + 1), 8, 3, Some((2 + 6, true))),
        (4 * (1 + 2 + 6 + 1) - 4, 8, 2, Some((2 + 3, true))),
        (4 * (1 + 2 + 1), 8, 2, Some((2, true))),
        (4 * (1 + 2), 8, 2, None),
    ] {
        assert_eq!(table(room, limit, count), expected, "{room} bytes, {limit} of {count} rows");
    }
}

#[test]
fn a_flipped_bit_costs_the_section_it_is_in_and_no_other() {
    let whole = full(768);
    let (all, _) = read(&whole, SEQUENCE);
    let mut starts = vec![0];
    for reading in sections(&whole, SEQUENCE) {
        let SectionReading::Sound { payload, .. } = reading else { panic!("sound") };
        starts.push(starts[starts.len() - 1] + 4 + payload.len());
    }
    let end = starts[starts.len() - 1];
    for bit in 0..8 * end {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let hit = starts.iter().rposition(|start| *start <= bit / 8).unwrap_or(0);
        let expected: Vec<_> =
            all.iter().enumerate().filter(|(at, _)| *at != hit).map(|(_, code)| *code).collect();
        let (codes, damaged) = read(&bytes, SEQUENCE);
        assert_eq!(codes, expected, "bit {bit} in section {hit}");
        assert_eq!(damaged, 1, "bit {bit}");
    }
}

#[test]
fn any_bytes_come_to_an_end() {
    let mut state = 1_u32;
    for length in 0..300 {
        let bytes: Vec<_> = (0..length)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            })
            .collect();
        let (codes, damaged) = read(&bytes, SEQUENCE);
        assert!(codes.len() + damaged <= length / 4 + 1);
    }
}

#[test]
fn rows_come_back_as_they_were() {
    let thread = ThreadRow {
        thread: Some(Thread::User(3)),
        state: 2,
        priority: 24,
        flags: ThreadRow::RAN | ThreadRow::FROM_HEAP,
        stack_start: 0x2000_8000,
        stack_size: 2048,
        high_water: 304,
        stack_pointer: 0x2000_8700,
    };
    assert_eq!(ThreadRow::from_words(thread.to_words()), thread);
    let large = ThreadRow { stack_size: u32::MAX, ..thread };
    assert_eq!(ThreadRow::from_words(large.to_words()).stack_size, 0xFFFF * 8);
    let owner = Owner { area: Area::Stack, thread: Thread::Main };
    let neighbour = Neighbour { owner: Some(owner), start: 1, end: 2 };
    assert_eq!(Neighbour::from_words(neighbour.to_words()), neighbour);
    let error = ErrorRow { status: Status(0x8002_0125), address: 1, value: 2, line: 3, thread: 17 };
    assert_eq!(ErrorRow::from_words(error.to_words()), error);
}
