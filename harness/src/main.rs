//! The `crashrig` command, `cargo rig` in this workspace: parse, call, exit code.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    crashrig_qemu::keeper::run_if_asked();
    ExitCode::from(crashrig_harness::cli::main())
}
