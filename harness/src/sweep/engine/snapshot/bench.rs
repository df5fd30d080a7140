//! What the engine is measured against: the floor, which is its loop with nothing in it, and a
//! fresh QEMU for each injection.

use super::device::{Device, Ran};
use super::trigger::{Met, meet};
use super::{SnapshotEngine, Trace, effect};
use crate::sweep::fault::Fault;
use crate::target::BenchError;
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
}

/// One injection by a QEMU of its own, through the same connections: the first boot of the
/// workload, to its end.
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
    for (index, link) in fault.trigger.iter().enumerate() {
        if meet(&mut device, link, index == 0, budget)? != Met::Yes {
            return Err(BenchError(
                "inject in a fresh process: the trigger was not met".to_owned(),
            ));
        }
    }
    effect::carry_out(&mut device, &fault.effect)?;
    let Ran::Ended(boundary) = device.run(budget)? else {
        return Err(BenchError("run a boot: stopped where nobody asked".to_owned()));
    };
    let boots = vec![device.trace(boundary, budget)?];
    Ok(Trace { fired: 1, fired_at: None, fired_after: None, boots, trace_hash: None })
}
