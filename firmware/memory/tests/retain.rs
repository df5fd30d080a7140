//! The crash region under resets: the power is cut at every word, and what must survive does.
#![expect(clippy::indexing_slicing, reason = "a test may stop on a wrong offset")]

mod ram;

use crashrig_memory::retain::CrashRegion;
use crashrig_wire::marker::Found;
use crashrig_wire::record::{Reading, Record};
use crashrig_wire::region::{Geometry, Slot};
use crashrig_wire::section::{SECTIONS_OFFSET, Section, SectionReading, TIER_2_LENGTH, sections};
use crashrig_wire::{Detector, Kind, Thread};
use ram::Ram;

const BUILD: [u8; 8] = *b"thisone!";
fn record(region: &CrashRegion<Ram>, kind: Kind) -> Record {
    Record {
        build_id: BUILD,
        run_id: 1,
        boot: region.ledger().boots,
        sequence: region.next_sequence(),
        trail: [0x0800_0101; 8],
        trail_length: 8,
        ..Record::blank(kind, Detector::BusError, Thread::Main)
    }
}

/// One boot that crashes.
fn crash(ram: &Ram, kind: Kind) {
    let mut region = ram.open();
    region.boot(&BUILD);
    let record = record(&region, kind);
    let slot = region.commit_core(&record);
    region.commit_trail(slot, &record);
    let mut sections = region.sections(slot, record.sequence);
    sections.section(Section::Float, [1, 2, 3]);
    sections.section(Section::Threads, 0..32);
    sections.section(Section::StackWindow, 0..64);
}

/// Codes of the sections behind the record in a slot; none may be damaged.
fn sections_in(ram: &Ram, slot: Slot) -> Vec<u8> {
    let Some(sequence) = ram.open().read(slot).record().map(|record| record.sequence) else {
        return Vec::new();
    };
    let bytes = ram.bytes.borrow();
    let geometry = Geometry::new(bytes.len());
    let start = geometry.offset_of(slot) + SECTIONS_OFFSET;
    let end = geometry.offset_of(slot) + geometry.slot_size.min(TIER_2_LENGTH);
    sections(bytes.get(start..end).unwrap_or_default(), sequence)
        .map(|reading| match reading {
            SectionReading::Sound { code, .. } => code,
            // No section has this code.
            SectionReading::Damaged { .. } => 0,
        })
        .collect()
}

fn kind_in(ram: &Ram, slot: Slot) -> Option<Kind> {
    ram.open().read(slot).record().map(|record| record.kind)
}

#[test]
fn noise_gives_no_record_and_the_first_boot() {
    for seed in 0..200 {
        let findings = Ram::of_noise(seed).open().boot(&BUILD);
        assert_eq!((findings.boot, findings.ledger_kept), (1, false));
        assert_eq!((findings.first, findings.last), (Found::Nothing, Found::Nothing));
    }
}

#[test]
fn an_unread_first_record_survives_later_crashes_and_a_read_one_makes_room() {
    let ram = Ram::of_noise(1);
    crash(&ram, Kind::BusFault);
    crash(&ram, Kind::UsageFault);
    crash(&ram, Kind::Panic);
    assert_eq!(kind_in(&ram, Slot::First), Some(Kind::BusFault));
    assert_eq!(kind_in(&ram, Slot::Last), Some(Kind::Panic));
    let findings = ram.open().boot(&BUILD);
    assert_eq!((findings.boot, findings.first), (4, Found::Unread));
    ram.open().acknowledge();
    assert_eq!(ram.open().boot(&BUILD).first, Found::Read);
    crash(&ram, Kind::HardFault);
    assert_eq!(kind_in(&ram, Slot::First), Some(Kind::HardFault));
    assert_eq!(ram.open().boot(&BUILD).first, Found::Unread);
    assert_eq!(ram.open().ledger().crashes, 4);
}

#[test]
fn a_record_of_another_build_is_foreign_and_stays() {
    let ram = Ram::of_noise(2);
    crash(&ram, Kind::BusFault);
    let findings = ram.open().boot(b"another!");
    assert_eq!(findings.first, Found::Foreign);
    crash(&ram, Kind::Panic);
    assert_eq!(kind_in(&ram, Slot::First), Some(Kind::BusFault));
}

#[test]
fn a_lost_ledger_gives_no_sequence_twice() {
    let ram = Ram::of_noise(3);
    crash(&ram, Kind::BusFault);
    crash(&ram, Kind::Panic);
    ram.bytes.borrow_mut()[..128].fill(0xFF);
    assert_eq!(ram.open().next_sequence(), 3);
    assert_eq!(ram.open().boot(&BUILD).first, Found::Unread);
}

#[test]
fn the_smallest_region_holds_both_slots_apart() {
    let ram = Ram::of_size(crashrig_wire::region::SMALLEST_REGION, 6);
    crash(&ram, Kind::BusFault);
    crash(&ram, Kind::UsageFault);
    crash(&ram, Kind::Panic);
    assert_eq!(kind_in(&ram, Slot::First), Some(Kind::BusFault));
    assert_eq!(kind_in(&ram, Slot::Last), Some(Kind::Panic));
    assert_eq!(ram.open().boot(&BUILD).boot, 4);
}

/// The power is cut after each number of words of a second and third crash: the unread first record
/// is there every time, and what is not whole never reads as whole.
#[test]
fn a_power_cut_at_any_word_keeps_the_unread_first_record() {
    let ram = Ram::of_noise(4);
    crash(&ram, Kind::BusFault);
    let mut cut = 0;
    loop {
        let trial = ram.copy();
        *trial.writes_left.borrow_mut() = cut;
        crash(&trial, Kind::UsageFault);
        let finished = *trial.writes_left.borrow() > 0;
        *trial.writes_left.borrow_mut() = usize::MAX;
        assert_eq!(kind_in(&trial, Slot::First), Some(Kind::BusFault), "cut after {cut} words");
        match trial.open().read(Slot::Last) {
            Reading::Valid(record) | Reading::Partial(record) => {
                assert_eq!(record.kind, Kind::UsageFault, "cut after {cut} words");
            }
            Reading::Blank | Reading::Torn | Reading::Corrupt(_) => assert!(!finished),
        }
        assert!(trial.open().ledger().boots >= 1, "a ledger survives");
        let all = [1, 4, 12];
        assert_eq!(sections_in(&trial, Slot::First), all, "cut after {cut} words");
        let found = sections_in(&trial, Slot::Last);
        assert!(all.starts_with(&found), "cut after {cut} words: {found:?}");
        assert!(!finished || found == all);
        // Whatever happened, the device goes on crashing and recording.
        crash(&trial, Kind::Panic);
        assert_eq!(kind_in(&trial, Slot::First), Some(Kind::BusFault));
        assert_eq!(kind_in(&trial, Slot::Last), Some(Kind::Panic));
        if finished {
            break;
        }
        cut += 1;
    }
    assert!(cut > 64, "the sweep covered the record: {cut} words");
}

/// The power is cut while FIRST itself is being written: it is whole, partly there, or not there.
#[test]
fn a_power_cut_in_the_first_record_leaves_nothing_false() {
    let mut seen = [0; 3];
    for cut in 0..150 {
        let ram = Ram::of_noise(5);
        *ram.writes_left.borrow_mut() = cut;
        crash(&ram, Kind::BusFault);
        match ram.open().read(Slot::First) {
            Reading::Valid(record) => {
                assert_eq!((record.kind, record.trail_length), (Kind::BusFault, 8));
                seen[0] += 1;
            }
            Reading::Partial(record) => {
                assert_eq!((record.kind, record.trail_length), (Kind::BusFault, 0));
                seen[1] += 1;
            }
            Reading::Blank | Reading::Torn | Reading::Corrupt(_) => seen[2] += 1,
        }
    }
    assert!(seen.iter().all(|count| *count > 0), "every outcome was met: {seen:?}");
    let last = Ram::of_noise(5);
    crash(&last, Kind::BusFault);
    assert!(matches!(last.open().read(Slot::First), Reading::Valid(_)));
    assert_eq!(last.open().boot(&BUILD).boot, 2);
}

/// The power is cut after each number of words while a record with sections is replaced: a reader
/// finds the old one whole, or nothing, or the new one with a beginning of its own sections.
#[test]
fn a_power_cut_over_an_older_record_mixes_nothing() {
    let ram = Ram::of_noise(7);
    crash(&ram, Kind::BusFault);
    crash(&ram, Kind::HardFault);
    let all = [1, 4, 12];
    let mut seen = [0; 4];
    for cut in 0.. {
        let trial = ram.copy();
        *trial.writes_left.borrow_mut() = cut;
        crash(&trial, Kind::UsageFault);
        let finished = *trial.writes_left.borrow() > 0;
        *trial.writes_left.borrow_mut() = usize::MAX;
        let found = sections_in(&trial, Slot::Last);
        match trial.open().read(Slot::Last) {
            Reading::Valid(record) if record.kind == Kind::HardFault => {
                assert_eq!(found, all, "cut after {cut} words");
                seen[0] += 1;
            }
            Reading::Valid(record) => {
                assert_eq!((record.kind, record.trail_length), (Kind::UsageFault, 8));
                assert!(all.starts_with(&found), "cut after {cut} words: {found:?}");
                seen[3] += 1;
            }
            // A section is never there before its record is complete.
            Reading::Partial(record) => {
                assert_eq!((record.kind, found), (Kind::UsageFault, vec![]), "cut after {cut}");
                seen[2] += 1;
            }
            Reading::Blank | Reading::Torn | Reading::Corrupt(_) => seen[1] += 1,
        }
        if finished {
            assert_eq!(found_kinds(&trial), [Some(Kind::BusFault), Some(Kind::UsageFault)]);
            break;
        }
    }
    assert!(seen.iter().all(|count| *count > 0), "every outcome was met: {seen:?}");
}

fn found_kinds(ram: &Ram) -> [Option<Kind>; 2] {
    Slot::ALL.map(|slot| kind_in(ram, slot))
}
