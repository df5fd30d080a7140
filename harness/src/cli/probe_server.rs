//! `crashrig probe-server`: an emulated board behind a socket, for the unmodified `probe-rs`
//! command and everything else that knows a Glasgow probe.

use super::CommandError;
use super::interrupt::Interrupt;
use super::say::say;
use crate::exit;
use crate::image::Flash;
use crate::noise::Noise;
use crate::rig::{DEFAULT_BOARD, DEFAULT_SEED, Rig, RigError};
use crate::target::BenchError;
use crate::target::emulator::{EmulatorTarget, breakpoint_sites};
use crate::target::probe::driver_chip::{chip_name, description};
use crashrig_layout::parse::Board;
use crashrig_qemu::probe::{Place, Server, Trouble, VirtualBoard};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const EXAMPLES: &str = "\
Examples:
  cargo rig probe-server                              the board, at a socket below target/
  cargo rig probe-server --elf app.elf                its breakpoint instructions halt the core
  cargo rig probe-server --elf app.elf --programmed   and it stands in flash already
  cargo rig probe-server --listen tcp:3333            at a port of 127.0.0.1
  cargo rig probe-server --trouble wait=50 --trouble drop-off=2000

It prints what to call then, such as
  probe-rs run --probe 20b7:9db1:unix:SOCKET --chip-description-path FILE --chip NAME app.elf

Troubles: drop-off=TRANSFERS, drop-off-running=TRANSFERS, wait=TRANSFERS, fault=TRANSFERS,
chip-id=VALUE, reset-low, flash-worn, flash-weak, busy, power-lost=TRANSFERS, pins-taken=TRANSFERS.
One client is served at a time; a second one is told that it is busy. It ends with Ctrl-C.";

/// Arguments of `probe-server`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The board, by the name of its file.
    #[arg(long, default_value = DEFAULT_BOARD)]
    board: String,
    /// Where to listen: `unix:PATH`, or `tcp:PORT` of this machine.
    #[arg(long, value_name = "PLACE", value_parser = place)]
    listen: Option<Place>,
    /// What is going to be flashed: QEMU has to be told where its breakpoint instructions stand.
    #[arg(long, value_name = "FILE")]
    elf: Option<PathBuf>,
    /// Power the board up with that file in flash.
    #[arg(long, requires = "elf")]
    programmed: bool,
    /// Trouble on the bench, on purpose; may be given several times.
    #[arg(long, value_name = "TROUBLE")]
    trouble: Vec<Trouble>,
    /// Where to write the description of the chip; into the folder without it.
    #[arg(long, value_name = "FILE")]
    chip_file: Option<PathBuf>,
    /// For what the emulator writes, and for the socket; below target/ without it. Two servers must
    /// not share one.
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

fn place(text: &str) -> Result<Place, String> {
    let expected = || format!("found {text:?}, expected unix:PATH or tcp:PORT");
    match text.split_once(':') {
        Some(("unix", path)) if !path.is_empty() => Ok(Place::Unix(path.into())),
        Some(("tcp", port)) => port.parse().map(Place::Loopback).map_err(|_| expected()),
        _ => Err(expected()),
    }
}

pub(super) fn probe_server(arguments: &Arguments) -> Result<u8, CommandError> {
    let rig = Rig::here();
    let interrupt = Interrupt::listen()?;
    let board = Board::load(&rig.boards(), &arguments.board);
    let board = board.map_err(|error| RigError::Board(error.to_string()))?;
    let below = || rig.target_folder.join("crashrig").join("probe-server").join(&board.name);
    let folder = arguments.folder.clone().unwrap_or_else(below);
    std::fs::create_dir_all(&folder)
        .map_err(|source| CommandError::Output { path: folder.clone(), source })?;
    let chip_file = arguments.chip_file.clone().unwrap_or_else(|| folder.join("chip.yaml"));
    std::fs::write(&chip_file, description(&board).map_err(RigError::Bench)?)
        .map_err(|source| CommandError::Output { path: chip_file.clone(), source })?;
    let name = chip_name(&board);
    let mut powered = power_on(&rig, board, arguments, &folder)?;
    let default = || Place::Unix(folder.join("probe.socket"));
    let place = arguments.listen.clone().unwrap_or_else(default);
    let server = Server::listen(&place).map_err(|error| bench(&error))?;
    say!("serving {} until Ctrl-C; what to call:", arguments.board);
    let words = format!(
        "--probe {} --chip-description-path {} --chip {name}",
        server.place(),
        chip_file.display()
    );
    for command in ["download --verify", "run", "gdb", "reset", "read b32"] {
        say!("  probe-rs {command} {words}");
    }
    server.serve(&mut powered, &|| interrupt.is_asked()).map_err(|error| bench(&error))?;
    Ok(exit::PASS)
}

/// The board with power, as troubled as is asked for.
fn power_on(
    rig: &Rig,
    board: Board,
    arguments: &Arguments,
    folder: &Path,
) -> Result<VirtualBoard, CommandError> {
    let program = crashrig_qemu::discover::find().map_err(|error| bench(&error))?;
    let observer = Arc::new(rig.observer()?);
    let target = EmulatorTarget::new(board, program).map_err(RigError::Bench)?;
    let target = target.with_observer(observer);
    let mut powered = target.virtual_board(folder).map_err(RigError::Bench)?;
    if let Some(path) = &arguments.elf {
        let wrong = |why: String| CommandError::Usage(format!("--elf {}: {why}", path.display()));
        let bytes = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
        let flash = Flash::of(&bytes).map_err(|problem| wrong(problem.to_string()))?;
        powered.set_breakpoint_sites(breakpoint_sites(&bytes));
        if arguments.programmed && !powered.program(flash.start, &flash.bytes) {
            return Err(wrong("expected a program that lies in the flash of the board".to_owned()));
        }
    }
    let mut noise = Noise::new(DEFAULT_SEED);
    let ram = target.ram().into_iter().map(|(_, size)| {
        let mut bytes = vec![0; size as usize];
        noise.fill(&mut bytes);
        bytes
    });
    powered.power_on(&ram.collect::<Vec<_>>()).map_err(|error| bench(&error))?;
    powered.set_troubles(arguments.trouble.clone()).map_err(|error| bench(&error))?;
    Ok(powered)
}

fn bench(error: &crashrig_qemu::Error) -> CommandError {
    RigError::Bench(BenchError::of(error)).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crashrig_qemu::probe::TROUBLES;

    #[test]
    fn places_are_read() {
        assert_eq!(place("unix:/a:b"), Ok(Place::Unix("/a:b".into())));
        assert_eq!(place("tcp:3333"), Ok(Place::Loopback(3333)));
        for text in ["", "unix:", "tcp:x", "tcp:127.0.0.1:1", "3333"] {
            assert!(place(text).unwrap_err().contains("expected unix:PATH or tcp:PORT"));
        }
    }

    #[test]
    fn the_help_names_every_trouble() {
        let help = EXAMPLES.replace('\n', " ");
        assert!(help.contains(&TROUBLES.join(", ")), "{help}");
    }
}
