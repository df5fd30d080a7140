//! The commands of a sweep's boots: the same bytes in every run and on every engine.

use crate::noise::Noise;
use crate::scenario::{BootPlan, Scenario};
use crashrig_wire::command::Mailbox;

/// The run that all boots of all sweeps belong to: two runs differ in nothing but the fault.
pub const RUN_ID: u32 = 0x5EED_0001;

/// The mailbox of each boot, in order.
#[must_use]
pub fn commands(scenario: &Scenario, seed: u64) -> Vec<Mailbox> {
    let mut noise = Noise::new(seed);
    (1_u32..).zip(&scenario.boots).map(|(ticket, boot)| command(boot, ticket, &mut noise)).collect()
}

fn command(plan: &BootPlan, ticket: u32, noise: &mut Noise) -> Mailbox {
    let acknowledge = if plan.acknowledge { Mailbox::ACKNOWLEDGE } else { 0 };
    Mailbox {
        run_id: RUN_ID,
        ticket,
        fault: plan.fault,
        // No log: what a host serves stops the device, and all that is judged lies in memory.
        flags: acknowledge,
        seed: u32::try_from(noise.next_word() >> 32).unwrap_or(0),
        parameters: plan.parameters(plan.parameter),
        without: plan.without.iter().fold(0, |bits, detector| bits | detector.bit()),
    }
}
