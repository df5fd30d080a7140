//! The reference engine: a fresh emulator for each run, and nothing but a [`Session`]. Slow, and
//! the measure of the fast ones: they must come to the same outcomes.
//!
//! A hang is a used-up budget of instructions; a run that uses up time of the host is trouble of
//! the bench and of nothing else. Single steps let timers stand still: in code that timers drive,
//! the n-th instruction is another one here than on an engine that counts while the device runs.

mod inject;

use super::ram::change;
use super::trigger::counted;
use super::{Abilities, BootTrace, Engine, GOLDEN_NS, Trace, budget_of};
use crate::application::in_flash;
use crate::image::{Flash, Image};
use crate::noise::Noise;
use crate::scenario::{Fill, Scenario};
use crate::sweep::fault::{Effect, Fault, RamPolicy};
use crate::sweep::workload::{PlannedBoot, Workload};
use crate::target::{BenchError, Boundary, Deadline, Session, TARGET_TIME, Target, Wait};
use crashrig_layout::Need;
use crashrig_wire::marker::MARKER_LENGTH;
use inject::Injected;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Host time after which a boot is looked at: one that has executed nothing in it sleeps for ever.
const LOOK: Duration = Duration::from_secs(5);
/// How often, before it is trouble of the bench.
const LOOKS: usize = 12;
/// What a wait says that has used up its host time.
const WALL_TIME: &str = "wall time";

/// Instructions that are stepped at most for one link of target time: some 15 seconds of the host.
const STEPS: u64 = 100_000;

/// A fresh emulator for each run.
pub struct ProcessEngine {
    target: Arc<dyn Target>,
    image: Arc<Image>,
    application: Option<Flash>,
    needs: Vec<Need>,
    workload: Arc<Workload>,
    /// Where emulators put their streams; each run writes over those of the one before.
    folder: PathBuf,
    hashes_ram: bool,
    /// Instructions of the longest boot of the golden run, once it has run.
    golden_instructions: Option<u64>,
}

impl ProcessEngine {
    /// An engine for a workload, which is that of the scenario and the image. `folder` must exist
    /// and belong to this engine alone.
    ///
    /// # Errors
    /// The image does not fit its bootloader.
    pub fn new(
        target: Arc<dyn Target>,
        image: Arc<Image>,
        scenario: &Scenario,
        workload: Arc<Workload>,
        folder: PathBuf,
    ) -> Result<Self, BenchError> {
        // A sweep's scenario damages no application: nothing of this noise is used.
        let application = in_flash(&image, scenario.application, &mut Noise::new(0))?;
        let hashes_ram = workload.hashes_ram;
        Ok(Self {
            target,
            image,
            application,
            needs: scenario.needs.clone(),
            workload,
            folder,
            hashes_ram,
            golden_instructions: None,
        })
    }

    /// The same with a hash over RAM in its traces, also where the sweep does not ask for that.
    #[must_use]
    pub const fn hashing_ram(mut self) -> Self {
        self.hashes_ram = true;
        self
    }

    fn shift(&self) -> u8 {
        self.workload.launch.instruction_shift.unwrap_or_default()
    }

    /// Instructions that a boot may take.
    fn budget(&self) -> u64 {
        self.golden_instructions.map_or(GOLDEN_NS >> self.shift(), budget_of)
    }

    fn deadline(&self) -> Deadline {
        let target_ms = (self.budget() << self.shift()).div_ceil(1_000_000);
        Deadline { target_ms, wall: LOOK, ..Deadline::default() }
    }
}

impl Engine for ProcessEngine {
    fn abilities(&self) -> Abilities {
        Abilities {
            engine: "process",
            changes_flash: true,
            watches_devices: true,
            looks_at_values: false,
            steps: STEPS,
            instruction_shift: self.workload.launch.instruction_shift,
        }
    }

    fn run(&mut self, fault: Option<&Fault>) -> Result<Trace, BenchError> {
        let Abilities { instruction_shift, .. } = self.abilities();
        fault.map_or(Ok(()), |fault| self.abilities().check(fault))?;
        let fault = fault.map(|fault| counted(fault, instruction_shift)).transpose()?;
        let fault = fault.as_deref();
        let application = self.application.as_ref();
        let session = self.target.open(&self.image, application, &self.needs, &self.folder)?;
        let (deadline, workload) = (self.deadline(), Arc::clone(&self.workload));
        let hashes_ram = self.hashes_ram;
        let budget = self.budget();
        let mut run = Run { session, workload, deadline, budget, hashes_ram, instructions: 0 };
        let trace = run.all_boots(fault)?;
        if fault.is_none() {
            self.golden_instructions = trace.boots.iter().map(|boot| boot.instructions).max();
        }
        Ok(trace)
    }
}

/// One run.
struct Run {
    session: Box<dyn Session>,
    workload: Arc<Workload>,
    deadline: Deadline,
    /// Instructions that a boot may take.
    budget: u64,
    hashes_ram: bool,
    /// Instructions of the boots before.
    instructions: u64,
}

impl Run {
    fn all_boots(&mut self, fault: Option<&Fault>) -> Result<Trace, BenchError> {
        let mut trace = Trace::without_effect(Vec::new());
        let workload = Arc::clone(&self.workload);
        let mut ram = None;
        while let Some(index) = workload.next(&trace.boots) {
            self.start(index, ram.take())?;
            // The number of the boot that comes now; one that is repeated has a higher one.
            let number = trace.boots.len() + 1;
            let fault = fault.filter(|fault| fault.boot as usize == number);
            let injected = self.boot(fault)?;
            if let Some(fault) = fault.filter(|_| injected.fired > 0) {
                trace.fired = injected.fired;
                trace.fired_at = injected.pc;
                trace.fired_after = injected.after.map(|all| all.saturating_sub(self.instructions));
                if let Effect::Reset { ram: policy } = fault.effect {
                    ram = Some((policy, fault.seed));
                }
            }
            trace.boots.push(self.left(injected.boundary)?);
        }
        Ok(trace)
    }

    /// Brings the device before the first instruction of a boot, its command in place. `ram` is
    /// what the reset does to memory that is kept, with its seed.
    fn start(&mut self, index: usize, ram: Option<(RamPolicy, u64)>) -> Result<(), BenchError> {
        let workload = Arc::clone(&self.workload);
        let planned = workload.boots.get(index);
        let planned = planned.ok_or_else(|| BenchError(format!("find boot {}", index + 1)))?;
        let PlannedBoot { memory, mailbox } = planned;
        match memory {
            Some(memory) => {
                // Devices of the host need to know; what is in RAM is the workload's.
                self.session.power_on(Fill::Zero, 0, false)?;
                memory.iter().try_for_each(|(start, bytes)| self.session.write(*start, bytes))?;
            }
            None => {
                self.session.reset_warm()?;
                ram.map_or(Ok(()), |(policy, seed)| self.change_ram(policy, seed))?;
            }
        }
        self.session.write(workload.mailbox, mailbox)?;
        self.session.write(workload.marker, &[0; MARKER_LENGTH])
    }

    /// Lets the device run to the end of its boot.
    fn boot(&mut self, fault: Option<&Fault>) -> Result<Injected, BenchError> {
        match fault {
            Some(fault) => self.inject(fault),
            None => Ok(Injected::nothing(self.run_on()?)),
        }
    }

    /// Lets the stopped device run to the end of its boot; there are no breakpoints.
    fn run_on(&mut self) -> Result<Boundary, BenchError> {
        self.session.resume()?;
        match self.wait()? {
            Wait::Boundary(boundary) => Ok(boundary),
            other => Err(BenchError(format!("wait for the end of a boot: found {other:?}"))),
        }
    }

    /// Waits for a boundary or a breakpoint. A hang that is none of the device's is an error.
    fn wait(&mut self) -> Result<Wait, BenchError> {
        let mut executed = None;
        for _ in 0..LOOKS {
            let wait = self.session.wait(&self.deadline)?;
            let limit = match &wait {
                Wait::Boundary(Boundary::Hang { limit, .. }) if limit != TARGET_TIME => limit,
                _ => return Ok(wait),
            };
            if limit != WALL_TIME {
                return Err(BenchError(format!("wait for the end of a boot: {limit} is used up")));
            }
            let now = self.session.instructions()?;
            if executed == Some(now) {
                let is_watched = self.session.sleep_on()?;
                return Ok(Wait::Boundary(if is_watched { Boundary::Watchdog } else { hang() }));
            }
            executed = Some(now);
            self.session.resume()?;
        }
        Err(BenchError(format!("wait for the end of a boot: {WALL_TIME} is used up")))
    }

    /// What the boot left. Of a hang only that: where exactly the device was stopped is up to the
    /// host, and so are the instructions of one that a watchdog has ended.
    fn left(&mut self, boundary: Boundary) -> Result<BootTrace, BenchError> {
        let has_no_end = matches!(boundary, Boundary::Hang { .. } | Boundary::Watchdog);
        let instructions = if has_no_end { self.budget } else { 0 };
        let mut left = BootTrace { instructions, ..BootTrace::without_memory(boundary) };
        if !matches!(left.boundary, Boundary::Reset | Boundary::Watchdog) {
            return Ok(left);
        }
        self.session.clear_breakpoints()?;
        let total = self.session.instructions()?.unwrap_or(0);
        if left.boundary == Boundary::Reset {
            left.instructions = total.saturating_sub(self.instructions);
        }
        self.instructions = total;
        let Workload { crash_start, crash_size, marker, .. } = *self.workload;
        left.region = self.bytes(crash_start, crash_size as usize)?;
        left.marker = self.bytes(marker, MARKER_LENGTH)?;
        if self.hashes_ram {
            left.ram_hash = Some(self.hash_of_ram()?);
        }
        Ok(left)
    }

    fn bytes(&mut self, address: u32, size_bytes: usize) -> Result<Vec<u8>, BenchError> {
        let mut bytes = vec![0; size_bytes];
        self.session.read(address, &mut bytes)?;
        Ok(bytes)
    }

    /// A hash over all RAM but mailbox, marker and crash region.
    fn hash_of_ram(&mut self) -> Result<u64, BenchError> {
        let mut ram = Vec::new();
        for (start, size_bytes) in self.session.ram().to_vec() {
            ram.push(self.bytes(start, size_bytes as usize)?);
        }
        Ok(self.workload.hash_of_ram(ram))
    }

    fn change_ram(&mut self, policy: RamPolicy, seed: u64) -> Result<(), BenchError> {
        let mut noise = Noise::new(seed);
        for (start, size_bytes) in self.session.ram().to_vec() {
            let mut bytes = self.bytes(start, size_bytes as usize)?;
            change(&mut bytes, policy, &mut noise);
            self.session.write(start, &bytes)?;
        }
        Ok(())
    }
}

/// The end of a boot that has none.
fn hang() -> Boundary {
    Boundary::Hang { limit: TARGET_TIME.to_owned(), pc: None }
}
