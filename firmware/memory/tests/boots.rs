//! Boots over real memory: the reboot policy as the ledger keeps it, reports that are read once,
//! and a power that is cut at every word of every write.
#![expect(clippy::indexing_slicing, reason = "a test may stop on a wrong index")]

mod ram;

use crashrig_memory::reboot::{self, BootMode, Policy, Start};
use crashrig_memory::retain::{BootReport, CrashRegion};
use crashrig_wire::ledger::Phase;
use crashrig_wire::marker::Found;
use crashrig_wire::record::Record;
use crashrig_wire::region::Slot;
use crashrig_wire::{Detector, Kind, Ledger, Thread};
use ram::Ram;

const BUILD: [u8; 8] = *b"thisone!";
const POLICY: Policy = Policy { reboot_limit: 3, healthy_after_ms: 1000 };

fn begin(ram: &Ram) -> BootReport {
    ram.open().begin(&BUILD, &POLICY, Start::Reset)
}

fn crash(ram: &Ram, kind: Kind) {
    let mut region = ram.open();
    let record = Record {
        build_id: BUILD,
        boot: region.ledger().boots,
        sequence: region.next_sequence(),
        ..Record::blank(kind, Detector::BusError, Thread::Main)
    };
    let slot = region.commit_core(&record);
    region.commit_trail(slot, &record);
}

/// One boot that takes its report.
fn reported(ram: &Ram) -> Option<Kind> {
    let told = begin(ram).record;
    let taken = ram.open().take_report(&BUILD);
    assert_eq!(told, taken);
    taken.map(|record| record.kind)
}

fn history(ram: &Ram) -> Vec<Kind> {
    ram.open().history().map(|(_, record)| record.kind).collect()
}

#[test]
fn a_record_is_reported_once_and_then_is_history() {
    let ram = Ram::of_noise(1);
    assert_eq!(reported(&ram), None);
    crash(&ram, Kind::BusFault);
    let report = begin(&ram);
    assert_eq!(report.record.map(|record| record.kind), Some(Kind::BusFault));
    assert_eq!((report.findings.first, report.findings.boot), (Found::Unread, 2));
    assert_eq!(reported(&ram), Some(Kind::BusFault), "being told of it does not mark it");
    assert_eq!(reported(&ram), None);
    assert_eq!(ram.open().boot(&BUILD).first, Found::Read);
    assert_eq!(history(&ram), [Kind::BusFault]);
    // The next crash leaves it in peace, and the one after takes its room.
    crash(&ram, Kind::UsageFault);
    assert_eq!(history(&ram), [Kind::UsageFault, Kind::BusFault]);
    assert_eq!(reported(&ram), Some(Kind::UsageFault));
    crash(&ram, Kind::Panic);
    assert_eq!(history(&ram), [Kind::Panic, Kind::UsageFault]);
    assert_eq!((reported(&ram), reported(&ram)), (Some(Kind::Panic), None));
}

#[test]
fn of_two_unread_records_the_older_is_reported_first_wherever_it_lies() {
    let ram = Ram::of_noise(2);
    for round in 0..3 {
        crash(&ram, Kind::BusFault);
        crash(&ram, Kind::UsageFault);
        crash(&ram, Kind::Panic);
        assert_eq!(history(&ram), [Kind::Panic, Kind::BusFault], "round {round}");
        let mut region = ram.open();
        assert_eq!(region.take_report(&BUILD).map(|record| record.kind), Some(Kind::BusFault));
        assert_eq!(region.take_report(&BUILD).map(|record| record.kind), Some(Kind::Panic));
        assert_eq!(region.take_report(&BUILD), None);
        // One more, read at once, moves the oldest to the other slot for the next round.
        crash(&ram, Kind::HardFault);
        assert_eq!(reported(&ram), Some(Kind::HardFault));
    }
}

#[test]
fn a_record_of_another_build_is_never_reported_and_stays_until_something_newer_is() {
    let ram = Ram::of_noise(3);
    crash(&ram, Kind::BusFault);
    let mut region = ram.open();
    let report = region.begin(b"another!", &POLICY, Start::Reset);
    assert_eq!((report.record, report.findings.first), (None, Found::Foreign));
    assert_eq!(region.take_report(b"another!"), None);
    assert_eq!(region.slot_for_new(), Slot::Last);
    assert_eq!(history(&ram), [Kind::BusFault]);
}

#[test]
fn acknowledging_leaves_safe_mode_and_reading_a_report_does_not() {
    let ram = Ram::of_noise(4);
    for in_a_row in 0..3 {
        assert_eq!(begin(&ram).mode, BootMode::Normal);
        crash(&ram, Kind::BusFault);
        assert_eq!(ram.open().ledger().crashes_in_a_row, in_a_row + 1);
    }
    let safe = BootMode::Safe { crashes_in_a_row: 3 };
    assert_eq!(begin(&ram).mode, safe);
    ram.open().end_in_order();
    assert_eq!(begin(&ram).mode, safe);
    ram.open().acknowledge();
    ram.open().end_in_order();
    assert_eq!(begin(&ram).mode, BootMode::Normal);
}

#[test]
fn a_boot_that_nobody_follows_counts_for_nothing() {
    let ram = Ram::of_noise(5);
    begin(&ram);
    for _ in 0..9 {
        ram.open().boot(&BUILD);
    }
    assert_eq!(begin(&ram).mode, BootMode::Normal);
    let ledger = *ram.open().ledger();
    assert_eq!((ledger.boots, ledger.crashes_in_a_row, ledger.boots_without_end), (11, 0, 0));
}

#[test]
fn a_healthy_boot_is_written_once() {
    let ram = Ram::of_noise(6);
    begin(&ram);
    crash(&ram, Kind::BusFault);
    begin(&ram);
    let sequence = || ram.open().ledger().sequence;
    let before = sequence();
    ram.open().healthy();
    assert_eq!((sequence(), ram.open().ledger().crashes_in_a_row), (before + 1, 0));
    ram.open().healthy();
    assert_eq!(sequence(), before + 1);
}

/// What the policy alone would make of the ledger: everything that memory adds is left out.
const fn followed(ledger: &Ledger) -> Ledger {
    Ledger { sequence: 0, boots: 0, crashes: 0, read_mark: 0, ..*ledger }
}

/// All sequences of five events, each boot over newly opened memory: what is read back is what the
/// policy says of an untouched ledger.
#[test]
fn memory_keeps_what_the_policy_says() {
    const EVENTS: usize = 5;
    const LENGTH: u32 = 5;
    for sequence in 0..EVENTS.pow(LENGTH) {
        let ram = Ram::of_noise(7);
        let mut ledger = Ledger::NEW;
        assert_eq!(begin(&ram).mode, POLICY.begin(&mut ledger, Start::Reset));
        for place in 0..LENGTH {
            let mut start = Start::Reset;
            match sequence / EVENTS.pow(place) % EVENTS {
                0 => {
                    crash(&ram, Kind::BusFault);
                    reboot::crashed(&mut ledger, crashrig_wire::Status::of(Kind::BusFault));
                }
                1 => {}
                2 => {
                    ram.open().healthy();
                    reboot::healthy(&mut ledger);
                    continue;
                }
                3 => {
                    ram.open().end_in_order();
                    reboot::ended(&mut ledger);
                }
                _ => start = Start::PowerOn,
            }
            let mode = ram.open().begin(&BUILD, &POLICY, start).mode;
            assert_eq!(mode, POLICY.begin(&mut ledger, start), "sequence {sequence}");
        }
        assert_eq!(followed(ram.open().ledger()), ledger, "sequence {sequence}");
    }
}

/// Each write of the ledger, cut after each word: the state is the old or the new one.
#[test]
fn a_power_cut_in_the_ledger_leaves_the_old_state_or_the_new() {
    type Write = fn(&mut CrashRegion<Ram>);
    let writes: [(&str, Write); 6] = [
        ("begin", |region| {
            assert_eq!(region.begin(&BUILD, &POLICY, Start::Reset).findings.boot, 2)
        }),
        ("report", |region| assert!(region.take_report(&BUILD).is_some())),
        ("healthy", CrashRegion::healthy),
        ("end", CrashRegion::end_in_order),
        ("acknowledge", CrashRegion::acknowledge),
        ("nested", |region| region.note_nested(3, 0x8200)),
    ];
    let ram = Ram::of_noise(8);
    begin(&ram);
    crash(&ram, Kind::UsageFault);
    crash(&ram, Kind::BusFault);
    let before = *ram.open().ledger();
    for (name, write) in writes {
        let whole = ram.copy();
        write(&mut whole.open());
        let after = *whole.open().ledger();
        assert_ne!(before, after, "{name}");
        for cut in 0..=16 {
            let trial = ram.copy();
            *trial.writes_left.borrow_mut() = cut;
            write(&mut trial.open());
            *trial.writes_left.borrow_mut() = usize::MAX;
            let expected = if cut < 16 { before } else { after };
            assert_eq!(*trial.open().ledger(), expected, "{name}, cut after {cut} words");
            assert_eq!(history(&trial), [Kind::BusFault, Kind::UsageFault]);
            // Nothing is lost by the cut: what was not marked is reported by the next boot.
            let unread = before.read_mark == expected.read_mark;
            assert!(!unread || reported(&trial) == Some(Kind::UsageFault), "{name} {cut}");
        }
    }
}

/// A boot that crashes, cut after each word: it counts once, as a crash or as a boot without end,
/// from the word on that completes its beginning.
#[test]
fn a_boot_cut_at_any_word_counts_once() {
    let mut seen = [0; 3];
    for cut in 0.. {
        let ram = Ram::of_noise(9);
        begin(&ram);
        ram.open().end_in_order();
        *ram.writes_left.borrow_mut() = cut;
        begin(&ram);
        crash(&ram, Kind::BusFault);
        let finished = *ram.writes_left.borrow() > 0;
        *ram.writes_left.borrow_mut() = usize::MAX;
        let cut_ledger = *ram.open().ledger();
        begin(&ram);
        let ledger = *ram.open().ledger();
        let counts = (ledger.boots_without_end, ledger.crashes_by_class.iter().sum::<u8>());
        let begun = cut_ledger.boots == 2;
        assert_eq!(ledger.crashes_in_a_row, u16::from(begun), "cut after {cut} words");
        assert_eq!(u16::from(counts.1) + counts.0, u16::from(begun), "cut after {cut} words");
        seen[usize::from(counts.0) + 2 * usize::from(counts.1)] += 1;
        if finished {
            assert_eq!((cut_ledger.phase, counts), (Phase::Crashed, (0, 1)));
            break;
        }
    }
    assert!(seen.iter().all(|count| *count > 0), "every outcome was met: {seen:?}");
}

#[test]
fn a_bootloader_passes_records_on_and_is_no_boot() {
    let ram = Ram::of_noise(7);
    assert!(ram.open().hand_over(7, Start::Reset));
    let first = begin(&ram).findings;
    assert_eq!((first.boot, first.ledger_kept), (1, false), "the application begins the first");
    crash(&ram, Kind::BusFault);
    for boot in 2..5 {
        assert!(ram.open().hand_over(7, Start::Reset));
        let report = begin(&ram);
        assert_eq!(report.record.map(|record| record.kind), Some(Kind::BusFault));
        assert_eq!((report.findings.boot, report.findings.ledger_kept), (boot, true));
        ram.open().end_in_order();
    }
    assert_eq!(ram.open().ledger().crashes_in_a_row, 1);
}

#[test]
fn a_bootloader_that_stays_is_a_boot_in_safe_mode() {
    let ram = Ram::of_noise(8);
    ram.open().stay(Start::Reset);
    let ledger = *ram.open().ledger();
    assert_eq!((ledger.boots, ledger.phase), (1, Phase::Ended));
    assert_eq!(begin(&ram).mode, BootMode::Safe { crashes_in_a_row: 0 });
}
