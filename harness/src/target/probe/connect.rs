//! From a selector to a chip that runs our image: open, attach, check which chip it is, flash,
//! reset.
//!
//! Everything that goes wrong here is trouble of the bench, and names the board. Must never happen
//! here: a chip that is flashed before it was seen to be the right one.

use super::driver;
use super::ladder::Rung;
use crate::image::{Flash, Image};
use crate::target::BenchError;
use crashrig_qemu::probe::ERASED;
use probe_rs::config::Registry;
use probe_rs::flashing::{DownloadOptions, FlashError, FlashProgress};
use probe_rs::probe::list::Lister;
use probe_rs::probe::{DebugProbeSelector, Probe, WireProtocol};
use probe_rs::{
    Core, MemoryInterface as _, Permissions, RegisterId, Session, VectorCatchCondition,
};
use std::error::Error;
use std::time::Duration;

/// The bits of DBGMCU_IDCODE that say which device it is; the others are its revision (RM0090
/// §38.6.1, from memory, not checked).
const DEVICE_BITS: u32 = 0xFFF;
/// How long a core may take to halt.
pub(super) const HALT: Duration = Duration::from_secs(1);
/// The number of the program counter among the registers of a core.
pub(super) const PC: RegisterId = RegisterId(15);

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

/// Begins a session with a chip that runs these parts of flash: attached, known to be the right
/// one, programmed, and standing before its first instruction. `rung` is what is tried with a board
/// in trouble.
pub(super) fn begin(
    way: &Way<'_>,
    parts: &[Flash],
    start: u32,
    rung: Option<&Rung>,
) -> Result<Session, BenchError> {
    try_to_begin(way, parts, start, rung).map_err(|BenchError(problem)| {
        let probe = open(way.selector, way.speed_khz);
        let is_held = probe.is_ok_and(|mut probe| driver::is_reset_low(&mut probe));
        let cause = if is_held { "something holds the chip's reset line low: " } else { "" };
        BenchError(format!("{cause}{problem}"))
    })
}

fn try_to_begin(
    way: &Way<'_>,
    parts: &[Flash],
    start: u32,
    rung: Option<&Rung>,
) -> Result<Session, BenchError> {
    let under_reset = way.under_reset || rung.is_some_and(|rung| rung.attaches_under_reset);
    let mut session = attach(way, under_reset)?;
    check_chip(&mut session, way)?;
    flash(&mut session, parts, rung.is_some_and(|rung| rung.programs_all))?;
    reset_to_start(&mut session, start)?;
    Ok(session)
}

/// Attaches. The first try under reset is made once more where it fails: probe-rs 0.32 arms the
/// catch of the reset before halting debug is on, so a chip that was just powered up runs through
/// it (probe-rs issue 4113).
fn attach(way: &Way<'_>, under_reset: bool) -> Result<Session, BenchError> {
    let mut problems: Vec<String> = Vec::new();
    for _ in 0..=usize::from(under_reset) {
        match attach_once(way, under_reset) {
            Ok(session) => return Ok(session),
            Err(Failure::Open(problem)) => return Err(BenchError(problem)),
            Err(Failure::Attach(problem)) => problems.push(problem),
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

/// Opens a probe.
pub(super) fn open(selector: &str, speed_khz: Option<u32>) -> Result<Probe, BenchError> {
    let opening = |error: &dyn Error| failed(&format!("open probe {selector}"), error);
    let selector: DebugProbeSelector = selector.parse().map_err(|error| opening(&error))?;
    let mut probe = Lister::new().open(selector).map_err(|error| opening(&error))?;
    probe.select_protocol(WireProtocol::Swd).map_err(|error| opening(&error))?;
    if let Some(speed) = speed_khz {
        probe.set_speed(speed).map_err(|error| opening(&error))?;
    }
    Ok(probe)
}

fn attach_once(way: &Way<'_>, under_reset: bool) -> Result<Session, Failure> {
    let probe =
        open(way.selector, way.speed_khz).map_err(|BenchError(problem)| Failure::Open(problem))?;
    let permissions = Permissions::default();
    let session = if under_reset {
        probe.attach_under_reset_with_registry(way.chip, permissions, way.registry)
    } else {
        probe.attach_with_registry(way.chip, permissions, way.registry)
    };
    session.map_err(|error| Failure::Attach(whole(&error)))
}

/// Refuses a chip that is not the one that the board file names.
fn check_chip(session: &mut Session, way: &Way<'_>) -> Result<(), BenchError> {
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
fn flash(session: &mut Session, parts: &[Flash], everything: bool) -> Result<(), BenchError> {
    let mut loader = session.target().flash_loader();
    for part in parts {
        loader
            .add_data(u64::from(part.start), &part.bytes)
            .map_err(|error| failed("lay out flash", &error))?;
    }
    // The option `preverify` is read by the command `probe-rs` only: the library does not compare
    // before it programs (0.32, `FlashLoader::commit`).
    if !everything {
        match loader.verify(session, &mut FlashProgress::empty()) {
            Ok(()) => return Ok(()),
            Err(FlashError::Verify) => {}
            Err(error) => return Err(failed("compare flash", &error)),
        }
    }
    let mut options = DownloadOptions::default();
    options.verify = true;
    loader.commit(session, options).map_err(|error| failed("program flash", &error))
}

/// A reset that keeps RAM; the core stands before its first instruction, and will after each
/// further reset.
pub(super) fn reset_to_start(session: &mut Session, start: u32) -> Result<(), BenchError> {
    let mut core = session.core(0).map_err(|error| failed("reach the core", &error))?;
    core.reset_and_halt(HALT).map_err(|error| failed("reset and halt", &error))?;
    core.enable_vector_catch(VectorCatchCondition::CoreReset)
        .map_err(|error| failed("catch resets", &error))?;
    check_start(&mut core, start)
}

/// Refuses a core that does not stand before its first instruction.
pub(super) fn check_start(core: &mut Core<'_>, start: u32) -> Result<(), BenchError> {
    let pc: u32 = core.read_core_reg(PC).map_err(|error| failed("read pc", &error))?;
    if pc == start {
        return Ok(());
    }
    Err(BenchError(format!(
        "reset and halt: found the core at {pc:#010x}, expected its first instruction at \
         {start:#010x}"
    )))
}

/// What stands in flash: the program that starts, and an application behind it.
pub(super) fn parts_of(
    image: &Image,
    application: Option<&Flash>,
) -> Result<Vec<Flash>, BenchError> {
    let of = |image: &Image| Flash::of(image.bytes()).map_err(BenchError::of);
    let mut parts = vec![of(image.bootloader().unwrap_or(image))?];
    if let Some(application) = application {
        let (mut part, whole) = (application.clone(), of(image)?);
        // A shorter one must not be followed by what stood there before.
        if part.bytes.len() < whole.bytes.len() {
            part.bytes.resize(whole.bytes.len(), ERASED);
        }
        parts.push(part);
    }
    Ok(parts)
}

/// The first instruction of what starts: the second word of its vector table.
pub(super) fn start_of(parts: &[Flash]) -> Result<u32, BenchError> {
    let word = parts.first().and_then(|part| part.bytes.get(4..8)?.first_chunk::<4>());
    let none = || BenchError("find the first instruction: flash holds no vector table".to_owned());
    Ok(u32::from_le_bytes(*word.ok_or_else(none)?) & !1)
}

/// That attaching has failed.
pub(super) fn attaching(selector: &str, error: &dyn Error) -> BenchError {
    failed(&format!("attach to {selector}"), error)
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
