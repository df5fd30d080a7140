//! From the plain values of `boards.toml` to the boards of a bench, or to everything that is wrong.

use super::raw::{RawBench, RawBoard, RawPower, RawRemote};
use super::selector::{FORM, ProbeSelector};
use super::{BenchBoard, Power, Remote};
use crate::scenario::problems::Problems;
use crashrig_layout::parse::Board;
use std::time::Duration;

/// Clocks of a debug port, in kilohertz: no probe that is made is slower or faster.
const SPEEDS_KHZ: std::ops::RangeInclusive<u32> = 10..=50_000;
/// How long a power switch may take, in milliseconds: more is a mistake of the file.
const LONGEST_SWITCH_MS: u64 = 60_000;
/// How long a board stays without power where the file does not say. From memory: the supply of a
/// board with some hundred microfarads has fallen by then.
const OFF_MS: u64 = 1_000;
/// How long board and probe take to answer where the file does not say. From memory: USB probes
/// enumerate within two seconds.
const SETTLE_MS: u64 = 2_000;

/// The boards, in the order of the file.
pub(super) fn check(raw: &RawBench, ports: &[Board], problems: &mut Problems) -> Vec<BenchBoard> {
    let mut boards: Vec<BenchBoard> = Vec::new();
    for (index, raw) in raw.board.iter().enumerate() {
        let key = |name: &str| format!("board[{index}].{name}");
        if boards.iter().any(|board| board.name == raw.name) {
            let found = format_args!("\"{}\" once more", raw.name);
            problems.add(key("name"), found, "a name of its own");
        }
        let Some(board) = check_board(raw, ports, &key, problems) else { continue };
        let shares = |other: &&BenchBoard| {
            let are_used = other.disabled.is_none() && board.disabled.is_none();
            are_used && other.probe == board.probe && other.remote == board.remote
        };
        if let Some(other) = boards.iter().find(shares) {
            let found = format_args!("\"{}\", the probe of {} too", board.probe, other.name);
            problems.add(key("probe"), found, "a probe of its own, or one of both disabled");
        }
        boards.push(board);
    }
    boards
}

fn check_board(
    raw: &RawBoard,
    ports: &[Board],
    key: &dyn Fn(&str) -> String,
    problems: &mut Problems,
) -> Option<BenchBoard> {
    let is_word = |text: &str| {
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        !text.is_empty() && text.chars().all(fits)
    };
    if !is_word(&raw.name) || raw.name == super::AUTO {
        let expected = format!("letters, digits, - and _, and not {}", super::AUTO);
        problems.add(key("name"), format_args!("\"{}\"", raw.name), expected);
    }
    if !ports.iter().any(|port| port.name == raw.port) {
        let known: Vec<_> = ports.iter().map(|port| port.name.as_str()).collect();
        let expected = format!("one of {}", known.join(", "));
        problems.add(key("port"), format_args!("\"{}\"", raw.port), expected);
    }
    if let Some(speed) = raw.speed_khz.filter(|speed| !SPEEDS_KHZ.contains(speed)) {
        let expected = format!("{} to {}", SPEEDS_KHZ.start(), SPEEDS_KHZ.end());
        problems.add(key("speed_khz"), speed, expected);
    }
    for (number, fixture) in raw.fixtures.iter().enumerate().filter(|(_, it)| !is_word(it)) {
        let key = format!("{}[{number}]", key("fixtures"));
        problems.add(key, format_args!("\"{fixture}\""), "letters, digits, - and _");
    }
    if raw.disabled.as_ref().is_some_and(|reason| reason.trim().is_empty()) {
        problems.add(key("disabled"), "nothing", "the reason, or no such key");
    }
    let power = raw.power.as_ref().map(|power| check_power(power, key, problems));
    let remote = raw.remote.as_ref().map(|remote| check_remote(remote, key, problems));
    let probe = check_probe(raw, ports, key, problems)?;
    Some(BenchBoard {
        name: raw.name.clone(),
        port: raw.port.clone(),
        probe,
        speed_khz: raw.speed_khz,
        connect_under_reset: raw.connect_under_reset,
        power,
        remote,
        fixtures: raw.fixtures.clone(),
        disabled: raw.disabled.clone(),
    })
}

/// The selector, which must fit what stands behind the port.
fn check_probe(
    raw: &RawBoard,
    ports: &[Board],
    key: &dyn Fn(&str) -> String,
    problems: &mut Problems,
) -> Option<ProbeSelector> {
    let probe: ProbeSelector = match raw.probe.parse() {
        Ok(probe) => probe,
        Err(_) => {
            problems.add(key("probe"), format_args!("\"{}\"", raw.probe), FORM);
            return None;
        }
    };
    let port = ports.iter().find(|port| port.name == raw.port)?;
    match &probe {
        ProbeSelector::Virtual { board } if *board != raw.port => {
            let expected = format!("virtual:{}, its port", raw.port);
            problems.add(key("probe"), format_args!("\"{probe}\""), expected);
        }
        ProbeSelector::Virtual { .. } if port.emulator().is_none() => {
            let expected = "the selector of a probe: this port has no emulator";
            problems.add(key("probe"), format_args!("\"{probe}\""), expected);
        }
        _ => {}
    }
    Some(probe)
}

fn check_power(raw: &RawPower, key: &dyn Fn(&str) -> String, problems: &mut Problems) -> Power {
    for (name, command) in [("power.off", &raw.off), ("power.on", &raw.on)] {
        if command.first().is_none_or(String::is_empty) {
            problems.add(key(name), "no program", "a program and its arguments, no shell");
        }
    }
    let mut time = |name: &str, found: Option<u64>, otherwise: u64| {
        let found = found.unwrap_or(otherwise);
        if found > LONGEST_SWITCH_MS {
            problems.add(key(name), found, format_args!("at most {LONGEST_SWITCH_MS}"));
        }
        Duration::from_millis(found)
    };
    Power {
        off: raw.off.clone(),
        on: raw.on.clone(),
        off_time: time("power.off_ms", raw.off_ms, OFF_MS),
        settle_time: time("power.settle_ms", raw.settle_ms, SETTLE_MS),
    }
}

fn check_remote(raw: &RawRemote, key: &dyn Fn(&str) -> String, problems: &mut Problems) -> Remote {
    // What begins with a dash would be an option of the program that gets it.
    let bad = |text: &str| text.is_empty() || text.starts_with('-') || text.contains(' ');
    if bad(&raw.host) {
        problems.add(
            key("remote.host"),
            format_args!("\"{}\"", raw.host),
            "[user@]host, as ssh takes it",
        );
    }
    if let Some(place) = raw.place.as_ref().filter(|place| bad(place)) {
        problems.add(
            key("remote.place"),
            format_args!("\"{place}\""),
            "the name of a labgrid place",
        );
    }
    Remote { host: raw.host.clone(), place: raw.place.clone() }
}
