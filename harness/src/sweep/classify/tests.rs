//! Each outcome from bytes that are made for it, and bytes that are made for none.

mod made;

use self::made::*;
use super::*;
use crate::noise::Noise;

use crashrig_wire::ledger::LEDGER_LENGTH;
use crashrig_wire::marker::Found as SlotFinding;
use crashrig_wire::record::{RECORD_LENGTH, State};
use crashrig_wire::{Detector, EndMarker, Kind, Ledger, Observation, Thread};

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

/// Boot 2 ended by the watchdog, and a boot 3 with a new record of a detector and a thread.
fn ended_by_watchdog(trace: &mut Trace, detector: Detector, thread: Thread) {
    trace.boots[1].boundary = Boundary::Watchdog;
    trace.boots[1].marker.fill(0);
    let mut next = boot(trace.boots[1].region.clone(), Some(marker(3, SlotFinding::Unread)));
    let blank = Record::blank(Kind::Watchdog, detector, thread);
    let new = Record { boot: 2, sequence: 2, run_id: 7, ..blank };
    next.region[LAST..LAST + RECORD_LENGTH].copy_from_slice(&new.to_bytes(State::Complete));
    trace.boots.push(next);
}

#[test]
fn a_hang_that_a_watchdog_ends_is_right_where_the_next_boot_reports_it() {
    let words =
        "boot 2 was ended by the watchdog, which boot 3 reports: watchdog by watchdog of main";
    check_skip((Outcome::DetectedRight, words), |trace| {
        ended_by_watchdog(trace, Detector::Watchdog, Thread::Main);
        // Late for any other report.
        trace.boots[1].instructions = 1_000_000;
    });
    let words = "boot 2 was ended by the watchdog, which no boot reports";
    check_skip((Outcome::Hang, words), |trace| trace.boots[1].boundary = Boundary::Watchdog);
    check_skip((Outcome::Hang, words), |trace| {
        ended_by_watchdog(trace, Detector::Watchdog, Thread::Main);
        trace.boots[2].region = trace.boots[1].region.clone();
    });
    check_skip((Outcome::Hang, words), |trace| {
        ended_by_watchdog(trace, Detector::DivideTrap, Thread::Main);
    });
    // A record that says so, of a boot that ended otherwise, is none of the watchdog's.
    let words = "boot 3: watchdog by watchdog of main, 1900 instructions after the effect";
    check_skip((Outcome::DetectedLate, words), |trace| {
        ended_by_watchdog(trace, Detector::Watchdog, Thread::Main);
        trace.boots[1].boundary = Boundary::Reset;
    });
    let words =
        "boot 2 was ended by the watchdog, as the next one reports, but the sweep does not expect";
    check_skip((Outcome::Hang, words), |trace| {
        ended_by_watchdog(trace, Detector::Watchdog, Thread::Timer);
    });
}

/// A boot that a watchdog has ended is met where the host looked, so what the next one finds is not
/// equal in two runs.
#[test]
fn evidence_leaves_out_what_comes_behind_a_watchdog() {
    let (golden, sweep) = (golden(), sweep(Subject::Other));
    let judge = Classifier::new(&sweep, CRASH_REGION, &golden);
    let hash = |at: usize, boundary: Boundary| {
        let mut trace = golden.clone();
        ended_by_watchdog(&mut trace, Detector::Watchdog, Thread::Main);
        trace.boots[1].boundary = boundary;
        trace.boots[2].region[at] ^= 1;
        judge.judge(&fault(2, Effect::Skip), &trace).evidence_hash
    };
    let last = REGION_BYTES - 1;
    assert_eq!(hash(last, Boundary::Watchdog), hash(last - 1, Boundary::Watchdog));
    assert_ne!(hash(last, Boundary::Reset), hash(last - 1, Boundary::Reset));
    assert_ne!(hash(last, Boundary::Reset), hash(last, Boundary::Watchdog));
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

#[test]
fn a_fault_behind_a_whole_record_is_right_where_the_ledger_counts_it_alone() {
    let nested = |crashes: u32| {
        move |trace: &mut Trace| {
            let was = Ledger::read(&trace.boots[1].region[..LEDGER_LENGTH]).unwrap_or(Ledger::NEW);
            // As the device writes it: the next write, and what the nested fault was.
            let (sequence, crashes) = (was.sequence + 1, was.crashes + crashes);
            let nested = Ledger { nested_count: 1, nested_vector: 3, nested_cfsr: 0x100, ..was };
            let ledger = Ledger { sequence, crashes, ..nested };
            trace.boots[1].region[..LEDGER_LENGTH].copy_from_slice(&ledger.to_bytes());
        }
    };
    let skip = fault(1, Effect::Skip);
    let right = (Outcome::DetectedRight, "boot 2: the ledger counts 1 nested faults");
    check(Subject::Record, &skip, right, nested(0));
    let silent = (Outcome::SilentDataCorruption, "boot 2: the ledger counts otherwise");
    check(Subject::Record, &skip, silent, nested(1));
    check(Subject::Heap, &skip, silent, nested(0));
}
