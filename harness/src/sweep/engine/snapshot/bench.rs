//! What the engine is measured against: the floor, which is its loop with nothing in it, and a
//! fresh QEMU for each injection.

use super::device::Device;
use super::trigger::{Met, meet};
use super::{SnapshotEngine, Trace};
use crate::sweep::engine::effect::carry_out;
use crate::sweep::fault::{Effect, Fault};
use crate::target::{BenchError, Boundary};
use std::path::Path;
use std::sync::Arc;

impl SnapshotEngine {
    /// The floor of runs with a fault: its place is restored, and the device runs to the end of its
    /// boot. Nothing is injected, read or counted. At least one run with the fault comes before.
    ///
    /// # Errors
    /// The bench failed, or no run came before.
    pub fn restore_and_run(&mut self) -> Result<(), BenchError> {
        let budget = self.budget;
        let no_base = || BenchError("run from a saved place: there is none".to_owned());
        let warm = self.warm.as_mut().ok_or_else(no_base)?;
        let base = warm.base.as_ref().ok_or_else(no_base)?;
        warm.device.restore(&base.saved)?;
        warm.device.run_to_end(budget).map(drop)
    }

    /// The floor of runs that a reset cuts off: the device is reset and runs the last planned boot.
    /// At least one run with the fault comes before.
    ///
    /// # Errors
    /// The bench failed, or no run came before.
    pub fn reset_and_run(&mut self) -> Result<(), BenchError> {
        let (budget, last) = (self.budget, self.workload.boots.len().saturating_sub(1));
        let none = || BenchError("reset a device: there is none".to_owned());
        let warm = self.warm.as_mut().ok_or_else(none)?;
        warm.device.end_at_hook(false);
        warm.device.begin(last, None)?;
        warm.device.run_to_end(budget)?;
        warm.device.end_at_hook(true);
        Ok(())
    }
}

/// One injection in the first boot by a QEMU of its own, through the same connections.
///
/// # Errors
/// The bench failed, or the fault was not carried out.
pub fn in_fresh_process(
    engine: &SnapshotEngine,
    fault: &Fault,
    folder: &Path,
) -> Result<Trace, BenchError> {
    let budget = engine.budget;
    let mut device = Device::start(&Arc::clone(&engine.workload), folder, engine.processor)?;
    device.begin(0, None)?;
    let mut before = None;
    for link in &fault.trigger {
        if meet(&mut device, link, before, budget)? != Met::Yes {
            return Err(BenchError(
                "inject in a fresh process: the trigger was not met".to_owned(),
            ));
        }
        before = Some(link);
    }
    let (boundary, mut ram) = match fault.effect {
        Effect::Reset { ram } => (Boundary::Reset, Some((ram, fault.seed))),
        _ => {
            carry_out(&mut device, &fault.effect)?;
            (device.run_to_end(budget)?, None)
        }
    };
    let mut boots = vec![device.trace(boundary, budget)?];
    while let Some(index) = engine.workload.next(&boots) {
        device.begin(index, ram.take())?;
        let boundary = device.run_to_end(budget)?;
        boots.push(device.trace(boundary, budget)?);
    }
    Ok(Trace { fired: 1, fired_at: None, fired_after: None, boots })
}
