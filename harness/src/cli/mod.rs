//! The command line: one file a subcommand, each returning an exit code of [`crate::exit`].

mod bench;
mod blast;
mod boards;
mod demo;
mod doctor;
mod explain;
mod health;
mod heap_bench;
mod interrupt;
mod judge;
mod list;
mod lock;
mod probe_server;
mod run;
mod say;
mod sweep;
mod sweep_bench;

use crate::boards::hold::HoldError;
use crate::boards::lock::LockError;
use crate::execute::JudgeError;
use crate::exit;
use crate::rig::RigError;
use clap::{Parser, Subcommand};
use say::complain;
use std::path::PathBuf;

/// Breaks firmware on purpose, reads what it wrote down while dying, and judges it.
#[derive(Debug, Parser)]
#[command(name = "crashrig", bin_name = "cargo rig", version, after_help = EXIT_CODES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "\
Exit codes: 0 pass, 1 fail, 2 usage, 3 infrastructure, 4 bad input, 5 nothing selected,
130 interrupted.

Examples:
  cargo rig run stack                     every scenario with `stack` in its name
  cargo rig explain target/crashrig/runs/latest/qemu.netduinoplus2.fault.bus_read
  cargo rig explain dump.bin --elf app.elf --json";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run scenarios and judge them.
    Run(run::Arguments),
    /// List the tests of this machine, with the reason for each that cannot run.
    List(list::Arguments),
    /// Inject a fault at every point of a run, and report what became of each.
    Sweep(sweep::Arguments),
    /// Judge bundles again, without a device.
    Judge(judge::Arguments),
    /// Decode a bundle, a record or a crash region into words.
    Explain(explain::Arguments),
    /// Say what this machine has and what to do about what it lacks.
    Doctor,
    /// List the boards of this bench, who holds each, and the probes that are attached.
    Boards(boards::Arguments),
    /// Hold a board for a person, until this command ends.
    Lock(lock::Arguments),
    /// End the command by which a person holds a board.
    Unlock(lock::UnlockArguments),
    /// Run a scenario that is known to pass on boards of this bench, and say which are sound.
    Health(health::Arguments),
    /// Put an emulated board behind a socket, for the unmodified `probe-rs` command.
    ProbeServer(probe_server::Arguments),
    /// Show every fault: boot, break, decode, print.
    Demo,
    /// Measure what overflows destroy before their detectors run.
    Blast(blast::Arguments),
    /// Measure costs in instructions, and a scenario against the bare emulator.
    Bench(bench::Arguments),
    /// Compare this project's heap with others, in instructions and bytes.
    HeapBench(heap_bench::Arguments),
    /// Measure how many injections a second the engines of sweeps carry out.
    SweepBench(sweep_bench::Arguments),
}

/// Parses the command line and carries it out.
#[must_use]
pub fn main() -> u8 {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { exit::USAGE } else { exit::PASS };
        }
    };
    let result = match arguments.command {
        Command::Run(arguments) => run::run(&arguments),
        Command::List(arguments) => list::list(&arguments),
        Command::Sweep(arguments) => sweep::sweep(&arguments),
        Command::Judge(arguments) => judge::judge(&arguments),
        Command::Explain(arguments) => explain::explain(&arguments),
        Command::Doctor => Ok(doctor::doctor()),
        Command::Boards(arguments) => boards::boards(&arguments),
        Command::Lock(arguments) => lock::lock(&arguments),
        Command::Unlock(arguments) => lock::unlock(&arguments),
        Command::Health(arguments) => health::health(&arguments),
        Command::ProbeServer(arguments) => probe_server::probe_server(&arguments),
        Command::Demo => demo::demo(),
        Command::Blast(arguments) => blast::blast(&arguments),
        Command::Bench(arguments) => bench::bench(&arguments),
        Command::HeapBench(arguments) => heap_bench::heap_bench(&arguments),
        Command::SweepBench(arguments) => sweep_bench::sweep_bench(&arguments),
    };
    result.unwrap_or_else(|error| {
        complain!("error: failed to {error}");
        error.exit_code()
    })
}

/// What stops a command.
#[derive(Debug, thiserror::Error)]
enum CommandError {
    #[error(transparent)]
    Rig(#[from] RigError),
    #[error(transparent)]
    Judge(#[from] JudgeError),
    #[error(transparent)]
    Explain(#[from] explain::ExplainError),
    #[error(transparent)]
    Sweep(sweep::SweepError),
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error(transparent)]
    Hold(#[from] HoldError),
    #[error("{0}")]
    Unavailable(String),
    #[error("write {path}: {source}")]
    Output { path: PathBuf, source: std::io::Error },
    #[error("listen to signals: {source}")]
    Signals { source: std::io::Error },
    #[error("select tests: nothing matches {0}; `cargo rig list` shows what there is")]
    NothingSelected(String),
    #[error("understand the command line: {0}")]
    Usage(String),
}

impl CommandError {
    fn exit_code(&self) -> u8 {
        match self {
            Self::Rig(RigError::Bench(_) | RigError::Firmware(_) | RigError::Folder { .. }) => {
                exit::INFRASTRUCTURE
            }
            // What cannot be written is no fault of what was handed in.
            Self::Output { .. } | Self::Signals { .. } => exit::INFRASTRUCTURE,
            Self::Lock(_) | Self::Hold(_) | Self::Unavailable(_) => exit::INFRASTRUCTURE,
            Self::Rig(RigError::Judge(error)) | Self::Judge(error) if error.is_bench() => {
                exit::INFRASTRUCTURE
            }
            Self::Rig(_) | Self::Judge(_) | Self::Explain(_) => exit::BAD_INPUT,
            Self::Sweep(error) => error.exit_code(),
            Self::Usage(_) => exit::USAGE,
            Self::NothingSelected(_) => exit::NOTHING_SELECTED,
        }
    }
}
