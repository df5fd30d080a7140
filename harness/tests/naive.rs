//! The naive model of a heap: what it lets pass, and what it must not.

use crashrig_harness::script::naive::Naive;
use crashrig_wire::script::{ARENA_BYTES, Outcome, Request, Response, ScriptLevel};

const ARENA: u32 = 0x2000_8000;
const BYTE: u32 = 1 << 2;
const DMA: u32 = 1 << 3;

fn allocate(slot: u16, size: u32, caps: u32) -> Request {
    Request::Allocate { slot, size, caps, alignment: 8 }
}

fn aligned(slot: u16, alignment: u32) -> Request {
    Request::Allocate { slot, size: 16, caps: BYTE, alignment }
}

fn resized(slot: u16, size: u32) -> Request {
    Request::Reallocate { slot, size, caps: BYTE, alignment: 8 }
}

fn done(values: &[u32]) -> Response {
    Response::new(Outcome::Done, values)
}

fn told(outcome: Outcome) -> Response {
    Response::new(outcome, &[])
}

/// A model of a heap with 1 KiB for DMA and 1 KiB without, that holds 100 bytes in slot 0.
fn model(level: ScriptLevel) -> Naive {
    let mut naive = Naive::default();
    let opening = [
        (Request::Open { level }, done(&[ARENA, ARENA_BYTES])),
        (Request::Region { offset: 0, size: 1024, caps: [DMA, BYTE, 0] }, done(&[0])),
        (Request::Region { offset: 1024, size: 1024, caps: [BYTE, 0, 0] }, done(&[1])),
        (allocate(0, 100, BYTE), done(&[ARENA + 1024 + 16])),
    ];
    for (request, answer) in opening {
        assert_eq!(naive.judge(&request, &answer), Ok(()), "{request:?}");
    }
    naive
}

#[test]
fn what_a_heap_may_answer_and_what_not() {
    let held = ARENA + 1024 + 16;
    let check = |request: Request, answer: Response, is_right: bool| {
        let verdict = model(ScriptLevel::Light).judge(&request, &answer);
        assert_eq!(verdict.is_ok(), is_right, "{request:?}, {answer:?}: {verdict:?}");
    };
    check(allocate(1, 16, BYTE), done(&[ARENA + 16]), true);
    check(allocate(1, 16, DMA), done(&[ARENA + 16]), true);
    check(allocate(1, 16, DMA), done(&[ARENA + 1800]), false);
    check(allocate(1, 16, BYTE), done(&[ARENA + 20]), false);
    check(allocate(1, 16, BYTE), done(&[ARENA + 1016]), false);
    check(allocate(1, 16, BYTE), done(&[ARENA + 2048]), false);
    check(allocate(1, 16, BYTE), done(&[held + 96]), false);
    check(allocate(1, 16, BYTE), done(&[held + 104]), true);
    check(allocate(1, 16, BYTE), done(&[held - 8]), false);
    check(aligned(1, 256), done(&[ARENA + 256]), true);
    check(aligned(1, 256), done(&[ARENA + 128]), false);
    check(aligned(1, 24), done(&[ARENA + 24]), false);
    check(aligned(1, 24), told(Outcome::Alignment), true);
    check(allocate(1, 800, DMA), told(Outcome::OutOfMemory), false);
    check(allocate(1, 1000, DMA), told(Outcome::OutOfMemory), true);
    check(allocate(1, 1000, DMA), Response::new(Outcome::OutOfMemory, &[1000]), false);
    check(allocate(1, 1000, DMA), Response::new(Outcome::OutOfMemory, &[2000]), false);
    check(allocate(1, 8, 0), told(Outcome::OutOfMemory), true);
    check(allocate(1, 8, DMA), told(Outcome::Corrupt), false);
    check(allocate(0, 8, BYTE), told(Outcome::BusySlot), true);
    check(allocate(0, 8, BYTE), done(&[ARENA + 16]), false);
    check(allocate(64, 8, BYTE), done(&[ARENA + 16]), false);
    check(resized(0, 50), done(&[held]), true);
    check(resized(0, 50), told(Outcome::OutOfMemory), false);
    check(resized(0, 5000), told(Outcome::OutOfMemory), true);
    check(resized(0, 200), told(Outcome::ContentsLost), false);
    check(resized(1, 200), told(Outcome::EmptySlot), true);
    check(Request::Free { slot: 0 }, done(&[100]), true);
    check(Request::Free { slot: 0 }, done(&[99]), false);
    check(Request::Free { slot: 0 }, told(Outcome::ContentsLost), false);
    check(Request::Free { slot: 0 }, told(Outcome::AlreadyFree), false);
    check(Request::Check, done(&[]), true);
    check(Request::Check, told(Outcome::Corrupt), false);
    check(Request::Totals { caps: 0 }, done(&[2000, 1900, 1900, 990, 1, 2, 0]), true);
    check(Request::Totals { caps: 0 }, done(&[2000, 1901, 1900, 990, 1, 2, 0]), false);
    check(Request::Totals { caps: 0 }, done(&[2000, 1900, 1900, 990, 2, 2, 0]), false);
    check(Request::Totals { caps: DMA }, done(&[1000, 1000, 1000, 990, 0, 1, 0]), true);
    check(Request::Region { offset: 2000, size: 256, caps: [1; 3] }, done(&[2]), false);
}

/// A block that was released leaves its place to others; one that moved, too.
#[test]
fn what_was_given_back_can_be_handed_out_again() {
    let held = ARENA + 1024 + 16;
    for request in [Request::Free { slot: 0 }, resized(0, 200)] {
        let mut naive = model(ScriptLevel::Off);
        let address = if matches!(request, Request::Free { .. }) { 100 } else { ARENA + 512 };
        assert_eq!(naive.judge(&request, &done(&[address])), Ok(()));
        assert_eq!(naive.judge(&allocate(1, 100, BYTE), &done(&[held])), Ok(()));
        assert!(naive.judge(&allocate(2, 100, BYTE), &done(&[held])).is_err());
    }
}

#[test]
fn after_an_overrun_a_level_with_checks_must_find_it() {
    let overrun = Request::Overrun { slot: 0, size: 4 };
    let check = |level, request: Request, answer: Response, is_right: bool| {
        let mut naive = model(level);
        let from = done(&[ARENA + 1024 + 116]);
        assert_eq!(naive.judge(&overrun, &from), Ok(()));
        let verdict = naive.judge(&request, &answer);
        assert_eq!(verdict.is_ok(), is_right, "{level}, {request:?}, {answer:?}: {verdict:?}");
    };
    for level in [ScriptLevel::Light, ScriptLevel::Comprehensive] {
        check(level, Request::Check, done(&[]), false);
        check(level, Request::Check, told(Outcome::Corrupt), true);
        check(level, Request::Free { slot: 0 }, done(&[100]), false);
        check(level, Request::Free { slot: 0 }, told(Outcome::Corrupt), true);
        check(level, resized(0, 50), done(&[ARENA + 1024 + 16]), false);
        check(level, allocate(1, 16, BYTE), done(&[ARENA + 1024 + 16]), false);
        check(level, allocate(1, 16, BYTE), told(Outcome::Corrupt), true);
    }
    check(ScriptLevel::Off, Request::Check, done(&[]), true);
    check(ScriptLevel::Off, Request::Free { slot: 0 }, done(&[100]), true);
}
