//! Doorway of `cargo ci`: takes the name of a job, runs it, turns the outcome into an exit code.

#![forbid(unsafe_code)]

use crashrig_ci::jobs;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match jobs::dispatch(&arguments) {
        Ok(code) => ExitCode::from(code),
        Err(problem) => {
            eprintln!("error: {problem:#}");
            ExitCode::FAILURE
        }
    }
}
