//! The record as both sides see it: it comes back, tears where it should, and is never believed
//! wrongly.

use crashrig_wire::field::{CRC, FIELDS, TRAIL};
use crashrig_wire::record::{
    Architecture, Corruption, FaultStatus, RECORD_LENGTH, Reading, Record, Registers, State, Trust,
    read,
};
use crashrig_wire::thread::{Area, Owner};
use crashrig_wire::{Detector, Kind, Thread};

fn sample() -> Record {
    Record {
        trust: Trust(Trust::CALLEE_SAVED | Trust::FAULT_ADDRESS),
        build_id: *b"\x01\x02\x03\x04\x05\x06\x07\x08",
        run_id: 0xAABB_CCDD,
        boot: 3,
        sequence: 2,
        uptime_ms: 17,
        value: 0x2000_2400,
        fault_address: 0x2000_23E8,
        owner: Owner { area: Area::Guard, thread: Thread::Main },
        registers: Registers {
            r: core::array::from_fn(|i| i as u32),
            sp: 0x2000_23C8,
            ..Registers::default()
        },
        faults: FaultStatus { cfsr: 0x92, mmfar: 0x2000_23E8, ..FaultStatus::default() },
        stack_start: 0x2000_2400,
        stack_size: 4096,
        thread_entry: 0x0800_1235,
        trail: [0x0800_0401, 0x0800_0501, 0x0800_0601, 0, 0, 0, 0, 0],
        trail_length: 3,
        ..Record::blank(Kind::StackOverflow, Detector::MpuGuard, Thread::Main)
    }
}

/// Bytes that version 1 wrote on 2026-11-21; every later reader must read them.
#[test]
fn the_golden_bytes_of_version_1_are_read() {
    let text = include_str!("golden/record_v1.hex");
    let bytes: Vec<u8> = text
        .split_whitespace()
        .map(|pair| u8::from_str_radix(pair, 16).expect("two hexadecimal digits"))
        .collect();
    assert_eq!(read(&bytes), Reading::Valid(sample()));
}

#[test]
fn a_complete_record_comes_back_whole() {
    let bytes = sample().to_bytes(State::Complete);
    assert_eq!(read(&bytes), Reading::Valid(sample()));
}

#[test]
fn a_record_says_which_architecture_it_is_of() {
    let record = Record { architecture: Architecture::Armv8m, ..sample() };
    assert_eq!(read(&record.to_bytes(State::Complete)), Reading::Valid(record));
}

#[test]
fn a_record_cut_short_after_phase_one_keeps_phase_one() {
    let mut bytes = sample().to_bytes(State::Core);
    bytes[TRAIL.offset..].fill(0xA5);
    let expected = Record { trail: [0; 8], trail_length: 0, ..sample() };
    assert_eq!(read(&bytes), Reading::Partial(expected));
}

#[test]
fn a_record_cut_short_before_is_torn() {
    assert_eq!(read(&sample().to_bytes(State::Writing)), Reading::Torn);
}

#[test]
fn every_single_flipped_bit_of_a_complete_record_is_noticed() {
    let bytes = sample().to_bytes(State::Complete);
    for bit in 0..8 * RECORD_LENGTH {
        let mut flipped = bytes;
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(read(&flipped).record().is_none(), "bit {bit}");
    }
}

#[test]
fn bytes_of_any_kind_give_an_answer() {
    assert_eq!(read(&[]), Reading::Corrupt(Corruption::TooShort(0)));
    assert_eq!(read(&[0; 256]), Reading::Blank);
    let mut noise = 0x1234_5678_u32;
    for _ in 0..2000 {
        let mut bytes = sample().to_bytes(State::Complete);
        for byte in bytes.iter_mut().skip(8) {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *byte = (noise >> 24) as u8;
        }
        assert!(read(&bytes).record().is_none());
    }
}

#[test]
fn a_sealed_record_with_an_unknown_code_is_corrupt_and_names_the_field() {
    let mut bytes = sample().to_bytes(State::Complete);
    bytes[crashrig_wire::field::KIND.offset] = 200;
    let crc = crashrig_wire::record::whole_crc(&bytes);
    bytes[CRC.offset..][..4].copy_from_slice(&crc.to_le_bytes());
    assert_eq!(read(&bytes), Reading::Corrupt(Corruption::Code("kind")));
}

#[test]
fn another_version_is_refused_by_name() {
    let mut bytes = sample().to_bytes(State::Complete);
    bytes[4] = 9;
    assert_eq!(read(&bytes), Reading::Corrupt(Corruption::Version(9)));
}

#[test]
fn the_fields_have_names_of_their_own() {
    let mut names: Vec<_> = FIELDS.iter().map(|field| field.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), FIELDS.len());
}
