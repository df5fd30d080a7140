//! Every chore of the project, in Rust, behind one door: `cargo ci <job>`.
//!
//! The workflow file and `.ci/run` only call jobs, so that what runs in a pipeline is what runs at
//! a desk. A job never hides what it does: each external command is echoed, and a failure names the
//! command and how it ended.

#![forbid(unsafe_code)]

pub mod bench;
pub mod blast;
pub mod bless;
pub mod cluster;
pub mod contract;
pub mod daemons;
pub mod determinism;
pub mod figures;
pub mod heaps;
pub mod ignored;
pub mod jobs;
pub mod lab;
pub mod lint;
pub mod matrix;
pub mod mutants;
pub mod performance;
pub mod probe_tools;
pub mod setup;
pub mod size;
pub mod step;
pub mod sweeps;
pub mod tidy;
pub mod workspace;
