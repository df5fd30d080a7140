//! `crashrig boards`: the boards of this bench, who holds each, and the probes that are attached.

use super::CommandError;
use super::say::{complain, say};
use crate::boards::holder::Holder;
use crate::boards::lock::{LockState, Locks};
use crate::boards::template::{self, AttachedProbe};
use crate::boards::{Bench, BenchBoard, EXAMPLE_FILE, ProbeSelector, Remote};
use crate::exit;
use crate::rig::Rig;
use crate::target::probe;
use serde_json::{Value, json};
use std::io::Write as _;

/// Version of the JSON output.
const SCHEMA: u32 = 1;

/// Arguments of `boards`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Write boards.toml from the probes that are attached. A file that is there stays as it is.
    #[arg(long)]
    init: bool,
    /// Print JSON.
    #[arg(long, conflicts_with = "init")]
    json: bool,
}

/// A board and what is known of it.
struct Row<'a> {
    board: &'a BenchBoard,
    lock: LockState,
    /// Why it was given up when it was last used.
    broken: Option<String>,
}

pub(super) fn boards(arguments: &Arguments) -> Result<u8, CommandError> {
    let rig = Rig::here();
    let bench = rig.bench()?;
    let attached = probe::attached();
    if arguments.init {
        return init(&rig, &bench, attached.map_err(CommandError::Unavailable)?);
    }
    let locks = Locks::of_machine();
    let mut rows = Vec::new();
    for board in &bench.boards {
        rows.push(Row {
            board,
            lock: locks.state(&board.probe)?,
            broken: locks.broken(&board.probe),
        });
    }
    if arguments.json {
        let boards: Vec<_> = rows.iter().map(in_json).collect();
        let attached = attached.ok().map(|it| it.iter().map(attached_in_json).collect::<Vec<_>>());
        let file = json!({ "path": bench.path, "is_there": bench.is_there });
        say!(
            "{:#}",
            json!({
                "schema": SCHEMA, "file": file, "boards": boards, "attached": attached,
            })
        );
    } else {
        print(&bench, &rows, attached);
    }
    Ok(exit::PASS)
}

fn init(rig: &Rig, bench: &Bench, attached: Vec<AttachedProbe>) -> Result<u8, CommandError> {
    let path = &bench.path;
    let text = template::text(&attached, &bench.boards, &rig.all_boards()?);
    let file = std::fs::OpenOptions::new().write(true).create_new(true).open(path);
    match file.and_then(|mut file| file.write_all(text.as_bytes())) {
        Ok(()) => {
            say!("wrote {}: {} probes attached", path.display(), attached.len());
            Ok(exit::PASS)
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            let text = format!("--init: found {}, expected no such file", path.display());
            complain!("this would have been written:\n{text}");
            Err(CommandError::Usage(text))
        }
        Err(source) => Err(CommandError::Output { path: path.clone(), source }),
    }
}

fn print(bench: &Bench, rows: &[Row<'_>], attached: Result<Vec<AttachedProbe>, String>) {
    let path = bench.path.display();
    if !bench.is_there {
        say!("no boards: {path} is not there; {EXAMPLE_FILE} is its template, --init writes it");
    } else if rows.is_empty() {
        say!("no boards: {path} lists none");
    }
    for row in rows {
        let board = row.board;
        let remote = board.remote.as_ref().map_or(String::new(), whereabouts);
        say!("{}  {}  {}{remote}  {}", board.name, board.port, board.probe, state(row));
    }
    match attached {
        Err(reason) => say!("probes: not looked for: {reason}"),
        Ok(probes) if probes.is_empty() => say!("probes: none attached"),
        Ok(probes) => {
            for probe in probes {
                let word = if probe.is_accessible { "" } else { ", no permission" };
                let known = bench.boards.iter().find(|it| is_of(&it.probe, &probe));
                let whose = known.map_or("no board", |board| board.name.as_str());
                say!("probe {} ({}): {whose}{word}", probe.selector, probe.name);
            }
        }
    }
}

fn whereabouts(remote: &Remote) -> String {
    let place = remote.place.as_ref();
    format!(" at {}{}", remote.host, place.map_or(String::new(), |it| format!(", place {it}")))
}

fn is_of(selector: &ProbeSelector, probe: &AttachedProbe) -> bool {
    probe.selector.parse::<ProbeSelector>().is_ok_and(|found| found == *selector)
}

fn state(row: &Row<'_>) -> String {
    let lock = match &row.lock {
        LockState::Free => "free".to_owned(),
        LockState::Held(holder) => holder.as_ref().map_or("held".to_owned(), Holder::words),
    };
    match (&row.board.disabled, &row.broken) {
        (Some(reason), _) => format!("disabled: {reason}"),
        (None, None) => lock,
        (None, Some(why)) => format!("{lock}; broken when it was last used: {why}"),
    }
}

fn in_json(row: &Row<'_>) -> Value {
    let board = row.board;
    let (is_held, holder) = match &row.lock {
        LockState::Free => (false, None),
        LockState::Held(holder) => (true, holder.as_ref()),
    };
    json!({
        "name": board.name,
        "port": board.port,
        "probe": board.probe.to_string(),
        "speed_khz": board.speed_khz,
        "connect_under_reset": board.connect_under_reset,
        "switches_power": board.power.is_some(),
        "remote": board.remote.as_ref().map(|it| json!({ "host": it.host, "place": it.place })),
        "fixtures": board.fixtures,
        "disabled": board.disabled,
        "is_held": is_held,
        "holder": holder,
        "broken": row.broken,
    })
}

fn attached_in_json(probe: &AttachedProbe) -> Value {
    json!({
        "name": probe.name, "selector": probe.selector, "is_accessible": probe.is_accessible,
    })
}
