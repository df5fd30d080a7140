//! From the command to the end of a boot, with the stops on the way.

use super::Driver;
use crate::entry::{EntryReading, Seen, begins_with_fault};
use crate::evidence::RamEvidence;
use crate::scenario::{BootPlan, measured_function};
use crate::script;
use crate::steps;
use crate::target::{BenchError, Boundary, Deadline, Wait};

/// How often one boot is stopped: each stop has the whole deadline before it.
const STOP_LIMIT: usize = 32;

/// Milliseconds of target time that a boot runs before a command is sent while it runs.
const AWAIT_MS: u64 = 20;

/// How a boot ended, and what was read on the way.
pub(super) struct Ended {
    pub boundary: Boundary,
    /// What the device answered to the boot's script.
    pub answers: Vec<u8>,
    /// RAM directly before the first fault, if the scenario measures.
    pub ram_before_fault: Vec<RamEvidence>,
    /// What the host read where a capture began, if it stops there.
    pub entry: Option<EntryReading>,
}

impl Driver<'_> {
    /// Lets the device run to the end of its boot.
    pub(super) fn run_boot(
        &mut self,
        plan: &BootPlan,
        planned: u32,
        number: usize,
    ) -> Result<Ended, BenchError> {
        // Runs that are compared stop at the same place before their capture.
        let injection = self.places.injection.filter(|_| measured_function(plan.fault).is_some());
        if let Some(address) = injection {
            self.session.set_breakpoint(address)?;
        }
        let is_by_fault = self.is_by_fault(planned);
        let is_catching = self.entries.watch(self.session.as_mut(), is_by_fault)?;
        self.session.resume()?;
        if let Some(then) = plan.then
            && self.session.pause(AWAIT_MS, &Deadline::default())? == Wait::Running
        {
            // A device that has ended meanwhile takes no command; how it ended comes from `wait`.
            let _ = self.send(then, plan);
        }
        let (answers, deadline) = self.play(plan, planned)?;
        let mut seen = Seen::new(is_catching);
        let (mut ram_before_fault, mut stops) = (Vec::new(), 0);
        let boundary = loop {
            match self.session.wait(&deadline)? {
                Wait::Boundary(boundary) => break boundary,
                Wait::Breakpoint { address } => {
                    if injection == Some(address) {
                        if number == 1 && self.measures {
                            ram_before_fault = self.read_ram(&format!("boot-{number}.before"))?;
                        }
                        if self.can_restart_tick {
                            self.entries.watch_handlers(self.session.as_mut())?;
                        }
                    }
                    self.entries.reached(address, self.session.as_mut(), &mut seen)?;
                    stops += 1;
                    self.go_on(stops)?;
                }
                Wait::Running => {}
            }
        };
        Ok(Ended { boundary, answers, ram_before_fault, entry: seen.reading() })
    }

    /// Whether a boot is to end with a capture, and that with nothing but a fault.
    fn is_by_fault(&self, planned: u32) -> bool {
        let mut crashes = self.crashes.iter().filter(|crash| crash.boot == planned).peekable();
        crashes.peek().is_some() && crashes.all(|crash| begins_with_fault(crash.detector))
    }

    /// Lets the device run on from a stop, for the last time without further ones.
    fn go_on(&mut self, stops: usize) -> Result<(), BenchError> {
        if stops == STOP_LIMIT {
            self.session.clear_breakpoints()?;
        }
        if self.can_restart_tick {
            steps::restart_tick(self.session.as_mut())?;
        }
        self.session.resume()
    }

    /// Plays the script of a boot on the running device: its answers, and how long the boot may
    /// take.
    fn play(&mut self, plan: &BootPlan, planned: u32) -> Result<(Vec<u8>, Deadline), BenchError> {
        let script = self.scripts.iter().find(|script| script.boot == planned);
        let Some((script, desk)) = script.zip(self.places.desk) else {
            return Ok((Vec::new(), Deadline::of(plan.fault)));
        };
        let answers = script::talk::play(script, desk, self.session.as_mut())?;
        Ok((script::to_bytes(&answers), script::talk::DEADLINE))
    }
}
