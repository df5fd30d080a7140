//! What every run of a sweep starts from: the image in an emulator, and the boots of the golden
//! run, as bytes.
//!
//! Engines share it, so that all of them give the device the same memory and the same commands, in
//! the same order. Must never happen here: anything that depends on the fault.

use super::engine::BootTrace;
use crate::application::in_flash;
use crate::decode::records::new_record;
use crate::image::Image;
use crate::noise::Noise;
use crate::run::{Places, SILENT_BOOT_BUDGET};
use crate::scenario::{Fill, Scenario, Start};
use crate::sweep::commands::commands;
use crate::sweep::hash::Fnv;
use crate::target::emulator::EmulatorTarget;
use crate::target::{BenchError, Boundary, Target as _};
use crashrig_qemu::Launch;
use crashrig_wire::EndMarker;
use crashrig_wire::command::MAILBOX_LENGTH;
use crashrig_wire::marker::MARKER_LENGTH;
use std::path::Path;

/// The hook that every reset of software comes through.
const RESET_HOOK: &str = "crashrig_reset_hook";

/// One boot of the golden run.
#[derive(Debug, Clone)]
pub struct PlannedBoot {
    /// All RAM at power-on, first addresses and bytes; without it a reset keeps what there is.
    pub memory: Option<Vec<(u32, Vec<u8>)>>,
    /// The command.
    pub mailbox: [u8; MAILBOX_LENGTH],
}

/// What every run of a sweep starts from.
#[derive(Debug, Clone)]
pub struct Workload {
    /// The emulator with the image: no log, and no semihosting, by which a core that has run wild
    /// could reach files of this machine.
    pub launch: Launch,
    /// RAM ranges of the device, `(start, size in bytes)`, lowest first.
    pub ram: Vec<(u32, u32)>,
    /// The boots, in order; at least one.
    pub boots: Vec<PlannedBoot>,
    /// Where the mailbox lies.
    pub mailbox: u32,
    /// Where the end marker lies.
    pub marker: u32,
    /// First address of the crash region.
    pub crash_start: u32,
    /// Size of the crash region in bytes.
    pub crash_size: u32,
    /// What every reset by software comes through, if the image has that.
    pub reset_hook: Option<u32>,
    /// Whether the scenario needs devices that the host supplies.
    pub has_host_models: bool,
    /// Whether traces have a hash over RAM.
    pub hashes_ram: bool,
    /// First address and length of what such a hash leaves out: what is judged by itself, and, in a
    /// sweep that asks for RAM, the stacks of the image. What lies there at the end of a boot is
    /// left of calls that have returned or never will, and the next boot writes before it reads.
    not_hashed: Vec<(u32, usize)>,
}

impl Workload {
    /// The workload of a scenario on a target for wild cores
    /// ([`EmulatorTarget::for_wild_cores`]). What has to be written for it goes into a folder.
    ///
    /// # Errors
    /// The scenario does what no engine can repeat, or the image lacks a symbol.
    pub fn new(
        target: &EmulatorTarget,
        image: &Image,
        scenario: &Scenario,
        seed: u64,
        folder: &Path,
    ) -> Result<Self, BenchError> {
        refuse(scenario)?;
        let Places { mailbox, marker, crash_start, crash_size, .. } =
            Places::of(image, target.board(), scenario)?;
        let mut noise = Noise::new(seed);
        let flash = in_flash(image, scenario.application, &mut noise)?;
        let launch = target.launch(image, flash.as_ref(), folder)?;
        let ram = target.ram();
        let mailboxes = commands(scenario, seed);
        let boots = scenario.boots.iter().zip(mailboxes).enumerate().map(|(index, (plan, it))| {
            let fill = match plan.start {
                Start::Cold(fill) => Some(fill),
                Start::Warm => (index == 0).then_some(Fill::Noise),
                // Refused above.
                Start::Battery => Some(Fill::Noise),
            };
            let memory = fill.map(|fill| power_on(&ram, fill, noise.next_word()));
            PlannedBoot { memory, mailbox: it.to_bytes() }
        });
        let boots = boots.collect();
        let reset_hook = image.symbol(RESET_HOOK).map(|symbol| symbol.address);
        let has_host_models = target.has_host_models(&scenario.needs);
        let hashes_ram = scenario.sweep.as_ref().is_some_and(|sweep| sweep.latent);
        let stacks = image.areas().iter().filter(|_| hashes_ram);
        let stacks = stacks.filter(|area| area.name.ends_with("-stack"));
        let stacks = stacks.map(|area| (area.start, area.end.saturating_sub(area.start) as usize));
        let judged = [
            (mailbox, MAILBOX_LENGTH),
            (marker, MARKER_LENGTH),
            (crash_start, crash_size as usize),
        ];
        Ok(Self {
            launch,
            ram,
            boots,
            mailbox,
            marker,
            crash_start,
            crash_size,
            reset_hook,
            has_host_models,
            hashes_ram,
            not_hashed: judged.into_iter().chain(stacks).collect(),
        })
    }

    /// The planned boot that comes after some boots, by its index. Each planned one comes once; the
    /// last is repeated while the device is silent: while its boots end with a reset, or by a
    /// watchdog, and leave neither end marker nor record.
    #[must_use]
    pub fn next(&self, done: &[BootTrace]) -> Option<usize> {
        let Some(last) = done.last() else { return Some(0) };
        if !matches!(last.boundary, Boundary::Reset | Boundary::Watchdog) {
            return None;
        }
        if done.len() < self.boots.len() {
            return Some(done.len());
        }
        let silent = (0..done.len()).rev().take_while(|index| self.is_silent(done, *index)).count();
        (1..SILENT_BOOT_BUDGET).contains(&silent).then(|| self.boots.len() - 1)
    }

    /// A hash over all RAM of the device but mailbox, end marker and crash region, and but for
    /// stacks where the sweep asks for it. `ram` has the bytes of each range.
    #[must_use]
    pub fn hash_of_ram(&self, ram: Vec<Vec<u8>>) -> u64 {
        let mut hash = Fnv::default();
        for ((start, _), mut bytes) in self.ram.iter().zip(ram) {
            for (address, length) in &self.not_hashed {
                let Some(first) = address.checked_sub(*start) else { continue };
                let first = first as usize;
                if let Some(part) = bytes.get_mut(first..first + *length) {
                    part.fill(0);
                }
            }
            hash.add_part(&bytes);
        }
        hash.value()
    }

    fn is_silent(&self, done: &[BootTrace], index: usize) -> bool {
        let Some(boot) = done.get(index) else { return false };
        let keeps = self.boots.get(index).is_none_or(|planned| planned.memory.is_none());
        let before = index.checked_sub(1).filter(|_| keeps).and_then(|index| done.get(index));
        let before = before.map_or(&[][..], |before| &before.region);
        matches!(boot.boundary, Boundary::Reset | Boundary::Watchdog)
            && EndMarker::read(&boot.marker).is_none()
            && new_record(before, &boot.region).is_none()
    }
}

fn refuse(scenario: &Scenario) -> Result<(), BenchError> {
    let refused = [
        (scenario.boots.is_empty(), "no boot"),
        (!scenario.scripts.is_empty(), "a script"),
        (scenario.boots.iter().any(|boot| boot.then.is_some()), "a command while a boot runs"),
        (scenario.boots.iter().any(|boot| boot.tamper.is_some()), "a tampered record"),
        (scenario.boots.iter().any(|boot| boot.start == Start::Battery), "a start on a battery"),
    ];
    match refused.iter().find(|(has, _)| *has) {
        Some((_, what)) => Err(BenchError(format!("sweep over {}: it has {what}", scenario.name))),
        None => Ok(()),
    }
}

/// All RAM as a power-on leaves it.
fn power_on(ram: &[(u32, u32)], fill: Fill, seed: u64) -> Vec<(u32, Vec<u8>)> {
    let mut noise = Noise::new(seed);
    let range = |(start, size): &(u32, u32)| {
        let mut bytes = vec![0; *size as usize];
        if fill == Fill::Noise {
            noise.fill(&mut bytes);
        }
        (*start, bytes)
    };
    ram.iter().map(range).collect()
}
