//! The steered guest of a plug-in engine, taken from boot to boot.

use super::{boundary, stopped};
use crate::noise::Noise;
use crate::sweep::engine::ram::change;
use crate::sweep::engine::{BootTrace, GOLDEN_NS};
use crate::sweep::fault::RamPolicy;
use crate::sweep::workload::Workload;
use crate::target::{BenchError, Boundary};
use crashrig_qemu::steer::{Command, Reply, Restored, Stopped, Until};
use crashrig_qemu::{Emulator, RamRange, Steered};
use crashrig_wire::marker::MARKER_LENGTH;
use std::path::Path;
use std::sync::Arc;

/// Most boots of a golden run.
const BOOTS: usize = 60;

/// Numbers of the plug-in's slots.
pub(super) struct Slot;

impl Slot {
    /// Where the links of a trigger are met.
    pub(super) const BASE: u8 = 126;
    /// Some instructions further on.
    pub(super) const NEAR: u8 = 127;

    /// The first instruction of a boot of the golden run, by its index.
    pub(super) fn start_of(index: usize) -> u8 {
        u8::try_from(index.min(BOOTS)).unwrap_or(u8::MAX)
    }

    /// Its end.
    pub(super) fn end_of(index: usize) -> u8 {
        Self::start_of(index) + 63
    }
}

/// A run to the end of a boot.
pub(super) const fn to_end(limit: u64) -> Command {
    Command::Run { limit, until: Until::End, skip: 0 }
}

/// See the module.
pub(super) struct Guest {
    steered: Steered,
    pub(super) workload: Arc<Workload>,
}

impl Guest {
    /// Starts QEMU and takes its guest over.
    pub(super) fn start(
        workload: &Arc<Workload>,
        plugin: &Path,
        folder: &Path,
        processor: usize,
    ) -> Result<Self, BenchError> {
        if workload.has_host_models {
            return Err(BenchError("steer from inside: devices of the host are needed".to_owned()));
        }
        std::fs::create_dir_all(folder).map_err(BenchError::of)?;
        let mut launch = workload.launch.clone();
        launch.output_folder = folder.to_owned();
        launch.observer = Some(plugin.to_owned());
        launch.steered = true;
        launch.host_processor = Some(processor);
        let range = |(address, size_bytes): &(u32, u32)| RamRange {
            address: *address,
            size_bytes: *size_bytes,
        };
        let ram: Vec<_> = workload.ram.iter().map(range).collect();
        let emulator = Emulator::start(&launch).map_err(BenchError::of)?;
        let steered = emulator.steer(&ram).map_err(BenchError::of)?;
        Ok(Self { steered, workload: Arc::clone(workload) })
    }

    pub(super) fn carry_out(&mut self, commands: &[Command]) -> Result<Vec<Reply>, BenchError> {
        self.steered.carry_out(commands).map_err(BenchError::of)
    }

    /// The golden run, each of its boots kept at its start and at its end.
    pub(super) fn golden(&mut self) -> Result<Vec<BootTrace>, BenchError> {
        let budget = GOLDEN_NS >> self.workload.launch.instruction_shift.unwrap_or_default();
        let mut done = Vec::new();
        while let Some(index) = self.workload.next(&done) {
            let number = done.len();
            if number > 0 {
                self.carry_out(&[Command::Reset])?;
            }
            if number >= BOOTS {
                return Err(BenchError(format!("keep the golden run: more than {BOOTS} boots")));
            }
            self.prepare(index, None)?;
            let save = |slot| Command::Save { slot, whole: false };
            self.carry_out(&[save(Slot::start_of(number))])?;
            let ran = self.carry_out(&[to_end(budget), save(Slot::end_of(number))])?;
            done.push(self.trace(stopped(&ran)?, budget)?);
        }
        Ok(done)
    }

    /// A boot with the command of a planned one. It begins with the CPU and the devices of that
    /// boot's start in the golden run.
    pub(super) fn boot_again(
        &mut self,
        index: usize,
        ram: Option<(RamPolicy, u64)>,
        budget: u64,
    ) -> Result<Vec<Reply>, BenchError> {
        let what = Restored::Devices;
        self.carry_out(&[Command::Restore { slot: Slot::start_of(index), what }])?;
        self.prepare(index, ram)?;
        self.carry_out(&[to_end(budget)])
    }

    /// Puts memory and command of a planned boot in their place. `ram` is what the reset before it
    /// does to memory that is kept, with its seed.
    fn prepare(&mut self, index: usize, ram: Option<(RamPolicy, u64)>) -> Result<(), BenchError> {
        let workload = Arc::clone(&self.workload);
        let planned = workload.boots.get(index);
        let planned = planned.ok_or_else(|| BenchError(format!("find boot {}", index + 1)))?;
        match (&planned.memory, ram) {
            (Some(memory), _) => {
                for (address, bytes) in memory {
                    self.write(*address, bytes.clone())?;
                }
            }
            (None, Some((policy, seed))) => self.change_ram(policy, seed)?,
            (None, None) => {}
        }
        self.write(workload.mailbox, planned.mailbox.to_vec())?;
        self.write(workload.marker, vec![0; MARKER_LENGTH])
    }

    fn write(&mut self, address: u32, bytes: Vec<u8>) -> Result<(), BenchError> {
        self.carry_out(&[Command::Write { address, bytes }]).map(drop)
    }

    fn change_ram(&mut self, policy: RamPolicy, seed: u64) -> Result<(), BenchError> {
        if policy == RamPolicy::Kept {
            return Ok(());
        }
        let mut noise = Noise::new(seed);
        for (start, size) in self.workload.ram.clone() {
            let mut bytes = match policy {
                RamPolicy::Decayed => self.read(start, size)?,
                _ => vec![0; size as usize],
            };
            change(&mut bytes, policy, &mut noise);
            self.write(start, bytes)?;
        }
        Ok(())
    }

    fn read(&mut self, address: u32, size_bytes: u32) -> Result<Vec<u8>, BenchError> {
        self.steered.read(address, size_bytes).map_err(BenchError::of)
    }

    /// What a boot has left that has just stopped.
    pub(super) fn trace(&mut self, end: Stopped, budget: u64) -> Result<BootTrace, BenchError> {
        let read = self.reads();
        let replies = self.carry_out(&read)?;
        let mut trace = Self::trace_of(end, budget, &replies);
        if self.workload.hashes_ram && trace.boundary == Boundary::Reset {
            let workload = Arc::clone(&self.workload);
            let ranges = workload.ram.iter();
            let ram = ranges.map(|(start, size_bytes)| self.read(*start, *size_bytes));
            trace.ram_hash = Some(workload.hash_of_ram(ram.collect::<Result<_, _>>()?));
        }
        Ok(trace)
    }

    /// The commands that read what a boot leaves.
    pub(super) fn reads(&self) -> [Command; 2] {
        let Workload { crash_start, crash_size, marker, .. } = *self.workload;
        let read = |address, size_bytes| Command::Read { address, size_bytes };
        [read(crash_start, crash_size), read(marker, MARKER_LENGTH as u32)]
    }

    /// What a boot has left, by the replies to [`Guest::reads`]. Of a hang only that: it is no end
    /// at which engines would agree.
    pub(super) fn trace_of(end: Stopped, budget: u64, replies: &[Reply]) -> BootTrace {
        let instructions = end.executed;
        let boot = BootTrace::without_memory(boundary(end.reason));
        let mut trace = BootTrace { instructions, ..boot };
        match trace.boundary {
            Boundary::Reset => {
                if let [Reply::Bytes(region), Reply::Bytes(marker)] = replies {
                    trace.region.clone_from(region);
                    trace.marker.clone_from(marker);
                }
            }
            Boundary::Hang { .. } => trace.instructions = budget,
            _ => trace.instructions = 0,
        }
        trace
    }
}
