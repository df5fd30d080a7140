//! A power-on of the chip behind a probe, its core caught before its first instruction.
//!
//! There must be no other reset than that of the power: what the chip says of its causes is looked
//! at by the program. So the reset line is held while power comes, and debugging is turned on under
//! it. Then probe-rs attaches under reset as ever, which would let a chip run whose debugging is
//! off (see `connect`).

use super::connect::{attaching, check_start, failed, open};
use super::driver;
use super::place::PowerSwitch;
use crate::target::BenchError;
use probe_rs::config::Target;
use probe_rs::{Permissions, Session, VectorCatchCondition};

/// How the chip of a session that was ended is reached again.
pub(super) struct Reach<'a> {
    /// Selects the probe.
    pub selector: &'a str,
    /// Clock of the debug port.
    pub speed_khz: Option<u32>,
    /// The chip, as that session knew it.
    pub chip: Target,
}

/// Takes power away and gives it back. With a battery, what that keeps is kept.
pub(super) fn cycle(
    reach: Reach<'_>,
    power: &PowerSwitch,
    battery: bool,
    start: u32,
) -> Result<Session, BenchError> {
    let mut probe = open(reach.selector, reach.speed_khz)?;
    probe.target_reset_assert().map_err(|error| failed("hold the reset line", &error))?;
    power.cycle(battery)?;
    let probe = driver::begin_debugging(probe)
        .map_err(|error| failed("begin debugging at the power-on", &error))?;
    let mut session = probe
        .attach_under_reset(reach.chip, Permissions::default())
        .map_err(|error| attaching(reach.selector, &error))?;
    let mut core = session.core(0).map_err(|error| failed("reach the core", &error))?;
    core.enable_vector_catch(VectorCatchCondition::CoreReset)
        .map_err(|error| failed("catch resets", &error))?;
    check_start(&mut core, start)?;
    drop(core);
    Ok(session)
}
