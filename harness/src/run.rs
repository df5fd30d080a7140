//! Drives one scenario on one session and keeps what it left. Judges nothing.
//!
//! A boot that ends with a reset but left neither its end marker nor a new record is *silent*: it
//! is run again until the budget of boots is used up, so that a reset loop shows as what it is.

mod battery;
mod left;
mod places;
mod stops;

use self::left::{Left, named};
pub use self::places::Places;
use self::stops::Ended;
use crate::application;
use crate::entry::Entries;
use crate::evidence::{Blob, BootEvidence, Evidence, RamEvidence, SCHEMA, Watched};
use crate::image::Image;
use crate::noise::{Noise, tamper};
use crate::scenario::{BootPlan, ExpectedCrash, Fill, Scenario, Start, Tamper};
use crate::script::Script;
use crate::steps;
use crate::target::{BenchError, Boundary, Session, Target};
use crashrig_wire::command::Mailbox;
use crashrig_wire::marker::MARKER_LENGTH;
use crashrig_wire::record::{RECORD_LENGTH, Reading, read};
use crashrig_wire::region::{Geometry, Slot};
use crashrig_wire::{EndMarker, Fault};
use std::path::Path;
use std::time::Instant;

/// How many boots a run may have, each without a word, before the device counts as one that loops:
/// one more than the tries of a bootloader (`TRIES` in `firmware/bootloader`), whose loops end by
/// themselves, and are seen to.
pub const SILENT_BOOT_BUDGET: usize = 8;

/// What identifies a run.
#[derive(Debug, Clone, Copy)]
pub struct RunIdentity<'a> {
    /// Name of the test.
    pub test: &'a str,
    /// Never 0.
    pub run_id: u32,
    /// Everything random comes from here.
    pub seed: u64,
    /// Whether the device is stopped, and its core read, where a capture begins.
    pub stop_at_entry: bool,
    /// A word that is watched for stores of the core, where the session is observed.
    pub watch: Option<u32>,
}

/// Runs a scenario. Trouble of the bench is part of the evidence.
pub fn run(
    target: &dyn Target,
    image: &Image,
    scenario: &Scenario,
    identity: &RunIdentity<'_>,
    folder: &Path,
) -> Evidence {
    let started = Instant::now();
    let mut evidence = Evidence {
        schema: SCHEMA,
        test: identity.test.to_owned(),
        scenario: scenario.name.clone(),
        target: target.name().to_owned(),
        target_version: target.version().to_owned(),
        board: target.board().name.clone(),
        command_line: Vec::new(),
        seed: identity.seed,
        run_id: identity.run_id,
        crash_start: 0,
        has_witness: target.has_witness(),
        bench_problem: None,
        recovery: None,
        boots: Vec::new(),
        wall_ms: 0,
    };
    if let Err(problem) = drive(target, image, scenario, identity, folder, &mut evidence) {
        evidence.bench_problem = Some(problem.to_string());
    }
    evidence.wall_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    evidence
}

fn drive(
    target: &dyn Target,
    image: &Image,
    scenario: &Scenario,
    identity: &RunIdentity<'_>,
    folder: &Path,
    evidence: &mut Evidence,
) -> Result<(), BenchError> {
    let places = Places::of(image, target.board(), scenario)?;
    evidence.crash_start = places.crash_start;
    let mut noise = Noise::new(identity.seed);
    let flash = application::in_flash(image, scenario.application, &mut noise)?;
    let mut session = target.open(image, flash.as_ref(), &scenario.needs, folder)?;
    let watched = identity.watch.map(|address| Watched { address: address & !3, last_store: 0 });
    watched.map_or(Ok(()), |word| session.log_stores(word.address, 4))?;
    evidence.command_line = session.command_line();
    evidence.recovery = session.recovery();
    let mut driver = Driver {
        session,
        places,
        entries: if identity.stop_at_entry { Entries::of(image) } else { Entries::default() },
        can_restart_tick: steps::can_restart_tick(target.version()),
        measures: scenario.measure_bytes_lost,
        noise,
        run_id: identity.run_id,
        watched,
        ticket: 0,
        good_record: None,
        silent_boots: 0,
        instructions: 0,
        scripts: &scenario.scripts,
        crashes: &scenario.crashes,
    };
    for (index, plan) in scenario.boots.iter().enumerate() {
        let planned = u32::try_from(index + 1).unwrap_or(u32::MAX);
        loop {
            let first_try = driver.silent_boots == 0;
            let number = evidence.boots.len() + 1;
            let boot = driver.boot(plan, planned, number, first_try)?;
            let silent = driver.is_silent(&boot);
            let over = !goes_on(&boot);
            evidence.boots.push(boot);
            if over {
                return Ok(());
            }
            driver.silent_boots = if silent { driver.silent_boots + 1 } else { 0 };
            if driver.silent_boots == SILENT_BOOT_BUDGET {
                return Ok(());
            }
            if !silent {
                break;
            }
        }
    }
    Ok(())
}

/// Whether another boot can follow: after a reset, and after a lockup whose RAM was kept.
fn goes_on(boot: &BootEvidence) -> bool {
    match boot.boundary {
        Boundary::Reset | Boundary::Watchdog => true,
        Boundary::Lockup { .. } => !boot.ram.is_empty(),
        Boundary::Exit { .. } | Boundary::Hang { .. } => false,
    }
}

struct Driver<'a> {
    session: Box<dyn Session>,
    places: Places,
    /// Where the device is stopped besides.
    entries: Entries,
    /// Whether a stop need not lead to a clock tick at once.
    can_restart_tick: bool,
    /// Whether RAM is kept as it was before the first fault.
    measures: bool,
    noise: Noise,
    run_id: u32,
    watched: Option<Watched>,
    ticket: u32,
    /// The newest whole record that was seen in this run.
    good_record: Option<[u8; RECORD_LENGTH]>,
    silent_boots: usize,
    instructions: u64,
    scripts: &'a [Script],
    crashes: &'a [ExpectedCrash],
}

impl Driver<'_> {
    fn boot(
        &mut self,
        plan: &BootPlan,
        planned: u32,
        number: usize,
        first_try: bool,
    ) -> Result<BootEvidence, BenchError> {
        let file = |name: &str| format!("boot-{number}.{name}");
        self.start(plan, number, first_try)?;
        let region_before = self.read_region()?;
        self.send(plan.fault, plan)?;
        self.session.write(self.places.marker, &[0; MARKER_LENGTH])?;
        self.places.desk.map_or(Ok(()), |desk| desk.clear(self.session.as_mut()))?;
        let Ended { boundary, answers, ram_before_fault, entry } =
            self.run_boot(plan, planned, number)?;
        let instructions = match boundary {
            Boundary::Reset | Boundary::Hang { .. } => self.instructions_of_boot()?,
            // How far it came beyond the end of its time says something of the host only.
            Boundary::Watchdog => self.instructions_of_boot()?.and(None),
            Boundary::Exit { .. } | Boundary::Lockup { .. } => None,
        };
        let Left { region, marker, ram } = self.left(&boundary, &file("ram"))?;
        let [backup_registers, history] = self.left_on_battery()?;
        let logs = self.session.logs()?;
        if let Some(word) = &mut self.watched {
            let last = self.session.stores()?.last().map(|store| store.instruction);
            word.last_store = last.unwrap_or(word.last_store);
        }
        Ok(BootEvidence {
            planned,
            boundary,
            instructions,
            entry,
            answers: Blob::new(file("answers.bin"), answers),
            region_before: Blob::new(file("region-before.bin"), region_before),
            region_after: Blob::new(file("region-after.bin"), region),
            marker: Blob::new(file("marker.bin"), marker),
            backup_registers: Blob::new(file("backup-registers.bin"), backup_registers),
            history: Blob::new(file("history.bin"), history),
            bus_writes: self.session.bus_writes()?,
            watched: self.watched,
            ram,
            ram_before_fault,
            frames: Blob::new(file("log.bin"), logs.frames),
            console: Blob::new(file("console.txt"), logs.console),
            messages: Blob::new(file("messages.txt"), logs.messages),
            witness: Blob::new(file("witness.log"), logs.witness),
        })
    }

    /// Brings the device to its first instruction, RAM as the plan says.
    fn start(&mut self, plan: &BootPlan, number: usize, first_try: bool) -> Result<(), BenchError> {
        match plan.start {
            Start::Cold(fill) if first_try => self.power_on(fill, false)?,
            Start::Battery if first_try => self.power_on(Fill::Noise, true)?,
            _ if number == 1 => self.power_on(Fill::Noise, false)?,
            _ => self.session.reset_warm()?,
        }
        if let Some(slot) = plan.damaged_history.filter(|_| first_try) {
            self.damage_history(slot)?;
        }
        match plan.tamper {
            Some(tamper) if first_try => self.tamper(tamper),
            _ => Ok(()),
        }
    }

    fn power_on(&mut self, fill: Fill, battery: bool) -> Result<(), BenchError> {
        let seed = self.noise.next_word();
        self.session.power_on(fill, seed, battery)
    }

    fn tamper(&mut self, plan: Tamper) -> Result<(), BenchError> {
        // The boot before was to leave a good record. If it did not, that is judged of it.
        let bytes = tamper(plan.kind, self.good_record.as_ref(), &mut self.noise);
        let Some(bytes) = bytes else { return Ok(()) };
        let offset = self.geometry().offset_of(plan.slot);
        let address = self.places.crash_start + u32::try_from(offset).unwrap_or(0);
        self.session.write(address, &bytes)
    }

    fn geometry(&self) -> Geometry {
        Geometry::new(self.places.crash_size as usize)
    }

    fn send(&mut self, fault: Fault, plan: &BootPlan) -> Result<(), BenchError> {
        self.ticket += 1;
        let acknowledge = if plan.acknowledge { Mailbox::ACKNOWLEDGE } else { 0 };
        let mailbox = Mailbox {
            run_id: self.run_id,
            ticket: self.ticket,
            fault,
            flags: Mailbox::SEMIHOSTING | acknowledge,
            seed: u32::try_from(self.noise.next_word() >> 32).unwrap_or(0),
            parameters: plan.parameters(plan.parameter),
            without: plan.without.iter().fold(0, |bits, detector| bits | detector.bit()),
        };
        self.session.write(self.places.mailbox, &mailbox.to_bytes())
    }

    fn read_region(&mut self) -> Result<Vec<u8>, BenchError> {
        let mut bytes = vec![0; self.places.crash_size as usize];
        self.session.read(self.places.crash_start, &mut bytes)?;
        Ok(bytes)
    }

    /// What the boot left in memory, where that can still be read.
    fn left(&mut self, boundary: &Boundary, file: &str) -> Result<Left, BenchError> {
        let ram = match boundary {
            Boundary::Reset | Boundary::Watchdog | Boundary::Hang { .. } => {
                self.session.clear_breakpoints()?;
                self.read_ram(file)?
            }
            Boundary::Lockup { .. } => {
                // What comes next is counted from the start that follows.
                self.instructions = 0;
                let Some(kept) = self.session.lockup_ram()? else { return Ok(Left::default()) };
                named(self.session.ram(), kept, file)
            }
            Boundary::Exit { .. } => return Ok(Left::default()),
        };
        let left = Left::of(ram, &self.places)?;
        self.remember_good_record(&left.region);
        Ok(left)
    }

    fn read_ram(&mut self, file: &str) -> Result<Vec<RamEvidence>, BenchError> {
        let ranges = self.session.ram().to_vec();
        let mut ram = Vec::new();
        for (start, size) in &ranges {
            let mut bytes = vec![0; *size as usize];
            self.session.read(*start, &mut bytes)?;
            ram.push(bytes);
        }
        Ok(named(&ranges, ram, file))
    }

    fn remember_good_record(&mut self, region: &[u8]) {
        let geometry = self.geometry();
        for slot in Slot::ALL {
            let offset = geometry.offset_of(slot);
            let bytes = region.get(offset..).and_then(|rest| rest.first_chunk());
            if let Some(bytes) = bytes.filter(|bytes| matches!(read(*bytes), Reading::Valid(_))) {
                self.good_record = Some(*bytes);
            }
        }
    }

    fn instructions_of_boot(&mut self) -> Result<Option<u64>, BenchError> {
        let Some(total) = self.session.instructions()? else { return Ok(None) };
        let boot = total.saturating_sub(self.instructions);
        self.instructions = total;
        Ok(Some(boot))
    }

    /// Whether a boot that ended with a reset left nothing that says why.
    fn is_silent(&self, boot: &BootEvidence) -> bool {
        let ended = EndMarker::read(boot.marker.bytes()).is_some();
        boot.boundary == Boundary::Reset
            && !ended
            && crate::decode::records::new_record(
                boot.region_before.bytes(),
                boot.region_after.bytes(),
            )
            .is_none()
    }
}
