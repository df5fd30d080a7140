//! The blast radius of real overflows: none where the guard refuses, some where only a check finds
//! them, and the same figures each time.
#![expect(clippy::unwrap_used, reason = "a test may stop anywhere")]

use crashrig_harness::blast::{Blast, FirstWrite, Injection, measure};
use crashrig_harness::image::Image;
use crashrig_harness::rig::{DEFAULT_BOARD, Rig};

fn blast(scenario: &str) -> Blast {
    let rig = Rig::here();
    let name = format!("qemu::{DEFAULT_BOARD}::overflow::{scenario}");
    let tests = rig.tests().unwrap();
    let test = tests.iter().find(|test| test.name == name).unwrap();
    let path = rig.image(DEFAULT_BOARD, &[]).unwrap();
    let image = Image::parse(std::fs::read(&path).unwrap(), &path).unwrap();
    let injection = Injection::of(&test.scenario).unwrap();
    let folder = tempfile::tempdir().unwrap();
    measure(test.target.as_ref(), &image, &test.scenario, &injection, 1, folder.path()).unwrap()
}

fn check(scenario: &str, first_write: FirstWrite, bytes: std::ops::RangeInclusive<u32>) {
    let found = blast(scenario);
    assert_eq!(found.first_write, first_write, "{scenario}: {found:?}");
    assert!(bytes.contains(&found.bytes), "{scenario}: {found:?}");
    let is_refused = first_write == FirstWrite::Refused;
    assert_eq!(found.instructions == Some(0), is_refused, "{scenario}: {found:?}");
}

#[test]
fn a_guard_lets_nothing_through_and_a_check_comes_too_late() {
    check("main_recursion_mpu_guard", FirstWrite::Refused, 0..=0);
    check("isr_nested_interrupt_mpu_guard", FirstWrite::Refused, 0..=0);
    // The overflow goes 64 bytes beyond the stack; the core stacks a frame of at least 32 below.
    check("main_recursion_stack_canary", FirstWrite::Store, 64..=400);
    check("main_exception_frame_sp_range", FirstWrite::Core, 8..=400);
    assert_eq!(blast("user_large_frame_sp_range"), blast("user_large_frame_sp_range"));
}
