//! The reference engine: a fresh emulator for each run, and nothing but a [`Session`]. Slow, and
//! the measure of the fast ones: they must come to the same outcomes.
//!
//! A hang is a used-up budget of instructions; a run that uses up time of the host is trouble of
//! the bench and of nothing else. Single steps let timers stand still: in code that timers drive,
//! the n-th instruction is another one here than on an engine that counts while the device runs.

mod inject;

use super::{BootTrace, Engine, Trace};
use crate::noise::Noise;
use crate::run::SILENT_BOOT_BUDGET;
use crate::scenario::Start;
use crate::sweep::fault::{Effect, Fault};
use crate::sweep::workload::{PlannedBoot, Workload, apply, hash_of_ram};
use crate::target::{BenchError, Boundary, Deadline, Session, TARGET_TIME, Target, Wait};
use crashrig_wire::EndMarker;
use crashrig_wire::marker::MARKER_LENGTH;
use inject::Injected;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Instructions that a run with a fault may take besides four times those of the golden run.
const SPARE_INSTRUCTIONS: u64 = 1_000_000;

/// Host time after which a boot is trouble of the bench.
const WALL_LIMIT: Duration = Duration::from_secs(60);

/// A fresh emulator for each run.
pub struct ProcessEngine {
    target: Arc<dyn Target>,
    workload: Workload,
    /// Where emulators put their streams; each run writes over those of the one before.
    folder: PathBuf,
    /// Instructions of the longest boot of the golden run, once it has run.
    golden_instructions: Option<u64>,
}

impl ProcessEngine {
    /// An engine for a workload. `folder` must exist and belong to this engine alone.
    #[must_use]
    pub fn new(target: Arc<dyn Target>, workload: Workload, folder: PathBuf) -> Self {
        Self { target, workload, folder, golden_instructions: None }
    }

    fn deadline(&self) -> Deadline {
        let shift = self.target.board().emulator().map_or(0, |emulator| emulator.icount_shift);
        let target_ms = self.golden_instructions.map(|golden| {
            let budget = golden.saturating_mul(4).saturating_add(SPARE_INSTRUCTIONS);
            (budget << shift).div_ceil(1_000_000)
        });
        let default = Deadline::default();
        Deadline { target_ms: target_ms.unwrap_or(default.target_ms), wall: WALL_LIMIT, ..default }
    }
}

impl Engine for ProcessEngine {
    fn name(&self) -> &'static str {
        "process"
    }

    fn run(&mut self, fault: Option<&Fault>) -> Result<Trace, BenchError> {
        let Workload { image, application, needs, .. } = &self.workload;
        let session = self.target.open(image, application.as_ref(), needs, &self.folder)?;
        let deadline = self.deadline();
        let mut run = Run { session, workload: &self.workload, deadline, instructions: 0 };
        let trace = run.all_boots(fault)?;
        if fault.is_none() {
            self.golden_instructions = trace.boots.iter().map(|boot| boot.instructions).max();
        }
        Ok(trace)
    }
}

/// One run.
struct Run<'a> {
    session: Box<dyn Session>,
    workload: &'a Workload,
    deadline: Deadline,
    /// Instructions of the boots before.
    instructions: u64,
}

impl Run<'_> {
    fn all_boots(&mut self, fault: Option<&Fault>) -> Result<Trace, BenchError> {
        let mut trace = Trace {
            fired: 0,
            fired_at: None,
            fired_after: None,
            boots: Vec::new(),
            trace_hash: None,
        };
        let (mut repeats, mut number) = (0, 1);
        let mut region = Vec::new();
        while let Some(plan) = self.workload.boots.get(number - 1) {
            let is_first_try = repeats == 0;
            let fault = fault.filter(|fault| is_first_try && fault.boot as usize == number);
            self.start(plan, trace.boots.is_empty(), is_first_try)?;
            let injected = self.boot(fault)?;
            if injected.fired > 0 {
                trace.fired = injected.fired;
                trace.fired_at = injected.pc;
                trace.fired_after = injected.after.map(|all| all.saturating_sub(self.instructions));
            }
            let policy = match fault {
                Some(Fault { effect: Effect::Reset { ram }, seed, .. }) if injected.fired > 0 => {
                    Some((*ram, *seed))
                }
                _ => None,
            };
            let boot = self.left(injected.boundary)?;
            if let Some((ram, seed)) = policy {
                self.change_ram(|bytes, noise| apply(ram, bytes, noise), seed)?;
            }
            let is_over = !matches!(boot.boundary, Boundary::Reset | Boundary::Watchdog);
            let silent = is_silent(&boot, &region);
            region.clone_from(&boot.region);
            trace.boots.push(boot);
            let is_last = number == self.workload.boots.len();
            repeats = if is_last && silent { repeats + 1 } else { 0 };
            if is_over || repeats == SILENT_BOOT_BUDGET || (is_last && !silent) {
                break;
            }
            number += usize::from(!is_last);
        }
        Ok(trace)
    }

    /// Brings the device before the first instruction of a boot, its command in place.
    fn start(
        &mut self,
        plan: &PlannedBoot,
        is_first: bool,
        is_first_try: bool,
    ) -> Result<(), BenchError> {
        match plan.start {
            Start::Cold(fill) if is_first_try => self.session.power_on(fill, plan.fill_seed)?,
            Start::Warm if is_first => {
                return Err(BenchError("start a run with a warm boot".to_owned()));
            }
            _ => self.session.reset_warm()?,
        }
        let places = &self.workload.places;
        self.session.write(places.mailbox, &plan.mailbox)?;
        self.session.write(places.marker, &[0; MARKER_LENGTH])
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
        let wait = self.session.wait(&self.deadline)?;
        match &wait {
            Wait::Boundary(Boundary::Hang { limit, .. }) if limit != TARGET_TIME => {
                Err(BenchError(format!("wait for the end of a boot: {limit} is used up")))
            }
            _ => Ok(wait),
        }
    }

    /// What the boot left.
    fn left(&mut self, boundary: Boundary) -> Result<BootTrace, BenchError> {
        if matches!(boundary, Boundary::Exit { .. } | Boundary::Lockup { .. }) {
            let (region, marker) = (Vec::new(), Vec::new());
            return Ok(BootTrace { boundary, instructions: 0, region, marker, ram_hash: None });
        }
        self.session.clear_breakpoints()?;
        let total = self.session.instructions()?.unwrap_or(0);
        let instructions = total.saturating_sub(self.instructions);
        self.instructions = total;
        let ram = self.read_ram()?;
        let places = &self.workload.places;
        let ram_hash = Some(hash_of_ram(places, &ram));
        let mut region = vec![0; places.crash_size as usize];
        let mut marker = vec![0; MARKER_LENGTH];
        self.session.read(places.crash_start, &mut region)?;
        self.session.read(places.marker, &mut marker)?;
        Ok(BootTrace { boundary, instructions, region, marker, ram_hash })
    }

    fn read_ram(&mut self) -> Result<Vec<(u32, Vec<u8>)>, BenchError> {
        let ranges = self.session.ram().to_vec();
        let mut ram = Vec::new();
        for (start, size_bytes) in ranges {
            let mut bytes = vec![0; size_bytes as usize];
            self.session.read(start, &mut bytes)?;
            ram.push((start, bytes));
        }
        Ok(ram)
    }

    fn change_ram(
        &mut self,
        change: impl Fn(&mut [u8], &mut Noise),
        seed: u64,
    ) -> Result<(), BenchError> {
        let mut noise = Noise::new(seed);
        for (start, mut bytes) in self.read_ram()? {
            change(&mut bytes, &mut noise);
            self.session.write(start, &bytes)?;
        }
        Ok(())
    }
}

/// Whether a boot ended with a reset and left nothing that says why.
fn is_silent(boot: &BootTrace, region_before: &[u8]) -> bool {
    boot.boundary == Boundary::Reset
        && EndMarker::read(&boot.marker).is_none()
        && crate::decode::records::new_record(region_before, &boot.region).is_none()
}
