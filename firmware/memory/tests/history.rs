//! What outlives a loss of RAM: the mirror of the ledger, and the history of records.
#![expect(clippy::indexing_slicing, reason = "a test may stop on a wrong offset")]

mod ram;

use crashrig_memory::history::History;
use crashrig_memory::retain::{CrashRegion, Store as _};
use crashrig_wire::history::{HISTORY_BYTES, HISTORY_SLOT_BYTES, HISTORY_SLOTS, Kept, slots};
use crashrig_wire::record::{Reading, Record, read};
use crashrig_wire::section::Section;
use crashrig_wire::{Detector, Kind, Ledger, Thread};
use ram::Ram;

const BUILD: [u8; 8] = *b"thisone!";
/// The backup registers of an STM32F4.
const MIRROR_BYTES: usize = 80;

/// A device with all three memories.
struct Device {
    ram: Ram,
    mirror: Ram,
    history: Ram,
}

impl Device {
    fn new() -> Self {
        Self {
            ram: Ram::of_noise(1),
            mirror: Ram::of_size(MIRROR_BYTES, 2),
            history: Ram::of_size(HISTORY_BYTES, 3),
        }
    }

    /// A boot that goes as far as its crash-record check.
    fn boot(&self) -> CrashRegion<Ram> {
        let mut region = open(&self.ram, &self.mirror);
        History::open(self.history.clone()).take(&mut region);
        region.boot(&BUILD);
        region
    }

    fn crash(&self) {
        let mut region = self.boot();
        let record = Record {
            build_id: BUILD,
            boot: region.ledger().boots,
            sequence: region.next_sequence(),
            ..Record::blank(Kind::BusFault, Detector::BusError, Thread::Main)
        };
        let slot = region.commit_core(&record);
        region.commit_trail(slot, &record);
        region.sections(slot, record.sequence).section(Section::Float, [1, 2, record.sequence]);
    }

    /// RAM is lost, the rest is kept.
    fn lose_ram(&mut self, seed: u32) {
        self.ram = Ram::of_noise(seed);
    }

    /// Boots of the records in the history, the oldest first.
    fn kept(&self) -> Vec<u32> {
        let bytes = self.history.bytes.borrow();
        let mut kept: Vec<_> = slots(&bytes).flatten().collect();
        kept.sort_by_key(|kept| kept.sequence);
        let reading = |kept: &Kept<'_>| {
            kept.bytes.first_chunk::<256>().map_or(Reading::Blank, |bytes| read(bytes))
        };
        // What is no record counts as one of boot 0.
        let boot = |kept| reading(kept).record().map_or(0, |record| record.boot);
        kept.iter().map(boot).collect()
    }
}

fn open(ram: &Ram, mirror: &Ram) -> CrashRegion<Ram> {
    CrashRegion::open_mirrored(ram.clone(), Some(mirror.clone()))
}

fn counts(region: &CrashRegion<Ram>) -> (u32, u32) {
    (region.ledger().boots, region.ledger().crashes)
}

#[test]
fn the_ledger_outlives_ram() {
    let mut device = Device::new();
    device.crash();
    device.crash();
    device.lose_ram(7);
    let region = open(&device.ram, &device.mirror);
    assert_eq!(counts(&region), (2, 2));
    let findings = device.boot().boot(&BUILD);
    assert!(findings.ledger_kept);
    // Without a mirror nothing is known.
    assert_eq!(counts(&open(&device.ram.copy(), &Ram::of_size(MIRROR_BYTES, 5))), (4, 2));
    device.lose_ram(8);
    assert_eq!(counts(&device.ram.open()), (0, 0));
}

#[test]
fn the_mirror_is_the_ledger_after_each_write() {
    let device = Device::new();
    for _ in 0..3 {
        device.crash();
        let mirrored = Ledger::read(&device.mirror.bytes.borrow());
        assert_eq!(mirrored.as_ref(), Some(device.ram.open().ledger()));
    }
}

/// The higher sequence counts, wherever it is; and the older mirror is brought up to date.
#[test]
fn an_old_mirror_does_not_count() {
    let device = Device::new();
    device.crash();
    let old = device.mirror.copy();
    device.crash();
    let mut region = open(&device.ram, &old);
    assert_eq!(counts(&region), (2, 2));
    region.boot(&BUILD);
    assert_eq!(Ledger::read(&old.bytes.borrow()).as_ref(), Some(region.ledger()));
    let older_ram = Ram::of_noise(9);
    older_ram.open().boot(&BUILD);
    assert_eq!(counts(&open(&older_ram, &old)), (3, 2));
}

/// A loss of power at any word of the mirror leaves the ledger of the crash region.
#[test]
fn a_torn_mirror_is_no_ledger() {
    for words in 0..16 {
        let device = Device::new();
        device.crash();
        *device.mirror.writes_left.borrow_mut() = words;
        device.crash();
        assert_eq!(counts(&open(&device.ram, &device.mirror)), (2, 2), "{words} words");
    }
}

#[test]
fn the_last_three_are_kept_in_order() {
    let mut device = Device::new();
    for boot in 1..=5 {
        device.crash();
        let first: u32 = boot.max(4) - 3;
        assert_eq!(device.kept(), (first..boot).collect::<Vec<_>>());
    }
    device.boot();
    assert_eq!(device.kept(), [3, 4, 5]);
    device.boot();
    assert_eq!(device.kept(), [3, 4, 5], "what was there is not taken again");
    device.lose_ram(4);
    device.crash();
    assert_eq!(device.kept(), [3, 4, 5]);
    device.boot();
    assert_eq!(device.kept(), [4, 5, 8]);
    device.crash();
    device.boot();
    assert_eq!(device.kept(), [5, 8, 10]);
}

#[test]
fn sections_are_kept_too() {
    let device = Device::new();
    device.crash();
    device.boot();
    let bytes = device.history.bytes.borrow();
    let kept = slots(&bytes).flatten().next().unwrap();
    let mut slot = [0; 1152];
    device.ram.read(0x100, &mut slot);
    assert_eq!(kept.bytes, &slot);
}

#[test]
fn a_damaged_slot_is_refused_and_written_next() {
    for damaged in 0..HISTORY_SLOTS {
        let mut device = Device::new();
        (0..3).for_each(|_| device.crash());
        device.boot();
        device.history.bytes.borrow_mut()[damaged * HISTORY_SLOT_BYTES + 200] ^= 4;
        let others: Vec<u32> = (1..=3).filter(|boot| *boot != damaged as u32 + 1).collect();
        assert_eq!(device.kept(), others);
        // Otherwise the newest would be made up for from there.
        device.lose_ram(6);
        device.crash();
        device.boot();
        assert_eq!(device.kept(), [others, vec![5]].concat());
    }
}

/// A loss of power at any word of a copy takes one record at most, and the next boot makes up for
/// it from the crash region.
#[test]
fn a_torn_copy_takes_one_slot() {
    for words in (0..HISTORY_SLOT_BYTES / 4).step_by(17) {
        let device = Device::new();
        (0..4).for_each(|_| device.crash());
        *device.history.writes_left.borrow_mut() = words;
        // The power goes before the boot is counted.
        History::open(device.history.clone()).take(&mut open(&device.ram, &device.mirror));
        let after = device.kept();
        assert!(after.ends_with(&[2, 3]), "{words} words: {after:?}");
        *device.history.writes_left.borrow_mut() = usize::MAX;
        device.boot();
        assert_eq!(device.kept(), [2, 3, 4], "{words} words");
    }
}

/// Everything but the history is lost: sequences go on behind those that it has.
#[test]
fn no_sequence_is_given_out_twice() {
    let mut device = Device::new();
    (0..3).for_each(|_| device.crash());
    device.boot();
    device.lose_ram(11);
    device.mirror = Ram::of_size(MIRROR_BYTES, 12);
    assert_eq!(device.boot().next_sequence(), 4);
}
