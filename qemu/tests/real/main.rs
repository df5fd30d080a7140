//! Tests on real QEMUs: every version that this machine has. Nothing is imitated.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod emulator;
mod equality;
mod keeper;
mod models;
mod mtree;
mod observer;
mod points;
mod retention;
mod serial;
mod snapshot;
mod start;
mod steer;
mod stores;
mod support;
mod watchdog;
