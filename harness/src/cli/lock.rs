//! `crashrig lock` and `crashrig unlock`: a board for a person.
//!
//! The lock lasts as long as the command that took it; `unlock` ends that command. A run's lock is
//! never taken away: whoever wants the board ends the run.

use super::CommandError;
use super::interrupt::Interrupt;
use super::say::{complain, say};
use crate::boards::hold::hold;
use crate::boards::holder::{Holder, Purpose};
use crate::boards::lock::{LockState, Locks};
use crate::boards::{Bench, BenchBoard};
use crate::exit;
use crate::rig::Rig;
use rustix::process::{Pid, Signal, kill_process};
use std::time::{Duration, Instant};

/// How often the command that holds a board looks whether it is to end.
const POLL: Duration = Duration::from_millis(100);
/// How long `unlock` waits until the board is free.
const UNLOCK_PATIENCE: Duration = Duration::from_secs(10);

/// Arguments of `lock`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The board, by its name in boards.toml.
    board: String,
    /// What for: others read it while they wait.
    #[arg(long, default_value = "a person works with it")]
    reason: String,
    /// How long to wait for it, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    patience: u64,
    /// How long to hold it, in minutes; without it, until Ctrl-C.
    #[arg(long, value_name = "MINUTES")]
    minutes: Option<u64>,
}

/// Arguments of `unlock`.
#[derive(Debug, clap::Args)]
pub(super) struct UnlockArguments {
    /// The board, by its name in boards.toml.
    board: String,
}

pub(super) fn lock(arguments: &Arguments) -> Result<u8, CommandError> {
    let board = board(&arguments.board)?;
    let interrupt = Interrupt::listen()?;
    let holder = Holder::this_process(Purpose::Person, &arguments.reason);
    let patience = Duration::from_secs(arguments.patience);
    let mut wait = |text: &str| complain!("{text}");
    let held = hold(&board, &Locks::of_machine(), &holder, patience, &mut wait)?;
    let end = arguments.minutes.map(|minutes| Instant::now() + Duration::from_secs(minutes * 60));
    say!("{} is locked ({}) until this command ends: Ctrl-C", board.name, board.probe);
    while !interrupt.is_asked() && end.is_none_or(|end| Instant::now() < end) {
        std::thread::sleep(POLL);
    }
    drop(held);
    say!("{} is free", board.name);
    Ok(exit::PASS)
}

pub(super) fn unlock(arguments: &UnlockArguments) -> Result<u8, CommandError> {
    let board = board(&arguments.board)?;
    let locks = Locks::of_machine();
    let LockState::Held(holder) = locks.state(&board.probe)? else {
        say!("{} is free", board.name);
        return Ok(exit::PASS);
    };
    let refused = |why: String| {
        let name = &board.name;
        Err(CommandError::Unavailable(format!("unlock {name}: {why}")))
    };
    let Some(holder) = holder else {
        return refused("held by a process that has not said who it is".to_owned());
    };
    match (holder.purpose, holder.is_alive(), Pid::from_raw(holder.pid)) {
        (Purpose::Run, ..) => refused(format!("{}; a run is ended by its user", holder.words())),
        (Purpose::Person, true, Some(pid)) => {
            if let Err(error) = kill_process(pid, Signal::TERM) {
                return refused(format!("{}; it cannot be ended: {error}", holder.words()));
            }
            let end = Instant::now() + UNLOCK_PATIENCE;
            while locks.state(&board.probe)? != LockState::Free {
                if Instant::now() >= end {
                    return refused(format!("{}; it was told to end, and goes on", holder.words()));
                }
                std::thread::sleep(POLL);
            }
            say!("{} is free: was {}", board.name, holder.words());
            Ok(exit::PASS)
        }
        _ => refused(format!("{}; that process is not on this machine", holder.words())),
    }
}

fn board(name: &str) -> Result<BenchBoard, CommandError> {
    board_of(&Rig::here().bench()?, name).cloned()
}

/// A board of a bench, or which there are.
pub(super) fn board_of<'a>(bench: &'a Bench, name: &str) -> Result<&'a BenchBoard, CommandError> {
    bench.board(name).ok_or_else(|| {
        let known: Vec<_> = bench.boards.iter().map(|board| board.name.as_str()).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        let path = bench.path.display();
        CommandError::Usage(format!("board: found \"{name}\", expected one of {path}: {known}"))
    })
}
