//! From a selector to a chip that runs our image: open, attach, check which chip it is, flash.
//!
//! Everything that goes wrong here is trouble of the bench, and names the board. Must never happen
//! here: a chip that is flashed before it was seen to be the right one.

use crate::image::Flash;
use crate::target::BenchError;
use probe_rs::config::Registry;
use probe_rs::flashing::DownloadOptions;
use probe_rs::probe::list::Lister;
use probe_rs::probe::{DebugProbeSelector, WireProtocol};
use probe_rs::{MemoryInterface as _, Permissions, Session};
use std::error::Error;

/// The bits of DBGMCU_IDCODE that say which device it is; the others are its revision (RM0090
/// §38.6.1, from memory, not checked).
const DEVICE_BITS: u32 = 0xFFF;

/// How one probe is reached.
pub(super) struct Way<'a> {
    /// Selects the probe.
    pub selector: &'a str,
    /// Name of the chip in the registry.
    pub chip: &'a str,
    /// Known chips.
    pub registry: &'a Registry,
    /// Clock of the debug port.
    pub speed_khz: Option<u32>,
    /// Whether to attach under reset from the first try on.
    pub under_reset: bool,
    /// Where the chip says which one it is, and what, as far as that is known.
    pub identification: Option<(u32, u32)>,
}

/// Attaches. The first try under reset is made once more where it fails: probe-rs 0.32 arms the
/// catch of the reset before halting debug is on, so a chip that was just powered up runs through
/// it (probe-rs issue 4113).
pub(super) fn attach(way: &Way<'_>) -> Result<Session, BenchError> {
    let tries: &[bool] = if way.under_reset { &[true, true] } else { &[false, true, true] };
    let mut problems: Vec<String> = Vec::new();
    for under_reset in tries {
        match attach_once(way, *under_reset) {
            Ok(session) => return Ok(session),
            Err(Failure::Open(problem)) => return Err(BenchError(problem)),
            Err(Failure::Attach(problem)) => {
                let how = if *under_reset { "under reset: " } else { "" };
                problems.push(format!("{how}{problem}"));
            }
        }
    }
    problems.dedup();
    Err(BenchError(format!("attach to {}: {}", way.selector, problems.join("; "))))
}

enum Failure {
    /// There is no such probe, or no permission, or somebody has it: another try is no use.
    Open(String),
    Attach(String),
}

fn attach_once(way: &Way<'_>, under_reset: bool) -> Result<Session, Failure> {
    let opening =
        |error: &dyn Error| Failure::Open(format!("open probe {}: {}", way.selector, whole(error)));
    let selector: DebugProbeSelector = way.selector.parse().map_err(|error| opening(&error))?;
    let mut probe = Lister::new().open(selector).map_err(|error| opening(&error))?;
    probe.select_protocol(WireProtocol::Swd).map_err(|error| opening(&error))?;
    if let Some(speed) = way.speed_khz {
        probe.set_speed(speed).map_err(|error| opening(&error))?;
    }
    let permissions = Permissions::default();
    let session = if under_reset {
        probe.attach_under_reset_with_registry(way.chip, permissions, way.registry)
    } else {
        probe.attach_with_registry(way.chip, permissions, way.registry)
    };
    session.map_err(|error| Failure::Attach(whole(&error)))
}

/// Refuses a chip that is not the one that the board file names.
pub(super) fn check_chip(session: &mut Session, way: &Way<'_>) -> Result<(), BenchError> {
    let Some((address, expected)) = way.identification else { return Ok(()) };
    let mut core = session.core(0).map_err(|error| failed("reach the core", &error))?;
    let found = core
        .read_word_32(u64::from(address))
        .map_err(|error| failed("read which chip it is", &error))?;
    if found & DEVICE_BITS == expected & DEVICE_BITS {
        return Ok(());
    }
    let (found, expected) = (found & DEVICE_BITS, expected & DEVICE_BITS);
    Err(BenchError(format!(
        "check the chip behind {}: found device {found:#05x}, expected {expected:#05x} ({})",
        way.selector, way.chip
    )))
}

/// Programs flash, where it does not hold these bytes already, and reads them back. Uses RAM of the
/// chip, so there must be nothing in it that anybody wants to read.
pub(super) fn flash(
    session: &mut Session,
    parts: &[Flash],
    everything: bool,
) -> Result<(), BenchError> {
    let mut loader = session.target().flash_loader();
    for part in parts {
        loader
            .add_data(u64::from(part.start), &part.bytes)
            .map_err(|error| failed("lay out flash", &error))?;
    }
    let mut options = DownloadOptions::default();
    options.preverify = !everything;
    options.verify = true;
    loader.commit(session, options).map_err(|error| failed("program flash", &error))
}

/// An error of probe-rs as one of the bench.
pub(super) fn failed(action: &str, error: &dyn Error) -> BenchError {
    BenchError(format!("{action}: {}", whole(error)))
}

/// An error with everything behind it, on one line, each part once.
fn whole(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let part = source.to_string();
        if !text.contains(&part) {
            text.push_str(&format!(": {part}"));
        }
        next = source.source();
    }
    text.replace('\n', " ")
}
