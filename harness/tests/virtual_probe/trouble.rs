//! Trouble on the bench: each ends in an error of its own, and none in a wait without end.

use crate::bench::{Bench, image};
use crate::program::{COUNTER, Program};
use crashrig_qemu::probe::Trouble;
use probe_rs::MemoryInterface;
use probe_rs::probe::DebugProbeError;
use std::error::Error;
use std::time::{Duration, Instant};

/// An error with everything that caused it.
fn words(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        text = format!("{text}: {source}");
        cause = source.source();
    }
    text
}

fn counting() -> Bench {
    Bench::running(&Program::counting().0)
}

#[test]
fn a_probe_that_drops_off_is_gone() {
    let bench = counting();
    let mut session = bench.attach().unwrap();
    let mut core = session.core(0).unwrap();
    bench.trouble(&[Trouble::DropOff(10)]);
    let error = (0..20).find_map(|_| core.read_word_32(u64::from(COUNTER)).err());
    let text = words(&error.expect("an error"));
    assert!(text.contains("left the bus"), "{text}");
    drop(core);
    drop(session);
    assert!(bench.attach().is_err());
    // It is plugged in again.
    bench.trouble(&[]);
    bench.attach().unwrap();
}

#[test]
fn some_waits_are_endured_and_too_many_are_not() {
    let bench = counting();
    let mut session = bench.attach().unwrap();
    let mut core = session.core(0).unwrap();
    bench.trouble(&[Trouble::Wait(50)]);
    core.read_word_32(u64::from(COUNTER)).unwrap();
    bench.trouble(&[Trouble::Wait(100_000)]);
    let text = words(&core.read_word_32(u64::from(COUNTER)).unwrap_err());
    assert!(text.contains("WAIT"), "{text}");
    bench.trouble(&[]);
    core.read_word_32(u64::from(COUNTER)).unwrap();
}

#[test]
fn a_fault_is_an_error_and_is_cleared() {
    let bench = counting();
    let mut session = bench.attach().unwrap();
    let mut core = session.core(0).unwrap();
    bench.trouble(&[Trouble::Fault(1)]);
    let text = words(&core.read_word_32(u64::from(COUNTER)).unwrap_err());
    assert!(text.contains("FAULT"), "{text}");
    core.read_word_32(u64::from(COUNTER)).unwrap();
}

#[test]
fn another_chip_says_so() {
    const IDENTIFICATION: u64 = 0xE004_2000;
    let bench = counting();
    let mut session = bench.attach().unwrap();
    let mut core = session.core(0).unwrap();
    assert_eq!(core.read_word_32(IDENTIFICATION).unwrap(), 0x1000_6413);
    bench.trouble(&[Trouble::ChipId(0x1000_6411)]);
    assert_eq!(core.read_word_32(IDENTIFICATION).unwrap(), 0x1000_6411);
}

#[test]
fn a_reset_line_that_is_held_stops_the_core_for_good() {
    let bench = counting();
    bench.trouble(&[Trouble::ResetLow]);
    assert!(bench.attach_under_reset().is_err());
    let counter = u64::from(COUNTER);
    if let Ok(mut session) = bench.attach() {
        let mut core = session.core(0).unwrap();
        let before = core.read_word_32(counter).unwrap();
        assert_eq!(core.read_word_32(counter).unwrap(), before);
    }
    bench.trouble(&[]);
    let mut session = bench.attach().unwrap();
    let mut core = session.core(0).unwrap();
    // The reset was caught for those who came before.
    core.run().unwrap();
    let before = core.read_word_32(counter).unwrap();
    let end = Instant::now() + Duration::from_secs(5);
    while core.read_word_32(counter).unwrap() == before {
        assert!(Instant::now() < end, "it does not run");
    }
}

/// probe-rs 0.32 sets the catch of the reset before it enables debugging, so that a chip that has
/// just got its power is not caught (its issue 4113). The second try finds debugging enabled.
#[test]
fn connecting_under_reset_works_at_the_second_try() {
    let bench = counting();
    let first = bench.attach_under_reset();
    assert!(first.is_err(), "the issue is gone: retry no more");
    drop(first);
    let mut session = bench.attach_under_reset().unwrap();
    assert!(session.core(0).unwrap().status().unwrap().is_halted());
}

#[test]
fn worn_flash_fails_to_verify() {
    let bench = Bench::blank();
    bench.trouble(&[Trouble::FlashWorn]);
    let mut session = bench.attach().unwrap();
    let text = words(&bench.flash(&mut session, &image()).unwrap_err());
    assert!(text.contains("verif"), "{text}");
}

#[test]
fn a_probe_is_for_one() {
    let bench = counting();
    let session = bench.attach().unwrap();
    let is_busy = |error: &DebugProbeError| words(error).contains("somebody else");
    assert!(is_busy(&bench.open().unwrap_err()));
    drop(session);
    bench.trouble(&[Trouble::Busy]);
    assert!(is_busy(&bench.open().unwrap_err()));
    bench.trouble(&[]);
    bench.attach().unwrap();
}

#[test]
fn without_power_nobody_answers() {
    let bench = counting();
    let mut session = bench.attach().unwrap();
    {
        let mut core = session.core(0).unwrap();
        bench.trouble(&[Trouble::PowerLost(5)]);
        let error = (0..20).find_map(|_| core.read_word_32(u64::from(COUNTER)).err());
        let text = words(&error.expect("an error"));
        assert!(text.contains("did not respond"), "{text}");
    }
    drop(session);
    assert!(bench.attach().is_err());
    let mut probe = bench.open().unwrap();
    assert_eq!(probe.get_target_voltage().unwrap(), Some(0.0));
    drop(probe);
    bench.shared.lock().unwrap().power_cycle(&[], false).unwrap();
    bench.attach().unwrap();
}
