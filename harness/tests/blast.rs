//! The blast radius of real overflows: none where the guard refuses, some where only a check finds
//! them, and the same figures each time.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may stop anywhere")]

use serde_json::Value;
use std::process::Command;

/// Measures one overflow; the figures of its only row.
fn blast(scenario: &str) -> Value {
    let file = tempfile::NamedTempFile::new().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_crashrig"))
        .args(["blast", &format!("netduinoplus2::overflow::{scenario}"), "--json"])
        .arg(file.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let json: Value = serde_json::from_slice(&std::fs::read(file.path()).unwrap()).unwrap();
    let rows = json["overflows"].as_array().unwrap();
    assert_eq!(rows.len(), 1, "{json}");
    rows[0].clone()
}

fn check(scenario: &str, first_write: &str, source: &str, bytes: std::ops::RangeInclusive<u64>) {
    let found = blast(scenario);
    assert_eq!(found["first_write"], first_write, "{found}");
    assert_eq!(found["source"], source, "{found}");
    assert!(bytes.contains(&found["bytes"].as_u64().unwrap()), "{found}");
    let is_refused = first_write == "refused";
    assert_eq!(found["instructions"].as_u64().unwrap() == 0, is_refused, "{found}");
}

#[test]
fn a_guard_lets_nothing_through_and_a_check_comes_too_late() {
    check("main_recursion_mpu_guard", "refused", "stops", 0..=0);
    check("isr_nested_interrupt_mpu_guard", "refused", "stops", 0..=0);
    // What the overflow writes below the stack may be what stood there, byte by byte.
    check("main_recursion_stack_canary", "store", "log", 48..=400);
    check("main_exception_frame_sp_range", "core", "stops", 8..=400);
    // Less than a period of the tick goes by, and less than a switch takes.
    let latency = |scenario| blast(scenario)["instructions"].as_u64().unwrap();
    assert!((10_000..31_250).contains(&latency("main_skipped_frame_sp_range")));
    assert!((100..2_000).contains(&latency("main_below_pointer_stack_canary")));
    assert_eq!(blast("user_large_frame_sp_range"), blast("user_large_frame_sp_range"));
}
