//! Runs made of bytes, and what the tests ask of them.

use super::super::*;
use crate::scenario::sweep::{PlannedEffect, Points, TriggerLink};
use crate::sweep::fault::{Link, Scope};
use crashrig_wire::ledger::LEDGER_LENGTH;
use crashrig_wire::marker::Found as SlotFinding;
use crashrig_wire::record::{RECORD_LENGTH, State};
use crashrig_wire::{Detector, EndMarker, Kind, Ledger, Observation, Thread};

pub(super) const REGION_BYTES: usize = 0x1000;
pub(super) const CRASH_START: u32 = 0x2000_0200;
pub(super) const CRASH_REGION: Range<u32> = CRASH_START..CRASH_START + REGION_BYTES as u32;
pub(super) const FIRST: usize = 0x100;
pub(super) const LAST: usize = 0x880;

pub(super) fn record() -> Record {
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

pub(super) fn region(boots: u32, crashes: u32, first: Option<[u8; RECORD_LENGTH]>) -> Vec<u8> {
    let mut region = vec![0; REGION_BYTES];
    let ledger = Ledger { sequence: boots, boots, crashes, ..Ledger::NEW };
    region[..LEDGER_LENGTH].copy_from_slice(&ledger.to_bytes());
    if let Some(first) = first {
        region[FIRST..FIRST + RECORD_LENGTH].copy_from_slice(&first);
    }
    region
}

pub(super) fn marker(boot: u32, first: SlotFinding) -> EndMarker {
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

pub(super) fn boot(region: Vec<u8>, marker: Option<EndMarker>) -> BootTrace {
    let marker = marker.map_or(vec![0; 64], |marker| marker.to_bytes().to_vec());
    let boundary = Boundary::Reset;
    BootTrace { boundary, instructions: 1_000, region, marker, ram_hash: Some(1) }
}

/// A crash, and a boot that finds it.
pub(super) fn golden() -> Trace {
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

pub(super) fn sweep(subject: Subject) -> Sweep {
    Sweep {
        subject,
        boot: 2,
        trigger: vec![TriggerLink::Boot],
        points: Points::Instructions,
        until: None,
        effect: PlannedEffect::Skip,
        scopes: vec![Scope::Once],
        expect: vec![
            Expected { detector: Detector::DivideTrap, kind: None, thread: None },
            Expected {
                detector: Detector::Watchdog,
                kind: None,
                thread: Some(Thread::Main.context()),
            },
        ],
        may_miss: vec![Observation::HeapCallbacksCame],
        allow: Vec::new(),
        sample: None,
        latent: true,
        second: None,
        forbid: Vec::new(),
        late_after_instructions: Some(800),
    }
}

pub(super) const RESET: Effect = Effect::Reset { ram: RamPolicy::Kept };

pub(super) fn fault(boot: u32, effect: Effect) -> Fault {
    Fault { boot, trigger: vec![Link::Boot], effect, scope: Scope::Once, seed: 0, second: None }
}

/// What a change of the golden run is judged as.
pub(super) fn judged(
    subject: Subject,
    fault: &Fault,
    change: impl FnOnce(&mut Trace),
) -> (Outcome, String) {
    let golden = golden();
    let mut trace = golden.clone();
    change(&mut trace);
    let sweep = sweep(subject);
    let judgement = Classifier::new(&sweep, CRASH_REGION, &golden).judge(fault, &trace);
    (judgement.outcome, judgement.detail)
}

pub(super) fn check(
    subject: Subject,
    fault: &Fault,
    expected: (Outcome, &str),
    change: impl FnOnce(&mut Trace),
) {
    let (outcome, detail) = judged(subject, fault, change);
    assert_eq!((outcome, detail.as_str()), expected);
}

/// A run that does no harm to what it does not touch.
pub(super) fn check_skip(expected: (Outcome, &str), change: impl FnOnce(&mut Trace)) {
    check(Subject::Other, &fault(2, Effect::Skip), expected, change);
}
