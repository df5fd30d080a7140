//! Each outcome from bytes that are made for it, and bytes that are made for none.

use super::*;
use crate::noise::Noise;
use crate::scenario::sweep::{PlannedEffect, Points, TriggerLink};
use crate::sweep::fault::{Link, Scope};
use crashrig_wire::ledger::LEDGER_LENGTH;
use crashrig_wire::marker::Found as SlotFinding;
use crashrig_wire::record::{RECORD_LENGTH, State};
use crashrig_wire::{Detector, EndMarker, Kind, Ledger, Observation, Thread};

const RESET: Effect = Effect::Reset { ram: RamPolicy::Kept };
const REGION_BYTES: usize = 0x1000;
const CRASH_START: u32 = 0x2000_0200;
const CRASH_REGION: Range<u32> = CRASH_START..CRASH_START + REGION_BYTES as u32;
const FIRST: usize = 0x100;
const LAST: usize = 0x880;

fn record() -> Record {
    let thread = Thread::Main;
    Record {
        boot: 1,
        sequence: 1,
        run_id: 7,
        fault_address: 0x6000_0000,
        trail_length: 1,
        trail: {
            let mut trail = [0; _];
            trail[0] = 0x0800_1235;
            trail
        },
        ..Record::blank(Kind::BusFault, Detector::BusError, thread)
    }
}

fn region(boots: u32, crashes: u32, first: Option<[u8; RECORD_LENGTH]>) -> Vec<u8> {
    let mut region = vec![0; REGION_BYTES];
    let ledger = Ledger { sequence: boots, boots, crashes, ..Ledger::NEW };
    region[..LEDGER_LENGTH].copy_from_slice(&ledger.to_bytes());
    if let Some(first) = first {
        region[FIRST..FIRST + RECORD_LENGTH].copy_from_slice(&first);
    }
    region
}

fn marker(boot: u32, first: SlotFinding) -> EndMarker {
    EndMarker {
        run_id: 7,
        boot,
        build_id: [0; _],
        observed: Observation::BssZero.bit() | Observation::HeapCallbacksCame.bit(),
        first,
        last: SlotFinding::Nothing,
        ticks: 3,
    }
}

fn boot(region: Vec<u8>, marker: Option<EndMarker>) -> BootTrace {
    let marker = marker.map_or(vec![0; 64], |marker| marker.to_bytes().to_vec());
    let boundary = Boundary::Reset;
    BootTrace { boundary, instructions: 1_000, region, marker, ram_hash: Some(1) }
}

/// A crash, and a boot that finds it.
fn golden() -> Trace {
    let whole = Some(record().to_bytes(State::Complete));
    Trace {
        fired: 1,
        fired_at: Some(0x0800_0800),
        fired_after: Some(100),
        boots: vec![
            boot(region(1, 1, whole), None),
            boot(region(2, 1, whole), Some(marker(2, SlotFinding::Unread))),
        ],
    }
}

fn sweep(subject: Subject) -> Sweep {
    Sweep {
        subject,
        boot: 2,
        trigger: vec![TriggerLink::Boot],
        points: Points::Instructions,
        until: None,
        effect: PlannedEffect::Skip,
        scopes: vec![Scope::Once],
        expect: vec![Expected { detector: Detector::DivideTrap, kind: None, thread: None }],
        may_miss: vec![Observation::HeapCallbacksCame],
        allow: Vec::new(),
        sample: None,
        second: None,
        forbid: Vec::new(),
        late_after_instructions: Some(800),
    }
}

fn fault(boot: u32, effect: Effect) -> Fault {
    Fault { boot, trigger: vec![Link::Boot], effect, scope: Scope::Once, seed: 0, second: None }
}

/// What a change of the golden run is judged as.
fn judged(subject: Subject, fault: &Fault, change: impl FnOnce(&mut Trace)) -> (Outcome, String) {
    let golden = golden();
    let mut trace = golden.clone();
    change(&mut trace);
    let sweep = sweep(subject);
    let judgement = Classifier::new(&sweep, CRASH_REGION, &golden).judge(fault, &trace);
    (judgement.outcome, judgement.detail)
}

fn check(
    subject: Subject,
    fault: &Fault,
    expected: (Outcome, &str),
    change: impl FnOnce(&mut Trace),
) {
    let (outcome, detail) = judged(subject, fault, change);
    assert_eq!((outcome, detail.as_str()), expected);
}

/// A run that does no harm to what it does not touch.
fn check_skip(expected: (Outcome, &str), change: impl FnOnce(&mut Trace)) {
    check(Subject::Other, &fault(2, Effect::Skip), expected, change);
}

#[test]
fn a_run_like_the_golden_one_is_masked() {
    check_skip((Outcome::Masked, ""), |_| {});
    check_skip((Outcome::NotActivated, ""), |trace| trace.fired = 0);
    // Time is not looked at: each stop of the device lets its clock jump.
    check_skip((Outcome::Masked, ""), |trace| {
        let late = EndMarker { ticks: 9, ..marker(2, SlotFinding::Unread) };
        trace.boots[1].marker = late.to_bytes().to_vec();
    });
}

#[test]
fn what_is_kept_and_differs_is_latent() {
    check_skip((Outcome::Latent, "RAM"), |trace| trace.boots[1].ram_hash = Some(2));
    check_skip((Outcome::Latent, "the crash region"), |trace| trace.boots[1].region[0xFFF] = 1);
    // Engines that do not look at RAM say nothing of it.
    check_skip((Outcome::Masked, ""), |trace| trace.boots[1].ram_hash = None);
}

fn with_record(trace: &mut Trace, instructions: u64, detector: Detector) {
    let thread = Thread::Main;
    let new = Record {
        boot: 2,
        sequence: 2,
        run_id: 7,
        ..Record::blank(Kind::UsageFault, detector, thread)
    };
    trace.boots[1].region[LAST..LAST + RECORD_LENGTH]
        .copy_from_slice(&new.to_bytes(State::Complete));
    trace.boots[1].marker.fill(0);
    trace.boots[1].instructions = instructions;
}

#[test]
fn a_new_record_is_right_late_or_another_s() {
    let words = "boot 2: usage-fault by divide-trap of main";
    check_skip((Outcome::DetectedRight, words), |trace| {
        with_record(trace, 900, Detector::DivideTrap)
    });
    let late = "boot 2: usage-fault by divide-trap of main, 801 instructions after the effect";
    check_skip((Outcome::DetectedLate, late), |trace| {
        with_record(trace, 901, Detector::DivideTrap)
    });
    let other = "boot 2: usage-fault by instruction-check of main";
    check_skip((Outcome::DetectedMisattributed, other), |trace| {
        with_record(trace, 900, Detector::InstructionCheck);
    });
}

#[test]
fn boots_without_an_end_are_hangs_and_unreported_crashes() {
    let hang = Boundary::Hang { limit: "target time".to_owned(), pc: None };
    check_skip((Outcome::Hang, "boot 2 did not end"), |trace| trace.boots[1].boundary = hang);
    check_skip((Outcome::Hang, "boot 2 was ended by the watchdog"), |trace| {
        trace.boots[1].boundary = Boundary::Watchdog;
    });
    check_skip((Outcome::CrashUnreported, "boot 2 ended in a lockup"), |trace| {
        trace.boots[1].boundary = Boundary::Lockup { text: String::new() };
    });
    let silent = |trace: &mut Trace| trace.boots[1].marker.fill(0);
    let words = "boot 2 ended without marker and record";
    check_skip((Outcome::CrashUnreported, words), silent);
    check_skip((Outcome::RebootLoop, "no end from boot 2 on"), |trace| {
        silent(trace);
        let last = trace.boots[1].clone();
        trace.boots.extend(std::iter::repeat_n(last, SILENT_BOOT_BUDGET - 1));
    });
    let nested = |trace: &mut Trace| {
        silent(trace);
        let ledger = Ledger { sequence: 3, boots: 2, crashes: 1, nested_count: 1, ..Ledger::NEW };
        trace.boots[1].region[..LEDGER_LENGTH].copy_from_slice(&ledger.to_bytes());
    };
    let words = "boot 2: the ledger counts 1 nested faults";
    let skip = fault(2, Effect::Skip);
    check(Subject::Record, &skip, (Outcome::DetectedRight, words), nested);
}

#[test]
fn another_result_that_nobody_reports_is_silent_corruption() {
    let with = |change: fn(&mut EndMarker)| {
        move |trace: &mut Trace| {
            let mut found = marker(2, SlotFinding::Unread);
            change(&mut found);
            trace.boots[1].marker = found.to_bytes().to_vec();
        }
    };
    let check_marker = |expected: &str, change| {
        check_skip((Outcome::SilentDataCorruption, expected), with(change));
    };
    check_marker("boot 2: it observes otherwise: bss-zero", |it| {
        it.observed = Observation::HeapCallbacksCame.bit();
    });
    check_marker("boot 2: it counts as boot 3", |it| it.boot = 3);
    check_marker("boot 2: its end marker is another's", |it| it.run_id = 8);
    check_marker("boot 2: it found none in slot first, which is valid", |it| {
        it.first = SlotFinding::Nothing;
    });
    check_marker("boot 2: it found read and none in the slots", |it| it.first = SlotFinding::Read);
    let told = "boot 2: it was told, and did not observe heap-callbacks-came";
    check_skip((Outcome::DetectedRight, told), with(|it| it.observed = Observation::BssZero.bit()));
    check_skip((Outcome::SilentDataCorruption, "boot 2: the ledger counts otherwise"), |trace| {
        let ledger = Ledger { sequence: 9, boots: 2, crashes: 9, ..Ledger::NEW };
        trace.boots[1].region[..LEDGER_LENGTH].copy_from_slice(&ledger.to_bytes());
    });
    check_skip(
        (Outcome::SilentDataCorruption, "no record of bus-fault by bus-error of main"),
        |trace| {
            trace.boots[1].region[FIRST..FIRST + 4].fill(0);
        },
    );
    check_skip((Outcome::SilentDataCorruption, "3 boots, not 2"), |trace| {
        trace.boots.push(trace.boots[1].clone());
    });
}

/// The same reset at different times: what it leaves of the record must be whole, a part, or none.
#[test]
fn a_reset_in_the_writer_leaves_a_record_a_part_or_none() {
    let reset = fault(1, RESET);
    let left = |crashes: u32, first: Option<[u8; RECORD_LENGTH]>, finding| {
        move |trace: &mut Trace| {
            trace.boots[0] = boot(region(1, crashes, first), None);
            trace.boots[1] = boot(region(2, crashes, first), Some(marker(2, finding)));
        }
    };
    let check = |expected, change| check(Subject::Record, &reset, expected, change);
    let whole = record().to_bytes(State::Complete);
    check((Outcome::Masked, ""), left(1, Some(whole), SlotFinding::Unread));
    let part = record().to_bytes(State::Core);
    let words = "the first phase of the record";
    check((Outcome::DetectedRight, words), left(1, Some(part), SlotFinding::Unread));
    let none = "no record of bus-fault by bus-error of main; the ledger counts it";
    check((Outcome::DetectedRight, none), left(1, None, SlotFinding::Nothing));
    let lost = "neither record nor count of bus-fault by bus-error of main";
    check((Outcome::CrashUnreported, lost), left(0, None, SlotFinding::Nothing));
    let mixture = Record { fault_address: 0, ..record() }.to_bytes(State::Complete);
    let words = "boot 1: bus-fault by bus-error of main, altered";
    check((Outcome::TornAccepted, words), left(1, Some(mixture), SlotFinding::Unread));
    let mixture = Record { fault_address: 0, ..record() }.to_bytes(State::Core);
    check((Outcome::TornAccepted, words), left(1, Some(mixture), SlotFinding::Unread));
    // The boot after it denies what lies there.
    let denied = "boot 2: it found none in slot first, which is valid";
    check((Outcome::SilentDataCorruption, denied), left(1, Some(whole), SlotFinding::Nothing));
}

#[test]
fn a_damaged_record_is_rejected_or_says_what_it_said() {
    let flip = |offset: usize| {
        let address = CRASH_START + (FIRST + offset) as u32;
        fault(2, Effect::Word { address, flip: 1, set: 0, clear: 0 })
    };
    let change = |trace: &mut Trace| {
        trace.boots[1].region[FIRST + 40] ^= 1;
        trace.boots[1].marker = marker(2, SlotFinding::Nothing).to_bytes().to_vec();
    };
    let words = "rejected: bus-fault by bus-error of main";
    check(Subject::Record, &flip(40), (Outcome::DetectedRight, words), change);
    let resealed = |trace: &mut Trace| {
        let other = Record { boot: 1, fault_address: 0x6000_0001, ..record() };
        let bytes = other.to_bytes(State::Complete);
        trace.boots[1].region[FIRST..FIRST + RECORD_LENGTH].copy_from_slice(&bytes);
    };
    let words = "boot 2: bus-fault by bus-error of main, altered";
    check(Subject::Record, &flip(40), (Outcome::TornAccepted, words), resealed);
    // Whatever the effect was: what a boot has left is not another in the next.
    check_skip((Outcome::TornAccepted, words), resealed);
}

#[test]
fn a_bench_that_does_not_repeat_itself_is_no_result() {
    let words = "boot 1, before the effect, is not that of the golden run";
    check_skip((Outcome::HarnessError, words), |trace| trace.boots[0].region[0xFFF] = 1);
}

/// Whatever a target leaves, there is an outcome, and equal runs have equal hashes.
#[test]
fn any_bytes_come_to_an_outcome() {
    let (golden, mut noise) = (golden(), Noise::new(11));
    let mut seen = std::collections::BTreeSet::new();
    for round in 0..4_000 {
        let mut trace = golden.clone();
        for boot in &mut trace.boots {
            for _ in 0..noise.below(4) {
                let length = boot.region.len() as u32;
                let at = noise.below(length) as usize;
                boot.region[at] ^= 1 << noise.below(8);
                let at = noise.below(64) as usize;
                boot.marker[at] ^= 1 << noise.below(8);
            }
            match noise.below(12) {
                0 => boot.region.truncate(noise.below(0x1000) as usize),
                1 => boot.marker.truncate(noise.below(64) as usize),
                2 => noise.fill(&mut boot.region),
                3 => boot.boundary = Boundary::Exit { status: 1 },
                _ => {}
            }
        }
        trace.boots.truncate(noise.below(4) as usize);
        let effects = [RESET, Effect::Skip, Effect::Bytes { address: u32::MAX, bytes: vec![0; 9] }];
        let effect = effects[noise.below(3) as usize].clone();
        let subject = [Subject::Record, Subject::Heap, Subject::Other][noise.below(3) as usize];
        let sweep = sweep(subject);
        let judge = Classifier::new(&sweep, CRASH_REGION, &golden);
        let fault = fault(noise.below(5), effect);
        let judgement = judge.judge(&fault, &trace);
        assert_eq!(judge.judge(&fault, &trace), judgement, "round {round}");
        seen.insert(judgement.outcome);
    }
    assert!(seen.len() > 4, "{seen:?}");
}

/// An unoptimised build on a busy machine takes half a millisecond: ten times that is too much.
#[test]
fn a_verdict_takes_no_time() {
    let (golden, sweep) = (golden(), sweep(Subject::Record));
    let judge = Classifier::new(&sweep, CRASH_REGION, &golden);
    let fault = fault(1, RESET);
    let times = (0..100).map(|_| {
        let start = std::time::Instant::now();
        std::hint::black_box(judge.judge(&fault, &golden));
        start.elapsed()
    });
    let fastest = times.min().unwrap();
    assert!(fastest.as_micros() < 5_000, "{fastest:?} for one verdict");
}
